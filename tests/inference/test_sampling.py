"""Sampling a symbol from logits: the right distribution, only valid symbols, and reproducible."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from playbach.inference.options import Sampling
from playbach.inference.sampling import choice, draw, probabilities, sharpen
from playbach.system.errors import UsageError

PLAIN = Sampling(1.0, 1.0)


class Fixed:
    """A generator that always gives one number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


def drawn(distribution: Any, number: float) -> int:
    return draw(np.asarray(distribution, np.float64), Fixed(number))  # type: ignore[arg-type]


def logits(*values: float) -> Any:
    return np.array(values, np.float32)


def everything(size: int) -> Any:
    return np.ones(size, bool)


# ------------------------------------------------------------------------------------------------- probabilities


def test_probabilities_are_the_softmax_of_what_is_allowed() -> None:
    scores, mask = logits(1, 2, 3, 50), np.array([True, True, True, False])
    expected = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    np.testing.assert_allclose(probabilities(scores, mask), [*expected, 0.0], rtol=1e-12)
    np.testing.assert_allclose(probabilities(scores + 1000, mask), [*expected, 0.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("scores", "mask", "expected"),
    [
        (logits(-np.inf, -np.inf, 5), [True, True, False], [0.5, 0.5, 0]),
        (logits(np.inf, 0, np.inf), [True, True, True], [0.5, 0, 0.5]),
        (logits(np.inf, 0, 1), [False, True, False], [0, 1, 0]),
        (logits(3e38, -3e38, -np.inf), [True, True, True], [1, 0, 0]),
    ],
)
def test_infinite_logits_still_give_a_distribution(scores: Any, mask: list[bool], expected: list[float]) -> None:
    assert probabilities(scores, np.array(mask)).tolist() == expected


@pytest.mark.parametrize(
    ("scores", "mask", "expected"),
    [
        (logits(np.nan, 0, 0), [True, True, True], [0, 0.5, 0.5]),
        (logits(np.nan, -3e38, -np.inf), [True, True, False], [0, 1, 0]),
        (logits(np.nan, np.nan, 7), [True, True, False], [0.5, 0.5, 0]),
        (logits(np.nan, 2, np.nan), [False, True, False], [0, 1, 0]),
        (logits(np.nan, -np.inf, np.nan), [True, True, False], [0.5, 0.5, 0]),
    ],
)
def test_a_nan_logit_counts_as_the_smallest(scores: Any, mask: list[bool], expected: list[float]) -> None:
    assert probabilities(scores, np.array(mask)).tolist() == expected


@given(st.lists(st.tuples(st.floats(width=32), st.booleans()), min_size=1, max_size=12))
def test_any_logits_with_nan_give_a_distribution_over_the_valid_symbols(values: list[tuple[float, bool]]) -> None:
    scores, mask = logits(*(v for v, _ in values)), np.array([valid for _, valid in values])
    assume(mask.any())
    found = probabilities(scores, mask)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
    assert not found[~mask].any()
    numbers = mask & ~np.isnan(scores)
    if numbers.any():
        assert found[mask & np.isnan(scores)].max(initial=0) <= found[numbers].min()


any_logits = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=12)


@given(any_logits, st.data(), st.floats(0, 10), st.floats(0, 1, exclude_min=True), st.floats(0, 1, exclude_max=True))
@example([0.0, -np.inf], None, 1e-320, 0.95, 0.999)
@example([np.inf, -np.inf, 3e38], None, 5e-324, 5e-324, 0.0)
def test_any_logits_give_an_allowed_symbol(
    values: list[float], data: Any, temperature: float, top_p: float, number: float
) -> None:
    mask = everything(len(values))
    if data is not None:
        mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    assume(mask.any())
    plain = probabilities(logits(*values), mask)
    chances = sharpen(plain, Sampling(temperature, top_p))
    for distribution in (plain, chances):
        assert np.isfinite(distribution).all()
        assert distribution.sum() == pytest.approx(1)
        assert (distribution >= 0).all()
        assert not distribution[~mask].any()
    symbol = drawn(chances, number)
    assert mask[symbol]
    assert chances[symbol] > 0


