"""From logits to a symbol. Knows neither music nor networks.

One uniform number a field, and the cumulative distribution inverted in 64-bit floats: the same generator, logits and
settings give the same symbol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from playbach.music.events import Choice
from playbach.system.errors import UsageError, demand_numbers

Floats = npt.NDArray[np.float64]
_HUGE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Sampling:
    """`temperature` 0 takes the most probable symbol, 1 the network's own distribution; of that, `top_p` keeps the
    most probable symbols that together have at least this probability (Holtzman et al., arXiv:1904.09751)."""

    temperature: float = 1.0
    top_p: float = 0.95

    def __post_init__(self) -> None:
        demand_numbers(self, "temperature", "top_p")
        if not 0 <= self.temperature <= 10:
            raise UsageError(f"temperature must lie between 0 and 10, not {self.temperature!r:.40}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top-p must be more than 0 and at most 1, not {self.top_p!r:.40}")


def probabilities(logits: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> Floats:
    """The softmax (V,) over the allowed symbols: what likelihood means here. `mask` allows at least one.

    Infinite logits count as the largest finite ones and NaN as the smallest, so that there always is a distribution.
    """
    scores = np.where(mask, np.nan_to_num(np.clip(logits.astype(np.float64), -_HUGE, _HUGE), nan=-_HUGE), -np.inf)
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def sharpened(probability: Floats, sampling: Sampling) -> Floats:
    """The distribution that is drawn from: temperature first, then top-p."""
    if sampling.temperature == 0:
        return np.asarray(np.eye(len(probability))[int(probability.argmax())])
    with np.errstate(divide="ignore", over="ignore"):
        # The best one's score becomes 0 before the division, which no temperature can then overflow.
        weights = np.exp(np.log(probability / probability.max()) / sampling.temperature)
    weights /= weights.sum()
    if sampling.top_p < 1:
        order = np.argsort(-weights, kind="stable")
        kept = int(np.searchsorted(np.cumsum(weights[order]), sampling.top_p)) + 1
        weights[order[kept:]] = 0
    return np.asarray(weights / weights.sum())


RUNNERS_UP = 3


def choice(probability: Floats, symbol: int) -> Choice:
    """That `symbol` was chosen where the network gave each symbol (V,) this probability, before temperature and
    top-p."""
    some = min(RUNNERS_UP + 1, len(probability))
    best = np.argpartition(-probability, some - 1)[:some].tolist()
    ranked = sorted((-float(probability[i]), i) for i in best if i != symbol and probability[i] > 0)
    return Choice(symbol, float(probability[symbol]), tuple((i, -p) for p, i in ranked[:RUNNERS_UP]))


def draw(distribution: Floats, rng: np.random.Generator) -> int:
    """A symbol by inverting the cumulative distribution at one uniform number."""
    cumulative = np.cumsum(distribution)
    symbol = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    return min(symbol, int(np.flatnonzero(distribution)[-1]))
