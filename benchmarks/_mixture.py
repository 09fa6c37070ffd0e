"""Mixtures of several models' predictions, with weights learnt on pieces that none of the models has seen.

Four kinds: a sum of the models' probabilities, or their normalised product, each with fixed weights or with weights
by context. The context is what is known before a step: how sure each model is, how well each has predicted the piece
so far, the kind of the step, its place in the piece. All minimise the cost of the true symbols; the products' problem
is convex. Needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Floats = npt.NDArray[Any]
Kind = Literal["sum", "product"]

KINDS: dict[str, tuple[Kind, bool]] = {
    "sum, fixed weights": ("sum", False),
    "sum, weights by context": ("sum", True),
    "product, fixed powers": ("product", False),
    "product, powers by context": ("product", True),
}
GROUPS = 5
"""Groups of pieces by which the kinds are compared: each is predicted by weights learnt on the others."""
DECAYS = (0.9, 0.99)
"""How fast a model's costs in the piece so far are forgotten."""
RIDGE = 20.0
"""The weight of the pull towards fixed weights, in steps."""
MOST_STEPS = 20_000
"""Steps from which weights are learnt, drawn at random from more."""
ITERATIONS = 100
FLOOR = -30.0
"""The lowest log probability, of which a product may be made."""


@dataclass(frozen=True)
class MixedPiece:
    """One piece, as E models predict it."""

    logs: Floats
    """(T, E, V) the log probabilities."""
    steps: npt.NDArray[Any]
    """(T,) the true symbols."""
    kinds: npt.NDArray[Any]
    """(T,) the kind of each step."""

    @property
    def own(self) -> Floats:
        """(T, E) the log probabilities of the true symbols."""
        return self.logs[np.arange(len(self.steps)), :, self.steps]


@dataclass(frozen=True)
class Mixture:
    """A mixture with its weights; `fit` makes one."""

    kind: Kind
    by_context: bool
    weights: Floats
    """(D, E)."""
    means: Floats
    scales: Floats
    """(D,) by which features are shifted and divided."""

    @classmethod
    def fit(cls, pieces: Sequence[MixedPiece], name: str) -> Self:
        """Learn the weights of one of the KINDS on some pieces."""
        kind, by_context = KINDS[name]
        raw = np.concatenate([_features(p, by_context) for p in pieces])
        means, scales = raw.mean(axis=0), raw.std(axis=0)
        means[0], scales[0] = 0.0, 1.0
        scales[scales < 1e-6] = 1.0
        rows = np.arange(len(raw))
        if len(rows) > MOST_STEPS:
            rows = np.sort(np.random.default_rng(0).choice(rows, MOST_STEPS, replace=False))
        features = torch.from_numpy(((raw - means) / scales)[rows])
        logs = torch.from_numpy(np.concatenate([p.logs for p in pieces])[rows]).clamp_min(FLOOR)
        true = torch.from_numpy(np.concatenate([p.steps for p in pieces])[rows].astype(np.int64))
        return cls(kind, by_context, _minimise(kind, features, logs, true), means, scales)

    def mix(self, piece: MixedPiece) -> npt.NDArray[np.float32]:
        """The mixture's log probabilities (T, V)."""
        features = torch.from_numpy((_features(piece, self.by_context) - self.means) / self.scales)
        scores = features @ torch.from_numpy(self.weights)
        logs = torch.from_numpy(piece.logs).clamp_min(FLOOR)
        mixed = _sum(scores, logs) if self.kind == "sum" else _product(scores, logs)
        return mixed.float().numpy()

    def usual(self) -> list[float]:
        """The weights or powers (E,) at the mean of all features."""
        constant = torch.from_numpy(self.weights[0])
        return (constant.softmax(0) if self.kind == "sum" else constant).tolist()


def compare(pieces: Sequence[MixedPiece]) -> dict[str, float]:
    """The cost of each of the KINDS in nats per step, each piece predicted by weights learnt on others."""
    groups = min(GROUPS, len(pieces))
    found = {}
    for name in KINDS:
        total = 0.0
        for group in range(groups):
            mixture = Mixture.fit([p for i, p in enumerate(pieces) if i % groups != group], name)
            for piece in pieces[group::groups]:
                total -= float(mixture.mix(piece)[np.arange(len(piece.steps)), piece.steps].sum(dtype=np.float64))
        found[name] = total / sum(len(p.steps) for p in pieces)
    return found


def _features(piece: MixedPiece, by_context: bool) -> Floats:
    """(T, D), the first of which is 1; the others are known before each step."""
    constant = np.ones((len(piece.steps), 1))
    if not by_context:
        return constant
    logs = np.maximum(piece.logs.astype(np.float64), FLOOR)
    entropies = -(np.exp(logs) * logs).sum(axis=2)
    ahead = np.maximum(piece.own.astype(np.float64), -10.0)
    ahead = ahead[:, 1:] - ahead[:, :1]
    past = [_decayed(ahead, decay) for decay in DECAYS]
    place = np.log1p(np.arange(len(piece.steps)))[:, None]
    kinds = np.eye(int(max(piece.kinds.max() + 1, 8)))[piece.kinds]
    return np.concatenate([constant, entropies, logs.max(axis=2), *past, place, kinds[:, :8]], axis=1)


def _decayed(values: Floats, decay: float) -> Floats:
    """(T, N) the mean of the values before each step, the recent ones counting most; at first near 0."""
    found, total = np.zeros_like(values), np.zeros(values.shape[1])
    for t in range(1, len(values)):
        total = decay * total + (1 - decay) * values[t - 1]
        found[t] = total
    return found


def _sum(scores: Tensor, logs: Tensor) -> Tensor:
    """scores (T, E), logs (T, E, V) -> (T, V)."""
    return (scores.log_softmax(1)[:, :, None] + logs).logsumexp(1)


def _product(powers: Tensor, logs: Tensor) -> Tensor:
    return (powers[:, :, None] * logs).sum(1).log_softmax(-1)


def _minimise(kind: Kind, features: Tensor, logs: Tensor, true: Tensor) -> Floats:
    """The weights (D, E) with the least cost."""
    count, experts = logs.shape[:2]
    start = torch.zeros(features.shape[1], experts, dtype=torch.float64)
    if kind == "product":
        start[0] = 1 / experts
    weights = start.clone().requires_grad_()
    own = logs[torch.arange(count), :, true, None]  # all that a sum needs
    optimiser = torch.optim.LBFGS([weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        optimiser.zero_grad()
        scores = features @ weights
        if kind == "sum":
            nats = -_sum(scores, own).mean()
        else:
            nats = nn.functional.nll_loss(_product(scores, logs), true)
        nats = nats + RIDGE / count / 2 * (weights - start)[1:].square().sum()
        nats.backward()  # type: ignore[no-untyped-call]
        return nats

    optimiser.step(cost)  # type: ignore[no-untyped-call]
    return weights.detach().numpy()
