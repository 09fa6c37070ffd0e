"""One training run on several processes: which process this is, what process 0 sends to the others, and what they
compute together.

`torchrun` starts the processes and numbers each one in its environment variables. Process 0 has the music and makes
all decisions. It sends them through torch's key-value store, where the others may wait for a long time. Gradients are
averaged by torch's DistributedDataParallel over nccl (CUDA) or gloo, where no wait is long, since all processes are
then in the same step. `SINGLE_PROCESS`, a group of one, does nothing at all, so that the training loop reads the same
in both cases.

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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from playbach.system.errors import PlaybachError, UsageError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

STEP_TIMEOUT = timedelta(minutes=10)
"""The longest that a process waits for the others within a step; process 0 may save the run's state in that time."""
HEARTBEAT_SECONDS = 5.0
"""Seconds between two heartbeats of process 0."""
HEARTBEAT_TIMEOUT_SECONDS = 300.0
"""Seconds without a heartbeat after which process 0 counts as dead."""
FAILURE_WAIT_SECONDS = 5.0
"""Seconds for which a process that has lost a peer, or is failing itself, waits for the others."""
POLL_SECONDS = 0.1
"""Longest pause between two reads of the store."""
EXIT_DELAY_SECONDS = 0.5
"""Seconds for which a process that ends because of a peer waits, so that the peer can print its reason: torchrun ends
all processes as soon as one has left."""
_FAILED_KEY, _LEFT_KEY = "failed", "left"
SharedMessage = dict[str, Any]
"""What JSON can say."""


