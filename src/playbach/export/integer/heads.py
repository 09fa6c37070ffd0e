"""The last layer in integers: a score for each symbol, plus that of its class in each relation to the context.

Knows shapes and relations (`playbach.encodings.relations`); knows nothing of music.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import Encoding
from playbach.export.integer.fixed import LOGIT_SCALE, IntegerError, Integers, Linear, Reals, Weights, quantise_linear


@dataclass(frozen=True, slots=True)
class IntegerRelation:
    """One relation. Each symbol of the field gets the score of its class added, which is
    `tables[classes][the context's symbol, tables[aspects][the symbol]]`."""

    field: int
    """The field whose symbols are scored."""
    column: int
    """The context's column."""
    first: int
    """Where the classes' scores begin."""
    classes: int
    """The number of the table of classes."""
    aspects: int
    """The number of the table of aspects."""


@dataclass(frozen=True, eq=False)
class IntegerHeads:
    """The last layer of an integer network."""

    scores: Linear
    """Each field's symbols in turn, then each relation's classes, in 1/65,536 nat."""
    symbols: tuple[int, ...]
    """The number of symbols of each field."""
    relations: tuple[IntegerRelation, ...]
    """In the order of their classes' scores."""
    tables: tuple[npt.NDArray[Any], ...]
    """The relations' tables, each once, in the smallest type that holds it."""

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each field's symbols begin, and where the classes do."""
        return tuple(np.cumsum([0, *self.symbols]).tolist())

    def __call__(self, x: Integers, context: npt.NDArray[Any]) -> Integers:
        """x (B, width), context (B, C) -> logits (B, sum of V_f), field after field."""
        scores = self.scores(x)
        rows = np.arange(len(scores))[:, None]
        logits = scores[:, : self.starts[-1]].copy()
        for r in self.relations:
            classes = self.tables[r.classes][context[:, r.column]][:, self.tables[r.aspects]]
            logits[:, self.starts[r.field] : self.starts[r.field + 1]] += scores[:, r.first :][rows, classes]
        return logits


def quantise_heads(
    weights: Weights, prefix: str, encoding: Encoding, width: int, unit: float, max_input: int
) -> IntegerHeads:
    """Quantise the heads named `prefix`, whose inputs are integers of at most `max_input`, 1 standing for `unit`.

    Raises:
        BundleError: the heads do not fit the encoding.
        IntegerError: a logit could exceed 32 bits.
    """
    symbols, relations = tuple(map(len, encoding.fields)), encoding.relations
    names = [(f"{prefix}symbols.{i}", n) for i, n in enumerate(symbols)]
    names += [(f"{prefix}classes.{i}", len(r)) for i, r in enumerate(relations)]
    weight: Reals = np.concatenate([weights.get(f"{name}.weight", n, width) for name, n in names])
    bias: Reals = np.concatenate([weights.get(f"{name}.bias", n) for name, n in names])
    scores = quantise_linear(weight, bias, unit, max_input, LOGIT_SCALE)
    if scores.max_output(max_input) * (1 + len(relations)) >= 1 << 31:
        raise IntegerError("the network's scores are too large for integer arithmetic; train it again")
    tables = {id(t): t for r in relations for t in (r.classes, r.aspects)}
    numbers = {key: i for i, key in enumerate(tables)}
    first = np.cumsum([sum(symbols), *map(len, relations)]).tolist()
    integer_relations = tuple(
        IntegerRelation(r.field, r.column, first[i], numbers[id(r.classes)], numbers[id(r.aspects)])
        for i, r in enumerate(relations)
    )
    return IntegerHeads(scores, symbols, integer_relations, tuple(_smallest(t) for t in tables.values()))


def _smallest(table: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    return table.astype(np.min_scalar_type(int(table.max(initial=0))))
