"""Divides the notes of a keyboard between two hands, and so between two staves.

At each onset a pitch separates the hands. The cheapest sequence of these pitches over the whole piece is found
by dynamic programming: a hand spans little more than an octave, the border is near middle C, in a wide gap between
notes, and it moves seldom. Knows pitches and onsets only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from playbach.music.notation.model import UNITS
from playbach.music.notation.quantising import PlacedNote

_BORDERS = np.arange(43, 80)
"""Pitches from which on notes are the right hand's: G2 to G5."""
_MIDDLE = 60
_SPAN = 12
"""Semitones that a hand reaches with ease."""
_ALONE = 4 * UNITS
"""A hand is alone where the other one begins nothing for this long."""
_TOO_LOW, _TOO_HIGH = 53, 67
"""What a right hand alone does not play below, and a left hand alone not above."""
_SPAN_COST, _FAR_COST, _MOVE_COST, _NEAR_COST, _WRONG_SIDE_COST = 4.0, 0.12, 0.5, 1.5, 0.35


def split_hands(notes: Sequence[PlacedNote]) -> tuple[list[PlacedNote], list[PlacedNote]]:
    """The notes of the right hand and of the left hand, in order."""
    groups: dict[int, list[PlacedNote]] = {}
    for note in notes:
        groups.setdefault(note.begin, []).append(note)
    onsets = sorted(groups)
    costs = [_costs(np.array([n.pitch for n in groups[onset]])) for onset in onsets]
    moves = _MOVE_COST * np.abs(_BORDERS[:, None] - _BORDERS)
    total, back = np.zeros(len(_BORDERS)), []
    for cost in costs:
        options = total[:, None] + moves
        back.append(options.argmin(axis=0))
        total = options.min(axis=0) + cost
    at, borders = int(total.argmin()), []
    for choice in reversed(back):
        borders.append(int(_BORDERS[at]))
        at = int(choice[at])
    right: list[PlacedNote] = []
    left: list[PlacedNote] = []
    for onset, border in zip(onsets, reversed(borders)):
        for note in groups[onset]:
            (right if note.pitch >= border else left).append(note)
    return right, left


def mend_hands(right: Sequence[PlacedNote], left: Sequence[PlacedNote]) -> tuple[list[PlacedNote], list[PlacedNote]]:
    """Both hands, with the notes of one that plays alone, and far into the other's range, divided between them.

    So is music that begins with two hands on two tracks and goes on with both on one.
    """
    begins = [sorted(note.begin for note in hand) for hand in (right, left)]
    together = sorted((*right, *left), key=lambda n: (n.begin, n.pitch))
    divided = {id(note): hand for hand, notes in enumerate(split_hands(together)) for note in notes}
    result: tuple[list[PlacedNote], list[PlacedNote]] = ([], [])
    for hand, notes in enumerate((right, left)):
        for region in _regions(notes, begins[1 - hand]):
            is_far = region[0] and any(n.pitch < _TOO_LOW if hand == 0 else n.pitch > _TOO_HIGH for n in region[1])
            for note in region[1]:
                result[divided[id(note)] if is_far else hand].append(note)
    first, second = (sorted(notes, key=lambda n: (n.begin, n.pitch)) for notes in result)
    return first, second


def _regions(notes: Sequence[PlacedNote], others: Sequence[int]) -> list[tuple[bool, list[PlacedNote]]]:
    """The notes of one hand in order, where it is alone and where it is not.

    Args:
        others: the onsets of the other hand.
    """
    found: list[tuple[bool, list[PlacedNote]]] = []
    for note in notes:
        at = bisect_left(others, note.begin)
        alone = at == len(others) or others[at] > note.begin + _ALONE
        if not found or found[-1][0] != alone:
            found.append((alone, []))
        found[-1][1].append(note)
    return found


def _costs(pitches: NDArray[np.int64]) -> NDArray[np.float64]:
    """The cost of each border for the notes of one onset."""
    is_right = pitches[None, :] >= _BORDERS[:, None]
    costs = _FAR_COST * np.abs(_BORDERS - _MIDDLE)
    for own in (is_right, ~is_right):
        high = np.where(own, pitches, -1).max(axis=1)
        low = np.where(own, pitches, 128).min(axis=1)
        costs = costs + _SPAN_COST * np.maximum(high - low - _SPAN, 0)
    # A border that cuts through a narrow interval divides one hand's chord.
    above = np.where(is_right, pitches, 128).min(axis=1)
    below = np.where(~is_right, pitches, -128).max(axis=1)
    costs = costs + _NEAR_COST * np.maximum(5 - (above - below), 0)
    wrong = np.where(is_right, np.maximum(_MIDDLE - 5 - pitches, 0), np.maximum(pitches - _MIDDLE - 4, 0))
    total: NDArray[np.float64] = costs + _WRONG_SIDE_COST * wrong.sum(axis=1)
    return total
