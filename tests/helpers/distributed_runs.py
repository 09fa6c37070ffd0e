"""A script for the tests of training on several processes: trains in them, and interrupts them in several ways.

Arguments: a folder of music, a folder for the files and the name of a scenario. For each process of each training it
prints the exit status and the last line of output. Each process writes its last weights to NAME.RANK.safetensors. The
environment variables are those that torchrun sets. The processes are forked, because importing torch again would take
most of the time.
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
from playbach.training.steps import EpochRunner

SMALL = [
    "--model=lstm", "--hidden=24", "--layers=2", "--embedding=8", "--window=32", "--device=cpu", "--dtype=float32",
    "--seed=3",
]  # fmt: skip
SAME = [*SMALL, "--batch", "5", "--epochs", "3", "--dropout", "0"]
OWN = [*SMALL, "--batch", "5", "--epochs", "3", "--dropout", "0.3"]
Act = Callable[[], None]


def write_weights(stem: Path, trained: Any, diagnosis: object) -> Path:
    path = stem.with_name(f"{stem.name}.playbach")
    path.write_bytes(saving.weights_as_bytes(trained.model))
    return path


def keep_last_weights(name: str, rank: int) -> None:
    """Save the weights of this process after the last step of all processes."""
    networks = []
    run_epoch, disconnect = EpochRunner.run_epoch, distributed.ProcessGroup.disconnect

    def run_and_remember(self: EpochRunner, *args: Any) -> Any:
        networks.append(self.model)
        return run_epoch(self, *args)

    def disconnect_and_save(self: distributed.ProcessGroup) -> None:
        disconnect(self)
        safetensors.torch.save_file(weights_of(networks[-1]), f"{name}.{rank}.safetensors")

    EpochRunner.run_epoch, distributed.ProcessGroup.disconnect = run_and_remember, disconnect_and_save  # type: ignore[method-assign]


def run_process(rank: int, size: int, port: int, arguments: list[str], name: str, act: Act | None) -> int:
    output = os.open(f"{name}.{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    variables = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": size,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({key: str(value) for key, value in variables.items()})
    keep_last_weights(name, rank)
    if act is not None:
        act()
    return main(arguments)


def run_processes(name: str, arguments: list[str], size: int = 2, acts: dict[int, Act] | None = None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(size):
        child = os.fork()
        if not child:
            status = 70
            try:
                status = run_process(rank, size, port, arguments, name, (acts or {}).get(rank))
            except SystemExit as stop:
                status = int(stop.code or 0)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    for rank, child in enumerate(children):
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        lines = Path(f"{name}.{rank}.txt").read_text("utf-8").splitlines()
        print(f"{name} {rank} {status} {lines[-1] if lines else ''}", flush=True)


def fail(*_: object) -> None:
    raise PlaybachError("the disk has gone")


def interrupt(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def scenario(name: str, music: str) -> None:
    train = ["train", music]
    if name == "same":
        run_processes("one", [*train, *SAME, "--name", "one"], size=1)
        run_processes("two", [*train, *SAME, "--name", "two"])
    elif name == "resumed":
        runs.SAVE_INTERVAL_SECONDS = 0.0
        run_processes("whole", [*train, *OWN, "--name", "whole"])
        killed = {0: lambda: at_call(6, runs._RunCallbacks, "on_step", die)}
        run_processes("killed", [*train, *OWN, "--name", "cut"], acts=killed)
        run_processes("cut", [*train, "--resume", "--name", "cut"])
    elif name == "failing":
        failing = {1: lambda: at_call(4, torch.optim.AdamW, "step", fail)}
        run_processes("failed", [*train, *SAME, "--name", "failed"], acts=failing)
    elif name == "refused":
        run_processes("refused", [*train, *SAME, "--batch", "1", "--name", "refused"])
    elif name == "stopped":
        by_hand = {0: lambda: at_call(6, runs._RunCallbacks, "on_step", interrupt), 1: interrupt_worker}
        run_processes("stopped", [*train, *SAME, "--epochs", "50", "--name", "stopped"], acts=by_hand)


def interrupt_worker() -> None:
    """Send Ctrl-C to a worker process too, as a terminal does."""
    at_call(
        6, distributed.ProcessGroup, "leader_decision", lambda self, *_: (interrupt(), LEADER_DECISION(self, *_))[1]
    )


LEADER_DECISION = distributed.ProcessGroup.leader_decision

if __name__ == "__main__":
    torch.set_num_threads(1)
    saving.write_bundle, plots.draw_curves = write_weights, lambda *_: None  # type: ignore[assignment]
    music, into, name = sys.argv[1:]
    os.chdir(into)
    scenario(name, music)
