"""Windows of encoded music for training: which piece, in which key, cut where, in what order.

numpy only; the encoded music lies on disk. Each epoch takes every training piece once, in a random one of its keys,
long ones cut into windows from a random place on; what an epoch holds depends on its seed and number alone, and each
batch has random numbers of its own, so that training can go on in the middle of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from playbach.data.pieces import Piece
from playbach.data.shards import BEGIN, PIECE, SHARD, STEPS, Shards, build, opened
from playbach.encodings import EncodedPiece, Encoding
from playbach.encodings.base import LEFT_UNKNOWN
from playbach.music.arrays import Ints
from playbach.system.progress import Progress

Longs = npt.NDArray[np.int64]

SIDE = "train"
IGNORED = -100
"""The target of a step that pads a window."""
UNKNOWN_LEFT = 0.25
"""The share of windows that are not told how much of the piece is left."""
RARE_UNKNOWN = 0.2
"""How often a symbol that stands once in the training pieces is shown as UNKNOWN, so that its cost is learnt."""


@dataclass(frozen=True, slots=True)
class Batch:
    """previous (B, T, F), context (B, T, C), target (B, T, F), int64; IGNORED where a window is padded."""

    previous: Longs
    context: Longs
    target: Longs
    among: float | None = None
    """Where other processes have the rest of the batch: how many steps each of them has on average, so that the mean
    of what they make of it is that of the whole batch. None where this is all of it."""


def previous_of(steps: Ints, encoding: Encoding) -> Ints:
    """The steps moved by one, the start symbol V first."""
    start = np.array([[len(f) for f in encoding.fields]], steps.dtype)
    return np.concatenate([start, steps[:-1]])


def _row(shard: int, row: int) -> int:
    """A number for a row of a shard that grows from one shard to the next."""
    return (shard << 40) + row


class TrainingSet:
    """The training pieces in all their keys, encoded, on disk."""

    def __init__(
        self,
        pieces: tuple[Piece, ...],
        encoding: Encoding,
        folder: Path | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Progress = lambda work, total: work,
    ) -> None:
        """Arguments and errors are those of `shards.build`."""
        self._take(build(pieces, encoding, SIDE, folder, all_keys=True, stop=stop, progress=progress), encoding)

    @classmethod
    def opened(cls, encoding: Encoding, folder: Path) -> Self:
        """What another process has encoded. Errors are those of `shards.opened`."""
        made = cls.__new__(cls)
        made._take(opened(encoding, SIDE, folder), encoding)
        return made

    def _take(self, shards: Shards, encoding: Encoding) -> None:
        self._encoding, self.shards = encoding, shards
        index = self.shards.index
        self._first = np.flatnonzero(np.diff(index[:, PIECE], prepend=-1))
        self._keys = np.diff(self._first, append=len(index))
        self._lengths = index[self._first, STEPS]
        self.steps = int(self._lengths.sum())
        self._rare = self._find_rare()

    @property
    def sequences(self) -> int:
        return len(self.shards.index)

    def originals(self) -> Iterator[EncodedPiece]:
        """Each piece in its own key."""
        return map(self.shards.sequence, self.shards.originals().tolist())

    def in_keys(self) -> Iterator[list[EncodedPiece]]:
        """Each piece in all its keys."""
        for first, keys in zip(self._first.tolist(), self._keys.tolist()):
            yield [self.shards.sequence(row) for row in range(first, first + keys)]

    def like(self, steps: int, seed: int) -> list[EncodedPiece]:
        """Pieces of about so many steps, in their own keys."""
        rows = np.random.default_rng(seed).permutation(self.shards.originals())
        until = int(np.searchsorted(self.shards.index[rows, STEPS].cumsum(), steps)) + 1
        return [self.shards.sequence(row) for row in rows[:until].tolist()]

    def _find_rare(self) -> npt.NDArray[np.bool_]:
        """Which symbols of the first field (V,) stand about once in the training pieces, in all their keys."""
        counts = np.zeros(len(self._encoding.fields[0]), np.int64)
        for steps in self.shards.steps():
            counts += np.bincount(steps[:, 0], minlength=len(counts))
        return counts <= max(1, round(self.sequences / max(1, len(self._first))))

    @cached_property
    def _rare_places(self) -> Longs:
        """Where the rare symbols stand, as `_row` numbers them, in order. They are few."""
        found = [np.flatnonzero(self._rare[steps[:, 0]]) + _row(i, 0) for i, steps in enumerate(self.shards.steps())]
        return np.concatenate([np.empty(0, np.int64), *found])

    def windows(self, length: int) -> int:
        """About how many windows an epoch has."""
        cut = self._lengths > length
        return max(1, round(float(np.where(cut, self._lengths / length + 0.5, 1).sum())))

    def epoch(
        self, number: int, seed: int, length: int, batch: int, done: int = 0, share: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        """The batches of one epoch, less the first `done`: B = `batch` windows of T = `length` steps.

        Args:
            share: (i, n) gives the i-th of n shares of each batch, which together are the batch; only its windows
                are read.
        """
        rng = np.random.default_rng([seed, number])
        rows = self._first + rng.integers(self._keys)
        lengths = self.shards.index[rows, STEPS]
        # Where each piece's second window begins: a piece that fits into one stays whole.
        firsts = np.where(lengths > length, rng.integers(1, length + 1, len(rows)), length)
        windows = 1 + np.maximum(0, -(-(lengths - firsts) // length))
        piece = np.repeat(np.arange(len(rows)), windows)
        place = np.arange(len(piece)) - np.repeat(windows.cumsum() - windows, windows)
        ends = np.minimum(firsts[piece] + place * length, lengths[piece])
        begins = np.where(place == 0, 0, firsts[piece] + (place - 1) * length)
        cuts = np.stack([rows[piece], begins, ends], axis=1)
        # Windows of about one length together, so that little is padded; the batches then in any order.
        order = np.argsort((ends - begins) * rng.uniform(0.8, 1.25, len(cuts)), kind="stable")
        places = rng.permutation(-(-len(cuts) // batch))
        for i in range(done, len(places)):
            chosen = cuts[order[places[i] * batch : (places[i] + 1) * batch]].tolist()
            # From 1 on: a 0 at the end of a seed changes nothing.
            yield self._batch(chosen, length, np.random.default_rng([seed, number, i + 1]), *share)

    def _batch(
        self, cuts: list[list[int]], length: int, rng: np.random.Generator, rank: int = 0, size: int = 1
    ) -> Batch:
        encoding, left = self._encoding, self._encoding.left_column
        mine = cuts[rank::size]  # neighbours are of like length, so all shares are about as long
        # A share of nothing, in the last batch, is one step of padding: each process must take each step.
        shape = (max(1, len(mine)), min(length, max((b - a for _, a, b in mine), default=1)))
        previous = np.zeros((*shape, len(encoding.fields)), np.int64)
        context = np.zeros((*shape, len(encoding.context)), np.int64)
        target = np.full((*shape, len(encoding.fields)), IGNORED, np.int64)
        for number, (row, a, b) in enumerate(cuts):
            known = max(0, a - 1)  # the step before the window is its first previous one
            if number % size != rank:
                self._pass_over(row, known, b, rng)
                continue
            i = number // size
            steps, told = self._with_unknowns(row, known, b, rng)
            previous[i, : b - a] = previous_of(steps, encoding)[a - known :] if a == 0 else steps[:-1]
            context[i, : b - a] = told[a - known :]
            target[i, : b - a] = steps[a - known :]
            if rng.random() < UNKNOWN_LEFT:
                context[i, :, left] = LEFT_UNKNOWN
        return Batch(previous, context, target, sum(b - a for _, a, b in cuts) / size if size > 1 else None)

    def _pass_over(self, row: int, a: int, b: int, rng: np.random.Generator) -> None:
        """Draw the random numbers of a window that another process reads, as many as it does."""
        begin, number = self.shards.index[row, [BEGIN, SHARD]].tolist()
        first, end = np.searchsorted(self._rare_places, [_row(number, begin + a), _row(number, begin + b)])
        if first < end:
            rng.random(b - a)
        rng.random()

    def _with_unknowns(self, row: int, a: int, b: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Steps and context from a to b, some rare symbols as if they had never been seen."""
        steps, context = self.shards.window(row, a, b)
        rare = self._rare[steps[:, 0]]
        if not rare.any():
            return steps, context
        steps, context = self.shards.window(row, 0, b)  # what is hidden tells on all that comes after it
        hidden = np.zeros(b, bool)
        hidden[a:] = rare & (rng.random(b - a) < RARE_UNKNOWN)
        steps, context = self._encoding.mask_rare(steps, context, hidden)
        return steps[a:], context[a:]
