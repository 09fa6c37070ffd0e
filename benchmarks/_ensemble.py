"""Several networks trained on the same music, each stopped on a different part of it, and their average.

The reported pieces influence nothing: each member trains on all training pieces except one fold, and stops on that
fold. The members' probabilities are averaged (a mixture), not their logits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Task:
    """The training of one member, on one thread."""

    score_of: Callable[[Any], Any]
    """The script's function that makes a score from a piece's data."""
    train: Sequence[Any]
    """The training pieces, as plain data."""
    held_out: Sequence[Any]
    """The pieces to predict, as plain data."""
    symbols: tuple[str, ...]
    """The symbols, in the order of the resulting columns."""
    options: dict[str, Any]
    """Of `TrainOptions`."""
    fold: int
    """The fold of the training pieces to stop on."""
    folds: int
    """The number of folds."""
    stop: tuple[int, ...] = ()
    """The numbers of the training pieces to stop on, in place of a fold."""


@dataclass(frozen=True)
class Member:
    """A trained member."""

    logs: list[np.ndarray]
    """The log probabilities (T, V) of each held-out piece's steps, by the task's symbols."""
    epochs: int
    best_epoch: int
    own_valid_bits: float
    seconds: float
    parameters: int


def train_members(tasks: Sequence[Task], jobs: int) -> Iterator[Member]:
    """Train all members, `jobs` at a time."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for number, member in enumerate(pool.map(train_member, tasks), 1):
            print(
                f"member {number} of {len(tasks)}: best of {member.epochs} epochs was {member.best_epoch}, "
                f"{member.own_valid_bits:.3f} bits per note on its own fold, {member.seconds / 60:.0f} min",
                file=sys.stderr,
                flush=True,
            )
            yield member


def train_member(task: Task) -> Member:
    """Train one member and predict the held-out pieces."""
    import torch

    from playbach.data.pieces import Corpus, Piece
    from playbach.music.scores import content_hash
    from playbach.training.loop import train
    from playbach.training.options import TrainOptions

    torch.set_num_threads(1)
    pieces = [Piece(str(i), score, content_hash(score)) for i, score in enumerate(map(task.score_of, task.train))]
    folds = np.random.default_rng(0).permutation(len(pieces)) % task.folds
    chosen = set(task.stop or np.flatnonzero(folds == task.fold).tolist())
    learn, stop = (tuple(p for i, p in enumerate(pieces) if (i in chosen) == own) for own in (False, True))
    # There is nothing to test here: the reported pieces are predicted below.
    done = train(Corpus("benchmark", learn, stop, stop), TrainOptions(**task.options))
    encoded = [done.encoding.encode(task.score_of(data)) for data in task.held_out]
    known = {name: i for i, name in enumerate(done.encoding.fields[0].symbols)}
    columns = [known.get(name, 0) for name in task.symbols]  # symbols that occur only in its fold are unknown to it
    best = done.best
    return Member(
        [log_chances(done.model, done.encoding, s)[:, columns] for s in encoded],
        len(done.history),
        best.number,
        best.valid.bits_per_note,
        done.seconds,
        done.model.parameter_count(),
    )


def log_chances(model: Any, encoding: Any, sequence: Any) -> np.ndarray:
    """The log probabilities (T, V) of a piece's steps in the first field, with bars left unknown."""
    import torch

    from playbach.data.batches import previous_of
    from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT

    context = sequence.context.astype(np.int64)
    context[:, encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    previous = previous_of(sequence.steps, encoding).astype(np.int64)
    model.eval()
    with torch.inference_mode():
        logits = model(torch.from_numpy(previous)[None], torch.from_numpy(context)[None])[0]
    return logits[0].double().log_softmax(-1).float().numpy()


def average_logs(logs: Sequence[list[np.ndarray]]) -> list[np.ndarray]:
    """The mixture of several models in equal parts."""
    return [np.logaddexp.reduce(np.stack(piece), axis=0) - np.log(len(piece)) for piece in zip(*logs)]


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
