"""How the package starts processes, and how many it may run at once."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_METHOD: str = "fork" if sys.platform == "linux" else "spawn"
"""For `multiprocessing`. A fork takes 3 ms and inherits symusic and numpy; a new interpreter takes 200 ms. But
macOS's frameworks do not survive a fork, and Windows has no forks."""


@contextmanager
def ignore_fork_warnings() -> Iterator[None]:
    """Suppress the warnings about forks in a process that has threads.

    Python 3.12 and later warn because a lock that another thread holds stays locked in the child. Our children use
    nothing that the parent's other threads may hold: they parse or convert music, write to their own pipe or file,
    and end. The C library keeps its allocator usable after a fork, and Python its own locks.
    """
    with warnings.catch_warnings():
        for category in (DeprecationWarning, RuntimeWarning):  # the latter is JAX's
            warnings.filterwarnings("ignore", ".*fork.*", category)
        yield


def processor_count() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_exit(exitcode: int | None) -> str:
    """How a process ended, in a few words."""
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"signal {-exitcode}"


def release_inherited(pipe: int) -> None:
    """Detach from what the parent owns: terminal, signal handlers, open files, objects with finalizers."""
    gc.freeze()
    gc.enable()
    faulthandler.disable()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    for name in ("SIGTERM", "SIGHUP", "SIGALRM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    devnull = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(devnull, standard)
    with suppress(OSError):  # without /proc they stay open, which does no harm while the parent lives
        # Among them are the parent's ends of the workers' pipes: while one is open, a worker does not notice that the
        # parent has ended.
        for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
            if descriptor > 2 and descriptor != pipe:
                with suppress(OSError):
                    os.close(descriptor)


def limit_memory(memory_bytes: int) -> None:
    """Limit the memory of this process to so much more than it has, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # macOS has no /proc and enforces no such limit
        # The limit is on address space, of which a fork of a process with torch already has gigabytes.
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        highest = resource.getrlimit(resource.RLIMIT_AS)[1]
        if highest != resource.RLIM_INFINITY:
            limit = min(limit, highest)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
