"""The `events` encoding: any polyphonic music as one sequence of symbols. `encoding.py` describes the symbols."""

from playbach.encodings.events.constants import EventsOptions
from playbach.encodings.events.encoding import EventsEncoding

__all__ = ["EventsEncoding", "EventsOptions"]
