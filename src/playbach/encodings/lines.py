"""What a line of notes remembers of itself: its last notes, and its echoes.

An echo is the note that would come now if the line went on as it did the last time that its last k intervals were
the same: a figure that comes back on another degree is foretold. A network learns how far to trust one from a few
pieces, where to learn to look back by itself it would need thousands (docs/experiments.md has the figures). Knows
pitches, or pitch classes where there is a modulus; knows nothing of symbols.
"""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np

from playbach.encodings.base import Field
from playbach.music.arrays import Ints

RECENT = 8
"""The last notes that are told."""
ECHOES = (1, 2, 3, 4, 6, 8)
"""Of so many intervals, eight at most."""
NOTHING, FIRST = 0, 2
"""As context symbols: no such note; pitch 0. Symbol 1 is a rest, which is no note of the line."""
WIDEST = 24
NO_STEP = 2 * WIDEST + 1
PITCHES = ("nothing", "rest", *map(str, range(128)))
STEPS = (*map(str, range(-WIDEST, WIDEST + 1)), "none")
COLUMNS = 2 * RECENT - 1 + 2 * len(ECHOES)
FIELDS = (
    *(Field(f"note {k + 1} ago", PITCHES) for k in range(RECENT)),
    *(Field(f"step {k + 1} ago", STEPS) for k in range(RECENT - 1)),
    *(Field(f"echo of {k}", PITCHES) for k in ECHOES),
    *(Field(f"step to echo of {k}", STEPS) for k in ECHOES),
)
"""The context fields, in the order of `told`."""


class Line:
    """A line that is heard note by note."""

    def __init__(self, modulus: int | None = None) -> None:
        self._modulus = modulus
        self._notes: list[int] = []
        self._steps: list[int] = []
        self._followed: list[dict[tuple[int, ...], int]] = [{} for _ in ECHOES]

    def copy(self) -> Self:
        twin = copy(self)
        twin._notes, twin._steps = list(self._notes), list(self._steps)
        twin._followed = [dict(f) for f in self._followed]
        return twin

    def hear(self, pitch: int) -> None:
        if self._notes:
            step = pitch - self._notes[-1]
            step = step % self._modulus if self._modulus else step
            for k, followed in zip(ECHOES, self._followed):
                if len(self._steps) >= k:
                    followed[tuple(self._steps[-k:])] = step
            self._steps = [*self._steps[1 - max(ECHOES) :], step]
        self._notes = [*self._notes[1 - RECENT :], pitch]

    def told(self) -> list[int]:
        """The context before the next note (COLUMNS,)."""
        notes = self._notes[::-1]
        recent = [FIRST + n for n in notes] + [NOTHING] * (RECENT - len(notes))
        steps = [_step(b, a) for a, b in zip(notes, notes[1:])]
        steps += [NO_STEP] * (RECENT - 1 - len(steps))
        echoes, to_echoes = [], []
        for k, followed in zip(ECHOES, self._followed):
            step = followed.get(tuple(self._steps[-k:])) if len(self._steps) >= k else None
            pitch = None if step is None else self._within(self._notes[-1] + step)
            echoes.append(NOTHING if pitch is None else FIRST + pitch)
            to_echoes.append(NO_STEP if pitch is None else _step(self._notes[-1], pitch))
        return [*recent, *steps, *echoes, *to_echoes]

    def _within(self, pitch: int) -> int | None:
        if self._modulus:
            return pitch % self._modulus
        return pitch if 0 <= pitch <= 127 else None


def _step(a: int, b: int) -> int:
    return min(WIDEST, max(-WIDEST, b - a)) + WIDEST


def told(notes: Ints, modulus: int | None = None) -> Ints:
    """What a line of N notes tells before each of them and after the last: (N + 1, COLUMNS), as `Line` does."""
    count = len(notes)
    recent = np.full((count + 1, RECENT), NOTHING, np.int32)
    for k in range(RECENT):
        recent[k + 1 :, k] = FIRST + notes[: max(count - k, 0)]
    pitch = np.where(recent > NOTHING, recent - FIRST, -1)
    steps = np.clip(pitch[:, :-1] - pitch[:, 1:], -WIDEST, WIDEST) + WIDEST
    steps[pitch[:, 1:] < 0] = NO_STEP
    moves = np.diff(notes)
    if modulus:
        moves %= modulus
    echoes = np.stack([_echoes(notes, moves, k, modulus) for k in ECHOES], axis=1)
    to_echoes = np.clip(echoes - pitch[:, :1], -WIDEST, WIDEST) + WIDEST
    to_echoes[echoes < 0] = NO_STEP
    return np.hstack([recent, steps, np.where(echoes < 0, NOTHING, echoes + FIRST), to_echoes]).astype(np.int32)


def _echoes(notes: Ints, moves: Ints, k: int, modulus: int | None) -> Ints:
    """The pitch that each place's last k moves foretell (N + 1,), -1 where they are new."""
    found = np.full(len(notes) + 1, -1, np.int32)
    if len(moves) < k + 1:
        return found
    number = np.zeros(len(moves) - k + 1, np.int64)  # of run i, which comes before note i + k + 1
    for j in range(k):  # a move has 8 bits, a run no more than 64
        number = number << 8 | (moves[j : len(number) + j] & 0xFF)
    order = np.argsort(number, kind="stable")
    again = np.flatnonzero(number[order][1:] == number[order][:-1])
    here, before = order[again + 1], order[again]
    pitches = notes[here + k] + moves[before + k]
    if modulus:
        pitches = pitches % modulus
    found[here + k + 1] = np.where((pitches >= 0) & (pitches <= 127), pitches, -1)
    return found
