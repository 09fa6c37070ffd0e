"""What training pieces contain, counted piece by piece: the vocabulary of the `notes` encoding.

Limits its memory, whatever the number of pieces: rare symbols are forgotten while there are too many to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.base import transposition_range
from playbach.encodings.notes.vocabulary import ANY_CHORD, Symbol, symbol_with
from playbach.encodings.onsets import durations_to, longest_runs, longest_units, notes_header, onsets_with
from playbach.encodings.options import NotesOptions
from playbach.music.bars import Bars, Header

MAX_SYMBOLS = 8192
MAX_COUNTED_SYMBOLS = 1 << 17
"""The most symbols counted at a time to find the common ones; limits memory."""


class NotesSurvey:
    """Counts training pieces, one by one."""

    def __init__(self, options: NotesOptions) -> None:
        self._options = options
        self.openings: list[Header] = []  # how each piece begins: a pickup, and the meter after it
        self._meters: set[str] = set()
        self.longest_run = self.longest_rest = 1
        self._pitches = np.zeros(128, np.int64)  # how often each occurs
        # Pieces of one range get the same transpositions, so that their symbols can be counted together.
        self._by_range: dict[tuple[int, int], Counter[Symbol]] = {}
        self._counted = 0  # symbols in all counters

    def add(self, score: Score) -> None:
        """Count a piece. Raises ScoreError if it has no notes other than drums."""
        onsets = onsets_with(self._options, score)
        symbols = [symbol_with(self._options, chord, units) for _, chord, units, _ in onsets]
        sounding = [pitch for _, chord, _, _ in onsets for pitch in chord]
        self._pitches += np.bincount(sounding, minlength=128)
        self._count(symbols, (min(sounding), max(sounding)))
        chord_run, rest_run = longest_runs([chord for chord, _ in symbols])
        self.longest_run, self.longest_rest = max(self.longest_run, chord_run), max(self.longest_rest, rest_run)
        header = notes_header(score, self._options)
        self._meters |= {Bars(header.meters).meter(tick) for tick, _, _ in header.meters}
        self.openings.append(replace(header, meters=header.meters[:2]))

    def _count(self, symbols: list[Symbol], range_: tuple[int, int]) -> None:
        counts = self._by_range.setdefault(range_, Counter())
        self._counted -= len(counts)
        counts.update(symbols)
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
        counts: Counter[Symbol] = Counter()
        for (lowest, highest), symbols in self._by_range.items():
            transpositions = transposition_range(low - lowest, high - highest)
            for (chord, units), n in symbols.items():
                for semitones in transpositions:
                    moved = tuple(pitch + semitones for pitch in chord)
                    counts[symbol_with(self._options, moved, units)] += n
                if len(counts) > MAX_COUNTED_SYMBOLS:
                    _forget_rare([counts])
        kept = {s for s, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_SYMBOLS]}
        if self._options.durations == "joined":
            kept |= {(ANY_CHORD, d) for d in durations_to(longest_units(self._options))}
        return tuple(sorted(kept))


def _forget_rare(counters: Collection[Counter[Symbol]]) -> int:
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
