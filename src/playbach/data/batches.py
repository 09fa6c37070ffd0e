"""Windows of encoded music for training: which piece, in which key, cut where, in what order.

An epoch takes each training piece once, in one of its keys at random. Long pieces are cut into windows, the first cut
at a random place. An epoch depends only on its seed and number, and each batch has random numbers of its own, so that
training can resume in the middle of an epoch. Uses numpy only; the encoded music is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from playbach.data.pieces import Piece
from playbach.data.shards import (
    BEGIN_COLUMN,
    PIECE_COLUMN,
    SHARD_COLUMN,
    SHIFT_COLUMN,
    STEPS_COLUMN,
    Shards,
    build_shards,
    open_shards,
)
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.music.arrays import Ints
from playbach.music.scores import nearest_keys
from playbach.system.progress import Progress

Longs = npt.NDArray[np.int64]

SIDE = "train"
IGNORED = -100
"""The target of a step that pads a window."""
UNKNOWN_BARS_LEFT_SHARE = 0.25
"""The share of windows whose context hides the number of bars left."""
TOLD_SHARE = 0.5
"""The share of windows in which the network is told of some voices, if the encoding has voices to tell of."""
TOP_VOICE_SHARE = 0.5
"""In how many of these only the top voice is told, since tunes are what is harmonised most."""
RARE_UNKNOWN_SHARE = 0.2
"""How often a symbol that occurs once in the training pieces is replaced by UNKNOWN, to learn the cost of UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B windows of T steps, int64."""

    previous: Longs
    """(B, T, F): the step before each step."""
    context: Longs
    """(B, T, C)."""
    target: Longs
    """(B, T, F): the steps to predict; IGNORED where a window is padded."""
    soft: npt.NDArray[np.float32] | None = None
    """(B, T, sum of V_f): the probability that each symbol of each field is to have, where teachers say so."""
    mean_steps: float | None = None
    """If several processes share the batch: the mean number of steps per process. Each process divides the sum of its
    losses by it, so that the mean over the processes is that of the whole batch. None if this is the whole batch."""


def previous_of(steps: Ints, encoding: Encoding) -> Ints:
    """The previous step of each step, (T, F); that of the first is the start symbol V."""
    start = np.array([[len(f) for f in encoding.fields]], steps.dtype)
    return np.concatenate([start, steps[:-1]])


def _certain(steps: Ints, encoding: Encoding) -> npt.NDArray[np.float32]:
    """The distributions (T, sum of V_f) that have each step's own symbols."""
    rows = [np.eye(len(field), dtype=np.float32)[steps[:, f]] for f, field in enumerate(encoding.fields)]
    return np.concatenate(rows, axis=1)


def _row(shard: int, row: int) -> int:
    """A number for a row of a shard by which the rows of all shards sort."""
    return (shard << 40) + row


class SoftTargets:
    """The distributions that a network is to learn, for each step of each encoded piece of some shards, on disk.

    There are two for each step: one for when the number of bars left is known, and one for when it is not.
    """

    def __init__(self, tables: dict[bool, npt.NDArray[np.float16]], firsts: Longs) -> None:
        self._tables, self._firsts = tables, firsts

    @classmethod
    def open(cls, path: Path, shards: Shards, width: int, *, is_new: bool) -> Self:
        """Two files whose names begin with `path`, for shards and `width` symbols over all fields.

        Raises:
            OSError: the files cannot be made, or they are missing.
            ValueError: they have another size.
        """
        steps = shards.index[:, STEPS_COLUMN]
        shape, mode = (int(steps.sum()), width), "w+" if is_new else "r"
        tables: dict[bool, npt.NDArray[np.float16]] = {
            known: np.memmap(path.with_name(f"{path.name}-{int(known)}.targets"), np.float16, mode, shape=shape)  # type: ignore[call-overload]
            for known in (True, False)
        }
        return cls(tables, np.cumsum(steps) - steps)

    def write(self, row: int, distributions: npt.NDArray[Any], *, length_known: bool) -> None:
        """Write the distributions (T, sum of V_f) of the piece in this row of the shards' index."""
        first = self._firsts[row]
        self._tables[length_known][first : first + len(distributions)] = distributions

    def window(self, row: int, begin: int, end: int, *, length_known: bool) -> npt.NDArray[np.float32]:
        """The distributions of the steps from `begin` to `end` of the piece in this row."""
        first = self._firsts[row]
        return self._tables[length_known][first + begin : first + end].astype(np.float32)


