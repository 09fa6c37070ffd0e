"""The commands, one file each: `add` describes one to the parser and must stay cheap, `run` does it.

Here is what they share: results go to stdout, talk to stderr. Knows no command.
"""

from __future__ import annotations

import contextlib
import sys


class UnwrittenResult(Exception):
    """stdout cannot take the result."""


def result(line: str) -> None:
    """One line of the result, on stdout."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwrittenResult(f"{line}: done, but stdout cannot be written ({error.strerror})") from error


def say(line: str) -> None:
    """Talk, on stderr; where that cannot be written there is nobody to tell."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