# --------------------------------------------------------------------------------------------- temperature, top-p


def test_temperature_divides_the_logits() -> None:
    scores = logits(0.5, -1, 2, 0)
    for temperature in (0.1, 0.5, 1.0, 2.0, 10.0):
        found = sharpen(probabilities(scores, everything(4)), Sampling(temperature, 1.0))
        np.testing.assert_allclose(found, probabilities(scores / np.float32(temperature), everything(4)), rtol=1e-6)


def test_temperature_1_and_top_p_1_are_the_networks_own_distribution() -> None:
    chances = probabilities(logits(0.5, -1, 2, -np.inf), np.array([True, True, True, False]))
    np.testing.assert_allclose(sharpen(chances, PLAIN), chances, rtol=1e-12)


def test_temperature_0_takes_the_most_probable_symbol_and_of_several_the_first() -> None:
    for top_p in (0.01, 1.0):
        cold = Sampling(0.0, top_p)
        assert sharpen(np.array([0.2, 0.4, 0.4]), cold).tolist() == [0, 1, 0]
    mask = np.array([True, False, True])
    assert sharpen(probabilities(logits(1, 99, 2), mask), Sampling(0.0)).tolist() == [0, 0, 1]


def test_a_low_temperature_comes_near_to_0() -> None:
    for temperature in (1e-4, 1e-30, 1e-308, 5e-324):
        assert sharpen(np.array([0.3, 0.4, 0.3]), Sampling(temperature, 1.0)).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.01, {1}), (0.5, {1}), (0.51, {1, 3}), (0.75, {1, 3}), (0.76, {1, 3, 0}), (0.875, {1, 3, 0}),
     (0.88, {0, 1, 2, 3}), (1.0, {0, 1, 2, 3})],
)  # fmt: skip
def test_top_p_keeps_the_fewest_that_have_this_probability_together(top_p: float, kept: set[int]) -> None:
    chances = np.array([0.125, 0.5, 0.125, 0.25])  # exact in binary
    found = sharpen(chances, Sampling(1.0, top_p))
    assert set(np.flatnonzero(found).tolist()) == kept
    np.testing.assert_allclose(found, [c / sum(chances[list(kept)]) * (i in kept) for i, c in enumerate(chances)])


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_top_p_keeps_the_right_set(weights: list[int], top_p: float) -> None:
    chances = np.array(weights) / sum(weights)
    found = sharpen(chances, Sampling(1.0, top_p))
    kept = found > 0
    assert chances[kept].sum() >= top_p - 1e-9  # enough …
    assert chances[kept].sum() - chances[kept].min() < top_p + 1e-9  # … and not one too many …
    assert kept.all() or chances[kept].min() >= chances[~kept].max() - 1e-15  # … of the most probable


def test_top_p_1_keeps_even_the_least_probable_symbol() -> None:
    """The probabilities of the others already add up to 1 in 64-bit floats."""
    chances = np.array([1e-20, 1.0, 1e-30])
    assert (sharpen(chances, PLAIN) > 0).all()


def test_the_default_temperature_keeps_the_networks_own_distribution() -> None:
    chances = np.array([0.5, 0.25, 0.125, 0.125])
    assert sharpen(chances, Sampling(top_p=1.0)).tolist() == pytest.approx(chances.tolist())


def test_temperature_comes_before_top_p() -> None:
    chances = np.array([0.6, 0.4])
    assert np.count_nonzero(sharpen(chances, Sampling(1.0, 0.65))) == 2
    assert np.count_nonzero(sharpen(chances, Sampling(0.1, 0.65))) == 1


# --------------------------------------------------------------------------------------------------------- draw


def test_draw_inverts_the_cumulative_distribution() -> None:
    chances = [0.25, 0.0, 0.5, 0.25]
    below = np.nextafter
    assert [drawn(chances, u) for u in (0.0, 0.1, below(0.25, 0))] == [0, 0, 0]
    assert [drawn(chances, u) for u in (0.25, 0.5, below(0.75, 0))] == [2, 2, 2]
    assert [drawn(chances, u) for u in (0.75, 0.9, below(1.0, 0))] == [3, 3, 3]


