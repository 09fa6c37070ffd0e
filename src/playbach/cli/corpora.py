"""`playbach corpora`: lists the built-in corpora and their terms of use, or writes one as MIDI files.

The corpora are imported when it runs; their conversion is in `data`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playbach.cli.common import Command, format_labels, print_message, print_result
from playbach.system.errors import UsageError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="only this corpus (default: all; with --export: bach-chorales)"
    )
    parser.add_argument(
        "--export",
        metavar="FOLDER",
        help="write the corpus as MIDI files to FOLDER/NAME, or FOLDER/NAME-2 if that exists",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    from playbach.data import builtin, corpora

    if arguments.name is not None and arguments.name not in corpora.BUILTIN:
        raise UsageError(f"no built-in corpus called {arguments.name!r}; choose one of: {', '.join(corpora.BUILTIN)}")
    if arguments.export is not None:
        name = arguments.name or corpora.DEFAULT_CORPUS
        written = builtin.export_corpus(name, Path(arguments.export), conversion_progress(name))
        print_result(json.dumps({"name": name, "path": str(written)}, indent=2) if arguments.json else str(written))
        return 0
    descriptions = [_describe(name) for name in ([arguments.name] if arguments.name else corpora.BUILTIN)]
    print_result(
        json.dumps({"corpora": descriptions}, indent=2) if arguments.json else "\n".join(_lines(descriptions))
    )
    return 0


def conversion_progress(name: str) -> Any:
    """A wrapper of the conversion's iterator that reports it, with a progress bar if stderr is a terminal."""

    def wrap(work: Iterator[Any], total: int) -> Iterator[Any]:
        from tqdm import tqdm  # installed together with music21

        print_message(f"Converting {name} from music21 (only once)")
        yield from tqdm(work, total=total, unit="file", leave=False, disable=None)

    return wrap


def _describe(name: str) -> dict[str, Any]:
    from playbach.data import builtin

    corpus = builtin.CORPORA[name]
    return {
        "name": name,
        "pieces": builtin.piece_count(name),
        "music": corpus.music,
        "terms": corpus.terms,
        "converted": builtin.is_converted(name),
        "folder": str(corpus.cache_folder()),
        "unread": builtin.unreadable_files(name),
    }


def _lines(descriptions: list[dict[str, Any]]) -> Iterator[str]:
    for number, corpus in enumerate(descriptions):
        if number:
            yield ""
        state = "ready" if corpus["converted"] else "converted from music21 when first used (extra 'train')"
        unread = len(corpus["unread"])
        yield f"{corpus['name']}: {corpus['pieces']:,} pieces"
        yield from format_labels(
            [
                ("music", corpus["music"]),
                ("terms", corpus["terms"]),
                ("state", f"{state}{f'; music21 could not read {unread:,} more pieces' if unread else ''}"),
            ],
            indent=2,
        )


COMMAND = Command(
    "List the built-in corpora and their terms of use. `playbach train NAME` trains on one of them.",
    add_options=add_options,
    run=run,
)
