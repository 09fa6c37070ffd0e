"""What a training run must remember to go on as if nothing had happened, and how that lies on disk in one file.

The file is safetensors: every tensor of the state by its place in it, and everything else as JSON in the header. It
is moved into place whole and only after it has reached the disk, so that a process or a computer that dies at any
moment leaves the state before or the one after. Nothing is ever unpickled. Knows nothing of how training goes.
Needs torch.
"""

from __future__ import annotations

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
from playbach.models import Model
from playbach.system.errors import PlaybachError
from playbach.system.files import shown, writing

FORMAT = 1
HEADER = "playbach"
Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to. `train` is measured like `valid`: on whole training pieces, without dropout."""

    number: int
    train: Figures
    valid: Figures
    learning_rate: float
    seconds: float
    saved: bool


@dataclass
class RunState:
    """All that the loop of training changes. What is added to the loop becomes a field here and is kept with the
    rest: an object with `state_dict` and `load_state_dict`, tensors in dicts and lists, or what JSON holds."""

    model: Model
    optimiser: torch.optim.Optimizer
    average: Model
    """The network whose weights are the running mean of those that training passes through: what is measured, kept
    and played."""
    best: Tensors
    """The weights of the average at the best epoch so far."""
    rate: float
    """The learning rate after the warm-up."""
    best_bits: float = math.inf
    waited: int = 0
    """Epochs since the last improvement."""
    step: int = 0
    """Steps taken, over all epochs."""
    epoch: int = 1
    """The epoch under way …"""
    batches: int = 0
    """… and how many of its batches are done: all that decides which comes next."""
    seconds: float = 0.0
    """Spent so far, by all processes that worked on this run."""
    epoch_began: float = 0.0
    """… when this epoch began."""
    dtype: str = ""
    why_dtype: str = ""
    history: list[Epoch] = field(default_factory=list)


def write(path: Path, state: RunState, notes: Any = None) -> None:
    """Put the state of this moment, torch's random numbers with it, in the place of what is at `path`.

    Args:
        notes: JSON of the caller's, given back by `read`.

    Raises:
        PlaybachError: the disk is full, read-only …
    """
    tensors: Tensors = {}
    values = {f.name: _packed(getattr(state, f.name), f.name, tensors) for f in fields(state)}
    random = _packed(_random_state(next(state.model.parameters()).device), "random", tensors)
    header = {"format": FORMAT, "values": values, "random": random, "notes": notes}
    with writing(path, overwrite=True) as draft:
        safetensors.torch.save_file(tensors, draft.temporary, {HEADER: json.dumps(header)})
        sync(draft.temporary)
    sync(path.parent)


def read(path: Path, state: RunState) -> Any:
    """Bring `state`, whose network and optimiser are new and of the same kind, to what is at `path`, and torch's
    random numbers too; gives the notes.

    Raises:
        PlaybachError: the file is damaged or from another version.
    """
    device = next(state.model.parameters()).device
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            if header["format"] != FORMAT:
                raise PlaybachError(
                    f"{shown(path)}: written by another version of playbach; finish the run with that one"
                )
            # Copies, as what is mapped from the file may be aligned otherwise than torch's own memory.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        for name, packed in header["values"].items():
            owner = getattr(state, name)
            if hasattr(owner, "load_state_dict"):
                owner.load_state_dict(_unpacked(packed, tensors))
            else:
                setattr(state, name, _unpacked(packed, {n: t.to(device) for n, t in tensors.items()}))
        _set_random_state(_unpacked(header["random"], tensors), device)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        said = " ".join(str(error).split())[:120]
        raise PlaybachError(
            f"{shown(path)}: the state of this run is damaged ({said}); remove {shown(path.parent)} and begin anew"
        ) from error
    return header["notes"]


def weights_of(model: Model) -> Tensors:
    """A copy of a network's weights."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk itself: else a power cut can undo it."""
    if path.is_dir() and sys.platform == "win32":
        return  # where folders cannot be opened
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _packed(value: Any, place: str, tensors: Tensors) -> Any:
    """A value as JSON, with its tensors put into `tensors` under their places. What JSON would change (tuples,
    keys that are no text) is told by the name of its type."""
    if isinstance(value, Tensor):
        kept = value.detach().cpu().contiguous()
        # safetensors refuses tensors that share memory, as tied weights do.
        memory = kept.untyped_storage()
        shared = any(memory.data_ptr() == other.untyped_storage().data_ptr() for other in tensors.values())
        tensors[place] = kept.clone() if shared or memory.nbytes() != kept.nbytes else kept
        return {"tensor": place}
    if isinstance(value, Epoch):
        return {"epoch": asdict(value)}
    if hasattr(value, "state_dict"):
        return {"module": _packed(value.state_dict(), place, tensors)}
    if isinstance(value, Mapping):
        return {"dict": [[key, _packed(v, f"{place}.{key}", tensors)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        packed = [_packed(v, f"{place}.{i}", tensors) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": packed}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{place}: a {type(value).__name__} cannot be kept")


def _unpacked(packed: Any, tensors: Tensors) -> Any:
    if not isinstance(packed, dict):
        return packed
    [(kind, value)] = packed.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "epoch":
        figures = {side: Figures.from_manifest(value[side]) for side in ("train", "valid")}
        return Epoch(**{**value, **figures})
    if kind == "module":
        return _unpacked(value, tensors)
    if kind == "dict":
        return {key: _unpacked(v, tensors) for key, v in value}
    items = [_unpacked(v, tensors) for v in value]
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
