"""`playbach evaluate`: measures a model on held-out music, compared with a baseline, and its pieces with the corpus.

The tables, or one JSON object with `--json`, go to stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli import options
from playbach.cli.common import Command, add_runtime, format_table, print_message, print_result
from playbach.evaluation.options import EvaluationOptions
from playbach.system.errors import UsageError
from playbach.system.options import given

if TYPE_CHECKING:
    from playbach.evaluation.measures import Measures
    from playbach.evaluation.reports import Evaluation, GroupFigures, OwnTest


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .playbach file or a shipped model")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="folder of music, including subfolders (default: the built-in corpus that the model was trained on)",
    )
    options.add_options(parser, EvaluationOptions)
    add_runtime(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    from playbach.evaluation.reports import evaluate
    from playbach.inference import composing

    chosen = given(EvaluationOptions, vars(arguments))
    if "samples" not in chosen and ("bars" in chosen or "no_rules" in chosen):
        raise UsageError("--bars and --no-rules need --samples N")
    evaluation = evaluate(
        composing.load(arguments.model, arguments.runtime),
        arguments.folder,
        EvaluationOptions(**chosen),
        print_message,
    )
    if arguments.json:
        print_result(json.dumps(evaluation.manifest(), indent=2, ensure_ascii=False))
    else:
        print_result("\n".join(_text(evaluation)))
    return 0


def _text(evaluation: Evaluation) -> Iterator[str]:
    yield f"{evaluation.model} on {evaluation.music}"
    yield ""
    yield from format_table(list(_rows(evaluation, evaluation.rows)), right=set(range(2, 12)))
    if evaluation.own_test is not None:
        yield ""
        yield from _own_test_lines(evaluation, evaluation.own_test)
    if evaluation.continued:
        yield ""
        yield "Continuations: share of symbols equal to the piece's, by number of steps since the continuation began"
        yield from format_table(list(_continued_rows(evaluation)), right=set(range(2, 12)))
    if evaluation.composed:
        yield ""
        yield from format_table(list(composed_rows(evaluation.composed)), right=set(range(1, 12)))
    if evaluation.remarks:
        yield ""
        yield from evaluation.remarks


def _own_test_lines(evaluation: Evaluation, own: OwnTest) -> Iterator[str]:
    """Why there is no n-gram, and the figures of the model's own test side, if it has them."""
    yield f"No n-gram beside it: {own.reason}"
    source = own.source[0].upper() + own.source[1:]
    yield f"{source}:" if own.rows else source
    if own.rows:
        yield from format_table(list(_rows(evaluation, own.rows)), right=set(range(2, 12)))


def _rows(evaluation: Evaluation, rows: Sequence[GroupFigures]) -> Iterator[tuple[str, ...]]:
    """A line for each predictor and group. The columns of changes are omitted if every step is a change."""
    from playbach.evaluation.reports import GROUP_LABELS

    changes = any(row.figures.changes < 1 for row in rows)
    head = ["", "", "pieces", "accuracy", "bits/symbol", "bits/note", "unknown"]
    head += ["nats/sixteenth"] * evaluation.four_voices + ["changes: share", "accuracy", "bits"] * changes
    yield tuple(head)
    previous = ""
    for row in rows:
        f = row.figures
        line = [
            "" if row.group == previous else GROUP_LABELS[row.group],
            row.guesser,
            str(f.pieces),
            f"{f.accuracy:.3f}",
        ]
        line += [f"{f.bits_per_symbol:.3f}", f"{f.bits_per_note:.3f}", f"{f.unknown:.2%}"]
        line += [f"{f.nats_per_sixteenth:.3f}"] * evaluation.four_voices
        if changes:
            line += [f"{f.changes:.1%}", f"{f.accuracy_of_changes:.3f}", f"{f.bits_per_change:.3f}"]
        yield tuple(line)
        previous = row.group


def _continued_rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """Two lines for each predictor and group: compared with the piece itself, and with other pieces."""
    from playbach.evaluation.reports import GROUP_LABELS

    distances = list(evaluation.continued[0].agreement.shares)
    yield ("", "", "places", *(d.replace("-", "–") for d in distances))
    previous = ""
    for row in evaluation.continued:
        elsewhere, agreement = row.agreement.elsewhere, row.agreement
        group = "" if row.group == previous else GROUP_LABELS[row.group]
        shares = (f"{agreement.shares[d]:.3f}" for d in distances)
        yield (group, f"{row.guesser}, {row.choice}", str(agreement.places), *shares)
        yield (
            "",
            "  … compared with other pieces",
            "",
            *(f"{elsewhere[d]:.3f}" if elsewhere else "–" for d in distances),
        )
        previous = row.group


def composed_rows(composed: Mapping[str, Measures]) -> Iterator[tuple[str, ...]]:
    """The headings, and a line for each statistic that applies to this music."""
    from playbach.evaluation.measures import MEASURE_LABELS, PERCENTAGES
    from playbach.evaluation.reports import COMPOSED_KEYS, GROUP_LABELS

    labels = {key: GROUP_LABELS[group].lower() for group, key in COMPOSED_KEYS.items()}
    yield ("", *(labels.get(key, key) for key in composed))
    for name, label in MEASURE_LABELS.items():
        values = [getattr(measures, name) for measures in composed.values()]
        if any(value is not None for value in values):
            yield (label, *_cells(values, name in PERCENTAGES))


def _cells(values: Sequence[Any], share: bool) -> Iterator[str]:
    """The values of a row, numbers or tuples of numbers, with equally many decimals; `–` for None."""
    numbers = [n for value in values if value is not None for n in (value if isinstance(value, tuple) else (value,))]
    whole = all(float(n).is_integer() for n in numbers)
    style = ".1%" if share else ",.0f" if whole else ",.2f" if max(map(abs, numbers)) >= 1 else ".3f"
    for value in values:
        found = () if value is None else value if isinstance(value, tuple) else (value,)
        yield "  ".join(f"{n:{style}}" for n in found) or "–"


COMMAND = Command(
    "Measure a model on held-out music and compare it with an n-gram baseline trained on the same pieces. Pieces are "
    "recognised by their notes; those used in training are labelled.",
    add_options=add_options,
    run=run,
)
