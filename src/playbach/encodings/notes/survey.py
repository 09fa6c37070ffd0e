"""What training pieces contain, counted piece by piece: the vocabulary of the `notes` encoding.

Limits its memory, whatever the number of pieces: rare symbols are forgotten while there are too many to count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.base import transposition_range
from playbach.encodings.notes.vocabulary import ANY_CHORD, Symbol, symbol_with
from playbach.encodings.onsets import (
    Chord,
    Onsets,
    durations_to,
    longest_runs,
    longest_units,
    notes_header,
    onsets_with,
)
from playbach.encodings.options import NotesOptions
from playbach.music.bars import Bars, Header

_T = TypeVar("_T")

MAX_SYMBOLS = 8192
MAX_COUNTED_SYMBOLS = 1 << 17
"""The most symbols counted at a time to find the common ones; limits memory."""


class NotesSurvey:
    """Counts training pieces."""

    def __init__(self, options: NotesOptions) -> None:
        self._options = options
        self.openings: list[Header] = []  # how each piece begins: a pickup, and the meter after it
        self._meters: set[str] = set()
        self.longest_run = self.longest_rest = 1
        self._pitches = np.zeros(128, np.int64)  # how often each occurs
        # Pieces of one range get the same transpositions, so that their symbols can be counted together.
        self._by_range: dict[tuple[int, int], dict[Symbol, int]] = {}
        self._counted = 0  # symbols in all counters

    def add(self, scores: Sequence[Score]) -> None:
        """Count pieces. Raises ScoreError if one of them has no notes other than drums."""
        onsets = onsets_with(self._options, scores)
        for piece in onsets.pieces():
            self._add_symbols(piece)
        kinds = None
        if self._options.octaves == "folded":
            number: dict[Chord, int] = {}
            folded = (symbol_with(self._options, chord, 0)[0] for chord in onsets.chords)
            kinds = np.array([number.setdefault(chord, len(number)) for chord in folded])
        chord_run, rest_run = longest_runs(onsets, kinds)
        self.longest_run, self.longest_rest = max(self.longest_run, chord_run), max(self.longest_rest, rest_run)
        for score in scores:
            header = notes_header(score, self._options)
            self._meters |= {Bars(header.meters).meter(tick) for tick, _, _ in header.meters}
            self.openings.append(replace(header, meters=header.meters[:2]))

    def _add_symbols(self, onsets: Onsets) -> None:
        symbols, counts, _ = onsets.distinct(with_durations=self._options.durations == "joined")
        if self._options.octaves == "folded":
            symbols = [symbol_with(self._options, *symbol) for symbol in symbols]
        pitches = np.bincount(onsets.pitches, minlength=128)
        self._pitches += pitches
        low, high = np.flatnonzero(pitches)[[0, -1]].tolist()
        self._count(zip(symbols, counts.tolist()), (low, high))

    def _count(self, symbols: Iterable[tuple[Symbol, int]], range_: tuple[int, int]) -> None:
        counts = self._by_range.setdefault(range_, {})
        self._counted -= len(counts)
        for symbol, n in symbols:  # folded chords can be equal
            counts[symbol] = counts.get(symbol, 0) + n
        self._counted += len(counts)
        if self._counted > MAX_COUNTED_SYMBOLS:
            self._counted = _forget_rare(self._by_range.values())

    @property
    def low(self) -> int:
        """The lowest pitch."""
        return int(self._pitches.nonzero()[0][0])

    @property
    def high(self) -> int:
        """The highest pitch."""
        return int(self._pitches.nonzero()[0][-1])

    @property
    def middle(self) -> int:
        """The median pitch."""
        notes = self._pitches.sum()
        two = np.searchsorted(self._pitches.cumsum(), [(notes + 1) // 2, notes // 2 + 1])
        return int(two.mean())

    @property
    def meters(self) -> list[str]:
        """The names of all meters."""
        return sorted(self._meters)

    def symbols(self, low: int, high: int) -> tuple[Symbol, ...]:
        """The symbols of the pieces and of their transpositions within the range, the most common MAX_SYMBOLS."""
        counts: dict[tuple[bytes, int], int] = {}  # bytes are faster than tuples, and have the same order
        for (lowest, highest), symbols in self._by_range.items():
            moves = [self._moved_by(semitones) for semitones in transposition_range(low - lowest, high - highest)]
            for (chord, units), n in symbols.items():
                pitches = bytes(chord)
                for move in moves:
                    moved = (move(pitches), units)
                    counts[moved] = counts.get(moved, 0) + n
                if len(counts) > MAX_COUNTED_SYMBOLS:
                    _forget_rare([counts])
        if len(counts) > MAX_SYMBOLS:
            counts = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_SYMBOLS])
        kept: set[Symbol] = {(tuple(pitches), units) for pitches, units in counts}
        if self._options.durations == "joined":
            kept |= {(ANY_CHORD, d) for d in durations_to(longest_units(self._options))}
        return tuple(sorted(kept))

    def _moved_by(self, semitones: int) -> Callable[[bytes], bytes]:
        """Transposes the pitches of a chord."""
        if self._options.octaves == "folded":
            classes = (bytes(range(12)) * 23)[semitones % 12 :][:256]
            return lambda chord: bytes(sorted(set(chord.translate(classes))))
        moved = (bytes(range(256)) * 2)[semitones % 256 :][:256]
        return lambda chord: chord.translate(moved)


def _forget_rare(counters: Collection[dict[_T, int]]) -> int:
    """Drop the rarest symbols until at most half of MAX_COUNTED_SYMBOLS are left; return how many are left.

    The counts of common symbols stay nearly right (lossy counting; Manku and Motwani, 2002).
    """
    least = 1
    while (left := sum(map(len, counters))) > MAX_COUNTED_SYMBOLS // 2:
        for counts in counters:
            for symbol in [s for s, n in counts.items() if n <= least]:
                del counts[symbol]
        least += 1
    return left
