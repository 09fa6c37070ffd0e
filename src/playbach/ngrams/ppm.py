"""A viewpoint of the n-gram baseline: counts which symbols follow each of its contexts, and predicts from the counts.

A viewpoint is a chain of columns that are known before a step. Its context of order n is a 64-bit hash of the values
of the first n columns. Counts are sparse and sorted, so that whole pieces are looked up at once. Predictions are
those of PPM, interpolated, with escape method C (Cleary & Witten 1984; Bunton 1997): an order that has seen a context
n times with d different symbols leaves d / (n + d) to the next shorter order. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import EncodedPiece
from playbach.music.arrays import Ints

Probabilities = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

BEFORE_START = -1
"""The value of an earlier step before the beginning of a piece."""


@dataclass(frozen=True, slots=True)
class KnownColumn:
    """A column that is known before a step: one of its context (`lag` 0), or one of the step `lag` steps earlier."""

    lag: int
    column: int


@dataclass(frozen=True, slots=True)
class StepTable:
    """Encoded pieces, concatenated."""

    steps: Ints
    """(T, F)"""
    context: Ints
    """(T, C)"""
    position: Indices
    """(T,) the number of each step in its piece."""

    @classmethod
    def from_pieces(cls, pieces: Sequence[EncodedPiece]) -> Self:
        steps, context = (np.concatenate([getattr(s, name) for s in pieces]) for name in ("steps", "context"))
        return cls(steps, context, np.concatenate([np.arange(len(s)) for s in pieces]))

    def column(self, known: KnownColumn, rows: Indices) -> Ints:
        """(R,) the values of a column at these steps."""
        if known.lag == 0:
            return np.asarray(self.context[rows, known.column])
        exists = self.position[rows] >= known.lag
        return np.where(exists, self.steps[np.where(exists, rows - known.lag, 0), known.column], BEFORE_START)

    def contexts(self, chain: tuple[KnownColumn, ...], rows: Indices) -> Iterator[Hashes]:
        """For each order from 0 on, the hashes (R,) of a chain's values at these steps."""
        hashes = np.zeros(len(rows), np.uint64)
        yield hashes
        for known in chain:
            hashes = extend_hashes(hashes, self.column(known, rows))
            yield hashes


def extend_hashes(context: Hashes, column: Ints) -> Hashes:
    """Extend contexts by one column. Of a million contexts, of which 48 bits count, two collide in one of 500
    corpora, which changes little."""
    mixed = (context ^ (column.astype(np.int64).astype(np.uint64) + np.uint64(0x51ED27))) * np.uint64(
        0x9E3779B97F4A7C15
    )
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(32)))


_SYMBOL_BITS = np.uint64(0xFFFF)
"""The lowest bits of a context's hash give way to a symbol, so that one sort finds contexts and their symbols."""


class ContextCounts:
    """How often each symbol follows each context of one order; sparse, sorted by the hash of the context."""

    def __init__(self, contexts: Hashes, symbols: Ints, vocabulary_size: int) -> None:
        self.vocabulary_size = vocabulary_size
        keys = np.sort((contexts & ~_SYMBOL_BITS) | symbols.astype(np.uint64))
        firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        self.pairs = keys[firsts]
        """(P,): each context with each symbol that follows it, rising."""
        self.counts = np.diff(firsts, append=len(keys)).astype(np.float64)
        owners = self.pairs & ~_SYMBOL_BITS
        begins = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
        self.contexts = owners[begins]
        self.starts = np.append(begins, len(self.pairs))
        self.kinds = np.diff(self.starts)
        self.totals = np.add.reduceat(self.counts, begins)

    def find(self, contexts: Hashes) -> tuple[Indices, Indices]:
        """The indices (K,) of the contexts that are known, and their rows (K,)."""
        wanted = contexts & ~_SYMBOL_BITS
        rows = np.minimum(np.searchsorted(self.contexts, wanted), len(self.contexts) - 1)
        known = np.flatnonzero(self.contexts[rows] == wanted)
        return known, rows[known]

    def of_symbols(self, contexts: Hashes, symbols: Ints, shorter: Probabilities) -> Probabilities:
        """(R,) the probability of one symbol each, given its probability by the next shorter order."""
        known, rows = self.find(contexts)
        pairs = self.contexts[rows] | symbols[known].astype(np.uint64)
        at = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        counts = np.where(self.pairs[at] == pairs, self.counts[at], 0)
        probabilities = shorter.copy()
        escape = self.kinds[rows]
        probabilities[known] = (counts + escape * shorter[known]) / (self.totals[rows] + escape)
        return probabilities

    def refine(self, contexts: Hashes, shorter: Probabilities) -> bool:
        """Turn the distributions (R, V) of the next shorter order into those of this order, in place; return whether
        any of the contexts is known."""
        known, rows = self.find(contexts)
        escape, total = self.kinds[rows], self.totals[rows] + self.kinds[rows]
        shorter[known] *= (escape / total)[:, None]
        owner = np.repeat(np.arange(len(known)), escape)
        inside = np.arange(len(owner)) - np.repeat(np.cumsum(escape) - escape, escape)
        entry = np.repeat(self.starts[rows], escape) + inside
        symbols = (self.pairs[entry] & _SYMBOL_BITS).astype(np.int64)
        shorter[known[owner], symbols] += self.counts[entry] / total[owner]
        return bool(len(known))


