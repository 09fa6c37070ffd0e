"""Windows of encoded music for training: which piece, in which key, cut where, in what order.

numpy only. Each epoch takes every training piece once, in a random one of its keys, cut into windows from a random
place on; what an epoch holds depends on its seed and number alone, and each batch has random numbers of its own, so
that training can go on in the middle of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from playbach.corpora import Piece
from playbach.encodings import Encoding, Sequence, transposed
from playbach.encodings.base import LEFT_UNKNOWN, Ints

Longs = npt.NDArray[np.int64]

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


def previous_of(steps: Ints, encoding: Encoding) -> Ints:
    """The steps moved by one, the start symbol V first."""
    start = np.array([[len(f) for f in encoding.fields]], steps.dtype)
    return np.concatenate([start, steps[:-1]])


class TrainingSet:
    """The training pieces in all their keys, encoded."""

    def __init__(self, pieces: tuple[Piece, ...], encoding: Encoding) -> None:
        self._encoding = encoding
        self._keys = [
            [encoding.encode(transposed(p.score, k)) for k in encoding.transpositions(p.score)] for p in pieces
        ]
        self.steps = sum(len(keys[0]) for keys in self._keys)
        self._rare = self._find_rare(pieces)

    @property
    def sequences(self) -> int:
        return sum(len(keys) for keys in self._keys)

    def _find_rare(self, pieces: tuple[Piece, ...]) -> npt.NDArray[np.bool_]:
        """Which symbols of the first field (V,) stand about once in the training pieces, in all their keys."""
        counts = np.zeros(len(self._encoding.fields[0]), np.int64)
        for keys in self._keys:
            for sequence in keys:
                counts += np.bincount(sequence.steps[:, 0], minlength=len(counts))
        return counts <= max(1, round(self.sequences / max(1, len(pieces))))

    def windows(self, length: int) -> int:
        """About how many windows an epoch has."""
        return max(1, round(sum(len(keys[0]) / length + 0.5 for keys in self._keys)))

    def epoch(self, number: int, seed: int, length: int, batch: int, done: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, less the first `done`: B = `batch` windows of T = `length` steps."""
        rng = np.random.default_rng([seed, number])
        cuts: list[tuple[Sequence, int, int]] = []
        for keys in self._keys:
            sequence = keys[int(rng.integers(len(keys)))]
            first = int(rng.integers(1, length + 1))
            edges = [0, *range(first, len(sequence), length), len(sequence)]
            cuts += [(sequence, a, b) for a, b in zip(edges, edges[1:]) if b > a]
        order = rng.permutation(len(cuts))
        for i in range(done, -(-len(order) // batch)):
            chosen = [cuts[j] for j in order[i * batch : (i + 1) * batch]]
            # From 1 on: a 0 at the end of a seed changes nothing.
            yield self._batch(chosen, length, np.random.default_rng([seed, number, i + 1]))

    def _batch(self, cuts: list[tuple[Sequence, int, int]], length: int, rng: np.random.Generator) -> Batch:
        encoding, left = self._encoding, self._encoding.left_column
        shape = (len(cuts), min(length, max(b - a for _, a, b in cuts)))
        previous = np.zeros((*shape, len(encoding.fields)), np.int64)
        context = np.zeros((*shape, len(encoding.context)), np.int64)
        target = np.full((*shape, len(encoding.fields)), IGNORED, np.int64)
        for i, (sequence, a, b) in enumerate(cuts):
            known = max(0, a - 1)  # the step before the window is its first previous one
            steps, told = self._with_unknowns(sequence, known, b, rng)
            previous[i, : b - a] = previous_of(steps, encoding)[a - known :] if a == 0 else steps[:-1]
            context[i, : b - a] = told[a - known :]
            target[i, : b - a] = steps[a - known :]
            if rng.random() < UNKNOWN_LEFT:
                context[i, :, left] = LEFT_UNKNOWN
        return Batch(previous, context, target)

    def _with_unknowns(self, sequence: Sequence, a: int, b: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Steps and context from a to b, some rare symbols as if they had never been seen."""
        steps, context = sequence.steps[a:b], sequence.context[a:b]
        rare = self._rare[steps[:, 0]]
        if not rare.any():
            return steps, context
        return self._encoding.hide(steps, context, rare & (rng.random(len(steps)) < RARE_UNKNOWN))
