"""The `events` encoding: any polyphonic music as one sequence of symbols. `encoding.py` describes the symbols."""

from playbach.encodings.events.encoding import EventsEncoding
from playbach.encodings.options import EventsOptions

__all__ = ["EventsEncoding", "EventsOptions"]
