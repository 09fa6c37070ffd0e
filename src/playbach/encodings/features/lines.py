"""Features of a single line of notes: its last notes, the steps between them, and its echoes.

An echo is the note that would come next if the line went on as it did the last time that it had the same k intervals.
It predicts a figure that returns, on any degree of the scale. A few pieces are enough for a network to learn how far
to trust an echo; to learn to look back by itself, it would need thousands (docs/experiments.md has the figures).

Knows pitches, or pitch classes where there is a modulus; knows nothing of symbols of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, Self

import numpy as np

from playbach.encodings.features.base import Feature, Features
from playbach.encodings.fields import Field
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


class Line:
    """A line to which notes are added one by one."""

    def __init__(self, modulus: int | None = None) -> None:
        """With a modulus (12), pitches are pitch classes."""
        self._modulus = modulus
        self.recent: list[int] = []  # the last notes, the newest first
        self._intervals: tuple[int, ...] = ()
        # For each k: the interval that last followed each k successive intervals.
        self._followed: list[dict[tuple[int, ...], int]] = [{} for _ in ECHO_LENGTHS]

    def copy(self) -> Self:
        twin = copy(self)
        twin.recent = list(self.recent)
        twin._followed = [dict(f) for f in self._followed]
        return twin

    def add(self, pitch: int) -> None:
        if self.recent:
            interval = pitch - self.recent[0]
            interval = interval % self._modulus if self._modulus else interval
            for k, followed in zip(ECHO_LENGTHS, self._followed):
                if len(self._intervals) >= k:
                    followed[self._intervals[-k:]] = interval
            self._intervals = (*self._intervals[1 - max(ECHO_LENGTHS) :], interval)
        self.recent = [pitch, *self.recent[: RECENT_NOTES - 1]]

    def echoes(self) -> list[int | None]:
        """The pitch of each echo; None if its intervals are new."""
        intervals = self._intervals
        # A slice of fewer than k intervals is in no dict.
        following = [followed.get(intervals[-k:]) for k, followed in zip(ECHO_LENGTHS, self._followed)]
        return [None if interval is None else self._in_range(self.recent[0] + interval) for interval in following]

    def _in_range(self, pitch: int) -> int | None:
        if self._modulus:
            return pitch % self._modulus
        return pitch if 0 <= pitch <= 127 else None

    def context(self) -> list[int]:
        """The symbols of all features of a line before the next note."""
        state = _LineState(self)
        return [symbol for feature in LINE_FEATURES for symbol in feature.of_state(state)]


@dataclass(frozen=True)
class WholeLine:
    """A line of N known notes, as T steps see it."""

    notes: Ints
    """(N,): pitches."""
    known: Ints
    """(T,): how many of the notes come before each step."""
    modulus: int | None = None
    """With a modulus (12), pitches are pitch classes."""

    @cached_property
    def recent(self) -> Ints:
        """(T, RECENT_NOTES): the last notes before each step, the newest first; -1 where there are fewer."""
        padded = np.full(RECENT_NOTES + len(self.notes), -1, np.int32)
        padded[RECENT_NOTES:] = self.notes
        recent: Ints = padded[self.known[:, None] + np.arange(RECENT_NOTES - 1, -1, -1)]
        return recent

    @cached_property
    def echoes(self) -> Ints:
        """(T, echoes): the pitch of each echo; -1 where its intervals are new."""
        return np.stack([self._echoes(k) for k in ECHO_LENGTHS], axis=1)[self.known]

    @cached_property
    def _moves(self) -> Ints:
        moves = np.diff(self.notes)
        return moves % self.modulus if self.modulus else moves

    def _echoes(self, k: int) -> Ints:
        """The echo of the last k intervals before each note and after the last, (N + 1,); -1 where they are new."""
        echoes = np.full(len(self.notes) + 1, -1, np.int32)
        if len(self._moves) < k + 1:
            return echoes
        number = np.zeros(len(self._moves) - k + 1, np.int64)  # of the run of k intervals before note i + k + 1
        for j in range(k):  # an interval takes 8 bits, so that a run fits into 64
            number = number << 8 | (self._moves[j : len(number) + j] & 0xFF)
        order = np.argsort(number, kind="stable")
        again = np.flatnonzero(number[order][1:] == number[order][:-1])
        here, before = order[again + 1], order[again]
        pitches = self.notes[here + k] + self._moves[before + k]
        if self.modulus:
            pitches = pitches % self.modulus
        echoes[here + k + 1] = np.where((pitches >= 0) & (pitches <= 127), pitches, -1)
        return echoes


class PieceWithLine(Protocol):
    """A piece that has, or is seen as, one line."""

    @property
    def line(self) -> WholeLine: ...


class StateWithLine(Protocol):
    """A decoder that follows a line."""

    @property
    def line(self) -> Line: ...


@dataclass(frozen=True)
class RecentNotes(Feature[PieceWithLine, StateWithLine]):
    """The last notes of the line."""

    engine: ClassVar[str] = "pb_context_notes"
    follows_symbols: ClassVar[bool] = True
    fields = tuple(Field(f"note {k + 1} ago", PITCH_SYMBOLS) for k in range(RECENT_NOTES))

    def of_piece(self, piece: PieceWithLine) -> Ints:
        return _note_symbols(piece.line.recent)

    def of_state(self, state: StateWithLine) -> Sequence[int]:
        recent = state.line.recent
        return [FIRST_NOTE + note for note in recent] + [NO_NOTE] * (RECENT_NOTES - len(recent))


@dataclass(frozen=True)
class RecentSteps(Feature[PieceWithLine, StateWithLine]):
    """The intervals between the last notes of the line."""

    engine: ClassVar[str] = "pb_context_steps"
    follows_symbols: ClassVar[bool] = True
    fields = tuple(Field(f"step {k + 1} ago", INTERVAL_SYMBOLS) for k in range(RECENT_NOTES - 1))

    def of_piece(self, piece: PieceWithLine) -> Ints:
        recent = piece.line.recent
        return _interval_symbols(recent[:, 1:], recent[:, :-1])

    def of_state(self, state: StateWithLine) -> Sequence[int]:
        recent = state.line.recent
        steps = [_INTERVAL_SYMBOL[note - before] for note, before in zip(recent, recent[1:])]
        return steps + [NO_INTERVAL] * (RECENT_NOTES - 1 - len(steps))


@dataclass(frozen=True)
class Echoes(Feature[PieceWithLine, StateWithLine]):
    """The echoes of the line, and the interval from its last note to each."""

    engine: ClassVar[str] = "pb_context_echoes"
    follows_symbols: ClassVar[bool] = True
    fields = (
        *(Field(f"echo of {k}", PITCH_SYMBOLS) for k in ECHO_LENGTHS),
        *(Field(f"step to echo of {k}", INTERVAL_SYMBOLS) for k in ECHO_LENGTHS),
    )

    def of_piece(self, piece: PieceWithLine) -> Ints:
        echoes = piece.line.echoes
        return np.hstack([_note_symbols(echoes), _interval_symbols(piece.line.recent[:, :1], echoes)])

    def of_state(self, state: StateWithLine) -> Sequence[int]:
        line = state.line
        echoes = line.echoes()
        notes = [NO_NOTE if echo is None else FIRST_NOTE + echo for echo in echoes]
        return notes + [NO_INTERVAL if echo is None else _INTERVAL_SYMBOL[echo - line.recent[0]] for echo in echoes]


def _note_symbols(pitches: Ints) -> Ints:
    """The context symbols of pitches, of which -1 means none."""
    return np.where(pitches < 0, NO_NOTE, FIRST_NOTE + pitches)


def _interval_symbols(a: Ints, b: Ints) -> Ints:
    """The context symbols of the intervals from pitches up to others; -1 means no pitch."""
    intervals = np.clip(b - a, -WIDEST_INTERVAL, WIDEST_INTERVAL) + WIDEST_INTERVAL
    return np.where((a < 0) | (b < 0), NO_INTERVAL, intervals)


_INTERVAL_SYMBOL = {
    interval: max(-WIDEST_INTERVAL, min(WIDEST_INTERVAL, interval)) + WIDEST_INTERVAL for interval in range(-127, 128)
}
"""The context symbol of each interval."""


@dataclass(frozen=True)
class _LinePiece:
    """Nothing but a line."""

    line: WholeLine


@dataclass(frozen=True)
class _LineState:
    """Nothing but a line."""

    line: Line


LINE_FEATURES: Features[PieceWithLine, StateWithLine] = Features((RecentNotes(), RecentSteps(), Echoes()))
"""All features of a line, in order."""
LINE_FIELDS = LINE_FEATURES.fields


def line_contexts(notes: Ints, modulus: int | None = None) -> Ints:
    """The symbols of all features of a line of N notes, before each of them and after the last: (N + 1, fields)."""
    known = np.arange(len(notes) + 1, dtype=np.int32)
    return LINE_FEATURES.of_piece(_LinePiece(WholeLine(notes, known, modulus)))