class PeerLost(PlaybachError):
    """Another process has ended without reporting a reason."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The processes of one training run, as seen from this process."""

    rank: int = 0
    """The number of this process, from 0 on."""
    size: int = 1
    """How many processes there are."""
    local_rank: int = 0
    """The number of this process on its machine."""
    store: Store | None = None
    """torch's key-value store; None in a group of one."""
    _message_numbers: Iterator[int] = field(default_factory=count)

    @property
    def is_leader(self) -> bool:
        """Whether this is process 0, which has the music, decides and writes."""
        return self.rank == 0

    @property
    def _store(self) -> Store:
        assert self.store is not None
        return self.store

    def device(self, picked: torch.device) -> torch.device:
        """This process's own device, of the kind of `picked`.

        Raises:
            UsageError: there are more processes than devices of this kind.
        """
        if self.size == 1 or picked.type == "cpu":
            return picked
        if picked.type != "cuda":
            raise UsageError(f"several processes can train on cuda or cpu, not on {picked.type}; give --device cpu")
        if self.local_rank >= torch.cuda.device_count():
            raise UsageError(
                f"{socket.gethostname()} has {torch.cuda.device_count()} GPUs, too few for process "
                f"{self.local_rank + 1} there; start torchrun with a smaller --nproc-per-node, or give --device cpu"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def share(self, message: SharedMessage | None) -> SharedMessage | None:
        """Process 0's message, in every process; what the others give does not count. They wait for it as long as
        process 0 is alive.

        Raises:
            PeerLost: process 0 sends no more heartbeats.
        """
        if not self.is_leader:
            return self._receive()
        if self.size > 1:
            with self.handling_peer_errors():
                self._store.set(self._next_key(), json.dumps(message))
        return message

    def _receive(self) -> SharedMessage | None:
        key = self._next_key()
        heartbeat, since, pause = b"", time.monotonic(), 0.001
        while True:
            with self.handling_peer_errors():
                if self._store.check([key]):
                    message: SharedMessage | None = json.loads(self._store.get(key))
                    return message
                self._exit_if_peer_failed()
                latest = self._store.get("beat") if self._store.check(["beat"]) else b""
            if latest != heartbeat:
                heartbeat, since = latest, time.monotonic()
            if time.monotonic() - since > HEARTBEAT_TIMEOUT_SECONDS:
                raise PeerLost(
                    f"process 0 has not responded for {HEARTBEAT_TIMEOUT_SECONDS:.0f} s; resume the run with --resume"
                )
            time.sleep(pause)
            pause = min(2 * pause, POLL_SECONDS)

    def _next_key(self) -> str:
        # The key is that of older versions, so that processes of two versions still find out that they differ.
        return f"told {next(self._message_numbers)}"

    def wrap_model(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Wrap the model so that gradients are averaged over all processes. All begin with process 0's weights."""
        if self.size == 1:
            return model
        backend = "nccl" if device.type == "cuda" else "gloo"
        with self.handling_peer_errors():
            torch.distributed.init_process_group(
                backend, store=self._store, rank=self.rank, world_size=self.size, timeout=STEP_TIMEOUT
            )
            # Our buffers are constants and need not be sent at each step. The option's name depends on the version.
            known = signature(nn.parallel.DistributedDataParallel).parameters
            buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
            own: dict[str, Any] = {"device_ids": [device.index] if device.type == "cuda" else None, buffers: False}
            return nn.parallel.DistributedDataParallel(model, **own)

    def mean(self, value: float, device: torch.device) -> float:
        """The mean of the values of all processes."""
        if self.size == 1:
            return value
        with self.handling_peer_errors():
            total = torch.tensor(value, dtype=torch.float64, device=device)
            torch.distributed.all_reduce(total)
            return float(total) / self.size

    def leader_decision(self, decision: bool, device: torch.device) -> bool:
        """The decision of process 0, in every process."""
        return self.mean(float(decision and self.is_leader), device) > 0 if self.size > 1 else decision

    def has_same_weights(self, model: nn.Module, device: torch.device) -> bool:
        """Whether all processes have exactly the same weights."""
        if self.size == 1:
            return True
        weights_hash = sha256()
        for parameter in model.parameters():
            weights_hash.update(parameter.detach().float().cpu().numpy().tobytes())
        digest = torch.tensor(list(weights_hash.digest()), dtype=torch.int32, device=device)
        with self.handling_peer_errors():
            lowest, highest = digest.clone(), digest.clone()
            torch.distributed.all_reduce(lowest, torch.distributed.ReduceOp.MIN)
            torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
            return torch.equal(lowest, highest)

    def reseed(self, seed: int, step: int) -> None:
        """Give each process except process 0 its own random numbers for a step; with the same ones, all would drop
        the same units. Those of process 0 are part of the run's state and stay as they are."""
        if not self.is_leader:
            torch.manual_seed(int(np.random.SeedSequence([seed, self.rank, step]).generate_state(1, np.uint64)[0]))

    def disconnect(self) -> None:
        """Wait until all processes have done their last step, then end the connection."""
        if self.size > 1 and torch.distributed.is_initialized():
            with self.handling_peer_errors():
                torch.distributed.barrier()
                torch.distributed.destroy_process_group()

    @contextmanager
    def handling_peer_errors(self) -> Iterator[None]:
        """Turn a communication error, which most likely means that another process has ended, into one of these.

        Raises:
            SystemExit: another process has failed and prints the reason itself.
            PeerLost: no process has reported a reason.
        """
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # of gloo, nccl and the store alike
            if self.size == 1:
                raise
            until = time.monotonic() + FAILURE_WAIT_SECONDS
            with suppress(RuntimeError):
                while time.monotonic() < until:
                    self._exit_if_peer_failed()
                    time.sleep(POLL_SECONDS)
            reason = " ".join(str(error).split())[:160]
            raise PeerLost(
                f"another process of this training has ended or cannot be reached ({reason}); fix that, then resume "
                "the run with --resume"
            ) from error

    def report_failure(self) -> None:
        """Inform the other processes that this one is ending and prints the reason itself."""
        with suppress(RuntimeError):
            self._store.set(_FAILED_KEY, str(self.rank))
            until = time.monotonic() + FAILURE_WAIT_SECONDS
            # Unless torchrun hosts the store, the store ends with process 0, so process 0 waits for the others.
            while self.is_leader and not _is_store_torchruns() and time.monotonic() < until:
                if self._store.add(_LEFT_KEY, 0) >= self.size - 1:
                    break
                time.sleep(POLL_SECONDS)

    def _exit_if_peer_failed(self) -> None:
        if self._store.check([_FAILED_KEY]) and int(self._store.get(_FAILED_KEY)) != self.rank:
            self._store.add(_LEFT_KEY, 1)
            time.sleep(EXIT_DELAY_SECONDS)
            raise SystemExit(1)


SINGLE_PROCESS = ProcessGroup()


@contextmanager
def join_process_group() -> Iterator[ProcessGroup]:
    """The group of processes that torchrun has started; `SINGLE_PROCESS` without torchrun.

    Raises:
        PlaybachError: the other processes cannot be reached, or torch is built without torch.distributed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        yield SINGLE_PROCESS
        return
    group = _connect()
    if not group.is_leader and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 0 handles Ctrl-C
    finished = threading.Event()
    if group.is_leader:
        threading.Thread(target=_send_heartbeats, args=(group._store.set, finished), daemon=True).start()
    try:
        yield group
    except SystemExit:
        raise
    except BaseException as error:
        group.report_failure()
        if isinstance(error, PlaybachError) and not group.is_leader:
            where = f"process {group.rank} of {group.size}, on {socket.gethostname()}"
            raise PlaybachError(f"{where}: {error}") from error
        raise
    finally:
        finished.set()


def _connect() -> ProcessGroup:
    from torch.distributed.rendezvous import rendezvous

    if not torch.distributed.is_available():
        raise PlaybachError("this build of torch cannot train on several processes; start playbach without torchrun")
    rank, address = int(os.environ["RANK"]), f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, rank, size = next(iter(rendezvous("env://", timeout=STEP_TIMEOUT)))
    except (RuntimeError, ValueError) as error:
        raise PlaybachError(
            f"process {rank} cannot reach the others at {address}; check that this port is free and open"
        ) from error
    local_rank = int(os.environ.get("LOCAL_RANK", rank))
    return ProcessGroup(rank=rank, size=size, local_rank=local_rank, store=store)


def _is_store_torchruns() -> bool:
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _send_heartbeats(put: Callable[[str, str], None], finished: threading.Event) -> None:
    """Send heartbeats until `finished` is set or the store cannot be reached. The training loop detects that."""
    with suppress(RuntimeError):
        for number in count():
            put("beat", str(number))
            if finished.wait(HEARTBEAT_SECONDS):
                return
