"""Draws a symbol from integer logits, in integer arithmetic, number by number as the C engine does.

Each symbol has a weight of 2 ** -x from a table, where x is its distance from the best symbol divided by the
temperature. Top-p takes the most probable symbols one by one, without sorting. One 32-bit random number is drawn for
each field. Knows neither music nor networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from playbach.export.integer.fixed import Integers
from playbach.inference.options import Sampling

ONE_TEMPERATURE, ONE_TOP_P = 1 << 8, 1 << 16
"""The integers for temperature 1 and for top-p 1."""
LOG2_E = round(np.log2(np.e) * (1 << 16))
"""Bits in a nat, in 1/65,536."""
POWER_BITS = 30
"""Fractional bits of a power of two, which is at most 1."""
POWERS = np.rint(2.0**POWER_BITS * 2.0 ** -(np.arange(257) / 256)).astype(np.int64)
"""2 ** -x for x from 0 to 1."""

Random = Callable[[], int]
"""Returns 32 uniform bits."""


@dataclass(frozen=True, slots=True)
class IntegerSampling:
    """`playbach.inference.sampling.Sampling` in integers."""

    temperature: int = ONE_TEMPERATURE
    """In 1/256."""
    top_p: int = ONE_TOP_P
    """In 1/65,536."""

    @classmethod
    def of(cls, sampling: Sampling) -> Self:
        """The nearest integer settings."""
        return cls(round(sampling.temperature * ONE_TEMPERATURE), max(1, round(sampling.top_p * ONE_TOP_P)))


def relative_weights(logits: npt.NDArray[Any], mask: npt.NDArray[np.bool_], temperature: int) -> Integers:
    """Integers (V,) proportional to the symbols' probabilities, 0 where `mask` is False; their sum is below 2 ** 31.

    `temperature` is at least 1.
    """
    behind = np.where(mask, int(logits[mask].max()) - logits.astype(np.int64), 0)
    x = behind * (LOG2_E * ONE_TEMPERATURE // temperature) >> 16
    point, beyond = (x >> 8) & 255, x & 255
    power = POWERS[point] - ((POWERS[point] - POWERS[point + 1]) * beyond + 128 >> 8)
    # Scaled so that even if all symbols have the largest weight, the sum stays within 31 bits.
    down = np.minimum((x >> 16) + (POWER_BITS - (31 - len(logits).bit_length())), POWER_BITS + 2)
    return np.where(mask, (power + (1 << down >> 1)) >> down, 0)


def keep_top_p(weights: Integers, top_p: int) -> Integers:
    """Keep the most probable symbols (of equal ones the first) that together have at least the share `top_p`; set the
    others to 0."""
    order = np.argsort(-weights, kind="stable")
    enough = int(weights.sum()) * top_p >> 16
    kept = order[: int(np.searchsorted(np.cumsum(weights[order]), enough)) + 1]
    result = np.zeros_like(weights)
    result[kept] = weights[kept]
    return result


def draw_symbol(
    logits: npt.NDArray[Any], mask: npt.NDArray[np.bool_], sampling: IntegerSampling, random: Random
) -> int:
    """Draw a symbol from logits (V,) in 1/65,536 nat, of those where `mask` is True (at least one).

    Temperature 0 takes the first of the most probable symbols; a random number is drawn all the same.
    """
    number = random()
    if sampling.temperature == 0:
        return int(np.where(mask, logits.astype(np.int64), np.iinfo(np.int64).min).argmax())
    weights = relative_weights(logits, mask, sampling.temperature)
    if sampling.top_p < ONE_TOP_P:
        weights = keep_top_p(weights, sampling.top_p)
    summed = np.cumsum(weights)
    return int(np.searchsorted(summed, number * int(summed[-1]) >> 32, side="right"))


class Pcg32:
    """The C engine's random generator: PCG-XSH-RR with 64 bits of state (O'Neill, HMC-CS-2014-0905)."""

    _MULTIPLIER = 6364136223846793005

    def __init__(self, seed: int, stream: int = 0) -> None:
        """`seed` has 64 bits, `stream` 63."""
        self._increment = (stream << 1 | 1) & ((1 << 64) - 1)
        self._state = 0
        self()
        self._state = (self._state + seed) & ((1 << 64) - 1)
        self()

    def __call__(self) -> int:
        """32 uniform bits."""
        old = self._state
        self._state = (old * self._MULTIPLIER + self._increment) & ((1 << 64) - 1)
        mixed = ((old >> 18 ^ old) >> 27) & 0xFFFFFFFF
        rotation = old >> 59
        return (mixed >> rotation | mixed << (32 - rotation)) & 0xFFFFFFFF
