"""`playbach corpora`: the built-in corpora and their terms, and one of them written out as MIDI files.

Knows the corpora, which are imported when it runs; knows nothing of how they are converted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playbach.cli.common import result, say, sheet
from playbach.system.errors import UsageError


def add(commands: Any) -> None:
    corpora = commands.add_parser(
        "corpora",
        help="list the built-in corpora, or write one out as MIDI files",
        description="List the music that can be trained on by name (playbach train NAME), with its terms. With "
        "--export, write one corpus out as MIDI files, into FOLDER/NAME, or FOLDER/NAME-2 where that is taken.",
    )
    corpora.set_defaults(run=run)
    corpora.add_argument("name", nargs="?", metavar="NAME", help="only this one (to export: bach-chorales)")
    corpora.add_argument("--export", metavar="FOLDER", help="write its MIDI files into this folder")
    corpora.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    from playbach.data import builtin, corpora

    if given.name is not None and given.name not in corpora.BUILTIN:
        raise UsageError(f"no built-in corpus called {given.name!r}; there are: {', '.join(corpora.BUILTIN)}")
    if given.export is not None:
        name = given.name or corpora.DEFAULT
        written = builtin.export(name, Path(given.export), converting(name))
        result(json.dumps({"name": name, "path": str(written)}, indent=2) if given.json else str(written))
        return 0
    found = [_told(name) for name in ([given.name] if given.name else corpora.BUILTIN)]
    result(json.dumps({"corpora": found}, indent=2) if given.json else "\n".join(_lines(found)))
    return 0


def converting(name: str) -> Any:
    """Says that a corpus is being converted, and shows how far it is where stderr is a terminal."""

    def wrapped(work: Iterator[Any], total: int) -> Iterator[Any]:
        from tqdm import tqdm  # where music21 is installed, it is

        say(f"Converting {name} from music21, this once")
        yield from tqdm(work, total=total, unit="file", leave=False, disable=None)

    return wrapped


def _told(name: str) -> dict[str, Any]:
    from playbach.data import builtin

    corpus = builtin.CORPORA[name]
    return {
        "name": name,
        "pieces": builtin.counted(name),
        "music": corpus.music,
        "terms": corpus.terms,
        "converted": builtin.converted(name),
        "folder": str(corpus.cache_folder()),
        "unread": builtin.unread(name),
    }


def _lines(found: list[dict[str, Any]]) -> Iterator[str]:
    for number, corpus in enumerate(found):
        if number:
            yield ""
        state = "ready" if corpus["converted"] else "converted from music21 (extra 'train') when first used"
        unread = len(corpus["unread"])
        yield f"{corpus['name']}: {corpus['pieces']:,} pieces"
        yield from sheet(
            [
                ("music", corpus["music"]),
                ("terms", corpus["terms"]),
                ("state", f"{state}{f'; music21 could not read {unread:,} more' if unread else ''}"),
            ],
            indent=2,
        )
