"""The `events` encoding: any polyphonic music as one row of symbols. `encoding.py` says how a piece is written."""

from playbach.encodings.events.constants import EventsOptions
from playbach.encodings.events.encoding import EventsEncoding

__all__ = ["EventsEncoding", "EventsOptions"]
