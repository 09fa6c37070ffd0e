"""Music that is composed while it plays: an endless programme of pieces (programme.py), in seconds and with knobs
that turn at bar lines (stream.py), paced by a clock (session.py).

Knows composers; knows no server, no sound and no terminal.
"""

from __future__ import annotations

from playbach.streaming.programme import Bar, KnobChange, Opening, Programme, Settings, check_knob
from playbach.streaming.session import NEXT, Clock, Figures, Item, Pacing, RealClock, Session
from playbach.streaming.stream import Key, Stream, Timed, TimedBar, key

__all__ = [
    "NEXT",
    "Bar",
    "Clock",
    "Figures",
    "Item",
    "Key",
    "KnobChange",
    "Opening",
    "Pacing",
    "Programme",
    "RealClock",
    "Session",
    "Settings",
    "Stream",
    "Timed",
    "TimedBar",
    "check_knob",
    "key",
]
