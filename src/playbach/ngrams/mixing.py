"""Mixes the predictions of a network and of n-grams, with shares that follow how well each predicts the piece.

Both have a share at the beginning. After each step the odds of the network grow by the ratio of the probabilities
that the two gave to the true symbol, and what it gained before fades by DECAY: the better expert of the last steps is
tracked (after Herbster & Warmuth 1998). Where a piece has notes that the network has hardly met, the n-grams soon
take over, and the other way round. Each field of a step has shares of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.music.arrays import Ints

DECAY = 0.9
"""How much of the network's lead is left after a step; chosen on validation pieces (docs/experiments.md)."""
SMALLEST = 1e-30
MIN_NETWORK_SHARE = 0.1
"""The smallest share at the beginning of a piece. Few validation pieces say little about it."""

Floats = npt.NDArray[np.floating[Any]]
Lead = npt.NDArray[np.float64]
"""The logarithm of the network's odds, over those at the beginning of the piece, (F,)."""


def network_share(share: float, lead: Lead) -> Lead:
    """The share of the network, given its share at the beginning and its lead (F,)."""
    return np.asarray(1 / (1 + (1 - share) / share * np.exp(-np.clip(lead, -60, 60))))


def next_lead(lead: Lead, network: Sequence[Floats], ngrams: Sequence[Floats], step: Ints) -> Lead:
    """The lead (F,) after a step (F,), given what both predicted: a distribution (V_f,) for each field."""
    p, q = (np.array([field[s] for field, s in zip(of, step)], np.float64) for of in (network, ngrams))
    return np.asarray(DECAY * lead + np.log(np.maximum(p, SMALLEST)) - np.log(np.maximum(q, SMALLEST)))


def mix(
    network: Sequence[Floats], ngrams: Sequence[Floats], steps: Ints, share: float
) -> list[npt.NDArray[np.float64]]:
    """The mixture of two predictions of a whole piece.

    Args:
        network, ngrams: for each field, the probability of each symbol before each step (T, V_f).
        steps: (T, F), the piece.
        share: of the network at the beginning, above 0 and below 1.
    """
    rows, mixed = np.arange(len(steps)), []
    for f, (p, q) in enumerate(zip(network, ngrams)):
        of_network, of_ngrams = (np.log(np.maximum(of[rows, steps[:, f]], SMALLEST)) for of in (p, q))
        gains = of_network - of_ngrams
        lead, leads = 0.0, np.zeros(len(steps))
        for t, gain in enumerate(gains.tolist()):
            leads[t] = lead
            lead = DECAY * lead + gain
        shares = network_share(share, leads)[:, None]
        mixed.append(np.asarray(shares * p + (1 - shares) * q))
    return mixed
