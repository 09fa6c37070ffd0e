"""What the `events` encoding learns from training pieces and keeps: its options, its alphabet and a few limits.

The encoding and its decoder are both built on these. Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from playbach.encodings.events.alphabet import Alphabet
from playbach.encodings.events.grid import DRUMS
from playbach.music.bars import Header
from playbach.music.events import Track
from playbach.system.errors import UsageError

PROGRAMS = ("exact", "families")
TEMPOS = ("kept", "fixed")


@dataclass(frozen=True, slots=True)
class EventsOptions:
    """`programs`: each of General MIDI's 128 is an instrument, or each of its 16 families. `tempos` are kept as they
    change, or fixed at that of the beginning. `velocities` are composed where training pieces have any dynamics."""

    programs: Literal["exact", "families"] = "exact"
    tempos: Literal["kept", "fixed"] = "kept"
    velocities: bool = True

    def __post_init__(self) -> None:
        for name, known in (("programs", PROGRAMS), ("tempos", TEMPOS), ("velocities", (False, True))):
            if getattr(self, name) not in known:
                listed = ", ".join(map(str, known))
                raise UsageError(f"{name} must be one of: {listed}; not {getattr(self, name)!r:.40}")


@dataclass(frozen=True)
class EventsConstants:
    """`alphabet` is what the symbols are made of. `parts` has a row for each track: lowest and highest pitch, and how
    many notes it strikes at once at most. `programs` (129) gives the track of each program, and last of the drums; -1
    where there is none. `longest` is the longest note in units, `rests` the most bars in succession in which nothing
    begins, `closing` how many notes a piece usually ends with."""

    options: EventsOptions
    alphabet: Alphabet
    parts: tuple[tuple[int, int, int], ...]
    programs: tuple[int, ...]
    longest: int
    rests: int
    closing: int
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]

    def __post_init__(self) -> None:
        """ValueError where it cannot be: it may come from a file."""
        tracks = len(self.alphabet.tracks)
        if len(self.parts) != tracks:
            raise ValueError(f"expected {tracks} parts, got {len(self.parts)}")
        if len(self.programs) != DRUMS + 1 or any(not -1 <= track < tracks for track in self.programs):
            raise ValueError("a program has no track")

    @property
    def tracks(self) -> tuple[Track, ...]:
        return self.alphabet.tracks

    @property
    def velocities(self) -> bool:
        return self.alphabet.velocities
