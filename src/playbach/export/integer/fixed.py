"""Real layers in integer arithmetic: 8-bit weights with a scale for each row, fixed-point numbers between layers.

When a layer is quantised, its scales are chosen so that every sum fits into 32 bits for any input; products with
multipliers need 64. Python and C therefore compute the same numbers, bit for bit, in any order of addition. Method:
per-channel symmetric quantisation (Jacob et al., arXiv:1712.05877; Krishnamoorthi, arXiv:1806.08342). Knows matrices;
knows nothing of networks. numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.system.errors import BundleError, PlaybachError

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Int8s = npt.NDArray[np.int8]

MAX_WEIGHT = 127
"""The largest weight; the smallest is -127, so that weights can be negated."""
LOGIT_SCALE = 1 << 16
"""The integer for a logit of one nat."""
MAX_SUM = 1 << 30
"""Limit for the products of a row, and for its bias: together, and at every point of adding up, they fit into 32
bits."""
MAX_MULTIPLIER = 1 << 30
"""Low enough that two scaled accumulators can be added in 64 bits."""
MAX_SHIFT = 62


class IntegerError(PlaybachError):
    """The network cannot be computed in integer arithmetic."""


def rounding_shift(values: Any, shift: int) -> Any:
    """Divide integers by 2 ** shift and round, halves up: (v + half) >> shift, as the C engine does."""
    return (values + (1 << shift >> 1)) >> shift


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear layer: its outputs in fixed point are ((weight x + bias) * multiplier) >> shift, rounded."""

    weight: Int8s
    """(n, k)."""
    bias: npt.NDArray[np.int32]
    """(n,)."""
    multiplier: npt.NDArray[np.int32]
    """(n,)."""
    shift: int
    """Bits."""

    @cached_property
    def _columns(self) -> Reals:
        # A product of floats is many times faster, and exact: every sum is a whole number far below 2 ** 53.
        return np.ascontiguousarray(self.weight.T.astype(np.float64))

    def accumulate(self, x: npt.NDArray[Any]) -> Integers:
        """x (…, k), whole numbers of any type -> accumulators (…, n), which fit into int32."""
        summed: Integers = (x.astype(np.float64) @ self._columns).astype(np.int64)
        return summed + self.bias

    def scale(self, accumulators: Integers) -> Integers:
        """Accumulators (…, n) -> outputs (…, n)."""
        outputs: Integers = rounding_shift(accumulators * self.multiplier, self.shift)
        return outputs

    def __call__(self, x: npt.NDArray[Any]) -> Integers:
        return self.scale(self.accumulate(x))

    def max_output(self, max_input: int) -> int:
        """A bound on the outputs' magnitude, for inputs of at most `max_input`."""
        sums = np.abs(self.weight.astype(np.int64)).sum(1) * max_input + np.abs(self.bias.astype(np.int64))
        return int((sums * self.multiplier >> self.shift).max(initial=0)) + 1


@dataclass(frozen=True, eq=False)
class UnscaledLinear:
    """A linear layer whose outputs have no unit yet: the real outputs are the accumulators times `scale`."""

    weight: Int8s
    """(n, k)."""
    bias: npt.NDArray[np.int32]
    """(n,)."""
    scale: Reals
    """(n,)."""


def quantise_unscaled(
    weight: Reals, bias: Reals, unit: float, max_input: int, one_hot: Sequence[slice] = ()
) -> UnscaledLinear:
    """Quantise a real layer, weight (n, k) and bias (n,).

    Args:
        unit: what 1 in the integer inputs stands for.
        max_input: the largest magnitude of an input.
        one_hot: slices of columns; in each of them only one input at a time is not 0.
    """
    real = weight * unit
    rest = np.ones(real.shape[1], bool)
    for columns in one_hot:
        rest[columns] = False
    size = np.abs(real)
    heaviest = size[:, rest].sum(1) + sum((size[:, c].max(1) for c in one_hot), np.zeros(len(real)))
    scale = np.maximum.reduce(
        [
            size.max(1, initial=0) / MAX_WEIGHT,
            np.abs(bias) / (MAX_SUM - 1),
            # Rounding can add half a weight for each column.
            heaviest * max_input / (MAX_SUM - max_input * (int(rest.sum()) + len(one_hot))),
        ]
    )
    positive = scale[scale > 0]
    scale = np.where(scale > 0, scale, positive.min(initial=np.inf) if positive.size else 1.0)
    return UnscaledLinear(
        np.rint(real / scale[:, None]).astype(np.int8), np.rint(bias / scale).astype(np.int32), scale
    )


def shared_multipliers(scales: Sequence[Reals], one: float) -> tuple[list[npt.NDArray[np.int32]], int]:
    """The multipliers, and the shift that they share, that turn accumulators with these scales into fixed point.

    Args:
        one: the fixed-point number for 1.

    Raises:
        IntegerError: the scales are too large.
    """
    most = max(float(s.max()) for s in scales) * one
    shift = min(int(np.floor(np.log2((MAX_MULTIPLIER - 1) / most))), MAX_SHIFT)
    if shift < 1:
        raise IntegerError("the network's weights are too large for integer arithmetic; train it again")
    return [np.rint(s * (one * 2.0**shift)).astype(np.int32) for s in scales], shift


def quantise_linear(weight: Reals, bias: Reals, unit: float, max_input: int, one: float) -> Linear:
    """Quantise a real layer whose inputs are integers of at most `max_input`, 1 standing for `unit`, and whose
    outputs have `one` for 1."""
    layer = quantise_unscaled(weight, bias, unit, max_input)
    (multiplier,), shift = shared_multipliers([layer.scale], one)
    return Linear(layer.weight, layer.bias, multiplier, shift)


def quantise_table(table: Reals) -> tuple[Int8s, float]:
    """A table of reals in 8 bits, and what 1 in it stands for."""
    unit = float(np.abs(table).max(initial=0)) / MAX_WEIGHT or 1.0
    return np.rint(table / unit).astype(np.int8), unit


class Weights:
    """A network's weights by their names, as float64."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        self._weights = weights

    def __contains__(self, name: str) -> bool:
        return name in self._weights

    def get(self, name: str, *shape: int | None) -> Reals:
        """The weights of this name, which must have this shape; None stands for any size.

        Raises:
            BundleError: they are missing, have another shape, or are not finite.
        """
        if name not in self._weights:
            raise BundleError(f"the network has no weights {name!a:.80}; train it again")
        weights = np.asarray(self._weights[name]).astype(np.float64)
        if len(weights.shape) != len(shape) or any(n not in (None, m) for n, m in zip(shape, weights.shape)):
            expected = " x ".join("any" if n is None else str(n) for n in shape)
            raise BundleError(
                f"the network's weights {name!a:.80} have the shape {' x '.join(map(str, weights.shape))}, expected "
                f"{expected}; train it again"
            )
        if not np.isfinite(weights).all():
            raise BundleError(f"the network's weights {name!a:.80} are not all finite numbers; train it again")
        return weights
