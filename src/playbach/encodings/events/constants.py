"""What the `events` encoding learns from training pieces and stores: its options, its alphabet and a few limits.

The encoding and its decoder are built on these. Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

from playbach.encodings.events.alphabet import Alphabet
from playbach.encodings.events.grid import DRUM_PROGRAM
from playbach.encodings.options import EventsOptions
from playbach.music.bars import Header
from playbach.music.events import Track


@dataclass(frozen=True)
class EventsConstants:
    """What `EventsEncoding` stores. `meters` and `headers` are those of every encoding."""

    options: EventsOptions
    alphabet: Alphabet
    parts: tuple[tuple[int, int, int], ...]
    """For each track: its lowest pitch, its highest pitch, and the most notes that begin together."""
    programs: tuple[int, ...]
    """(129,): the track of each program, and last that of the drums; -1 for none."""
    longest: int
    """The longest note, in units."""
    empty_bars: int
    """The most bars in succession in which no note begins."""
    closing_notes: int
    """The number of notes with which a piece usually ends."""
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]

    def __post_init__(self) -> None:
        """Check what may come from a file.

        Raises:
            ValueError: the constants contradict each other.
        """
        tracks = len(self.alphabet.tracks)
        if len(self.parts) != tracks:
            raise ValueError(f"expected {tracks} parts, got {len(self.parts)}")
        if len(self.programs) != DRUM_PROGRAM + 1 or any(not -1 <= track < tracks for track in self.programs):
            raise ValueError(f"expected {DRUM_PROGRAM + 1} programs with tracks from -1 to {tracks - 1}")

    @property
    def tracks(self) -> tuple[Track, ...]:
        return self.alphabet.tracks

    @property
    def has_velocities(self) -> bool:
        return self.alphabet.has_velocities