class Viewpoint:
    """A chain of columns with its long-term counts, one table per order."""

    def __init__(
        self, chain: tuple[KnownColumn, ...], table: StepTable, rows: Indices, field: int, vocabulary_size: int
    ) -> None:
        self.chain, self.vocabulary_size = chain, vocabulary_size
        symbols = table.steps[rows, field]
        self._orders = [ContextCounts(c, symbols, vocabulary_size) for c in table.contexts(chain, rows)]

    def long_term(self, table: StepTable, rows: Indices) -> Probabilities:
        """(R, V) predictions from the training pieces."""
        probabilities = np.full((len(rows), self.vocabulary_size), 1 / self.vocabulary_size)
        for order, contexts in zip(self._orders, table.contexts(self.chain, rows)):
            if not order.refine(contexts, probabilities):
                break  # longer contexts are not known either
        return probabilities

    def short_term(self, table: StepTable, rows: Indices, field: int) -> Probabilities:
        """(R, V) predictions from the piece itself, before each of its steps `rows`, which are in order."""
        present, symbols = np.unique(table.steps[rows, field], return_inverse=True)
        # One more column for all symbols that the piece does not have: they are equally probable throughout.
        probabilities = np.full((len(rows), len(present) + 1), 1 / self.vocabulary_size)
        for contexts in table.contexts(self.chain, rows):
            order = np.argsort(contexts, kind="stable")
            sorted_ = contexts[order]
            begins = np.append(True, sorted_[1:] != sorted_[:-1])
            group = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
            occurrences = np.zeros(probabilities.shape)
            occurrences[np.arange(len(rows)), symbols[order]] = 1
            before = np.cumsum(occurrences, axis=0) - occurrences
            counts = np.empty_like(before)
            counts[order] = before - before[group]
            probabilities = _interpolate(counts, probabilities)
        every = np.repeat(probabilities[:, -1:], self.vocabulary_size, axis=1)
        every[:, present] = probabilities[:, :-1]
        return every

    def short_term_once(self, table: StepTable, rows: Indices, field: int, step: Indices) -> Probabilities:
        """(1, V) the same for one `step` (1,), after the steps `rows` of the piece."""
        probabilities = np.full((1, self.vocabulary_size), 1 / self.vocabulary_size)
        symbols = table.steps[rows, field]
        for before, current in zip(table.contexts(self.chain, rows), table.contexts(self.chain, step)):
            followers = symbols[before == current]
            if not len(followers):
                break  # longer contexts have not occurred either
            counts = np.bincount(followers, minlength=self.vocabulary_size)[None].astype(np.float64)
            probabilities = _interpolate(counts, probabilities)
        return probabilities


def _interpolate(counts: Probabilities, shorter: Probabilities) -> Probabilities:
    """PPM-C: mix the counts (R, V) of one order with the distributions (R, V) of the next shorter order."""
    escape = np.count_nonzero(counts, axis=1)[:, None]
    total = counts.sum(axis=1)[:, None] + escape
    return np.where(total > 0, (counts + escape * shorter) / np.maximum(total, 1), shorter)
