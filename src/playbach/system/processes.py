"""How the package starts processes, and how many it may run at once."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
