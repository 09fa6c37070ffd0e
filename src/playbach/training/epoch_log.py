"""The results of each epoch, for other programs: one line of JSON per epoch, and event files for TensorBoard.

Knows epochs and files; knows nothing of the training itself. TensorBoard comes with the extra `tensorboard`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playbach.system.errors import MissingExtra
from playbach.system.files import pending_file
from playbach.training.checkpoints import EpochResult

_SIDES = ("train", "valid")
_PLOTTED_METRICS = ("bits_per_note", "accuracy", "accuracy_of_changes", "bits_per_symbol", "unknown")


def require_tensorboard() -> None:
    """Raise MissingExtra if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise MissingExtra("--tensorboard", "tensorboard", "tensorboard")


def json_lines(history: Iterable[EpochResult]) -> str:
    """A line of JSON for each epoch, with the fields of EpochResult."""
    return "".join(json.dumps(asdict(epoch)) + "\n" for epoch in history)


def write_json_lines(path: Path, history: Iterable[EpochResult]) -> None:
    """Write `json_lines` to `path`, replacing what is there.

    Raises:
        PlaybachError: the file cannot be written.
    """
    with pending_file(path, overwrite=True) as draft:
        draft.temporary.write_text(json_lines(history), "utf-8")


class TensorBoard:
    """Writes event files into a folder: scalars such as `bits_per_note/valid`, by epoch."""

    def __init__(self, folder: Path, after: int = 0) -> None:
        """Continue after the epoch `after`; events of later epochs are purged."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=after + 1 if after else None)

    def add(self, epoch: EpochResult) -> None:
        for tag, value in _scalars(epoch):
            self._writer.add_scalar(tag, value, epoch.number)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _scalars(epoch: EpochResult) -> Iterator[tuple[str, Any]]:
    for side in _SIDES:
        figures = getattr(epoch, side)
        for name in _PLOTTED_METRICS:
            yield f"{name}/{side}", getattr(figures, name)
        for head in figures.heads:
            yield f"accuracy of {head.field}/{side}", head.accuracy
            yield f"bits of {head.field}/{side}", head.bits
    yield "learning_rate", epoch.learning_rate
    yield "seconds", epoch.seconds
