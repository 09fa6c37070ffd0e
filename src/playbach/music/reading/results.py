"""What comes of reading a music file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symusic.core import ScoreTick as Score


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The music of a file, and what a user should know of how it was read."""

    score: Score
    remarks: tuple[str, ...] = ()
    """One line for each kind of thing that was left out or changed, with a count, such as `3 notes have no end; each
    ends with its track`. A remark does not name the file."""
    ornaments: Mapping[str, int] = field(default_factory=dict)
    """How many ornaments of each kind were played out (or left out, if that was asked for): `{"trill": 3}`."""
