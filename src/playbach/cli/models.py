"""`playbach models`: the models that there are, one after the other, and what is wrong with those that are damaged.

Knows how a bundle is described, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli.common import bytes_of, columns, percent, result, sheet

if TYPE_CHECKING:
    from playbach.inspection import BundleInfo, Damaged


def add(commands: Any) -> None:
    models = commands.add_parser(
        "models",
        help="list the models that are shipped or found",
        description="List the models that the package ships, and those in the current folder and in each FOLDER "
        "(not in the folders below), with their figures on held-out music.",
    )
    models.set_defaults(run=run)
    models.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="look here too")
    models.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    from playbach.inspection import listed

    summaries = [_summary(model) for model in listed([Path(), *given.folders])]
    if given.json:
        result(json.dumps({"models": summaries}, indent=2))
        return 0
    head = ("name", "network", "encoding", "parameters", "size", "bits/note", "accuracy")
    table = columns([head, *(_row(s) for s in summaries)], right={3, 4, 5, 6})
    lines = table[:1]
    for summary, line in zip(summaries, table[1:]):
        lines += [line, *sheet([("", text) for text in _below(summary)])]
    result("\n".join(lines))
    return 0


def _summary(model: BundleInfo | Damaged) -> dict[str, Any]:
    from playbach.inspection import Damaged

    if isinstance(model, Damaged):
        return {"name": model.name, "path": model.path, "problem": model.problem}
    test = model.metrics.get("test", {})
    return {
        "name": model.name,
        "path": model.path,
        "problem": model.problem,
        "shipped": model.shipped,
        "bytes": model.bytes,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "encoding": model.encoding,
        "corpus": model.corpus,
        "pieces": model.pieces,
        "bits_per_note": test.get("bits_per_note"),
        "accuracy": test.get("accuracy"),
    }


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    def known(name: str, form: Any = str) -> str:
        value = model.get(name)
        return "" if value is None else str(form(value))

    return (
        model["name"],
        known("architecture"),
        known("encoding"),
        known("parameters", "{:,}".format),
        known("bytes", bytes_of),
        known("bits_per_note", "{:.3f}".format),
        known("accuracy", percent),
    )


def _below(model: dict[str, Any]) -> list[str]:
    lines = []
    if model.get("corpus"):
        trained, others = model["pieces"].get("train", 0), sum(model["pieces"].values())
        where = "; shipped with playbach" if model["shipped"] else ""
        lines.append(f"trained on {model['corpus']}: {trained:,} pieces, {others - trained:,} held out{where}")
    if model["problem"]:
        lines.append(f"cannot compose: {model['problem']}")
    return [*lines, model["path"]]
