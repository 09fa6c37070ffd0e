"""One view of the music, and what came after each of its contexts: the counting under the n-gram baseline.

A context is the first few things of a chain that is known before a step, as a 64-bit hash; counts are sparse and
sorted, so that whole pieces are looked up at once. Predictions are PPM's, interpolated, with escape method C (Cleary
& Witten 1984; Bunton 1997): an order that has seen a context n times with d different symbols leaves d / (n + d) to
the next shorter one. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from playbach.encodings import EncodedPiece
from playbach.music.arrays import Ints

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

BEFORE_START = -1


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that is known before a step: a column of its context (`lag` 0) or of the step `lag` before it."""

    lag: int
    column: int


@dataclass(frozen=True, slots=True)
class Music:
    """Encoded pieces end to end, so that any source is one array: steps (T, F), context (T, C), and at which step of
    its piece each is (T,)."""

    steps: Ints
    context: Ints
    position: Indices

    @classmethod
    def of(cls, sequences: Sequence[EncodedPiece]) -> Self:
        steps, context = (np.concatenate([getattr(s, name) for s in sequences]) for name in ("steps", "context"))
        return cls(steps, context, np.concatenate([np.arange(len(s)) for s in sequences]))

    def column(self, source: Source, rows: Indices) -> Ints:
        """(R,) what the source says at these steps."""
        if source.lag == 0:
            return np.asarray(self.context[rows, source.column])
        known = self.position[rows] >= source.lag
        return np.where(known, self.steps[np.where(known, rows - source.lag, 0), source.column], BEFORE_START)

    def contexts(self, chain: tuple[Source, ...], rows: Indices) -> Iterator[Hashes]:
        """For each order from 0 on, (R,) hashes of what the chain says at these steps."""
        found = np.zeros(len(rows), np.uint64)
        yield found
        for source in chain:
            found = hashed(found, self.column(source, rows))
            yield found


def hashed(context: Hashes, column: Ints) -> Hashes:
    """Contexts longer by one. Of a million contexts two meet by chance in one of ten million corpora."""
    mixed = (context ^ (column.astype(np.int64).astype(np.uint64) + np.uint64(0x51ED27))) * np.uint64(
        0x9E3779B97F4A7C15
    )
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(32)))


class Counts:
    """How often each symbol came after each context of one order: sparse, in rows sorted by the context's hash."""

    def __init__(self, contexts: Hashes, symbols: Ints, alphabet: int) -> None:
        self.contexts, place = np.unique(contexts, return_inverse=True)
        pairs, counts = np.unique(place.astype(np.int64) * alphabet + symbols, return_counts=True)
        self.pairs, self.counts, self.alphabet = pairs, counts.astype(np.float64), alphabet
        self.starts = np.searchsorted(pairs, np.arange(len(self.contexts) + 1) * alphabet)
        self.kinds = np.diff(self.starts)
        self.totals = np.bincount(place, minlength=len(self.contexts))

    def find(self, contexts: Hashes) -> tuple[Indices, Indices]:
        """Which of these contexts are known (K,), and the rows (K,) in which they stand."""
        rows = np.minimum(np.searchsorted(self.contexts, contexts), len(self.contexts) - 1)
        known = np.flatnonzero(self.contexts[rows] == contexts)
        return known, rows[known]

    def of_symbols(self, contexts: Hashes, symbols: Ints, shorter: Floats) -> Floats:
        """(R,) the chance of one symbol each, given its chance by the next shorter order."""
        known, rows = self.find(contexts)
        pairs = rows * self.alphabet + symbols[known]
        at = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        counts = np.where(self.pairs[at] == pairs, self.counts[at], 0)
        chances = shorter.copy()
        escape = self.kinds[rows]
        chances[known] = (counts + escape * shorter[known]) / (self.totals[rows] + escape)
        return chances

    def refine(self, contexts: Hashes, shorter: Floats) -> None:
        """Turns the distributions (R, V) of the next shorter order into those of this one, in place."""
        known, rows = self.find(contexts)
        escape, total = self.kinds[rows], self.totals[rows] + self.kinds[rows]
        shorter[known] *= (escape / total)[:, None]
        owner = np.repeat(np.arange(len(known)), escape)
        inside = np.arange(len(owner)) - np.repeat(np.cumsum(escape) - escape, escape)
        entry = np.repeat(self.starts[rows], escape) + inside
        shorter[known[owner], self.pairs[entry] % self.alphabet] += self.counts[entry] / total[owner]


class View:
    """A chain of sources with its long-term counts, one table an order."""

    def __init__(self, chain: tuple[Source, ...], music: Music, rows: Indices, field: int, alphabet: int) -> None:
        self.chain, self.alphabet = chain, alphabet
        symbols = music.steps[rows, field]
        self._orders = [Counts(c, symbols, alphabet) for c in music.contexts(chain, rows)]

    def long_term(self, music: Music, rows: Indices) -> Floats:
        """(R, V) what the training pieces say."""
        chances = np.full((len(rows), self.alphabet), 1 / self.alphabet)
        for order, contexts in zip(self._orders, music.contexts(self.chain, rows)):
            order.refine(contexts, chances)
        return chances

    def short_term(self, music: Music, rows: Indices, field: int) -> Floats:
        """(R, V) what the piece itself says before each of its steps; `rows` are all of one piece, in order."""
        present, symbols = np.unique(music.steps[rows, field], return_inverse=True)
        # One column more for any symbol that the piece does not have: all of them are equally likely throughout.
        chances = np.full((len(rows), len(present) + 1), 1 / self.alphabet)
        for contexts in music.contexts(self.chain, rows):
            order = np.argsort(contexts, kind="stable")
            sorted_ = contexts[order]
            begins = np.append(True, sorted_[1:] != sorted_[:-1])
            group = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
            came = np.zeros(chances.shape)
            came[np.arange(len(rows)), symbols[order]] = 1
            before = np.cumsum(came, axis=0) - came
            counts = np.empty_like(before)
            counts[order] = before - before[group]
            chances = _escaped(counts, chances)
        every = np.repeat(chances[:, -1:], self.alphabet, axis=1)
        every[:, present] = chances[:, :-1]
        return every

    def short_term_now(self, music: Music, rows: Indices, field: int, now: Indices) -> Floats:
        """(1, V) the same of one step, `now` (1,), when `rows` of the piece have been heard."""
        chances = np.full((1, self.alphabet), 1 / self.alphabet)
        heard = music.steps[rows, field]
        for before, here in zip(music.contexts(self.chain, rows), music.contexts(self.chain, now)):
            counts = np.bincount(heard[before == here], minlength=self.alphabet)[None].astype(np.float64)
            chances = _escaped(counts, chances)
        return chances


def _escaped(counts: Floats, shorter: Floats) -> Floats:
    """Interpolated PPM-C: counts (R, V) of one order and the distributions by the next shorter one."""
    escape = np.count_nonzero(counts, axis=1)[:, None]
    total = counts.sum(axis=1)[:, None] + escape
    return np.where(total > 0, (counts + escape * shorter) / np.maximum(total, 1), shorter)
