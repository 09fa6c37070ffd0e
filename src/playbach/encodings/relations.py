"""Relations between symbols and their context, such as the interval from a sounding note to a new one.

A network that scores intervals as well as symbols learns a musical pattern once and knows it in every key. With
little training music, no other change improves it as much (docs/experiments.md). Knows integers only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Classes = npt.NDArray[np.int64]

WIDEST_INTERVAL = 24
"""The widest interval in semitones that has a class of its own; wider ones share its class."""


@dataclass(frozen=True, eq=False)
class Relation:
    """Classes of a field's symbols, given one context column: K context symbols, V symbols, A aspects.

    The class of symbol v after context symbol k is `classes[k, aspects[v]]`. Class 0 means that there is no relation.
    """

    name: str
    field: int
    """The index of the field of the step."""
    column: int
    """The index of the context field."""
    classes: Classes
    """(K, A), int64."""
    aspects: Classes
    """(V,), int64: the aspect of each symbol that the relation looks at, such as its pitch."""

    def __len__(self) -> int:
        """The number of classes."""
        return int(self.classes.max()) + 1


def interval_classes(context: list[int | None], symbols: list[int | None]) -> Classes:
    """The classes of upward intervals from each pitch of the context to each pitch of the symbols.

    Class 0 where either is None, which means no pitch.
    """
    return _classes(context, symbols, _interval_class)


def chord_classes(context: list[int | None], symbols: list[int | None]) -> Classes:
    """Like `interval_classes`, with intervals modulo the octave."""
    return _classes(context, symbols, lambda a, b: (b - a) % 12 + 1)


def _interval_class(a: int, b: int) -> int:
    return min(WIDEST_INTERVAL, max(-WIDEST_INTERVAL, b - a)) + WIDEST_INTERVAL + 1


def _classes(context: list[int | None], symbols: list[int | None], class_of: Callable[[int, int], int]) -> Classes:
    rows = [[0 if a is None or b is None else class_of(a, b) for b in symbols] for a in context]
    return np.array(rows, np.int64)
