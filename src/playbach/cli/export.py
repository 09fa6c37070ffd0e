"""`playbach export`: writes a model in other formats, each checked against torch, or a `.tflite` file as a C array.

The table, or one JSON object with `--json`, goes to stdout; progress goes to stderr. The export is in
`export.exporting`, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli.common import format_bytes, format_table, parse_int, print_message, print_result
from playbach.system.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from playbach.export.exporting import ExportResult

FORMAT_NAMES = (
    "onnx", "onnx-int8", "tflite", "tflite-fp16", "tflite-dynamic", "tflite-int8", "tflite-int16x8", "core", "c",
    "all",
)  # fmt: skip
"""The names in `export.formats`, which is too slow to import for help; a test compares them."""
EXPORT_COLUMNS = ("format", "file", "size", "Δ logit", "Δ probability", "top-1", "bits/note", "torch")


def add(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="write a model in other formats: ONNX, TFLite, C",
        description="Write a model in other formats, each with a manifest, and check each one against torch on real "
        "music: largest difference of a logit and of a probability, share of steps with the same most probable "
        "symbol, and bits per note on held-out music.",
    )
    export.set_defaults(run=run)
    export.add_argument("model", metavar="MODEL", help="a .playbach file or a shipped model; with --format c "
                        "also a .tflite file, to write as a C array")  # fmt: skip
    export.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="the model's training music, for "
                        "calibration and the check (default: its built-in corpus, or pieces that it "
                        "composes)")  # fmt: skip
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER",
                        help="folder for the files; existing files are not overwritten")  # fmt: skip
    export.add_argument("--format", action="append", metavar="NAME", help=f"one of {', '.join(FORMAT_NAMES)}; "
                        "repeatable (default: all that suit the model)")  # fmt: skip
    export.add_argument("--profile", metavar="NAME", help="machine that the C code must fit: any, cortex-m4, rp2040 "
                        "or esp32 (default: any)")  # fmt: skip
    export.add_argument("--steps", type=parse_int, metavar="N", help="minimum number of steps to check, 200 or more "
                        "(default: 2000)")  # fmt: skip
    export.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    names = tuple(arguments.format or ())
    if Path(arguments.model).suffix.lower() == ".tflite":
        return _wrap(arguments, names)
    try:
        from playbach.export.exporting import ExportOptions, export
    except ModuleNotFoundError as error:
        raise MissingExtra("exporting", "export", str(error.name)) from error
    chosen = {"formats": names or None, "profile": arguments.profile, "steps": arguments.steps}
    options = ExportOptions(**{name: value for name, value in chosen.items() if value is not None})
    exports = export(arguments.model, arguments.output, options, arguments.folder, print_message)
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
        rows.append((w.format, str(w.path), format_bytes(w.bytes), *differences, f"{c.bits_per_note:.3f}",
                     f"{c.torch_bits_per_note:.3f}"))  # fmt: skip
    yield from format_table([EXPORT_COLUMNS, *rows], right=set(range(2, len(EXPORT_COLUMNS))))
    if exports.written:
        check = exports.written[0].check
        yield ""
        yield f"Checked with {check.steps:,} steps of {check.pieces} pieces: {check.music}"
        if check.compared > check.steps:
            yield f"Compared with torch over {check.compared:,} steps, including pieces used in training"
        if not check.held_out:
            yield "Bits per note are of composed pieces, not of held-out music: name the FOLDER of the model's music"
