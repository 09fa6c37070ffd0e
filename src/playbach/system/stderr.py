"""What libraries written in C print to stderr, kept from it for a while. Knows nothing of who prints what."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """What is written to file descriptor 2 in this process meanwhile is lost, that of other threads too."""
    with suppress(ValueError, AttributeError):
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr to be kept from
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
