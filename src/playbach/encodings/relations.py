"""How symbols stand to what is known before them: the interval between a note and the one that sounds, say.

A network that scores intervals beside symbols learns a turn once and knows it in every key, which on little music is
worth more than anything else (docs/experiments.md). Knows integers only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Classes = npt.NDArray[np.int64]

WIDEST = 24
"""Intervals in semitones are told apart up to two octaves."""


@dataclass(frozen=True, eq=False)
class Relation:
    """To each symbol of a context column (K of them) and each of a field (V) a class: `classes` (K, A) of that symbol
    and the aspect of this one, of which `aspects` (V,) tells which it has, its pitch, say. Class 0 is none. int64."""

    name: str
    field: int
    column: int
    classes: Classes
    aspects: Classes

    def __len__(self) -> int:
        """The number of classes."""
        return int(self.classes.max()) + 1


def interval_classes(known: list[int | None], said: list[int | None]) -> Classes:
    """The class of each pair of pitches: the interval upward to what is said; None is no pitch."""
    return _classes(known, said, lambda a, b: min(WIDEST, max(-WIDEST, b - a)) + WIDEST + 1)


def chord_classes(known: list[int | None], said: list[int | None]) -> Classes:
    """As `interval_classes`, modulo the octave."""
    return _classes(known, said, lambda a, b: (b - a) % 12 + 1)


def _classes(known: list[int | None], said: list[int | None], of: Callable[[int, int], int]) -> Classes:
    return np.array([[0 if a is None or b is None else of(a, b) for b in said] for a in known], np.int64)
