"""The last layer in integers: a score for each symbol, and that of its class in each relation to the context.

Knows shapes and relations (`playbach.encodings.relations`); nothing of music.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings import Encoding
from playbach.export.integer.fixed import LOGIT, IntegerError, Ints, Linear, Weights, linear


@dataclass(frozen=True, slots=True)
class Related:
    """One relation: to each symbol of a field is added the score, counted from `first` on, of its class
    `tables[classes][symbol of the context's column, tables[aspects][it]]`."""

    field: int
    column: int
    first: int
    classes: int
    aspects: int


@dataclass(frozen=True, eq=False)
class IntegerHeads:
    """`scores` gives each field's symbols in turn, `symbols` of them, and then each relation's classes, in 65,536ths
    of a nat. `tables` are kept once, in the smallest type that holds them."""

    scores: Linear
    symbols: tuple[int, ...]
    relations: tuple[Related, ...]
    tables: tuple[npt.NDArray[Any], ...]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each field's symbols begin, and where the classes do."""
        return tuple(np.cumsum([0, *self.symbols]).tolist())

    def __call__(self, x: Ints, context: npt.NDArray[Any]) -> Ints:
        """x (B, width), context (B, C) -> logits (B, sum of V_f), field after field."""
        scores = self.scores(x)
        rows = np.arange(len(scores))[:, None]
        logits = scores[:, : self.starts[-1]].copy()
        for r in self.relations:
            known = self.tables[r.classes][context[:, r.column]][:, self.tables[r.aspects]]
            logits[:, self.starts[r.field] : self.starts[r.field + 1]] += scores[:, r.first :][rows, known]
        return logits


def heads(weights: Weights, prefix: str, encoding: Encoding, width: int, unit: float, largest: int) -> IntegerHeads:
    """The heads named `prefix` of a network whose last layer gives integers of at most `largest`, worth `unit`.

    Raises:
        BundleError: they do not fit the encoding.
        IntegerError: a logit could be more than 32 bits hold.
    """
    symbols, relations = tuple(map(len, encoding.fields)), encoding.relations
    names = [(f"{prefix}symbols.{i}", n) for i, n in enumerate(symbols)]
    names += [(f"{prefix}classes.{i}", len(r)) for i, r in enumerate(relations)]
    weight = np.concatenate([weights.get(f"{name}.weight", n, width) for name, n in names])
    bias = np.concatenate([weights.get(f"{name}.bias", n) for name, n in names])
    scores = linear(weight, bias, unit, largest, LOGIT)
    if scores.most(largest) * (1 + len(relations)) >= 1 << 31:
        raise IntegerError("the network's scores are too large to be written as integers; train it again")
    known = {id(t): t for r in relations for t in (r.classes, r.aspects)}
    places = {key: i for i, key in enumerate(known)}
    first = np.cumsum([sum(symbols), *map(len, relations)]).tolist()
    related = tuple(
        Related(r.field, r.column, first[i], places[id(r.classes)], places[id(r.aspects)])
        for i, r in enumerate(relations)
    )
    return IntegerHeads(scores, symbols, related, tuple(_smallest(t) for t in known.values()))


def _smallest(table: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    return table.astype(np.min_scalar_type(int(table.max(initial=0))))
