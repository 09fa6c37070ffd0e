"""Music that is composed while it plays: an endless programme of pieces (programme.py), in seconds and with knobs
that turn at bar lines (stream.py), paced by a clock (session.py).

Knows composers; knows no server, no sound and no terminal.
"""

from __future__ import annotations

from playbach.live.programme import Bar, Change, Opening, Programme, Settings, check_knob
from playbach.live.session import NEXT, Clock, Figures, Item, Pacing, RealClock, Session
from playbach.live.stream import Key, Stream, Timed, TimedBar, key

__all__ = [
    "NEXT",
    "Bar",
    "Change",
    "Clock",
    "Figures",
    "Item",
    "Key",
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
