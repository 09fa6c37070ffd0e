"""How the package starts processes of its own, and how many it may use."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# A fork costs 3 ms and inherits symusic and numpy; a fresh interpreter costs 200. macOS's frameworks do not
# survive forks and Windows has none.
START: str = "fork" if sys.platform == "linux" else "spawn"


@contextmanager
def fork_allowed() -> Iterator[None]:
    """Python 3.12 and later warn of forks in a process with threads, as a lock that another thread holds at
    that moment stays locked in the child. Ours do nothing with what the parent's other threads
    may hold: they parse or convert music, write to a pipe or a file of their own, and leave. The C
    library keeps its own allocator usable across forks, and Python its own locks."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, RuntimeWarning):  # the latter is JAX's
            warnings.filterwarnings("ignore", ".*fork.*", category)
        yield


def processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
