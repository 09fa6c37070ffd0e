"""From integer logits to a symbol, in integers: what the C engine does, number by number.

Chances are looked up: a weight of 2 ** -x for each symbol, x being how far it is behind the best one, over the
temperature. Top-p takes the most probable symbols one by one, without sorting. One 32-bit random number a field.
Knows neither music nor networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from playbach.inference.sampling import Sampling

ONE_TEMPERATURE, ONE_TOP_P = 1 << 8, 1 << 16
"""The temperature that leaves the chances as they are; the top-p that keeps every symbol."""
LOG2_E = round(np.log2(np.e) * (1 << 16))
"""Bits of a nat, in 65,536ths."""
POWER = 30
"""A power of two, 1 at most, has so many bits after the point."""
POWERS = np.rint(2.0**POWER * 2.0 ** -(np.arange(257) / 256)).astype(np.int64)
"""2 ** -x for x from 0 to 1."""

Random = Callable[[], int]
"""Gives 32 uniform bits."""
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IntegerSampling:
    """As `playbach.inference.sampling.Sampling`: `temperature` in 256ths, `top_p` in 65,536ths."""

    temperature: int = ONE_TEMPERATURE
    top_p: int = ONE_TOP_P

    @classmethod
    def of(cls, sampling: Sampling) -> Self:
        """The nearest there is."""
        return cls(round(sampling.temperature * ONE_TEMPERATURE), max(1, round(sampling.top_p * ONE_TOP_P)))


def weights(logits: npt.NDArray[Any], mask: npt.NDArray[np.bool_], temperature: int) -> Integers:
    """Integers (V,) that are to each other as the symbols' chances; 0 where the mask forbids. Together they are less
    than 2 ** 31. `temperature` is 1 at least."""
    behind = np.where(mask, int(logits[mask].max()) - logits.astype(np.int64), 0)
    x = behind * (LOG2_E * ONE_TEMPERATURE // temperature) >> 16
    point, beyond = (x >> 8) & 255, x & 255
    power = POWERS[point] - ((POWERS[point] - POWERS[point + 1]) * beyond + 128 >> 8)
    # Scaled so that as many of the largest as there are symbols stay in 31 bits.
    down = np.minimum((x >> 16) + (POWER - (31 - len(logits).bit_length())), POWER + 2)
    return np.where(mask, (power + (1 << down >> 1)) >> down, 0)


def narrowed(chances: Integers, top_p: int) -> Integers:
    """The most probable symbols (the first of equal ones) that together have at least the share `top_p`; the others
    become 0."""
    order = np.argsort(-chances, kind="stable")
    enough = int(chances.sum()) * top_p >> 16
    kept = order[: int(np.searchsorted(np.cumsum(chances[order]), enough)) + 1]
    narrow = np.zeros_like(chances)
    narrow[kept] = chances[kept]
    return narrow


def draw(logits: npt.NDArray[Any], mask: npt.NDArray[np.bool_], sampling: IntegerSampling, random: Random) -> int:
    """A symbol, of logits (V,) in 65,536ths of a nat, and of at least one that `mask` allows. Temperature 0 takes the
    first of the most probable; the random number is drawn all the same."""
    number = random()
    if sampling.temperature == 0:
        return int(np.where(mask, logits.astype(np.int64), np.iinfo(np.int64).min).argmax())
    chances = weights(logits, mask, sampling.temperature)
    if sampling.top_p < ONE_TOP_P:
        chances = narrowed(chances, sampling.top_p)
    summed = np.cumsum(chances)
    return int(np.searchsorted(summed, number * int(summed[-1]) >> 32, side="right"))


class Pcg32:
    """The generator that the C engine has: PCG-XSH-RR with 64 bits of state (O'Neill, HMC-CS-2014-0905)."""

    _MULTIPLIER = 6364136223846793005

    def __init__(self, seed: int, stream: int = 0) -> None:
        """64 and 63 bits."""
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
        turn = old >> 59
        return (mixed >> turn | mixed << (32 - turn)) & 0xFFFFFFFF
