"""The context that a single line of notes gives: its last notes, the intervals between them, and its echoes.

An echo is the note that would come next if the line went on as it did the last time that it had the same k intervals.
It predicts a figure that returns, on any degree of the scale. A few pieces are enough for a network to learn how far
to trust an echo; to learn to look back by itself, it would need thousands (docs/experiments.md has the figures).

Knows pitches, or pitch classes where there is a modulus; knows nothing of symbols.
"""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np

from playbach.encodings.base import Field
from playbach.encodings.relations import WIDEST_INTERVAL
from playbach.music.arrays import Ints

RECENT_NOTES = 8
"""The number of last notes in the context."""
ECHO_LENGTHS = (1, 2, 3, 4, 6, 8)
"""The numbers of intervals k that an echo repeats; eight at most."""
NO_NOTE, FIRST_NOTE = 0, 2
"""Context symbols: there is no such note; pitch 0. Symbol 1 is a rest, which no line contains."""
NO_INTERVAL = 2 * WIDEST_INTERVAL + 1
"""Context symbol: there is no such interval. Symbol i is the interval of i - WIDEST_INTERVAL semitones."""
PITCH_SYMBOLS = ("nothing", "rest", *map(str, range(128)))
INTERVAL_SYMBOLS = (*map(str, range(-WIDEST_INTERVAL, WIDEST_INTERVAL + 1)), "none")
LINE_COLUMNS = 2 * RECENT_NOTES - 1 + 2 * len(ECHO_LENGTHS)
LINE_FIELDS = (
    *(Field(f"note {k + 1} ago", PITCH_SYMBOLS) for k in range(RECENT_NOTES)),
    *(Field(f"step {k + 1} ago", INTERVAL_SYMBOLS) for k in range(RECENT_NOTES - 1)),
    *(Field(f"echo of {k}", PITCH_SYMBOLS) for k in ECHO_LENGTHS),
    *(Field(f"step to echo of {k}", INTERVAL_SYMBOLS) for k in ECHO_LENGTHS),
)
"""The fields of a line's context, in order."""


class Line:
    """A line to which notes are added one by one."""

    def __init__(self, modulus: int | None = None) -> None:
        """With a modulus (12), pitches are pitch classes."""
        self._modulus = modulus
        self._notes: list[int] = []
        self._intervals: list[int] = []
        # For each k: the interval that last followed each k successive intervals.
        self._followed: list[dict[tuple[int, ...], int]] = [{} for _ in ECHO_LENGTHS]

    def copy(self) -> Self:
        twin = copy(self)
        twin._notes, twin._intervals = list(self._notes), list(self._intervals)
        twin._followed = [dict(f) for f in self._followed]
        return twin

    def add(self, pitch: int) -> None:
        if self._notes:
            interval = pitch - self._notes[-1]
            interval = interval % self._modulus if self._modulus else interval
            for k, followed in zip(ECHO_LENGTHS, self._followed):
                if len(self._intervals) >= k:
                    followed[tuple(self._intervals[-k:])] = interval
            self._intervals = [*self._intervals[1 - max(ECHO_LENGTHS) :], interval]
        self._notes = [*self._notes[1 - RECENT_NOTES :], pitch]

    def context(self) -> list[int]:
        """The context before the next note, (LINE_COLUMNS,)."""
        notes = self._notes[::-1]
        recent = [FIRST_NOTE + n for n in notes] + [NO_NOTE] * (RECENT_NOTES - len(notes))
        intervals = [_interval_symbol(b, a) for a, b in zip(notes, notes[1:])]
        intervals += [NO_INTERVAL] * (RECENT_NOTES - 1 - len(intervals))
        echoes, to_echoes = [], []
        for k, followed in zip(ECHO_LENGTHS, self._followed):
            interval = followed.get(tuple(self._intervals[-k:])) if len(self._intervals) >= k else None
            pitch = None if interval is None else self._in_range(self._notes[-1] + interval)
            echoes.append(NO_NOTE if pitch is None else FIRST_NOTE + pitch)
            to_echoes.append(NO_INTERVAL if pitch is None else _interval_symbol(self._notes[-1], pitch))
        return [*recent, *intervals, *echoes, *to_echoes]

    def _in_range(self, pitch: int) -> int | None:
        if self._modulus:
            return pitch % self._modulus
        return pitch if 0 <= pitch <= 127 else None


def _interval_symbol(a: int, b: int) -> int:
    return min(WIDEST_INTERVAL, max(-WIDEST_INTERVAL, b - a)) + WIDEST_INTERVAL


def line_contexts(notes: Ints, modulus: int | None = None) -> Ints:
    """The contexts of a whole line of N notes, before each of them and after the last: (N + 1, LINE_COLUMNS).

    They equal those of `Line`.
    """
    count = len(notes)
    recent = np.full((count + 1, RECENT_NOTES), NO_NOTE, np.int32)
    for k in range(RECENT_NOTES):
        recent[k + 1 :, k] = FIRST_NOTE + notes[: max(count - k, 0)]
    pitch = np.where(recent > NO_NOTE, recent - FIRST_NOTE, -1)
    intervals = np.clip(pitch[:, :-1] - pitch[:, 1:], -WIDEST_INTERVAL, WIDEST_INTERVAL) + WIDEST_INTERVAL
    intervals[pitch[:, 1:] < 0] = NO_INTERVAL
    moves = np.diff(notes)
    if modulus:
        moves %= modulus
    echoes = np.stack([_echoes(notes, moves, k, modulus) for k in ECHO_LENGTHS], axis=1)
    to_echoes = np.clip(echoes - pitch[:, :1], -WIDEST_INTERVAL, WIDEST_INTERVAL) + WIDEST_INTERVAL
    to_echoes[echoes < 0] = NO_INTERVAL
    columns = [recent, intervals, np.where(echoes < 0, NO_NOTE, echoes + FIRST_NOTE), to_echoes]
    return np.hstack(columns).astype(np.int32)


def _echoes(notes: Ints, moves: Ints, k: int, modulus: int | None) -> Ints:
    """The echo of the last k intervals before each note and after the last, (N + 1,); -1 where they are new."""
    echoes = np.full(len(notes) + 1, -1, np.int32)
    if len(moves) < k + 1:
        return echoes
    number = np.zeros(len(moves) - k + 1, np.int64)  # of the run of k intervals before note i + k + 1
    for j in range(k):  # an interval takes 8 bits, so that a run fits into 64
        number = number << 8 | (moves[j : len(number) + j] & 0xFF)
    order = np.argsort(number, kind="stable")
    again = np.flatnonzero(number[order][1:] == number[order][:-1])
    here, before = order[again + 1], order[again]
    pitches = notes[here + k] + moves[before + k]
    if modulus:
        pitches = pitches % modulus
    echoes[here + k + 1] = np.where((pitches >= 0) & (pitches <= 127), pitches, -1)
    return echoes
