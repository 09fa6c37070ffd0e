"""What each epoch came to, for other programs: a line of JSON an epoch, and TensorBoard's event files where asked.

Knows epochs and files; knows nothing of how training goes. TensorBoard comes with the extra of its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playbach.system.errors import MissingExtra
from playbach.system.files import writing
from playbach.training.checkpoints import Epoch

SIDES = ("train", "valid")
PLOTTED = ("bits_per_note", "accuracy", "accuracy_of_changes", "bits_per_symbol", "unknown")


def demand_tensorboard() -> None:
    """Raises MissingExtra where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise MissingExtra("--tensorboard", "tensorboard", "tensorboard")


def lines(history: Iterable[Epoch]) -> str:
    """A line of JSON for each epoch: number, figures of both sides, learning rate, seconds, whether it was kept."""
    return "".join(json.dumps(asdict(epoch)) + "\n" for epoch in history)


def write(path: Path, history: Iterable[Epoch]) -> None:
    """Put the lines in the place of what is at `path`.

    Raises:
        PlaybachError: the disk is full …
    """
    with writing(path, overwrite=True) as draft:
        draft.temporary.write_text(lines(history), "utf-8")


class TensorBoard:
    """Event files in a folder, scalars by epoch: `bits_per_note/valid` …, each field's accuracy, learning rate."""

    def __init__(self, folder: Path, after: int = 0) -> None:
        """Goes on after so many epochs; what was written of later ones is taken back."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=after + 1 if after else None)

    def add(self, epoch: Epoch) -> None:
        for tag, value in _scalars(epoch):
            self._writer.add_scalar(tag, value, epoch.number)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _scalars(epoch: Epoch) -> Iterator[tuple[str, Any]]:
    for side in SIDES:
        figures = getattr(epoch, side)
        for name in PLOTTED:
            yield f"{name}/{side}", getattr(figures, name)
        for head in figures.heads:
            yield f"accuracy of {head.field}/{side}", head.accuracy
            yield f"bits of {head.field}/{side}", head.bits
    yield "learning_rate", epoch.learning_rate
    yield "seconds", epoch.seconds
