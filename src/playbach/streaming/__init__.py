"""Music that is composed while it plays: an endless programme of pieces (programme.py), as a stream in seconds
(stream.py), paced by a clock (session.py), and played on this computer (player.py).

Knows composers, but not the server and not the command line.
"""

from __future__ import annotations

from playbach.streaming.programme import (
    LASTING_PARAMETERS,
    PARAMETERS,
    ComposedBar,
    PieceHeader,
    Programme,
    ProgrammeChange,
    ProgrammeSettings,
    check_parameter,
)
from playbach.streaming.session import Clock, Pacing, RealClock, Session, SessionStatistics, StreamItem
from playbach.streaming.stream import NoteKey, Stream, StreamNote, TimedBar, note_key

__all__ = [
    "LASTING_PARAMETERS",
    "PARAMETERS",
    "Clock",
    "ComposedBar",
    "NoteKey",
    "Pacing",
    "PieceHeader",
    "Programme",
    "ProgrammeChange",
    "ProgrammeSettings",
    "RealClock",
    "Session",
    "SessionStatistics",
    "Stream",
    "StreamItem",
    "StreamNote",
    "TimedBar",
    "check_parameter",
    "note_key",
]
