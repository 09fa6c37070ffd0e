"""`playbach originality`: says what a piece borrows from the training pieces of a model or from a corpus.

The table, or one JSON object with `--json`, goes to stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from playbach.cli import options
from playbach.cli.common import (
    LINE_WIDTH,
    Command,
    escape,
    format_percent,
    format_table,
    print_message,
    print_result,
)
from playbach.music.options import ReadingOptions
from playbach.system.errors import UsageError
from playbach.system.options import given, spelling

if TYPE_CHECKING:
    from playbach.evaluation.originality import Originality
    from playbach.music.borrowing.floor import LineBorrowing


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("piece", metavar="PIECE", help="a MIDI or MusicXML file")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="compare with the training pieces of this .playbach file or shipped model (default: bach-chorales)",
    )
    parser.add_argument(
        "--corpus", metavar="FOLDER", help="compare with the music in this folder, or with this built-in corpus"
    )
    options.add_options(parser, ReadingOptions)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    from playbach.cli.corpora import conversion_progress
    from playbach.evaluation.originality import originality_in_corpus, originality_of_model

    chosen = given(ReadingOptions, vars(arguments))
    if arguments.corpus is None:
        if chosen:
            flag = spelling(next(iter(chosen)))
            raise UsageError(f"--{flag} needs --corpus FOLDER: with a model, files are read as its music was")
        found = originality_of_model(arguments.piece, arguments.model)
    elif arguments.model is not None:
        raise UsageError("--model and --corpus cannot be combined; give the one to compare with")
    else:
        found = originality_in_corpus(
            arguments.piece,
            arguments.corpus,
            options=ReadingOptions(**chosen),
            converting=conversion_progress(arguments.corpus),
            report=print_message,
        )
    if arguments.json:
        print_result(json.dumps(found.manifest(), indent=2, ensure_ascii=False))
    else:
        print_result("\n".join(map(escape, _text(found))))
    return 0


def _text(found: Originality) -> Iterator[str]:
    borrowing = found.borrowing
    yield f"{found.piece} compared with {found.source}"
    yield ""
    if borrowing.lines:
        yield from format_table(list(_rows(found)), right={1, 5, 6})
        yield ""
    if borrowing.bars:
        yield (
            f"{len(borrowing.copied_bars)} of {borrowing.bars} bars occur in these pieces: "
            f"{format_percent(borrowing.copied)}; in real music {format_percent(borrowing.usual_copied)} (median), "
            f"{format_percent(borrowing.most_copied)} (95th percentile)"
        )
        yield ""
    yield from wrap(f"Real music: {found.held_out}.", LINE_WIDTH)
    for remark in found.remarks:
        yield from wrap(f"{remark[0].upper()}{remark[1:]}.", LINE_WIDTH)
    yield ""
    yield found.verdict


def _rows(found: Originality) -> Iterator[tuple[str, ...]]:
    """The headings, and the longest run of each line."""
    yield ("", "longest run", "bars", "is in", "its bars", "real music: median", "95th percentile")
    for line in found.borrowing.lines:
        run = line.run
        if run is None:
            place: tuple[str, ...] = ("none", "", "", "")
        else:
            piece = found.names[run.piece] + (f", {run.part}" if run.part and not line.is_whole else "")
            place = (
                _count(run.notes, line),
                _span(run.first_bar, run.last_bar),
                piece,
                _span(run.piece_first_bar, run.piece_last_bar),
            )
        yield (line.name, *place, str(line.usual or "none"), str(line.most))


def _count(notes: int, line: LineBorrowing) -> str:
    return f"{notes} {'chords' if line.is_whole else 'notes'}"


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


COMMAND = Command(
    "Say what a piece borrows: the longest run of notes, in each voice and in the whole, that is also in a training "
    "piece in any key, and how many bars are; beside the same figures of real music that was not trained on.",
    add_options=add_options,
    run=run,
)
