"""The steps of a training, and the processes that do nothing else: each takes its share of every batch.

What all processes must know alike is told once (`Steps.told`), and a `Place` at the beginning of each epoch: from
there process 0 (`training.train`) and the others (`follow`) go the very same way. A follower reads the encoded music
from the run's folder and, of a run that is taken up again, the state. It knows nothing of corpora, of held-out music,
of when training ends, and it writes nothing. Needs torch.
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
from playbach.encodings import OPTIONS, Encoding, from_manifest
from playbach.models import Model, build
from playbach.models.base import Shape
from playbach.system.errors import PlaybachError
from playbach.system.files import shown
from playbach.system.version import __version__
from playbach.training.checkpoints import RunState, read, weights_of
from playbach.training.distributed import World
from playbach.training.optim import optimiser_of, pick_device, train_step
from playbach.training.options import TrainOptions


@dataclass(frozen=True, slots=True)
class Place:
    """Where an epoch is taken up: its number, its batches done, the steps over all epochs, the learning rate."""

    epoch: int
    batches: int
    step: int
    rate: float


@dataclass(frozen=True, slots=True)
class Steps:
    """All that decides how the steps of a training are taken."""

    model: Model
    data: TrainingSet
    optimiser: torch.optim.Optimizer
    options: TrainOptions
    weights: list[float]
    """How much the cost of each of the F fields counts."""
    batch: int
    """Windows, over all processes."""
    dtype: str
    device: torch.device
    world: World

    @property
    def an_epoch(self) -> int:
        """About how many."""
        return -(-self.data.windows(self.options.window) // self.batch)

    def through(self, place: Place, network: nn.Module) -> Iterator[float]:
        """Take the steps of an epoch from a place on; gives the loss of each, in nats a step of music.

        Args:
            network: the model, or the one that `World.network` made of it.
        """
        options, world, step = self.options, self.world, place.step
        dtype: torch.dtype = getattr(torch, self.dtype)
        warmup, share = min(100, 5 * self.an_epoch), (world.rank, world.size)
        epoch = self.data.epoch(place.epoch, options.seed, options.window, self.batch, place.batches, share)
        for window in epoch:
            for group in self.optimiser.param_groups:
                group["lr"] = place.rate * min(1.0, (step + 1) / warmup)
            world.reseed(options.seed, step)
            with world.talking():
                loss = train_step(network, window, self.optimiser, options, self.device, dtype, self.weights)
            step += 1
            yield world.mean(loss, self.device)

    def told(self, encoding: Encoding, state: Path | None) -> dict[str, Any]:
        """What the other processes must know to take the same steps, as JSON.

        Args:
            state: that of the run where it is taken up again.
        """
        kept = {f.name: getattr(self.options, f.name) for f in fields(TrainOptions) if f.name not in OPTIONS}
        return {
            "versions": _versions(),
            "options": {**kept, "network": self.model.config(), "model": self.model.name, "batch": self.batch,
                        "dtype": self.dtype, "device": self.device.type, "weights": dict(self.options.weights)},
            "weights": self.weights,
            "encoding": encoding.manifest(),
            "music": str(self.data.shards.folder.absolute()),
            "sequences": self.data.sequences,
            "state": None if state is None else str(state.absolute()),
        }  # fmt: skip


def follow(world: World) -> None:
    """Take this process's share of each step of the training that process 0 leads, until that says it is over.

    Raises:
        PlaybachError: this machine has other versions, or does not see the run's folder.
        UsageError: it lacks the device.
        Lost: process 0 is gone.
    """
    told = world.hear()
    steps = _steps(told, world)
    network = world.network(steps.model, steps.device)
    while (place := world.hear()) is not None:
        for _ in steps.through(Place(**place), network):
            if world.agreed(False, steps.device):
                break
        world.same(steps.model, steps.device)
    world.leave()


def _steps(told: dict[str, Any], world: World) -> Steps:
    """What process 0 has, too."""
    if told["versions"] != _versions():
        raise PlaybachError(
            f"{_versions()} here, but {told['versions']} in process 0; install the same versions on all machines"
        )
    options, encoding = TrainOptions(**told["options"]), from_manifest(told["encoding"])
    assert options.batch is not None
    device = world.device(pick_device(options.device))
    data = TrainingSet.opened(encoding, Path(told["music"]))
    if data.sequences != told["sequences"]:
        raise PlaybachError(
            f"{shown(told['music'])}: {data.sequences} sequences are here, but {told['sequences']} in process 0; "
            "train in a folder that all machines share"
        )
    model = build(options.model, Shape.of(encoding), options.network).to(device)
    optimiser = optimiser_of(model, options)
    if told["state"] is not None:
        read(Path(told["state"]), RunState(model, optimiser, copy.deepcopy(model), weights_of(model), 0.0))
    return Steps(model, data, optimiser, options, told["weights"], options.batch, options.dtype, device, world)


def _versions() -> str:
    return f"playbach {__version__}, torch {torch.__version__}, numpy {np.__version__}"
