"""Mixtures of two experts: they are distributions, they follow the better expert, and they never look ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbach.ngrams.mixing import mix, network_share, next_lead


def _distributions(rng: np.random.Generator, steps: int, size: int) -> np.ndarray:
    weights = rng.random((steps, size)) ** 4 + 1e-9
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@given(seed=st.integers(0, 1000), steps=st.integers(1, 40), share=st.floats(0.1, 0.9))
def test_a_mixture_is_a_distribution_between_the_two(seed: int, steps: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    p, q = _distributions(rng, steps, 5), _distributions(rng, steps, 5)
    [mixed] = mix([p], [q], rng.integers(5, size=(steps, 1)), share)
    assert mixed.sum(axis=1) == pytest.approx(np.ones(steps))
    assert (mixed >= np.minimum(p, q) - 1e-12).all()
    assert (mixed <= np.maximum(p, q) + 1e-12).all()
    assert mixed[0] == pytest.approx(share * p[0] + (1 - share) * q[0])


@given(seed=st.integers(0, 1000), changed=st.integers(0, 19))
def test_a_later_step_changes_no_earlier_prediction(seed: int, changed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = _distributions(rng, 20, 5), _distributions(rng, 20, 5)
    steps = rng.integers(5, size=(20, 1))
    other = steps.copy()
    other[changed] = (other[changed] + 1) % 5
    [before], [after] = mix([p], [q], steps, 0.5), mix([p], [q], other, 0.5)
    assert (before[: changed + 1] == after[: changed + 1]).all()


def test_an_expert_that_is_always_right_takes_over() -> None:
    right, wrong = np.tile([0.9, 0.1], (30, 1)), np.tile([0.1, 0.9], (30, 1))
    [mixed] = mix([right], [wrong], np.zeros((30, 1), np.int32), 0.1)
    assert mixed[-1, 0] > 0.89


def test_the_mixture_costs_little_more_than_the_better_expert() -> None:
    rng = np.random.default_rng(0)
    p, q = _distributions(rng, 200, 8), np.full((200, 8), 1 / 8)
    steps = np.array([[rng.choice(8, p=row)] for row in p])
    [mixed] = mix([p], [q], steps, 0.5)
    cost, best = (-np.log(of[np.arange(200), steps[:, 0]]).sum() for of in (mixed, p))
    assert cost < best + 10


@given(seed=st.integers(0, 1000))
def test_step_by_step_it_is_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = [_distributions(rng, 12, size) for size in (4, 7)]
    ngrams = [_distributions(rng, 12, size) for size in (4, 7)]
    steps = np.stack([rng.integers(4, size=12), rng.integers(7, size=12)], axis=1)
    whole, lead = mix(network, ngrams, steps, 0.3), np.zeros(2)
    for t in range(12):
        shares = network_share(0.3, lead)
        for f in range(2):
            assert whole[f][t] == pytest.approx(shares[f] * network[f][t] + (1 - shares[f]) * ngrams[f][t])
        lead = next_lead(lead, [p[t] for p in network], [q[t] for q in ngrams], steps[t])
