"""Functions that the commands share: results go to stdout, messages to stderr. Knows no command.

Each command is one file with a `COMMAND`. Its options come from dataclasses (`options.py`); `run` executes it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from playbach.system.options import given

if TYPE_CHECKING:
    from playbach.inference.composing import Composition
    from playbach.streaming.settings import ProgrammeSettings

LINE_WIDTH = 80
"""Text is wrapped to this number of columns."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the command line."""

    description: str
    """Some sentences, for its own help."""
    add_options: Callable[[argparse.ArgumentParser], None]
    """Adds its arguments to its parser."""
    run: Callable[[argparse.Namespace], int]
    """Runs it and returns the exit status."""
    usage: str | None = None
    epilog: str | None = None


class UnwrittenResult(Exception):
    """The result cannot be written to stdout."""


def add_runtime(parser: argparse._ActionsContainer) -> None:
    """Add the option `--runtime`, which all commands that play models have."""
    from playbach.inference.runtimes import RUNTIMES

    files = ", ".join(f"{name} for {entry.files}" for name, entry in RUNTIMES.items())
    parser.add_argument("--runtime", metavar="NAME", help=f"inference library: {files} (default: by the file)")


def programme_settings(arguments: argparse.Namespace) -> ProgrammeSettings:
    """The settings of endless music that the arguments give, with a random seed if they give none."""
    from playbach.inference.composing import new_seed
    from playbach.streaming.settings import ProgrammeSettings

    chosen = given(ProgrammeSettings, vars(arguments))
    return ProgrammeSettings(**{**chosen, "seed": new_seed(chosen.get("seed"))})


def print_result(text: str) -> None:
    """Print one or more lines of the result on stdout."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        first = text.partition("\n")[0]
        raise UnwrittenResult(
            f"stdout cannot be written ({error.strerror}), although the command succeeded; its result: {first}"
        ) from error


def print_message(line: str) -> None:
    """Print a progress line on stderr. A stderr that cannot be written is ignored."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def format_table(rows: Sequence[Sequence[str]], right: Collection[int] = (), gap: int = 2) -> list[str]:
    """Align cells in columns; those whose numbers are in `right` are right-aligned."""
    rows = [[escape(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        (" " * gap)
        .join(
            cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))
        )
        .rstrip()
        for row in rows
    ]


def format_labels(rows: Sequence[tuple[str, str]], indent: int = 0) -> list[str]:
    """Lines of `label  text`, the texts aligned and wrapped to LINE_WIDTH. A row without text is left out."""
    rows = [(escape(label), escape(text)) for label, text in rows if text]
    margin = indent + max((len(label) for label, _ in rows), default=0) + 2
    lines: list[str] = []
    for label, text in rows:
        parts = wrap(text, max(LINE_WIDTH - margin, 20), break_long_words=False, break_on_hyphens=False)
        first = " " * indent + label
        lines += [f"{first if i == 0 else '':{margin}}{part}" for i, part in enumerate(parts)]
    return lines


def escape(line: str) -> str:
    """Escape non-printable characters, since a terminal could act on them."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def format_bytes(size: int) -> str:
    """A size such as `8.6 MB`, in powers of 1000."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 999_950 else f"{size / 1e6:.1f} MB"


def format_percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def sheet_remarks(piece: Composition) -> tuple[str, ...]:
    """What a user should know of a piece as sheet music."""
    from playbach.music.notation.sheet import notate

    return notate(piece.written or piece.score).remarks
