"""A run's state on disk: what comes back is what was kept, to the bit, whatever kind it is."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from playbach.evaluation.validation import Figures
from playbach.models import Shape, build
from playbach.system.errors import PlaybachError
from playbach.training import checkpoints
from playbach.training.checkpoints import Epoch, RunState, read, weights_of, write


def new(seed: int) -> RunState:
    torch.manual_seed(seed)
    model = build("lstm", Shape((5,), (3,)), {"hidden": 8, "layers": 2, "embedding": 4})
    optimiser = torch.optim.AdamW(model.parameters(), 0.01, betas=(0.8, 0.99))
    return RunState(model, optimiser, copy.deepcopy(model), weights_of(model), 0.01)


def step(state: RunState) -> None:
    """One with dropout, so that random numbers matter."""
    previous, context = torch.randint(0, 5, (2, 7, 1)), torch.randint(0, 3, (2, 7, 1))
    state.optimiser.zero_grad()
    state.model(previous, context)[0].square().sum().backward()
    state.optimiser.step()


def test_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    state = new(1)
    for _ in range(3):
        step(state)
    figures = [Figures(1, 2, 3, 0.1, math.pi, 1 / 3, 0.0), Figures(2, 2, 3, 0.1, math.inf, 1e-300, 0.0)]
    state.history.append(Epoch(1, *figures, 0.01, 1.5, True))
    state.step, state.epoch, state.batches, state.dtype = 3, 2, 1, "float32"
    write(tmp_path / "state", state, {"said": ["é", "b"]})
    step(state)

    other = new(2)
    assert read(tmp_path / "state", other) == {"said": ["é", "b"]}
    assert other.history == state.history
    assert (other.step, other.epoch, other.batches, other.best_bits) == (3, 2, 1, math.inf)
    assert other.optimiser.param_groups[0]["betas"] == (0.8, 0.99)
    step(other)
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name])
    for name, tensor in state.best.items():
        assert torch.equal(tensor, other.best[name])
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_what_is_added_to_the_state_is_kept_too(tmp_path: Path) -> None:
    @dataclass
    class More(RunState):
        averaged: object = None
        schedule: object = None
        pair: object = None

    first, second = (
        More(**{k: getattr(new(i), k) for k in ("model", "optimiser", "average", "best", "rate")}) for i in (1, 2)
    )
    first.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(first.optimiser, 100)
    second.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(second.optimiser, 100)
    tied = torch.arange(6.0).reshape(2, 3)
    first.averaged, first.pair = {"a": tied, "b": tied.T, "c": [tied[0]]}, (1, [2.5, None])
    step(first)
    first.schedule.step()
    write(tmp_path / "state", first)
    read(tmp_path / "state", second)
    assert torch.equal(second.averaged["b"], tied.T) and torch.equal(second.averaged["c"][0], tied[0])
    assert second.pair == (1, [2.5, None])
    assert second.schedule.state_dict() == first.schedule.state_dict()


def test_what_cannot_be_kept_is_a_fault_of_ours(tmp_path: Path) -> None:
    state = new(1)
    state.dtype = object()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="dtype: a object cannot be kept"):
        write(tmp_path / "state", state)


def test_a_write_that_fails_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new(1)
    write(tmp_path / "state", state)
    before = (tmp_path / "state").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "sync", full)
    step(state)
    with pytest.raises(PlaybachError, match="no space left on the disk"):
        write(tmp_path / "state", state)
    assert (tmp_path / "state").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_a_state_of_another_network_or_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new(1)
    write(tmp_path / "state", state)
    state.model = build("lstm", Shape((6,), (3,)), {"hidden": 8, "layers": 2, "embedding": 4})
    with pytest.raises(PlaybachError, match="damaged"):
        read(tmp_path / "state", state)
    monkeypatch.setattr(checkpoints, "FORMAT", 2)
    with pytest.raises(PlaybachError, match="another version"):
        read(tmp_path / "state", new(1))