class TrainingSet:
    """The training pieces, encoded in all their keys, on disk."""

    soft: SoftTargets | None = None
    """What the network is to learn instead of the symbols alone."""

    def __init__(
        self,
        pieces: tuple[Piece, ...],
        encoding: Encoding,
        folder: Path | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Progress = lambda work, total: work,
        *,
        name: str = SIDE,
        all_keys: bool = True,
    ) -> None:
        """Arguments and errors are those of `shards.build_shards`."""
        self._index_shards(
            build_shards(pieces, encoding, name, folder, all_keys=all_keys, stop=stop, progress=progress), encoding
        )

    @classmethod
    def open(cls, encoding: Encoding, folder: Path, name: str = SIDE) -> Self:
        """The set that another process has encoded. Errors are those of `shards.open_shards`."""
        training_set = cls.__new__(cls)
        training_set._index_shards(open_shards(encoding, name, folder), encoding)
        return training_set

    def _index_shards(self, shards: Shards, encoding: Encoding) -> None:
        self._encoding, self.shards = encoding, shards
        index = self.shards.index
        self._first = np.flatnonzero(np.diff(index[:, PIECE_COLUMN], prepend=-1))
        self._keys = np.diff(self._first, append=len(index))
        self._lengths = index[self._first, STEPS_COLUMN]
        self.steps = int(self._lengths.sum())
        self._rare = self._find_rare()

    @property
    def encoded_count(self) -> int:
        """The number of encoded pieces; each key counts as one."""
        return len(self.shards.index)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the pieces that are encoded, in order; those that could not be are left out."""
        found: list[int] = self.shards.index[self._first, PIECE_COLUMN].tolist()
        return found

    def originals(self) -> Iterator[EncodedPiece]:
        """Each piece in its own key."""
        return map(self.shards.encoded_piece, self.shards.originals().tolist())

    def in_nearest_keys(self, most: int) -> Iterator[list[EncodedPiece]]:
        """Each piece in at most this many of its keys, those nearest to its own."""
        for first, keys in zip(self._first.tolist(), self._keys.tolist()):
            rows = {int(self.shards.index[row, SHIFT_COLUMN]): row for row in range(first, first + keys)}
            yield [self.shards.encoded_piece(rows[shift]) for shift in nearest_keys(rows, most)]

    def sample(self, steps: int, seed: int) -> list[EncodedPiece]:
        """Random pieces in their own keys, with about this many steps together."""
        rows = np.random.default_rng(seed).permutation(self.shards.originals())
        until = int(np.searchsorted(self.shards.index[rows, STEPS_COLUMN].cumsum(), steps)) + 1
        return [self.shards.encoded_piece(row) for row in rows[:until].tolist()]

    def _find_rare(self) -> npt.NDArray[np.bool_]:
        """Which symbols of the first field occur about once in the training pieces and their transpositions, (V,)."""
        counts = np.zeros(len(self._encoding.fields[0]), np.int64)
        for steps in self.shards.steps():
            counts += np.bincount(steps[:, 0], minlength=len(counts))
        return counts <= max(1, round(self.encoded_count / max(1, len(self._first))))

    @cached_property
    def _rare_places(self) -> Longs:
        """The rows with a rare symbol, as numbered by `_row`, in order. They are few."""
        found = [np.flatnonzero(self._rare[steps[:, 0]]) + _row(i, 0) for i, steps in enumerate(self.shards.steps())]
        return np.concatenate([np.empty(0, np.int64), *found])

    def windows(self, length: int) -> int:
        """The approximate number of windows in an epoch."""
        cut = self._lengths > length
        return max(1, round(float(np.where(cut, self._lengths / length + 0.5, 1).sum())))

    def epoch(
        self, number: int, seed: int, length: int, batch: int, done: int = 0, share: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        """The batches of one epoch.

        Args:
            number: of the epoch.
            length: T, the longest window in steps.
            batch: B, the number of windows in a batch.
            done: how many batches to skip.
            share: (i, n) returns only the i-th of n shares of each batch, and reads only its windows.
        """
        for i, cuts in enumerate(self.plan(number, seed, length, batch)):
            if i >= done:
                yield self.batch(cuts, length, (seed, number, i), *share)

    def plan(self, number: int, seed: int, length: int, batch: int) -> list[list[list[int]]]:
        """The windows of each batch of an epoch: the row of the encoded piece, its first step and its last."""
        rng = np.random.default_rng([seed, number])
        rows = self._first + rng.integers(self._keys)
        lengths = self.shards.index[rows, STEPS_COLUMN]
        # Where each piece's second window begins. A piece that fits into one window stays whole.
        firsts = np.where(lengths > length, rng.integers(1, length + 1, len(rows)), length)
        windows = 1 + np.maximum(0, -(-(lengths - firsts) // length))
        piece = np.repeat(np.arange(len(rows)), windows)
        place = np.arange(len(piece)) - np.repeat(windows.cumsum() - windows, windows)
        ends = np.minimum(firsts[piece] + place * length, lengths[piece])
        begins = np.where(place == 0, 0, firsts[piece] + (place - 1) * length)
        cuts = np.stack([rows[piece], begins, ends], axis=1)
        # Windows of similar length go together, so that there is little padding. Batches then come in random order.
        order = np.argsort((ends - begins) * rng.uniform(0.8, 1.25, len(cuts)), kind="stable")
        places = rng.permutation(-(-len(cuts) // batch)).tolist()
        return [cuts[order[place * batch : (place + 1) * batch]].tolist() for place in places]

    def batch(
        self, cuts: list[list[int]], length: int, key: tuple[int, int, int], rank: int = 0, size: int = 1
    ) -> Batch:
        """The batch of these windows.

        Args:
            key: the seed, the number of the epoch and that of the batch, which determine its random numbers.
            rank: which share of the batch to read, of `size` shares.
        """
        seed, number, place = key
        rng = np.random.default_rng([seed, number, place + 1])  # a 0 at the end of a seed has no effect
        return self._batch(cuts, length, rng, rank, size)

    def _batch(self, cuts: list[list[int]], length: int, rng: np.random.Generator, rank: int, size: int) -> Batch:
        encoding, left = self._encoding, self._encoding.bars_left_column
        own = cuts[rank::size]  # neighbours have similar lengths, and so do the shares
        # An empty share, in the last batch, is one step of padding, since all processes must take the same steps.
        shape = (max(1, len(own)), min(length, max((b - a for _, a, b in own), default=1)))
        previous = np.zeros((*shape, len(encoding.fields)), np.int64)
        context = np.zeros((*shape, len(encoding.context)), np.int64)
        target = np.full((*shape, len(encoding.fields)), IGNORED, np.int64)
        soft = np.zeros((*shape, sum(map(len, encoding.fields))), np.float32) if self.soft is not None else None
        for number, (row, a, b) in enumerate(cuts):
            known = max(0, a - 1)  # the step before the window is the first previous step
            if number % size != rank:
                self._skip_window(row, known, b, rng)
                continue
            i = number // size
            steps, contexts = self._with_unknowns(row, known, b, rng)
            previous[i, : b - a] = previous_of(steps, encoding)[a - known :] if a == 0 else steps[:-1]
            context[i, : b - a] = contexts[a - known :]
            target[i, : b - a] = steps[a - known :]
            voices = self._draw_voices(rng)
            if voices:
                context[i, : b - a] = self._told(row, a, b, voices)
            hides_length = rng.random() < UNKNOWN_BARS_LEFT_SHARE
            if hides_length:
                context[i, :, left] = UNKNOWN_BARS_LEFT
            if self.soft is not None and soft is not None:
                soft[i, : b - a] = (
                    _certain(steps[a - known :], encoding)
                    if voices
                    else self.soft.window(row, a, b, length_known=not hides_length)
                )
        mean_steps = sum(b - a for _, a, b in cuts) / size if size > 1 else None
        return Batch(previous, context, target, soft, mean_steps)

    def _skip_window(self, row: int, a: int, b: int, rng: np.random.Generator) -> None:
        """Draw as many random numbers as for a window that is read, for one that another process reads."""
        begin, number = self.shards.index[row, [BEGIN_COLUMN, SHARD_COLUMN]].tolist()
        first, end = np.searchsorted(self._rare_places, [_row(number, begin + a), _row(number, begin + b)])
        if first < end:
            rng.random(b - a)
        self._draw_voices(rng)
        rng.random()

    def _draw_voices(self, rng: np.random.Generator) -> list[int]:
        """The voices of a window that the network is told of; none, or one, or some, but not all."""
        count = self._encoding.tellable_voices
        if not count:
            return []
        drawn = rng.random(2 + count)
        if drawn[0] >= TOLD_SHARE:
            return []
        if drawn[1] < TOP_VOICE_SHARE:
            return [0]
        order = np.argsort(drawn[2:])
        return sorted(order[: 1 + int((drawn[1] - TOP_VOICE_SHARE) / (1 - TOP_VOICE_SHARE) * (count - 1))].tolist())

    def _told(self, row: int, a: int, b: int, voices: list[int]) -> Ints:
        """The contexts from a to b of a piece in which these voices are given."""
        steps, context = self.shards.window(row, 0, int(self.shards.index[row, STEPS_COLUMN]))
        return self._encoding.tell(steps, context, voices)[a:b]

    def _with_unknowns(self, row: int, a: int, b: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Steps and context from a to b, some rare symbols replaced as if training had never seen them."""
        steps, context = self.shards.window(row, a, b)
        rare = self._rare[steps[:, 0]]
        if not rare.any():
            return steps, context
        steps, context = self.shards.window(row, 0, b)  # a replaced symbol changes all later contexts
        hidden = np.zeros(b, bool)
        hidden[a:] = rare & (rng.random(b - a) < RARE_UNKNOWN_SHARE)
        steps, context = self._encoding.mask_rare(steps, context, hidden)
        return steps[a:], context[a:]


