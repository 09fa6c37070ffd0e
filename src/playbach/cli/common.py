"""The commands, one file each: `add` describes one to the parser and must stay cheap, `run` does it.

Here is what they share: results go to stdout, talk to stderr. Knows no command.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Sequence
from textwrap import wrap
from typing import Any

WIDTH = 80
"""Text that is broken into lines fits a terminal of so many columns."""


RUNTIMES = ("onnx", "litert")
"""Those of `runtimes`, which is too heavy to be imported for help; a test holds them together."""


class UnwrittenResult(Exception):
    """stdout cannot take the result."""


def add_runtime(parser: Any) -> None:
    """The option `--runtime`, of every command that plays models."""
    parser.add_argument("--runtime", choices=RUNTIMES, metavar="NAME", help="what plays the network: onnx (.playbach "
                        "and .onnx files) or litert (.tflite files); default: what suits the file")  # fmt: skip


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
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        (" " * gap)
        .join(
            cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))
        )
        .rstrip()
        for row in rows
    ]


def sheet(rows: Sequence[tuple[str, str]], indent: int = 0) -> list[str]:
    """Lines of `label  text`, the texts under each other and broken to fit WIDTH. A row without text is left out."""
    rows = [(printable(label), printable(text)) for label, text in rows if text]
    margin = indent + max((len(label) for label, _ in rows), default=0) + 2
    lines: list[str] = []
    for label, text in rows:
        parts = wrap(text, max(WIDTH - margin, 20), break_long_words=False, break_on_hyphens=False)
        first = " " * indent + label
        lines += [f"{first if i == 0 else '':{margin}}{part}" for i, part in enumerate(parts)]
    return lines


def printable(line: str) -> str:
    """A line that may hold words out of files, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def bytes_of(size: int) -> str:
    """As in `8.6 MB`, by thousands."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 999_950 else f"{size / 1e6:.1f} MB"


def percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
