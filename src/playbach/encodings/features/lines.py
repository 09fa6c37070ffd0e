"""Features of a single line of notes: its last notes, the steps between them, and its echoes.

An echo is the note that would come next if the line went on as it did the last time that it had the same k intervals.
It predicts a figure that returns, on any degree of the scale. A few pieces are enough for a network to learn how far
to trust an echo; to learn to look back by itself, it would need thousands (docs/experiments.md has the figures).

Knows pitches, or pitch classes where there is a modulus; knows nothing of symbols of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from playbach.encodings.features.base import Feature, Features
from playbach.encodings.fields import Field
from playbach.encodings.relations import WIDEST_INTERVAL
from playbach.music.arrays import Ints, Mask

_Longs = npt.NDArray[np.int64]
_T = TypeVar("_T", bound=np.generic)

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
    """A line of N known notes, as T steps see it, or several lines one after another; N is at most 2 ** 20.

    All is computed in L columns, one for each note and RECENT_NOTES before each line. Each step sees one column.
    """

    notes: Ints
    """(N,): pitches."""
    known: Ints
    """(T,): how many of the notes come before each step, those of earlier lines included."""
    modulus: int | None = None
    """With a modulus (12), pitches are pitch classes."""
    begins: tuple[int, ...] = (0,)
    """(S,): where each line begins, as an index into the notes."""
    begins_of_steps: tuple[int, ...] = (0,)
    """(S,): where the steps of each line begin, as an index into the steps."""

    @property
    def recent(self) -> Ints:
        """(T, RECENT_NOTES): the symbols of the last notes before each step, the newest first."""
        return self._seen(self._symbols, RECENT_NOTES)

    @property
    def steps(self) -> Ints:
        """(T, RECENT_NOTES - 1): the symbols of the intervals between these notes."""
        both = (self._symbols >= FIRST_NOTE) & (_shifted(self._symbols, 1) >= FIRST_NOTE)
        return self._seen(np.where(both, _interval_symbols(self._moves), NO_INTERVAL), RECENT_NOTES - 1)

    @property
    def echoes(self) -> Ints:
        """(T, 2 * echoes): the symbols of the echoes, then those of the intervals to them from the last note."""
        moves = self._moves % self.modulus if self.modulus else self._moves
        following = np.append(moves[1:], moves[:1])
        seen = np.empty((2, len(ECHO_LENGTHS), len(self.known)), np.int32)
        for row, (k, last) in enumerate(_last_equal_runs(moves)):
            pitches = self._symbols - FIRST_NOTE + following.take(last)
            # The run that an echo repeats must lie in the same line. Then the echoed one does, too.
            found = (last - k >= self._first) & (pitches >= 0) & (pitches <= 127)
            symbols = FIRST_NOTE + (pitches % self.modulus if self.modulus else pitches)
            intervals = _interval_symbols(symbols - self._symbols)
            self._see(np.where(found, symbols, NO_NOTE), into=seen[0, row])
            self._see(np.where(found, intervals, NO_INTERVAL), into=seen[1, row])
        return seen.reshape(2 * len(ECHO_LENGTHS), len(self.known)).T

    @cached_property
    def _lines(self) -> Ints:
        """(N,): the number of each note's line."""
        return _numbers(self.begins, len(self.notes))

    @cached_property
    def _symbols(self) -> Ints:
        """(L,): the symbol of each column's note."""
        symbols = np.full(len(self.notes) + RECENT_NOTES * len(self.begins), NO_NOTE, np.int32)
        symbols[np.arange(len(self.notes)) + RECENT_NOTES * (self._lines + 1)] = FIRST_NOTE + self.notes
        return symbols

    @cached_property
    def _first(self) -> Ints:
        """(L,): the column of the first note of each column's line."""
        columns = np.asarray(self.begins) + RECENT_NOTES * np.arange(len(self.begins))
        first: Ints = (columns + RECENT_NOTES).astype(np.int32)[_numbers(columns, len(self._symbols))]
        return first

    @cached_property
    def _moves(self) -> Ints:
        """(L,): the interval to each column's note from the one before; anything where there are not both."""
        moves: Ints = self._symbols - _shifted(self._symbols, 1)
        return moves

    @cached_property
    def _columns(self) -> Ints:
        """(T,): the column that each step sees."""
        return self.known + RECENT_NOTES * (_numbers(self.begins_of_steps, len(self.known)) + 1) - 1

    def _seen(self, symbols: Ints, most: int) -> Ints:
        """(T, most): the last symbols that each step sees, of one in each column (L,), the newest first."""
        seen = np.empty((most, len(self.known)), np.int32)
        for k in range(most):  # there are enough columns before each line
            self._see(symbols, into=seen[k], before=k)
        return seen.T

    def _see(self, symbols: Ints, into: Ints, before: int = 0) -> None:
        """Put what each step sees of symbols (L,), so many columns before, into (T,)."""
        # The columns are in range. This mode is the only one that writes directly.
        symbols.take(self._columns - before if before else self._columns, out=into, mode="clip")


