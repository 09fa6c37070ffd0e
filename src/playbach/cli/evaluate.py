"""`playbach evaluate`: a model's figures on held-out music, beside a baseline's; what it composes, beside the corpus.

The tables go to stdout, or with `--json` one JSON object; talk goes to stderr.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli.common import add_runtime, columns, result, say
from playbach.system.errors import UsageError

if TYPE_CHECKING:
    from playbach.evaluation.reports import Evaluation
    from playbach.evaluation.statistics import Measures


def add(commands: Any) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="measure a model on music that it was not trained on",
        description="Measure a model on held-out music, beside an n-gram baseline that learns from the same training "
        "pieces. Pieces are recognised by their notes, and what the model was trained on is labelled.",
    )
    evaluate.set_defaults(run=run)
    evaluate.add_argument("model", metavar="MODEL", help="a .playbach file or the name of a shipped model")
    evaluate.add_argument("folder", nargs="?", type=Path, metavar="FOLDER",
                          help="of music, searched with all below it (default: the model's own corpus, "
                               "if it is a built-in one)")  # fmt: skip
    evaluate.add_argument("--side", metavar="SIDE", help="only pieces of this side: unseen, test, valid or train; "
                          "who still chooses between models should not look at test")  # fmt: skip
    evaluate.add_argument("--samples", type=int, metavar="N",
                          help="compose N pieces, seeds 0 to N - 1, and set them beside the corpus")  # fmt: skip
    evaluate.add_argument("--bars", type=int, metavar="N", help="with --samples: of each piece (default: 16)")
    evaluate.add_argument("--no-rules", action="store_true", help="with --samples: also leave the network alone, "
                          "without the rules of the craft, in a second column")  # fmt: skip
    evaluate.add_argument("--continuations", nargs="?", type=int, const=True, metavar="N",
                          help="leave the model alone at N places (default: 100) of each group of pieces, and tell "
                               "how often it goes on as the piece does")  # fmt: skip
    add_runtime(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    from playbach.evaluation.reports import EvaluationOptions, evaluate
    from playbach.inference import composing

    if given.samples is None and (given.bars is not None or given.no_rules):
        raise UsageError("--bars and --no-rules go with --samples N")
    bars = {} if given.bars is None else {"bars": given.bars}
    options = EvaluationOptions(
        side=given.side, samples=given.samples, no_rules=given.no_rules, continuations=given.continuations, **bars
    )
    found = evaluate(composing.load(given.model, given.runtime), given.folder, options, say)
    if given.json:
        result(json.dumps(found.manifest(), indent=2, ensure_ascii=False))
    else:
        result("\n".join(_text(found)))
    return 0


def _text(found: Evaluation) -> Iterator[str]:
    yield f"{found.model} on {found.music}"
    yield ""
    yield from columns(list(_rows(found)), right=set(range(2, 12)))
    if found.continued:
        yield ""
        yield "Left alone: the share of symbols that are as in the piece, by how many steps it has been alone"
        yield from columns(list(_continued_rows(found)), right=set(range(2, 12)))
    if found.composed:
        yield ""
        yield from columns(list(composed_rows(found.composed)), right=set(range(1, 12)))
    if found.remarks:
        yield ""
        yield from found.remarks


def _rows(found: Evaluation) -> Iterator[tuple[str, ...]]:
    """A line for each guesser on each group. Where no step merely goes on, changes are no news."""
    from playbach.evaluation.reports import WORDS

    changes = any(row.figures.changes < 1 for row in found.rows)
    head = ["", "", "pieces", "accuracy", "bits/symbol", "bits/note", "unknown"]
    head += ["nats/sixteenth"] * found.four_voices + ["changes: share", "accuracy", "bits"] * changes
    yield tuple(head)
    before = ""
    for row in found.rows:
        f = row.figures
        line = ["" if row.group == before else WORDS[row.group], row.guesser, str(f.pieces), f"{f.accuracy:.3f}"]
        line += [f"{f.bits_per_symbol:.3f}", f"{f.bits_per_note:.3f}", f"{f.unknown:.2%}"]
        line += [f"{f.nats_per_sixteenth:.3f}"] * found.four_voices
        if changes:
            line += [f"{f.changes:.1%}", f"{f.accuracy_of_changes:.3f}", f"{f.bits_per_change:.3f}"]
        yield tuple(line)
        before = row.group


def _continued_rows(found: Evaluation) -> Iterator[tuple[str, ...]]:
    """Two lines for each guesser on each group: beside the piece itself, and beside other pieces."""
    from playbach.evaluation.reports import WORDS

    distances = list(found.continued[0].agreement.shares)
    yield ("", "", "places", *(d.replace("-", "–") for d in distances))
    before = ""
    for row in found.continued:
        beside, agreement = row.agreement.elsewhere, row.agreement
        group = "" if row.group == before else WORDS[row.group]
        shares = (f"{agreement.shares[d]:.3f}" for d in distances)
        yield (group, f"{row.guesser}, {row.choice}", str(agreement.places), *shares)
        yield ("", "  … beside other pieces", "", *(f"{beside[d]:.3f}" if beside else "–" for d in distances))
        before = row.group


def composed_rows(composed: Mapping[str, Measures]) -> Iterator[tuple[str, ...]]:
    """A head, and a line for each measure that makes sense of this music."""
    from playbach.evaluation.statistics import SHARES, WORDS

    yield ("", *composed)
    for name, words in WORDS.items():
        values = [getattr(measures, name) for measures in composed.values()]
        if any(value is not None for value in values):
            yield (words, *(_cell(value, name in SHARES) for value in values))


def _cell(value: Any, share: bool) -> str:
    if value is None:
        return "–"
    if isinstance(value, tuple):
        return "  ".join(_cell(v, share) for v in value)
    if share:
        return f"{value:.1%}"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
