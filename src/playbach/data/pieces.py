"""Pieces of music and the corpora that they form: train, validation and test pieces, each known by its notes.

Knows scores and where their bytes are kept; knows nothing of folders or encodings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from symusic.core import ScoreTick as Score

from playbach.music.scores import revived
from playbach.system.spool import Kept

SIDES = ("train", "valid", "test")
"""The sides of a split."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece by name, with the hash of its notes, by which it is recognised under any name."""

    name: str
    source: Score | Kept
    """The score itself, or where its bytes are kept."""
    digest: str

    @property
    def score(self) -> Score:
        """Where it is kept, it is made anew each time."""
        return self.source if isinstance(self.source, Score) else revived(self.source.read())

    def state(self) -> bytes:
        """The score as bytes, from which `revived` makes it again."""
        return bytes(self.source.__getstate__()) if isinstance(self.source, Score) else self.source.read()


@dataclass(frozen=True, slots=True)
class ReadPiece:
    """A readable file, and all that must be known of it before its score is needed again."""

    piece: Piece
    notes: int
    kind: str
    """The encoding that is made for it."""
    unfit: dict[str, str | None]
    """By encoding, why it cannot hold the piece."""
    runs: Kept


@dataclass(frozen=True)
class Corpus:
    """Pieces by side of the split, and the files that were left out, each with the reason."""

    name: str
    train: tuple[Piece, ...]
    valid: tuple[Piece, ...]
    test: tuple[Piece, ...]
    skipped: tuple[str, ...] = ()
    tunes: int = 0

    def pieces(self) -> Iterator[tuple[str, Piece]]:
        for side in SIDES:
            for piece in getattr(self, side):
                yield side, piece
