"""The saved state of a run: every kind of value is loaded exactly as it was saved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from playbach.evaluation.validation import Figures
from playbach.models import build
from playbach.models.base import Shape
from playbach.system.errors import PlaybachError
from playbach.training import checkpoints
from playbach.training.checkpoints import EpochResult, RunState, read, write


def new_state(seed: int) -> RunState:
    torch.manual_seed(seed)
    model = build("lstm", Shape((5,), (3,)), {"hidden": 8, "layers": 2, "embedding": 4})
    optimiser = torch.optim.AdamW(model.parameters(), 0.01, betas=(0.8, 0.99))
    return RunState.new(model, optimiser, 0.01)


def take_step(state: RunState) -> None:
    """A training step with dropout, so that random numbers matter."""
    previous, context = torch.randint(0, 5, (2, 7, 1)), torch.randint(0, 3, (2, 7, 1))
    state.optimiser.zero_grad()
    state.model(previous, context)[0].square().sum().backward()
    state.optimiser.step()


def test_training_continues_exactly_from_a_saved_state(tmp_path: Path) -> None:
    state = new_state(1)
    for _ in range(3):
        take_step(state)
    train, valid = Figures(1, 2, 3, 0.1, math.pi, 1 / 3, 0.0), Figures(2, 2, 3, 0.1, math.inf, 1e-300, 0.0)
    epoch = EpochResult(number=1, train=train, valid=valid, learning_rate=0.01, seconds=1.5, saved=True)
    state.history.append(epoch)
    state.step, state.epoch, state.batches, state.dtype = 3, 2, 1, "float32"
    write(tmp_path / "state", state, {"said": ["é", "b"]})
    take_step(state)

    other = new_state(2)
    assert read(tmp_path / "state", other) == {"said": ["é", "b"]}
    assert other.history == state.history
    assert (other.step, other.epoch, other.batches, other.best_bits) == (3, 2, 1, math.inf)
    assert other.optimiser.param_groups[0]["betas"] == (0.8, 0.99)
    take_step(other)
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name])
    for name, tensor in state.best.items():
        assert torch.equal(tensor, other.best[name])
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_new_fields_of_the_state_are_saved_too(tmp_path: Path) -> None:
    @dataclass
    class More(RunState):
        averaged: object = None
        schedule: object = None
        pair: object = None

    first, second = (
        More(**{k: getattr(new_state(i), k) for k in ("model", "optimiser", "average", "best", "rate")})
        for i in (1, 2)
    )
    first.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(first.optimiser, 100)
    second.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(second.optimiser, 100)
    tied = torch.arange(6.0).reshape(2, 3)
    first.averaged, first.pair = {"a": tied, "b": tied.T, "c": [tied[0]]}, (1, [2.5, None])
    take_step(first)
    first.schedule.step()
    write(tmp_path / "state", first)
    read(tmp_path / "state", second)
    assert torch.equal(second.averaged["b"], tied.T) and torch.equal(second.averaged["c"][0], tied[0])
    assert second.pair == (1, [2.5, None])
    assert second.schedule.state_dict() == first.schedule.state_dict()


def test_a_value_that_cannot_be_saved_is_a_type_error(tmp_path: Path) -> None:
    state = new_state(1)
    state.dtype = object()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="dtype: a object cannot be saved"):
        write(tmp_path / "state", state)


def test_a_failed_save_leaves_the_previous_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new_state(1)
    write(tmp_path / "state", state)
    before = (tmp_path / "state").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "sync", full)
    take_step(state)
    with pytest.raises(PlaybachError, match="no space is left on the disk"):
        write(tmp_path / "state", state)
    assert (tmp_path / "state").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_a_state_of_another_network_or_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new_state(1)
    write(tmp_path / "state", state)
    state.model = build("lstm", Shape((6,), (3,)), {"hidden": 8, "layers": 2, "embedding": 4})
    with pytest.raises(PlaybachError, match="damaged"):
        read(tmp_path / "state", state)
    monkeypatch.setattr(checkpoints, "CHECKPOINT_FORMAT", 2)
    with pytest.raises(PlaybachError, match="another version"):
        read(tmp_path / "state", new_state(1))
