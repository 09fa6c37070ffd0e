"""A script for the tests of resuming: trains in child processes that are killed, and resumes until one finishes.

Arguments: a folder of music, a folder for the files, a number of threads, and the moments at which to kill (default:
all). Prints each moment, and the files that the folder contained then. The children are forked, because importing
torch again in each would take most of the time.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

import playbach
from playbach.data import shards
from playbach.training import checkpoints, loop, plots, runs, saving

OPTIONS: dict[str, Any] = {
    "model": "lstm", "network": {"hidden": 24, "layers": 2, "embedding": 8},
    "epochs": 4, "window": 32, "batch": 2, "seed": 3,
}  # fmt: skip


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, owner: Any, name: str, action: Callable[..., None] = die) -> None:
    """Make the call of `owner.name` with this number, counted from 1, kill the process or do another action."""
    original, calls = getattr(owner, name), 0

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return (action if calls == number else original)(*args, **kwargs)

    setattr(owner, name, counting)


def write_half(tensors: Any, path: Path, metadata: Any) -> None:
    """Die when only a part of a checkpoint is on the disk."""
    path.write_bytes(os.urandom(500))
    die()


def die_after(seconds: float) -> None:
    """Die after a time, whatever the process is doing then."""
    threading.Thread(target=lambda: (time.sleep(seconds), die()), daemon=True).start()


MOMENTS: dict[str, Callable[[], None]] = {
    "before training": partial(at_call, 1, runs, "train"),
    "while the music is encoded": partial(at_call, 2, shards, "_make"),
    "in the first epoch": partial(at_call, 3, runs._RunCallbacks, "on_step"),
    "in the middle of an epoch": partial(at_call, 20, runs._RunCallbacks, "on_step"),
    "while a checkpoint is written": partial(at_call, 4, checkpoints.safetensors.torch, "save_file", write_half),
    "before a checkpoint is moved into place": partial(at_call, 9, checkpoints, "sync"),
    "while an epoch is measured": partial(at_call, 3, loop, "measure_network"),
    **{f"at random, {i}": partial(die_after, random.Random(i).uniform(0.1, 0.6)) for i in range(3)},
    "after the last epoch": partial(at_call, 1, saving, "write_bundle"),
}


def write_weights(stem: Path, trained: loop.TrainedNetwork, diagnosis: object) -> Path:
    """Write the weights only, in place of the bundle, which takes longer than the training and rounds the weights."""
    path = stem.with_name(f"{stem.name}.safetensors")
    checkpoints.safetensors.torch.save_file(trained.model.state_dict(), path)
    return path


def train_in_child(music: Path, into: Path, threads: int, resume: bool, prepare: Callable[[], None]) -> int:
    """Train in a child process, and return its exit code."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 1
    try:
        torch.set_num_threads(threads)
        runs.SAVE_INTERVAL_SECONDS = 0.0
        saving.write_bundle, plots.draw_curves = write_weights, lambda *_: None  # type: ignore[assignment]
        prepare()
        playbach.train(music, into=into, name="cut", resume=resume, **({} if resume else OPTIONS))
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def main() -> None:
    music, into, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    (into / "unbroken").mkdir()
    (into / "broken").mkdir()
    if train_in_child(music, into / "unbroken", threads, False, lambda: None) != 0:
        sys.exit("the unbroken training failed")
    resume = False
    for name in sys.argv[4:] or MOMENTS:
        code = train_in_child(music, into / "broken", threads, resume, MOMENTS[name])
        if code != -signal.SIGKILL:
            sys.exit(f"{name}: ended with exit code {code}")
        print(name, [path.name for path in (into / "broken").iterdir()], flush=True)
        resume = True
    if train_in_child(music, into / "broken", threads, True, lambda: None) != 0:
        sys.exit("the last training failed")


if __name__ == "__main__":
    main()
