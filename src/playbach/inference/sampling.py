"""Samples a symbol from logits. Knows neither music nor networks.

For each symbol one uniform number is drawn, at which the cumulative distribution is inverted in 64-bit floats. The
same generator, logits and settings therefore give the same symbol.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from playbach.inference.options import Sampling
from playbach.music.events import Choice

Distribution = npt.NDArray[np.float64]
"""The probability of each symbol (V,)."""
_HUGE = float(np.finfo(np.float32).max)


def probabilities(logits: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> Distribution:
    """The softmax (V,) over the valid symbols; `mask` is true for at least one.

    Infinite logits count as the largest finite numbers and NaN as the smallest, so that the result is always a
    distribution.
    """
    scores = np.clip(logits.astype(np.float64), -_HUGE, _HUGE)
    scores[np.isnan(scores)] = -_HUGE
    scores[~mask] = -np.inf
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def sharpen(probability: Distribution, sampling: Sampling) -> Distribution:
    """The distribution after temperature and then top-p."""
    if sampling.temperature == 0:
        return np.asarray(np.eye(len(probability))[int(probability.argmax())])
    with np.errstate(divide="ignore", over="ignore"):
        # The largest logarithm becomes 0 before the division, so that no temperature overflows.
        weights = np.exp(np.log(probability / probability.max()) / sampling.temperature)
    weights /= weights.sum()
    if sampling.top_p < 1:
        order = np.argsort(-weights, kind="stable")
        count = int(np.searchsorted(np.cumsum(weights[order]), sampling.top_p)) + 1
        weights[order[count:]] = 0
    return np.asarray(weights / weights.sum())


MAX_ALTERNATIVES = 3


def choice(probability: Distribution, symbol: int) -> Choice:
    """Records a chosen symbol, and its most probable alternatives, with their probabilities before temperature and
    top-p."""
    some = min(MAX_ALTERNATIVES + 1, len(probability))
    best = np.argpartition(-probability, some - 1)[:some].tolist()
    ranked = sorted((-float(probability[i]), i) for i in best if i != symbol and probability[i] > 0)
    return Choice(symbol, float(probability[symbol]), tuple((i, -p) for p, i in ranked[:MAX_ALTERNATIVES]))


def random_numbers(seed: int, draw: int = 0) -> np.random.Generator:
    """The random numbers of a piece; each `draw` is another piece of the same seed."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(draw,) if draw else ())))


def draw(distribution: Distribution, rng: np.random.Generator) -> int:
    """Draw a symbol by inverting the cumulative distribution at one uniform number."""
    cumulative = np.cumsum(distribution)
    symbol = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    return min(symbol, int(np.flatnonzero(distribution)[-1]))
