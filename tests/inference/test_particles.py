"""Particles: drafts that are weighed by what is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from playbach.encodings.base import Decoder
from playbach.inference.options import Sampling
from playbach.inference.particles import ParticleOptions, Particles
from playbach.inference.runtimes.base import replace_pieces, select_pieces

DRAWING = ParticleOptions(sampling=Sampling(1.0, 1.0), rules=False)
PROBABILITIES = (0.1, 0.2, 0.7)


class Coin:
    """A network without memory: each of three symbols has its probability. Its state counts the steps."""

    def start(self, pieces: int | None = None) -> Any:
        return {"steps": np.zeros((pieces or 1, 1), np.float32)}

    def step(self, previous: Any, context: Any, state: Any) -> Any:
        logits = np.tile(np.log(np.array(PROBABILITIES, np.float32)), (len(previous), 1))
        return [logits], {"steps": state["steps"] + 1}


class Walk(Decoder):
    """Each symbol takes one tick, or two if it is 2; the piece lasts ten."""

    def __init__(self) -> None:
        self.tick, self.taken = 0, list[int]()

    @property
    def finished(self) -> bool:  # type: ignore[override]
        return self.tick >= 10

    def context(self) -> Any:
        return np.zeros(0, np.int32)

    def valid_mask(self) -> Any:
        return [np.ones(3, bool)]

    def feed(self, step: Any) -> Any:
        self.taken.append(int(step[0]))
        self.tick += 1 + (step[0] == 2)
        return []

    def finish(self) -> Any:
        return []


def drafts(count: int, seed: int = 0) -> Particles:
    return Particles(Coin(), Walk(), [3], count, np.random.default_rng(seed))


def test_drafts_meet_at_a_tick_and_keep_their_own_steps() -> None:
    particles = drafts(20)
    particles.advance(5, DRAWING, lambda _: None)
    assert {draft.tick for draft in particles.decoders} == {5, 6}
    for draft, steps in zip(particles.decoders, particles.steps):
        assert isinstance(draft, Walk)
        assert draft.taken == [int(step[0]) for step in steps]
    taken = [len(steps) for steps in particles.steps]
    assert particles._state["steps"][:, 0].tolist() == taken, "each draft has the state after its own steps"
    particles.advance(100, DRAWING, lambda _: None)
    assert all(draft.finished for draft in particles.decoders)


def test_weights_multiply_and_their_mean_survives_resampling() -> None:
    particles = drafts(64)
    particles.advance(4, DRAWING, lambda draft: slice(2, 3) if draft.tick % 2 else None)
    before = particles.log_weights.copy()
    expected = [
        0.7 ** sum(1 for t in np.cumsum([0, *(1 + (s == 2) for s in d.taken)])[:-1] if t % 2)
        for d in particles.decoders
        if isinstance(d, Walk)
    ]
    assert np.exp(before) == pytest.approx(expected, rel=1e-4)
    particles.resample(always=True)
    assert particles.log_weights == pytest.approx(np.log(np.exp(before).mean()))


def test_drafts_of_little_weight_die_out() -> None:
    particles = drafts(100)
    particles.advance(1, DRAWING, lambda _: None)
    first = np.array([int(steps[0][0]) for steps in particles.steps])
    particles.log_weights += np.where(first == 0, 0.0, -50.0)
    particles.resample()
    assert {int(steps[0][0]) for steps in particles.steps} == {0}
    kept = drafts(100)
    kept.advance(1, DRAWING, lambda _: None)
    before = [s[0] for s in kept.steps]
    kept.resample()
    assert [s[0] for s in kept.steps] == before, "equal weights change nothing"


def test_the_draft_that_is_chosen_is_drawn_by_weight() -> None:
    particles = drafts(2)
    particles.steps = [[np.array([0])], [np.array([1])]]
    particles.log_weights = np.log([0.25, 0.75])
    chosen = [int(particles.choose()[0][0]) for _ in range(2000)]
    assert np.mean(chosen) == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("state", [{"h": np.arange(4.0)[:, None]}, [0.0, 1.0, 2.0, 3.0]])
def test_states_of_pieces_are_selected_and_replaced(state: Any) -> None:
    rows = np.array([2, 0])
    selected = select_pieces(state, rows)
    values = selected["h"][:, 0].tolist() if isinstance(selected, dict) else selected
    assert values == [2, 0]
    doubled = {"h": selected["h"] * 10} if isinstance(selected, dict) else [10 * v for v in selected]
    changed = replace_pieces(state, rows, doubled)
    assert (changed["h"][:, 0].tolist() if isinstance(changed, dict) else changed) == [0, 1, 20, 3]
    assert (state["h"][:, 0].tolist() if isinstance(state, dict) else state) == [0, 1, 2, 3]


class ToldCoin(Coin):
    """A coin that is told something: its symbols are then equally probable."""

    def step(self, previous: Any, context: Any, state: Any) -> Any:
        logits, state = super().step(previous, context, state)
        return [np.where(context[:, :1] == 1, 0.0, logits[0]).astype(np.float32)], state


class ToldWalk(Walk):
    def context(self) -> Any:
        return np.ones(1, np.int32)


def test_a_second_pass_weighs_what_the_first_one_drew() -> None:
    judged = Particles(ToldCoin(), ToldWalk(), [3], 4000, np.random.default_rng(0), judge=np.zeros_like)
    judged.advance(1, DRAWING, lambda _: None)
    first = np.array([int(steps[0][0]) for steps in judged.steps])
    assert np.bincount(first) / len(first) == pytest.approx([1 / 3] * 3, abs=0.03), "drawn as told"
    assert np.exp(judged.log_weights) == pytest.approx(3 * np.array(PROBABILITIES)[first], rel=1e-4)
    judged.resample(always=True)
    again = np.array([int(steps[0][0]) for steps in judged.steps])
    assert np.bincount(again) / len(again) == pytest.approx(PROBABILITIES, abs=0.03), "weighed as if not told"
