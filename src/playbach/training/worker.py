"""The training steps, and the worker processes, which do nothing else: each takes its part of every batch.

Process 0 sends one message with all that determines the steps (`EpochRunner.setup_message`), then an `EpochStart` at
the beginning of each epoch. From then on process 0 (`loop.train`) and the workers (`run_worker`) take the same steps.
A worker reads the encoded music from the run's folder and, if the run is resumed, its state. It knows nothing of
corpora, of held-out music or of when training ends, and it writes nothing. Needs torch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from playbach.data.batches import TrainingSet
from playbach.encodings import OPTIONS, from_manifest
from playbach.encodings.base import Encoding
from playbach.models import build
from playbach.models.base import Model, Shape
from playbach.system.errors import PlaybachError
from playbach.system.files import display_path
from playbach.system.version import __version__
from playbach.training.checkpoints import RunState, read, weights_of
from playbach.training.distributed import ProcessGroup
from playbach.training.optim import make_optimiser, pick_device, train_step
from playbach.training.options import TrainOptions


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class EpochRunner:
    """All that determines the training steps."""

    model: Model
    data: TrainingSet
    optimiser: torch.optim.Optimizer
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
                loss = train_step(network, batch, self.optimiser, options, self.device, dtype, self.weights)
            step += 1
            yield group.mean(loss, self.device)

    def setup_message(self, encoding: Encoding, state: Path | None) -> dict[str, Any]:
        """What the workers must know to take the same steps, as JSON.

        Args:
            state: the file with the run's state, if the run is resumed.
        """
        options = {f.name: getattr(self.options, f.name) for f in fields(TrainOptions) if f.name not in OPTIONS}
        return {
            "versions": _versions(),
            "options": {**options, "network": self.model.config(), "model": self.model.name, "batch": self.batch,
                        "dtype": self.dtype, "device": self.device.type, "weights": dict(self.options.weights)},
            "weights": self.weights,
            "encoding": encoding.manifest(),
            "music": str(self.data.shards.folder.absolute()),
            "sequences": self.data.encoded_count,
            "state": None if state is None else str(state.absolute()),
        }  # fmt: skip


def run_worker(group: ProcessGroup) -> None:
    """Take this process's part in each step of the training that process 0 leads, until process 0 ends it.

    Raises:
        PlaybachError: this machine has other versions, or cannot read the run's folder.
        UsageError: this machine lacks the device.
        PeerLost: process 0 has ended.
    """
    runner = _runner_from_message(group.receive(), group)
    network = group.wrap_model(runner.model, runner.device)
    while (start := group.receive()) is not None:
        for _ in runner.run_epoch(EpochStart(**start), network):
            if group.leader_decision(False, runner.device):
                break
        group.has_same_weights(runner.model, runner.device)
    group.disconnect()


def _runner_from_message(message: dict[str, Any], group: ProcessGroup) -> EpochRunner:
    """The same EpochRunner as in process 0, from its `setup_message`."""
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
    optimiser = make_optimiser(model, options)
    if message["state"] is not None:
        read(Path(message["state"]), RunState(model, optimiser, copy.deepcopy(model), weights_of(model), 0.0))
    weights = message["weights"]
    return EpochRunner(model, data, optimiser, options, weights, options.batch, options.dtype, device, group)


def _versions() -> str:
    return f"playbach {__version__}, torch {torch.__version__}, numpy {np.__version__}"
