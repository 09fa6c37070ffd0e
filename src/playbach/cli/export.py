"""`playbach export`: writes a model in other formats, each checked against torch, or a `.tflite` file as a C array.

The table, or one JSON object with `--json`, goes to stdout; progress goes to stderr. The export is in
`export.exporting`, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from playbach.cli import options
from playbach.cli.common import Command, format_bytes, format_table, print_message, print_result
from playbach.export.options import ExportOptions
from playbach.system.errors import MissingExtra, UsageError
from playbach.system.options import given

if TYPE_CHECKING:
    from playbach.export.exporting import ExportResult

EXPORT_COLUMNS = ("format", "file", "size", "Δ logit", "Δ probability", "top-1", "bits/note", "torch")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a .playbach file or a shipped model; with --format c also a .tflite file, to write as a C array",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="the model's training music, for calibration and the check (default: its built-in corpus, or pieces "
        "that it composes)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder for the files; existing files are not overwritten",
    )
    options.add_options(parser, ExportOptions)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    chosen = given(ExportOptions, vars(arguments))
    if Path(arguments.model).suffix.lower() == ".tflite":
        return _wrap(arguments, tuple(chosen.get("formats", ())))
    try:
        from playbach.export.exporting import export
    except ModuleNotFoundError as error:
        raise MissingExtra("exporting", "export", str(error.name)) from error
    exports = export(arguments.model, arguments.output, ExportOptions(**chosen), arguments.folder, print_message)
    print_result(json.dumps(exports.manifest(), indent=2) if arguments.json else "\n".join(_text(exports)))
    return 0


def _wrap(arguments: argparse.Namespace, names: tuple[str, ...]) -> int:
    from playbach.export.c.wrapping import wrap

    if names != ("c",):
        raise UsageError(f"{arguments.model}: a .tflite file can only be written as a C array: --format c")
    if any(option is not None for option in (arguments.profile, arguments.folder, arguments.steps)):
        raise UsageError(f"{arguments.model}: FOLDER, --profile and --steps do not apply to a .tflite file")
    path = wrap(Path(arguments.model), arguments.output)
    print_result(json.dumps({"path": str(path)}, indent=2) if arguments.json else str(path))
    return 0


def _text(exports: ExportResult) -> Iterator[str]:
    rows = []
    for w in exports.written:
        c = w.check
        differences = f"{c.largest_logit_difference:.2g}", f"{c.largest_probability_difference:.2g}", f"{c.top_1:.3f}"
        bits = f"{c.bits_per_note:.3f}", f"{c.torch_bits_per_note:.3f}"
        rows.append((w.format, str(w.path), format_bytes(w.bytes), *differences, *bits))
    yield from format_table([EXPORT_COLUMNS, *rows], right=set(range(2, len(EXPORT_COLUMNS))))
    if exports.written:
        check = exports.written[0].check
        yield ""
        yield f"Checked with {check.steps:,} steps of {check.pieces} pieces: {check.music}"
        if check.compared > check.steps:
            yield f"Compared with torch over {check.compared:,} steps, including pieces used in training"
        if not check.held_out:
            yield "Bits per note are of composed pieces, not of held-out music: name the FOLDER of the model's music"


COMMAND = Command(
    "Write a model in other formats, each with a manifest, and check each one against torch on real music: largest "
    "difference of a logit and of a probability, share of steps with the same most probable symbol, and bits per "
    "note on held-out music.",
    add_options=add_options,
    run=run,
)
