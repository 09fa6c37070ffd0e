"""A script for the tests of training on several processes: trains in them, breaks off in the ways it is told.

Called with a folder of music, a folder for the files and the name of a scenario; prints a line for each process of
each training: its exit status and what it said last. Each process leaves the weights that it ended with as
NAME.RANK.safetensors. The processes are told who they are as torchrun tells it; they are forked, as importing torch
anew would take most of the time.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from helpers.killed_runs import at_call, die
from playbach.cli.main import main
from playbach.system.errors import PlaybachError
from playbach.training import distributed, plots, runs, saving
from playbach.training.checkpoints import weights_of
from playbach.training.worker import Steps

SMALL = [
    "--model=lstm", "--hidden=24", "--layers=2", "--embedding=8", "--window=32", "--device=cpu", "--dtype=float32",
    "--seed=3",
]  # fmt: skip
SAME = [*SMALL, "--batch", "5", "--epochs", "3", "--dropout", "0"]
OWN = [*SMALL, "--batch", "5", "--epochs", "3", "--dropout", "0.3"]
Act = Callable[[], None]


def write(stem: Path, trained: Any, verdict: object) -> Path:
    path = stem.with_name(f"{stem.name}.playbach")
    path.write_bytes(saving.weights(trained.model))
    return path


def keep_last_weights(name: str, rank: int) -> None:
    """Each process's weights at the moment when all have taken the last step."""
    networks = []
    through, leave = Steps.through, distributed.World.leave

    def remembering(self: Steps, *given: Any) -> Any:
        networks.append(self.model)
        return through(self, *given)

    def leaving(self: distributed.World) -> None:
        leave(self)
        safetensors.torch.save_file(weights_of(networks[-1]), f"{name}.{rank}.safetensors")

    Steps.through, distributed.World.leave = remembering, leaving  # type: ignore[method-assign]


def process(rank: int, size: int, port: int, arguments: list[str], name: str, act: Act | None) -> int:
    said = os.open(f"{name}.{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    who = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({key: str(value) for key, value in who.items()})
    keep_last_weights(name, rank)
    if act is not None:
        act()
    return main(arguments)


def together(name: str, arguments: list[str], size: int = 2, acts: dict[int, Act] | None = None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(size):
        child = os.fork()
        if not child:
            status = 70
            try:
                status = process(rank, size, port, arguments, name, (acts or {}).get(rank))
            except SystemExit as leaving:
                status = int(leaving.code or 0)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    for rank, child in enumerate(children):
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        lines = Path(f"{name}.{rank}.txt").read_text("utf-8").splitlines()
        print(f"{name} {rank} {status} {lines[-1] if lines else ''}", flush=True)


def complain(*_: object) -> None:
    raise PlaybachError("the disk has gone")


def interrupt(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def scenario(name: str, music: str) -> None:
    train = ["train", music]
    if name == "same":
        together("one", [*train, *SAME, "--name", "one"], size=1)
        together("two", [*train, *SAME, "--name", "two"])
    elif name == "resumed":
        runs.SAVE_SECONDS = 0.0
        together("whole", [*train, *OWN, "--name", "whole"])
        killed = {0: lambda: at_call(6, runs._RunHooks, "advance", die)}
        together("killed", [*train, *OWN, "--name", "cut"], acts=killed)
        together("cut", [*train, "--resume", "--name", "cut"])
    elif name == "failing":
        failing = {1: lambda: at_call(4, torch.optim.AdamW, "step", complain)}
        together("failed", [*train, *SAME, "--name", "failed"], acts=failing)
    elif name == "refused":
        together("refused", [*train, *SAME, "--batch", "1", "--name", "refused"])
    elif name == "stopped":
        by_hand = {0: lambda: at_call(6, runs._RunHooks, "advance", interrupt), 1: lambda: interrupted_late()}
        together("stopped", [*train, *SAME, "--epochs", "50", "--name", "stopped"], acts=by_hand)


def interrupted_late() -> None:
    """Ctrl-C reaches all processes."""
    at_call(6, distributed.World, "agreed", lambda self, *_: (interrupt(), AGREED(self, *_))[1])


AGREED = distributed.World.agreed

if __name__ == "__main__":
    torch.set_num_threads(1)
    saving.write, plots.draw = write, lambda *_: None  # type: ignore[assignment]
    music, into, name = sys.argv[1:]
    os.chdir(into)
    scenario(name, music)
