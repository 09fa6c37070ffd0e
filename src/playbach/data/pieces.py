"""Pieces of music, and the corpora of training, validation and test pieces that they form.

Knows scores and where their bytes are kept; knows nothing of folders or encodings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from symusic.core import ScoreTick as Score

from playbach.music.scores import score_from_bytes
from playbach.system.spool import SpoolEntry

SIDES = ("train", "valid", "test")
"""The sides of a split."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece by name."""

    name: str
    source: Score | SpoolEntry
    """The score itself, or the place where its bytes are kept."""
    digest: str
    """The hash of its notes, which identifies the piece under any name."""

    @property
    def score(self) -> Score:
        """The score. One that is kept as bytes is made again each time."""
        return self.source if isinstance(self.source, Score) else score_from_bytes(self.source.read())

    def state(self) -> bytes:
        """The score as bytes, for `score_from_bytes`."""
        return bytes(self.source.__getstate__()) if isinstance(self.source, Score) else self.source.read()


@dataclass(frozen=True, slots=True)
class ReadPiece:
    """A piece that was read, and what the choice of an encoding and the split need to know of it."""

    piece: Piece
    notes: int
    """The number of notes."""
    encoding: str
    """The encoding that suits it."""
    rejections: dict[str, str | None]
    """For each encoding: why it cannot represent the piece, or None."""
    remarks: dict[str, tuple[str, ...]]
    """For each encoding: what reading the file and the encoding leave out or change."""
    runs: SpoolEntry
    """Hashes of the intervals of its melody, by which pieces with one tune are found."""


@dataclass(frozen=True)
class Corpus:
    """The pieces on each side of the split."""

    name: str
    train: tuple[Piece, ...]
    valid: tuple[Piece, ...]
    test: tuple[Piece, ...]
    skipped: tuple[str, ...] = ()
    """One line for each file that was left out, with the reason."""
    tunes: int = 0
    """The number of different tunes."""

    def pieces(self) -> Iterator[tuple[str, Piece]]:
        """All pieces, each with its side."""
        for side in SIDES:
            for piece in getattr(self, side):
                yield side, piece
