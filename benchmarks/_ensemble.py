"""Several networks trained on the same music, each stopped on another part of it, and their average.

No piece that is reported decides anything: a member trains on all training pieces but one fold, and stops on that
fold. What the members say is averaged as chances (a mixture), not as scores.
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
    """What one member needs: pieces as plain data, a function of the script's that makes a score of one, the symbols
    in whose order it is to answer, and the options of training. Each member has one thread."""

    score_of: Callable[[Any], Any]
    train: Sequence[Any]
    held_out: Sequence[Any]
    symbols: tuple[str, ...]
    options: dict[str, Any]
    fold: int
    folds: int
    stop: tuple[int, ...] = ()
    """The numbers of the training pieces to stop on, where a fold of them is not to."""


@dataclass(frozen=True)
class Member:
    """`logs` are the logarithms of the chances (T, V) of each held-out piece's steps, by the task's symbols."""

    logs: list[np.ndarray]
    epochs: int
    best_epoch: int
    own_valid_bits: float
    seconds: float
    parameters: int


def members(tasks: Sequence[Task], jobs: int) -> Iterator[Member]:
    """All members, so many of them at a time."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for number, member in enumerate(pool.map(trained, tasks), 1):
            print(
                f"member {number} of {len(tasks)}: best of {member.epochs} epochs was {member.best_epoch}, "
                f"{member.own_valid_bits:.3f} bits per note on its own fold, {member.seconds / 60:.0f} min",
                file=sys.stderr,
                flush=True,
            )
            yield member


def trained(task: Task) -> Member:
    """Train one member and let it guess the held-out pieces."""
    import torch

    from playbach.data.pieces import Corpus, Piece
    from playbach.music.scores import digest
    from playbach.training.loop import train
    from playbach.training.options import TrainOptions

    torch.set_num_threads(1)
    pieces = [Piece(str(i), score, digest(score)) for i, score in enumerate(map(task.score_of, task.train))]
    folds = np.random.default_rng(0).permutation(len(pieces)) % task.folds
    chosen = set(task.stop or np.flatnonzero(folds == task.fold).tolist())
    learn, stop = (tuple(p for i, p in enumerate(pieces) if (i in chosen) == own) for own in (False, True))
    # There is nothing to test here: what is reported is guessed below.
    done = train(Corpus("benchmark", learn, stop, stop), TrainOptions(**task.options))
    encoded = [done.encoding.encode(task.score_of(data)) for data in task.held_out]
    known = {name: i for i, name in enumerate(done.encoding.fields[0].symbols)}
    columns = [known.get(name, 0) for name in task.symbols]  # what its fold alone has is unknown to it
    best = done.best
    return Member(
        [chances(done.model, done.encoding, s)[:, columns] for s in encoded],
        len(done.history),
        best.number,
        best.valid.bits_per_note,
        done.seconds,
        done.model.parameter_count(),
    )


def chances(model: Any, encoding: Any, sequence: Any) -> np.ndarray:
    """The logarithms of the chances (T, V) of a piece's steps in the first field, not told how much is left."""
    import torch

    from playbach.data.batches import previous_of
    from playbach.encodings.base import LEFT_UNKNOWN

    context = sequence.context.astype(np.int64)
    context[:, encoding.left_column] = LEFT_UNKNOWN
    previous = previous_of(sequence.steps, encoding).astype(np.int64)
    model.eval()
    with torch.inference_mode():
        logits = model(torch.from_numpy(previous)[None], torch.from_numpy(context)[None])[0]
    return logits[0].double().log_softmax(-1).float().numpy()


def averaged(logs: Sequence[list[np.ndarray]]) -> list[np.ndarray]:
    """The mixture of several guessers, in equal parts."""
    return [np.logaddexp.reduce(np.stack(piece), axis=0) - np.log(len(piece)) for piece in zip(*logs)]


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
