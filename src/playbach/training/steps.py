"""The training steps of an epoch, of which each process takes its part, and what process 0 sends so that all take the
same ones.

Process 0 sends one message with all that determines the steps (`send_setup`), then an `EpochStart` at the beginning
of each epoch. The others read the encoded music from the run's folder and, if the run is resumed, its state. Knows
nothing of corpora, of held-out music or of when training ends, and writes nothing. Needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import nn

from playbach.data.batches import MixedSet, TrainingSet
from playbach.encodings import OPTIONS, from_manifest
from playbach.encodings.base import Encoding
from playbach.models import build
from playbach.models.base import Model, Shape
from playbach.system.errors import PlaybachError
from playbach.system.files import display_path
from playbach.system.version import __version__
from playbach.training.checkpoints import RunState, read
from playbach.training.distributed import ProcessGroup
from playbach.training.optim import make_optimiser, pick_device, train_step
from playbach.training.options import TrainOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochStart:
    """Where an epoch begins, or goes on after a resume."""

    epoch: int
    """The number of the epoch, from 1 on."""
    batches: int
    """How many of its batches are done."""
    step: int
    """How many steps are done, over all epochs."""
    rate: float
    """The learning rate after the warm-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRunner:
    """All that determines the training steps."""

    model: Model
    optimiser: torch.optim.Optimizer
    data: TrainingSet | MixedSet
    options: TrainOptions
    weights: list[float]
    """The weight of each field's loss, for the F fields."""
    batch: int
    """Windows in a batch, over all processes."""
    dtype: str
    device: torch.device
    group: ProcessGroup

    @property
    def steps_per_epoch(self) -> int:
        """The approximate number of steps in an epoch."""
        return -(-self.data.windows(self.options.window) // self.batch)

    def run_epoch(self, start: EpochStart, network: nn.Module) -> Iterator[float]:
        """Take the steps of an epoch, and yield the loss of each in nats per step of music.

        Args:
            network: the model, or what `ProcessGroup.wrap_model` made of it.
        """
        options, group, step = self.options, self.group, start.step
        dtype: torch.dtype = getattr(torch, self.dtype)
        warmup, share = min(100, 5 * self.steps_per_epoch), (group.rank, group.size)
        batches = self.data.epoch(start.epoch, options.seed, options.window, self.batch, start.batches, share)
        for batch in batches:
            for parameters in self.optimiser.param_groups:
                parameters["lr"] = start.rate * min(1.0, (step + 1) / warmup)
            group.reseed(options.seed, step)
            with group.handling_peer_errors():
                loss = train_step(
                    network,
                    batch,
                    self.optimiser,
                    options=options,
                    device=self.device,
                    dtype=dtype,
                    weights=self.weights,
                )
            step += 1
            yield group.mean(loss, self.device)


def share_start(group: ProcessGroup, start: EpochStart | None) -> EpochStart | None:
    """Where process 0 begins the next epoch, in every process; None if it begins none."""
    message = group.share(asdict(start) if start is not None else None)
    return EpochStart(**message) if message is not None else None


def send_setup(runner: EpochRunner, encoding: Encoding, state: Path | None) -> None:
    """Send the other processes what they must know to take the same steps.

    Args:
        state: the file with the run's state, if the run is resumed.
    """
    options = {f.name: getattr(runner.options, f.name) for f in fields(TrainOptions) if f.name not in OPTIONS}
    own = {
        "network": runner.model.config(),
        "model": runner.model.name,
        "batch": runner.batch,
        "dtype": runner.dtype,
        "device": runner.device.type,
        "weights": dict(runner.options.weights),
    }
    message = {
        "versions": _versions(),
        "options": {**options, **own},
        "weights": runner.weights,
        "encoding": encoding.manifest(),
        "music": str(runner.data.shards.folder.absolute()),
        "sequences": runner.data.encoded_count,
        "state": None if state is None else str(state.absolute()),
    }
    runner.group.share(message)


def receive_setup(group: ProcessGroup) -> EpochRunner:
    """The same EpochRunner as in process 0, which sends it by `send_setup`.

    Raises:
        PlaybachError: this machine has other versions, or cannot read the run's folder.
        UsageError: this machine lacks the device.
        PeerLost: process 0 has ended.
    """
    message = group.share(None)
    assert message is not None
    if message["versions"] != _versions():
        raise PlaybachError(
            f"this process has {_versions()}, but process 0 has {message['versions']}; install the same versions on "
            "all machines"
        )
    options, encoding = TrainOptions(**message["options"]), from_manifest(message["encoding"])
    assert options.batch is not None
    device = group.device(pick_device(options.device))
    data = TrainingSet.open(encoding, Path(message["music"]))
    if data.encoded_count != message["sequences"]:
        raise PlaybachError(
            f"{display_path(message['music'])}: this process finds {data.encoded_count} encoded pieces here, but "
            f"process 0 finds {message['sequences']}; train in a folder that all machines share"
        )
    model = build(options.model, Shape.of(encoding), options.network).to(device)
    state = RunState.new(model, make_optimiser(model, options), options.learning_rate)
    if message["state"] is not None:
        read(Path(message["state"]), state)
    return EpochRunner(
        model=model,
        optimiser=state.optimiser,
        data=data,
        options=options,
        weights=message["weights"],
        batch=options.batch,
        dtype=options.dtype,
        device=device,
        group=group,
    )


def _versions() -> str:
    return f"playbach {__version__}, torch {torch.__version__}, numpy {np.__version__}"
