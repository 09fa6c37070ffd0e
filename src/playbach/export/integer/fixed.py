"""Numbers of real layers as integers: 8-bit weights with a scale for each row, and fixed point between layers.

Every sum stays within 32 bits whatever the inputs are, which is proved once, when a layer is quantised; products with
multipliers need 64. So Python and C compute the same, bit for bit, in any order of adding. Method: per-channel
symmetric quantisation (Jacob et al., arXiv:1712.05877; Krishnamoorthi, arXiv:1806.08342). Knows matrices; knows
nothing of networks. numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.system.errors import BundleError, PlaybachError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BYTE = 127
"""The largest weight; the smallest is its negative, so that a sign can be turned."""
LOGIT = 1 << 16
"""One nat."""
MOST_SUM = 1 << 30
"""Neither the products of a row nor its bias come to more: both together, and every sum on the way, fit into 32
bits."""
MOST_MULTIPLIER = 1 << 30
"""Of these, two accumulators' worth can be added in 64 bits."""
MOST_SHIFT = 62


class IntegerError(PlaybachError):
    """A network that cannot be computed in integers."""


def halved_up(values: Any, shift: int) -> Any:
    """Integers divided by 2 ** shift and rounded, halves up: (v + half) >> shift, as the C engine does."""
    return (values + (1 << shift >> 1)) >> shift


@dataclass(frozen=True, eq=False)
class Linear:
    """A layer. Of inputs x (…, k) its accumulators are `weight` (n, k) x + `bias` (n,), which fit into int32; each
    times its `multiplier` (n,), and all shifted right by `shift`, they are outputs in fixed point."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.int32]
    shift: int

    @cached_property
    def _columns(self) -> Floats:
        # In floats a product is many times as fast, and exact: every sum is a whole number far below 2 ** 53.
        return np.ascontiguousarray(self.weight.T.astype(np.float64))

    def accumulated(self, x: npt.NDArray[Any]) -> Ints:
        """x (…, k), whole numbers of any type -> accumulators (…, n)."""
        summed: Ints = (x.astype(np.float64) @ self._columns).astype(np.int64)
        return summed + self.bias

    def scaled(self, accumulators: Ints) -> Ints:
        """Accumulators (…, n) -> outputs (…, n)."""
        outputs: Ints = halved_up(accumulators * self.multiplier, self.shift)
        return outputs

    def __call__(self, x: npt.NDArray[Any]) -> Ints:
        return self.scaled(self.accumulated(x))

    def most(self, largest: int) -> int:
        """No output is further from 0, of inputs of at most `largest`."""
        sums = np.abs(self.weight.astype(np.int64)).sum(1) * largest + np.abs(self.bias.astype(np.int64))
        return int((sums * self.multiplier >> self.shift).max(initial=0)) + 1


@dataclass(frozen=True, eq=False)
class Products:
    """A layer whose outputs have no unit yet: what it is in reals is its accumulators times `scale` (n,)."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: Floats


def products(weight: Floats, bias: Floats, unit: float, largest: int, alone: Sequence[slice] = ()) -> Products:
    """A real layer (n, k), (n,) whose inputs are integers of at most `largest`, each worth `unit`. Of the columns in
    each slice of `alone` only one at a time has an input other than 0."""
    real = weight * unit
    rest = np.ones(real.shape[1], bool)
    for columns in alone:
        rest[columns] = False
    size = np.abs(real)
    heaviest = size[:, rest].sum(1) + sum((size[:, c].max(1) for c in alone), np.zeros(len(real)))
    scale = np.maximum.reduce(
        [
            size.max(1, initial=0) / BYTE,
            np.abs(bias) / (MOST_SUM - 1),
            # Rounding can add half a weight a column.
            heaviest * largest / (MOST_SUM - largest * (int(rest.sum()) + len(alone))),
        ]
    )
    known = scale[scale > 0]
    scale = np.where(scale > 0, scale, known.min(initial=np.inf) if known.size else 1.0)
    return Products(np.rint(real / scale[:, None]).astype(np.int8), np.rint(bias / scale).astype(np.int32), scale)


def multipliers(scales: Sequence[Floats], one: float) -> tuple[list[npt.NDArray[np.int32]], int]:
    """What turns accumulators with these scales into fixed point in which 1 is `one`, and the shift they share.

    Raises:
        IntegerError: they are too large.
    """
    most = max(float(s.max()) for s in scales) * one
    shift = min(int(np.floor(np.log2((MOST_MULTIPLIER - 1) / most))), MOST_SHIFT)
    if shift < 1:
        raise IntegerError("the network's weights are too large to be written as integers; train it again")
    return [np.rint(s * (one * 2.0**shift)).astype(np.int32) for s in scales], shift


def linear(weight: Floats, bias: Floats, unit: float, largest: int, one: float) -> Linear:
    """A real layer whose inputs are integers of at most `largest`, each worth `unit`, and in whose outputs 1 is
    `one`."""
    of = products(weight, bias, unit, largest)
    (multiplier,), shift = multipliers([of.scale], one)
    return Linear(of.weight, of.bias, multiplier, shift)


def bytes_of(table: Floats) -> tuple[npt.NDArray[np.int8], float]:
    """A table of reals as bytes, and what 1 of them is worth."""
    unit = float(np.abs(table).max(initial=0)) / BYTE or 1.0
    return np.rint(table / unit).astype(np.int8), unit


class Weights:
    """A network's weights by their names, as float64."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        self._weights = weights

    def __contains__(self, name: str) -> bool:
        return name in self._weights

    def get(self, name: str, *shape: int | None) -> Floats:
        """One of them, which must have this shape; None is any size.

        Raises:
            BundleError: it is missing, of another shape, or not of finite numbers.
        """
        if name not in self._weights:
            raise BundleError(f"the network has no weights {name!a:.80}; train it again")
        found = np.asarray(self._weights[name]).astype(np.float64)
        if len(found.shape) != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape)):
            expected = " x ".join("any" if n is None else str(n) for n in shape)
            raise BundleError(
                f"the network's weights {name!a:.80} should be {expected}, and are "
                f"{' x '.join(map(str, found.shape))}; train it again"
            )
        if not np.isfinite(found).all():
            raise BundleError(f"the network's weights {name!a:.80} are not all finite numbers; train it again")
        return found
