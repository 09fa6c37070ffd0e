"""A script for the tests of resuming: trains in a child process that is killed and resumed, until a last one is done.

Called with a folder of music, a folder for the files, a number of threads, and the moments to be killed at (all where
none is named); prints them, and what lay in the folder then.
It forks, as importing torch anew for each child would take most of the time.
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


def at_call(number: int, owner: Any, name: str, instead: Callable[..., None] = die) -> None:
    """`owner.name` kills the process when it is called for the n-th time."""
    original, calls = getattr(owner, name), 0

    def counting(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return (instead if calls == number else original)(*given, **named)

    setattr(owner, name, counting)


def half(tensors: Any, path: Path, metadata: Any) -> None:
    """A checkpoint of which only a part is on the disk."""
    path.write_bytes(os.urandom(500))
    die()


def after(seconds: float) -> None:
    """Wherever the process is then."""
    threading.Thread(target=lambda: (time.sleep(seconds), die()), daemon=True).start()


MOMENTS: dict[str, Callable[[], None]] = {
    "before training": partial(at_call, 1, runs, "train"),
    "while the music is encoded": partial(at_call, 2, shards, "_make"),
    "in the first epoch": partial(at_call, 3, runs._RunHooks, "advance"),
    "in the middle of an epoch": partial(at_call, 20, runs._RunHooks, "advance"),
    "while a checkpoint is written": partial(at_call, 4, checkpoints.safetensors.torch, "save_file", half),
    "before a checkpoint is moved into place": partial(at_call, 9, checkpoints, "sync"),
    "while an epoch is measured": partial(at_call, 3, loop, "measure"),
    **{f"at random, {i}": partial(after, random.Random(i).uniform(0.1, 0.6)) for i in range(3)},
    "after the last epoch": partial(at_call, 1, saving, "write"),
}


def write_weights(stem: Path, trained: loop.Trained, verdict: object) -> Path:
    """In the place of the bundle, whose making takes longer than the training, and rounds the weights."""
    path = stem.with_name(f"{stem.name}.safetensors")
    checkpoints.safetensors.torch.save_file(trained.model.state_dict(), path)
    return path


def child(music: Path, into: Path, threads: int, resume: bool, prepare: Callable[[], None]) -> int:
    """A training until its end, which is given."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 1
    try:
        torch.set_num_threads(threads)
        runs.SAVE_SECONDS = 0.0
        saving.write, plots.draw = write_weights, lambda *_: None  # type: ignore[assignment]
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
    if child(music, into / "unbroken", threads, False, lambda: None) != 0:
        sys.exit("the unbroken training failed")
    resume = False
    for name in sys.argv[4:] or MOMENTS:
        ended = child(music, into / "broken", threads, resume, MOMENTS[name])
        if ended != -signal.SIGKILL:
            sys.exit(f"{name}: it ended with {ended}")
        print(name, [path.name for path in (into / "broken").iterdir()], flush=True)
        resume = True
    if child(music, into / "broken", threads, True, lambda: None) != 0:
        sys.exit("the last training failed")


if __name__ == "__main__":
    main()