class MixedSet:
    """Training pieces and other pieces, which come together in each epoch, in batches of their own."""

    def __init__(self, music: TrainingSet, others: TrainingSet, ratio: float) -> None:
        """An epoch has at most `ratio` windows of other pieces for each window of training pieces."""
        self.music, self.others, self.ratio = music, others, ratio

    @property
    def shards(self) -> Shards:
        """Those of the training pieces."""
        return self.music.shards

    @property
    def encoded_count(self) -> int:
        """The number of encoded training pieces; each key counts as one."""
        return self.music.encoded_count

    def windows(self, length: int) -> int:
        """The approximate number of windows in an epoch."""
        own = self.music.windows(length)
        return own + min(self.others.windows(length), round(self.ratio * own))

    def epoch(
        self, number: int, seed: int, length: int, batch: int, done: int = 0, share: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        """The batches of one epoch, in random order; see `TrainingSet.epoch`."""
        own, others = (part.plan(number, seed, length, batch) for part in (self.music, self.others))
        planned = [(self.music, cuts) for cuts in own]
        planned += [(self.others, cuts) for cuts in others[: round(self.ratio * len(own))]]
        order = np.random.default_rng([seed, number, len(planned)]).permutation(len(planned)).tolist()
        for i, place in enumerate(order):
            if i >= done:
                part, cuts = planned[place]
                yield part.batch(cuts, length, (seed, number, i), *share)
