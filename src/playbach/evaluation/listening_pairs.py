"""The pairs of a listening test: in each, an excerpt of a held-out piece and one that a model composed.

`listening_test.py` makes them, and the server plays them. Knows what is in their file; reads and writes none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from playbach.music.events import MAX_TEMPO, MIN_TEMPO
from playbach.system.errors import PlaybachError

PAIRS_VERSION = 1
"""Of the file."""
MAX_PAIRS, MAX_EXCERPT_BARS, MAX_EXCERPT_NOTES = 100, 64, 10_000
MAX_EXCERPT_SECONDS = 1000.0
_SLACK = 0.01
"""In seconds: times are rounded."""


class PairError(PlaybachError):
    """A file of pairs that is damaged or of another version."""


class PairVoice(NamedTuple):
    """A voice of both excerpts of a pair."""

    name: str
    program: int
    """Of General MIDI, 0 to 127."""
    drums: bool
    """If true, `program` is a drum kit."""


class PairNote(NamedTuple):
    """A note of an excerpt."""

    voice: int
    """An index into the pair's voices."""
    pitch: int
    velocity: int
    at: float
    """When it begins, in seconds."""
    seconds: float
    """Its length."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The first bars of a piece, as they are performed."""

    seconds: float
    notes: tuple[PairNote, ...]
    """In the order of their times."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two excerpts that are alike in all but their notes, and where they are from."""

    voices: tuple[PairVoice, ...]
    meter: str
    """Such as `3/4`."""
    tempo: float
    """Of both pieces, in quarter notes a minute."""
    real: Excerpt
    composed: Excerpt
    piece: str
    """The name of the held-out piece."""
    seed: int
    """Of the composed piece."""
    bars: int
    """Of each of the two pieces as a whole."""

    def __post_init__(self) -> None:
        if not self.voices or not MIN_TEMPO <= self.tempo <= MAX_TEMPO or self.bars < 1 or self.seed < 0:
            raise PairError("a pair's voices, tempo, bars or seed are not valid")
        if any(not 0 <= voice.program <= 127 for voice in self.voices):
            raise PairError("a program is not between 0 and 127")
        for excerpt in (self.real, self.composed):
            _check(excerpt, len(self.voices))


@dataclass(frozen=True, slots=True)
class ListeningTest:
    """All pairs, and what they have in common."""

    version: int
    model: str
    bundle: str
    """The SHA-256 of the model."""
    corpus: str
    """Where the held-out pieces are from."""
    composer: str
    """Whose music they are, as the page asks for it: "Bach"."""
    excerpt_bars: int
    seed: int
    """Which pieces were drawn follows from it."""
    remarks: tuple[str, ...]
    """What was left out, and why."""
    pairs: tuple[Pair, ...]

    def __post_init__(self) -> None:
        if self.version != PAIRS_VERSION:
            raise PairError(f"it is of version {self.version}, but this program reads version {PAIRS_VERSION}")
        if not 1 <= len(self.pairs) <= MAX_PAIRS or not 1 <= self.excerpt_bars <= MAX_EXCERPT_BARS:
            raise PairError(f"it must have 1 to {MAX_PAIRS} pairs of 1 to {MAX_EXCERPT_BARS} bars")


def _check(excerpt: Excerpt, voices: int) -> None:
    numbers = [excerpt.seconds, *(n for note in excerpt.notes for n in note[3:])]
    if not all(map(math.isfinite, numbers)) or not 0 < excerpt.seconds <= MAX_EXCERPT_SECONDS:
        raise PairError("an excerpt's length is not valid")
    if not 1 <= len(excerpt.notes) <= MAX_EXCERPT_NOTES:
        raise PairError(f"an excerpt must have 1 to {MAX_EXCERPT_NOTES:,} notes")
    for voice, pitch, velocity, at, seconds in excerpt.notes:
        inside = at >= 0 and seconds > 0 and at + seconds <= excerpt.seconds + _SLACK
        if not (inside and 0 <= voice < voices and 0 <= pitch <= 127 and 1 <= velocity <= 127):
            raise PairError("a note is not valid")