def test_draw_never_takes_what_has_no_probability() -> None:
    last = np.nextafter(1.0, 0)
    assert drawn([0.0, 0.0, 1.0, 0.0], 0.0) == 2
    assert drawn([0.0, 0.0, 1.0, 0.0], last) == 2
    assert drawn([0.0, 1e-300, 0.0], last) == 1  # where the product is rounded up to the sum
    assert drawn([5e-324, 0.0], last) == 0


def test_draws_are_distributed_as_they_should_be() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    chances = sharpen(probabilities(logits(1, 0, -1, 2, -3), np.array([1, 1, 1, 1, 0], bool)), Sampling(1.3, 1.0))
    count = 20_000
    counts = np.bincount([draw(chances, rng) for _ in range(count)], minlength=5)
    assert counts[4] == 0
    expected = chances[:4] * count
    chi_square = float(((counts[:4] - expected) ** 2 / expected).sum())
    assert chi_square < 16.3  # 3 degrees of freedom: exceeded once in a thousand seeds


def test_draw_takes_one_number_and_repeats_with_the_seed() -> None:
    chances = np.full(50, 0.02)
    first, second, numbers = (np.random.Generator(np.random.PCG64(9)) for _ in range(3))
    drawings = [draw(chances, first) for _ in range(100)]
    assert drawings == [draw(chances, second) for _ in range(100)]
    assert drawings == [int(u * 50) for u in numbers.random(100)]


# ----------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("temperature", [-0.1, 10.1, float("nan"), float("inf"), -float("inf")])
def test_temperature_has_bounds(temperature: float) -> None:
    with pytest.raises(UsageError, match="temperature must be a number between 0 and 10, not"):
        Sampling(temperature=temperature)


@pytest.mark.parametrize("top_p", [0.0, -0.5, 1.0001, float("nan"), float("inf")])
def test_top_p_has_bounds(top_p: float) -> None:
    with pytest.raises(UsageError, match="top-p must be a number above 0 and at most 1, not"):
        Sampling(top_p=top_p)


def test_the_bounds_themselves_are_allowed_and_settings_are_frozen() -> None:
    assert Sampling(0, 1) == Sampling(0.0, 1.0)
    assert Sampling(10.0, 1e-9).top_p == 1e-9
    with pytest.raises(FrozenInstanceError):
        Sampling().temperature = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("distribution", "symbol", "others"),
    [
        ([0.1, 0.4, 0.2, 0.3], 1, ((3, 0.3), (2, 0.2), (0, 0.1))),
        ([0.05, 0.4, 0.2, 0.3, 0.05], 0, ((1, 0.4), (3, 0.3), (2, 0.2))),
        ([0.0, 0.5, 0.5], 2, ((1, 0.5),)),  # an invalid symbol is not an alternative
        ([0.25, 0.25, 0.25, 0.25], 2, ((0, 0.25), (1, 0.25), (3, 0.25))),
        ([1.0], 0, ()),
        ([0.0, 1.0], 1, ()),
    ],
)
def test_a_choice_knows_its_probability_and_the_likeliest_others(
    distribution: list[float], symbol: int, others: tuple[tuple[int, float], ...]
) -> None:
    made = choice(np.array(distribution), symbol)
    assert (made.symbol, made.probability, made.others) == (symbol, distribution[symbol], others)


@pytest.mark.parametrize("size", [5, 30, 2000])
def test_the_alternatives_are_the_most_probable_of_many_symbols(size: int) -> None:
    """The chosen symbol is one of the five most probable."""
    rng = np.random.default_rng(3)
    for trial in range(20):
        chances = rng.permutation(np.arange(1.0, size + 1))
        chances /= chances.sum()
        order = np.argsort(-chances).tolist()
        symbol = order[trial % 5]
        others = [i for i in order if i != symbol][:3]
        assert choice(chances, symbol).others == tuple((i, chances[i]) for i in others)
