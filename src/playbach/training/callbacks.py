"""What the training loop calls as it goes: to show its progress, to save its state, and to ask whether to stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

from playbach.training.checkpoints import RunState
from playbach.training.trained import NetworkSoFar

SavePoint = Literal["step", "epoch", "end"]
"""Where the state can be saved: after a step, after an epoch and its measuring, after the whole training."""
Item = TypeVar("Item")


class Callbacks:
    """What the training loop calls as it goes. By default, these methods do nothing."""

    state_path: Path | None = None
    """The file that `save` writes, from which worker processes read the state when a run is resumed."""

    def report(self, line: str) -> None:
        """Show a line of text."""

    def encoding_progress(self, shards: Iterator[Item], total: int) -> Iterator[Item]:
        """Wrap the iterator that encodes the training pieces, one shard for each item."""
        return shards

    def on_start(self, steps: int, done: int) -> None:
        """Called before the first step: `done` of at most about `steps` steps are done."""

    def on_step(self, loss: float) -> None:
        """Called after each step."""

    def on_epoch(self, best: NetworkSoFar) -> None:
        """Called after each epoch with the best network so far, a copy. Must not change torch's random state."""

    def save(self, state: RunState, point: SavePoint) -> None:
        """Called wherever the state can be saved by `checkpoints.write`."""

    def restore(self, state: RunState) -> None:
        """Called with a new state: if the run is resumed, load it by `checkpoints.read`."""

    def should_stop(self) -> bool:
        """Whether to stop after this step."""
        return False