def _numbers(begins: npt.ArrayLike, length: int) -> Ints:
    """For each of so many indices (length,), the number of the part in which it is; parts begin at these indices."""
    return np.repeat(np.arange(np.size(begins)), np.diff(begins, append=length))


def _shifted(values: npt.NDArray[_T], k: int) -> npt.NDArray[_T]:
    """Values (L,), each k columns later."""
    shifted = np.zeros_like(values)
    shifted[k:] = values[:-k]
    return shifted


def _last_equal_runs(moves: Ints) -> Iterator[tuple[int, _Longs]]:
    """For each k of ECHO_LENGTHS: where the last equal run of k moves ended before each of L moves, (L,).

    -1 where a run is new. Valid moves are from -127 to 127. Runs of fewer moves at the beginning are like anything.
    """
    byte = moves.astype(np.int64) & 0xFF
    four = byte | _shifted(byte, 1) << 8 | _shifted(byte, 2) << 16 | _shifted(byte, 3) << 24
    number: dict[int, _Longs] = {}  # for some k: a number for each run, the same for equal runs
    for k in ECHO_LENGTHS:
        # A longer run is a run of four after another; the number of each has fewer bits than its moves.
        longer = k > 4
        runs = (
            number[4] << len(moves).bit_length() | _shifted(number[k - 4], 4) if longer else four & (1 << 8 * k) - 1
        )
        columns, is_new = _sorted_columns(runs)
        last = np.empty(len(runs), np.int64)
        last[columns] = np.where(is_new, -1, _shifted(columns, 1))
        if k == 4 or k + 4 in ECHO_LENGTHS:
            number[k] = np.empty(len(runs), np.int64)
            number[k][columns] = np.cumsum(is_new)
        yield k, last


def _sorted_columns(values: _Longs) -> tuple[_Longs, Mask]:
    """The columns of L values in their order, equal ones from left to right; and whether each differs from the one
    before it in this order.

    Sorting the values with their columns in the lowest bits is several times as fast as `argsort`.
    """
    bits = len(values).bit_length()
    ordered = np.sort(values << bits | np.arange(len(values)))
    columns = ordered & (1 << bits) - 1
    ordered >>= bits
    is_new = np.ones(len(values), bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return columns, is_new


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
        return piece.line.recent

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
        return piece.line.steps

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
        return piece.line.echoes

    def of_state(self, state: StateWithLine) -> Sequence[int]:
        line = state.line
        echoes = line.echoes()
        notes = [NO_NOTE if echo is None else FIRST_NOTE + echo for echo in echoes]
        return notes + [NO_INTERVAL if echo is None else _INTERVAL_SYMBOL[echo - line.recent[0]] for echo in echoes]


def _interval_symbols(intervals: Ints) -> Ints:
    """The context symbols of intervals in semitones."""
    return np.clip(intervals, -WIDEST_INTERVAL, WIDEST_INTERVAL) + WIDEST_INTERVAL


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
