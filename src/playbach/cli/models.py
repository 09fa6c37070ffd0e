"""`playbach models`: lists the available models, and what is wrong with those that are damaged.

The description of bundles is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli.common import Command, format_bytes, format_labels, format_percent, format_table, print_result

if TYPE_CHECKING:
    from playbach.inspection import BundleInfo, DamagedModel


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folder to search as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    from playbach.inspection import list_models

    summaries = [_summary(model) for model in list_models([Path(), *arguments.folders])]
    if arguments.json:
        print_result(json.dumps({"models": summaries}, indent=2))
        return 0
    head = ("name", "network", "encoding", "parameters", "size", "bits/note", "accuracy")
    table = format_table([head, *(_row(s) for s in summaries)], right={3, 4, 5, 6})
    lines = table[:1]
    for summary, line in zip(summaries, table[1:]):
        lines += [line, *format_labels([("", text) for text in _remarks(summary)])]
    print_result("\n".join(lines))
    return 0


def _summary(model: BundleInfo | DamagedModel) -> dict[str, Any]:
    from playbach.inspection import DamagedModel

    if isinstance(model, DamagedModel):
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
    def cell(name: str, form: Any = str) -> str:
        value = model.get(name)
        return "" if value is None else str(form(value))

    return (
        model["name"],
        cell("architecture"),
        cell("encoding"),
        cell("parameters", "{:,}".format),
        cell("bytes", format_bytes),
        cell("bits_per_note", "{:.3f}".format),
        cell("accuracy", format_percent),
    )


def _remarks(model: dict[str, Any]) -> list[str]:
    lines = []
    if model.get("corpus"):
        trained, others = model["pieces"].get("train", 0), sum(model["pieces"].values())
        origin = "; shipped with playbach" if model["shipped"] else ""
        lines.append(f"trained on {model['corpus']}: {trained:,} pieces, {others - trained:,} held out{origin}")
    if model["problem"]:
        lines.append(f"cannot compose: {model['problem']}")
    return [*lines, model["path"]]


COMMAND = Command(
    "List the models that come with playbach, those in the current folder and those in each FOLDER (not in "
    "subfolders), with their figures on held-out music.",
    add_options=add_options,
    run=run,
)
