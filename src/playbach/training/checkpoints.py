"""The state of a training run, and the file that it is saved in, so that the run can be resumed exactly.

The file has the safetensors format: each tensor of the state under its path in the state, and everything else as JSON
in the header. It is moved into place only when it is complete and on the disk. A process or a computer that stops at
any moment therefore leaves either the previous state or the new one. Nothing is ever unpickled. Knows nothing of the
training itself. Needs torch.
"""

from __future__ import annotations

import copy
import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from playbach.evaluation.validation import Figures
from playbach.models.base import Model
from playbach.system.errors import PlaybachError
from playbach.system.files import display_path, pending_file

CHECKPOINT_FORMAT = 1
_METADATA_KEY = "playbach"
Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """The results of one epoch. Its fields are those of a line in NAME.jsonl."""

    number: int
    """From 1 on."""
    train: Figures
    """Measured on training pieces, in the same way as `valid`: whole pieces, without dropout."""
    valid: Figures
    """Measured on the validation pieces."""
    learning_rate: float
    """The learning rate after the warm-up."""
    seconds: float
    """Duration of the epoch, measuring included."""
    saved: bool
    """Whether the epoch was an improvement, so that its weights were kept."""
    told: Figures | None = None
    """Measured on the validation pieces with their top voice given; None if the network is told of no voices."""

    @property
    def cost(self) -> float:
        """What training lowers, in bits per note: alone, and around a given tune, in equal parts."""
        alone = self.valid.bits_per_note
        return alone if self.told is None else (alone + self.told.bits_per_note) / 2


@dataclass(kw_only=True)
class RunState:
    """Everything that the training loop changes. A new field is saved with the rest, if it is an object with
    `state_dict` and `load_state_dict`, tensors in dicts and lists, or JSON."""

    model: Model
    """The network being trained."""
    optimiser: torch.optim.Optimizer
    """The optimiser, with its moments."""
    average: Model
    """A network with a moving average of the model's weights. It is the one that is measured and kept."""
    best: Tensors
    """The average's weights after the best epoch so far."""
    rate: float
    """The learning rate after the warm-up."""
    best_bits: float = math.inf
    """Bits per note of validation after the best epoch so far."""
    waited: int = 0
    """Epochs since the last improvement."""
    step: int = 0
    """Steps done, over all epochs."""
    epoch: int = 1
    """Number of the current epoch."""
    batches: int = 0
    """Batches done in the current epoch; with the epoch, this determines the next batch."""
    seconds: float = 0.0
    """Training time so far, over all sessions of the run."""
    epoch_began: float = 0.0
    """The value of `seconds` when the current epoch began."""
    dtype: str = ""
    """The number format."""
    why_dtype: str = ""
    """The reason for the number format, in words."""
    history: list[EpochResult] = field(default_factory=list)
    """The results of the epochs done."""

    @classmethod
    def new(cls, model: Model, optimiser: torch.optim.Optimizer, rate: float) -> RunState:
        """The state before the first step."""
        average = copy.deepcopy(model)
        return cls(model=model, optimiser=optimiser, average=average, best=weights_of(model), rate=rate)


def write(path: Path, state: RunState, notes: Any = None) -> None:
    """Save the state and torch's random state at `path`, replacing what is there.

    Args:
        notes: JSON of the caller, which `read` returns.

    Raises:
        PlaybachError: the file cannot be written.
    """
    tensors: Tensors = {}
    values = {f.name: _pack(getattr(state, f.name), f.name, tensors) for f in fields(state)}
    random = _pack(_random_state(next(state.model.parameters()).device), "random", tensors)
    header = {"format": CHECKPOINT_FORMAT, "values": values, "random": random, "notes": notes}
    with pending_file(path, overwrite=True) as draft:
        safetensors.torch.save_file(tensors, draft.temporary, {_METADATA_KEY: json.dumps(header)})
        sync(draft.temporary)
    sync(path.parent)


def read(path: Path, state: RunState) -> Any:
    """Load the file at `path` into `state`, whose network and optimiser are new and of the same kind, and into
    torch's random state; return the notes.

    Raises:
        PlaybachError: the file is damaged, or another version of playbach wrote it.
    """
    device = next(state.model.parameters()).device
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_METADATA_KEY])
            if header["format"] != CHECKPOINT_FORMAT:
                raise PlaybachError(
                    f"{display_path(path)}: written by another version of playbach; finish the "
                    f"training with that version"
                )
            # Copied, since tensors mapped from the file may be aligned differently from torch's own memory.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        for name, packed in header["values"].items():
            owner = getattr(state, name)
            if hasattr(owner, "load_state_dict"):
                owner.load_state_dict(_unpack(packed, tensors))
            else:
                setattr(state, name, _unpack(packed, {n: t.to(device) for n, t in tensors.items()}))
        _set_random_state(_unpack(header["random"], tensors), device)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise PlaybachError(
            f"{display_path(path)}: the saved state is damaged ({reason}); remove "
            f"{display_path(path.parent)} and train again"
        ) from error
    return header["notes"]


def weights_of(model: Model) -> Tensors:
    """A copy of a network's weights."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of files, to the disk, so that a power cut cannot undo it."""
    if path.is_dir() and sys.platform == "win32":
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pack(value: Any, name: str, tensors: Tensors) -> Any:
    """A value as JSON, with its tensors added to `tensors` under their paths in the state. Values that JSON would
    change, such as tuples and dicts with other keys than text, are marked with their type."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu().contiguous()
        # safetensors refuses tensors that share memory, such as tied weights.
        memory = tensor.untyped_storage()
        is_shared = any(memory.data_ptr() == other.untyped_storage().data_ptr() for other in tensors.values())
        tensors[name] = tensor.clone() if is_shared or memory.nbytes() != tensor.nbytes else tensor
        return {"tensor": name}
    if isinstance(value, EpochResult):
        return {"epoch": asdict(value)}
    if hasattr(value, "state_dict"):
        return {"module": _pack(value.state_dict(), name, tensors)}
    if isinstance(value, Mapping):
        return {"dict": [[key, _pack(v, f"{name}.{key}", tensors)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        packed = [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": packed}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: a {type(value).__name__} cannot be saved")


def _unpack(packed: Any, tensors: Tensors) -> Any:
    if not isinstance(packed, dict):
        return packed
    [(kind, value)] = packed.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "epoch":
        figures = {side: Figures.from_manifest(value[side]) for side in ("train", "valid", "told") if value.get(side)}
        return EpochResult(**{**value, **figures})
    if kind == "module":
        return _unpack(value, tensors)
    if kind == "dict":
        return {key: _unpack(v, tensors) for key, v in value}
    items = [_unpack(v, tensors) for v in value]
    return tuple(items) if kind == "tuple" else items


def _random_state(device: torch.device) -> Tensors:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_state(states: Tensors, device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
