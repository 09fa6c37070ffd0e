"""What is said of the files of a corpus, in few lines.

Knows names and texts; knows nothing of music.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SHOWN_FILES = 3
"""The number of files that are named for each kind of remark."""
SHOWN_LINES = 24
"""The number of lines that name a file."""

FileRemark = tuple[str, str]
"""The name of a file, and a remark on it."""


def kind_of(remark: str) -> str:
    """Remarks that differ only in numbers are of one kind."""
    return re.sub(r"\d[\d.,]*", "#", remark)


def remark_lines(remarks: Iterable[FileRemark]) -> Iterator[str]:
    """A line for each file, and one for all further files with the same kind of remark.

    For instance `a.mid: 3 notes have no end; its meter is 1/4 all through`, then `and 997 more files, such as d.mid:
    1 note has no end`. Never more than about SHOWN_LINES lines and one for each kind.
    """
    named: dict[str, list[str]] = {}
    more: dict[str, list[FileRemark]] = {}
    counts: dict[str, int] = {}
    for name, remark in remarks:
        kind = kind_of(remark)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= SHOWN_FILES and (name in named or len(named) < SHOWN_LINES):
            named.setdefault(name, []).append(remark)
        else:
            more.setdefault(kind, []).append((name, remark))
    yield from (f"{name}: {'; '.join(lines)}" for name, lines in named.items())
    others = sorted(more.values(), key=len, reverse=True)
    for files in others[:SHOWN_LINES]:
        name, remark = files[0]
        if len(files) == 1:
            yield f"{name}: {remark}"
        else:
            yield f"and {len(files):,} more files, such as {name}: {remark}"
    if rest := sum(map(len, others[SHOWN_LINES:])):
        yield f"and {rest:,} more remarks on other files"
