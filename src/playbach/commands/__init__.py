"""The commands, one file each: `add` describes one to the parser and must stay cheap, `run` does it.

Here is what they share: results go to stdout, talk to stderr. Knows no command.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Sequence

WIDTH = 80
"""Text that is broken into lines fits a terminal of so many columns."""


class UnwrittenResult(Exception):
    """stdout cannot take the result."""


def result(text: str) -> None:
    """A line of the result, or several, on stdout."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        first = text.partition("\n")[0]
        raise UnwrittenResult(f"{first}: done, but stdout cannot be written ({error.strerror})") from error


def say(line: str) -> None:
    """Talk, on stderr; where that cannot be written there is nobody to tell."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = (), gap: int = 2) -> list[str]:
    """Lines in which the cells of each column stand under each other, those of the columns `right` at their ends."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        (" " * gap)
        .join(
            cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))
        )
        .rstrip()
        for row in rows
    ]
