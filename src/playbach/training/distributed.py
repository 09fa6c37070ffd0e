"""One training on several processes: who they are, what process 0 tells the others, and what they work out together.

`torchrun` starts the processes and says in the environment who is who. Process 0 has the music and takes all
decisions; it tells them through torch's key-value store, where a wait may be long. Gradients are averaged by torch's
DistributedDataParallel over nccl (CUDA) or gloo, where no wait is long, as all processes are then in the same step.
`ALONE`, the world of one process, does nothing at all, so that the loop of training reads the same in both.

Knows nothing of music, files or epochs. Needs torch.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from inspect import signature
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import nn

from playbach.system.errors import PlaybachError, UsageError

LONGEST_STEP = timedelta(minutes=10)
"""No process waits longer for the others within a step; process 0 may write the state of the run in that time."""
BEAT = 5.0
"""After so many seconds process 0 shows again that it is alive."""
SILENCE = 300.0
"""After so many seconds without a beat process 0 is taken for dead."""
LAST_WORDS = 5.0
"""Seconds in which a process whose partner has gone waits for the reason."""
PAUSE = 0.1
"""Seconds between two looks."""
BREATH = 0.5
"""Seconds in which a process that fails says why, before torchrun, seeing that another one has left, ends it."""
FAILED, LEFT = "failed", "left"


class Lost(PlaybachError):
    """Another process is gone, and has not said why."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of one training: this one's `rank` among `size`, and `local`, its number on its machine."""

    rank: int = 0
    size: int = 1
    local: int = 0
    _store: Any = None
    _turns: Iterator[int] = field(default_factory=count)

    @property
    def leads(self) -> bool:
        """Whether this is the process that has the music, decides, and writes."""
        return self.rank == 0

    def device(self, picked: torch.device) -> torch.device:
        """This process's own device of the kind that was picked.

        Raises:
            UsageError: there are more processes than devices of this kind.
        """
        if self.size == 1 or picked.type == "cpu":
            return picked
        if picked.type != "cuda":
            raise UsageError(f"several processes train on cuda or cpu, not on {picked.type}; give --device cpu")
        if self.local >= torch.cuda.device_count():
            raise UsageError(
                f"{socket.gethostname()} has {torch.cuda.device_count()} GPUs, too few for process {self.local + 1} "
                "there; start torchrun with a smaller --nproc-per-node, or give --device cpu"
            )
        torch.cuda.set_device(self.local)
        return torch.device("cuda", self.local)

    def tell(self, what: Any) -> None:
        """Let the other processes know something, as JSON; each thing told is heard once, in order."""
        if self.size > 1:
            with self.talking():
                self._store.set(f"told {next(self._turns)}", json.dumps(what))

    def hear(self) -> Any:
        """Wait for the next thing that process 0 tells, however long, as long as it lives.

        Raises:
            Lost: process 0 is gone.
        """
        key = f"told {next(self._turns)}"
        beat, since, pause = b"", time.monotonic(), 0.001
        while True:
            with self.talking():
                if self._store.check([key]):
                    return json.loads(self._store.get(key))
                self._leave_if_failed()
                now = self._store.get("beat") if self._store.check(["beat"]) else b""
            if now != beat:
                beat, since = now, time.monotonic()
            if time.monotonic() - since > SILENCE:
                raise Lost(f"nothing was heard of process 0 for {SILENCE:.0f} s; take the run up again by --resume")
            time.sleep(pause)
            pause = min(2 * pause, PAUSE)

    def network(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model such that its gradients are means over all processes. All begin with process 0's weights."""
        if self.size == 1:
            return model
        with self.talking():
            torch.distributed.init_process_group(
                "nccl" if device.type == "cuda" else "gloo",
                store=self._store, rank=self.rank, world_size=self.size, timeout=LONGEST_STEP,
            )  # fmt: skip
            # Our buffers are constants, and need not be sent at each step. The option's name depends on the version.
            known = signature(nn.parallel.DistributedDataParallel).parameters
            buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
            own: dict[str, Any] = {"device_ids": [device.index] if device.type == "cuda" else None, buffers: False}
            return nn.parallel.DistributedDataParallel(model, **own)

    def mean(self, value: float, device: torch.device) -> float:
        """The mean of all processes' values."""
        if self.size == 1:
            return value
        with self.talking():
            total = torch.tensor(value, dtype=torch.float64, device=device)
            torch.distributed.all_reduce(total)
            return float(total) / self.size

    def agreed(self, decision: bool, device: torch.device) -> bool:
        """What process 0 decided, whatever the others think."""
        return self.mean(float(decision and self.leads), device) > 0 if self.size > 1 else decision

    def same(self, model: nn.Module, device: torch.device) -> bool:
        """Whether all processes have the very same weights."""
        if self.size == 1:
            return True
        made = sha256()
        for parameter in model.parameters():
            made.update(parameter.detach().float().cpu().numpy().tobytes())
        mine = torch.tensor(list(made.digest()), dtype=torch.int32, device=device)
        with self.talking():
            lowest, highest = mine.clone(), mine.clone()
            torch.distributed.all_reduce(lowest, torch.distributed.ReduceOp.MIN)
            torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
            return torch.equal(lowest, highest)

    def reseed(self, seed: int, step: int) -> None:
        """Give each process but the first random numbers of its own for a step: with the same ones they would leave
        out the same units. Process 0's go on as they are, and are part of the run's state."""
        if not self.leads:
            torch.manual_seed(int(np.random.SeedSequence([seed, self.rank, step]).generate_state(1, np.uint64)[0]))

    def leave(self) -> None:
        """The last step is done; all processes must say so."""
        if self.size > 1 and torch.distributed.is_initialized():
            with self.talking():
                torch.distributed.barrier()
                torch.distributed.destroy_process_group()

    @contextmanager
    def talking(self) -> Iterator[None]:
        """What goes wrong within is most likely that another process has gone.

        Raises:
            SystemExit: it has, and has said why; one line about it is enough.
            Lost: it has not said why.
        """
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # of gloo, nccl and the store alike
            if self.size == 1:
                raise
            until = time.monotonic() + LAST_WORDS
            with suppress(RuntimeError):
                while time.monotonic() < until:
                    self._leave_if_failed()
                    time.sleep(PAUSE)
            said = " ".join(str(error).split())[:160]
            raise Lost(
                f"another process of this training has gone or cannot be reached ({said}); mend that, and take the "
                "run up again by --resume"
            ) from error

    def fail(self) -> None:
        """Let the others know that this process ends, and says itself why."""
        with suppress(RuntimeError):
            self._store.set(FAILED, str(self.rank))
            until = time.monotonic() + LAST_WORDS
            # The store ends with process 0 where it is not torchrun's own.
            while self.leads and not _torchruns_store() and time.monotonic() < until:
                if self._store.add(LEFT, 0) >= self.size - 1:
                    break
                time.sleep(PAUSE)

    def _leave_if_failed(self) -> None:
        if self._store.check([FAILED]) and int(self._store.get(FAILED)) != self.rank:
            self._store.add(LEFT, 1)
            time.sleep(BREATH)
            raise SystemExit(1)


ALONE = World()


@contextmanager
def joined() -> Iterator[World]:
    """The processes that torchrun started together with this one; `ALONE` without it.

    Raises:
        PlaybachError: they cannot be reached, or this torch is built without torch.distributed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        yield ALONE
        return
    world = _met()
    if not world.leads and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is process 0's to decide on
    over = threading.Event()
    if world.leads:
        threading.Thread(target=_beat, args=(world._store.set, over), daemon=True).start()
    try:
        yield world
    except SystemExit:
        raise
    except BaseException as error:
        world.fail()
        if isinstance(error, PlaybachError) and not world.leads:
            where = f"process {world.rank} of {world.size}, on {socket.gethostname()}"
            raise PlaybachError(f"{where}: {error}") from error
        raise
    finally:
        over.set()


def _met() -> World:
    from torch.distributed.rendezvous import rendezvous

    if not torch.distributed.is_available():
        raise PlaybachError("this build of torch cannot train on several processes; start playbach without torchrun")
    rank, address = int(os.environ["RANK"]), f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, rank, size = next(iter(rendezvous("env://", timeout=LONGEST_STEP)))
    except (RuntimeError, ValueError) as error:
        raise PlaybachError(
            f"process {rank} cannot reach the others at {address}; is that port free and open?"
        ) from error
    return World(rank, size, int(os.environ.get("LOCAL_RANK", rank)), store)


def _torchruns_store() -> bool:
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _beat(put: Callable[[str, str], None], over: threading.Event) -> None:
    """Show that this process is alive until it is over, or the store is gone: the loop will notice that itself."""
    with suppress(RuntimeError):
        for number in count():
            put("beat", str(number))
            if over.wait(BEAT):
                return
