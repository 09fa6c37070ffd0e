"""`playbach export`: a model in other formats, each checked beside torch; or a `.tflite` file as a C array.

The table goes to stdout, or with `--json` one JSON object; talk goes to stderr. How it is done stands in `export`,
which is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli.common import bytes_of, columns, result, say
from playbach.system.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from playbach.export.exporting import Exports

FORMATS = (
    "onnx", "onnx-int8", "tflite", "tflite-fp16", "tflite-dynamic", "tflite-int8", "tflite-int16x8", "core", "c",
    "all",
)  # fmt: skip
"""Those of `export.formats`, which is too heavy to be imported for help; a test holds them together."""
HEAD = ("format", "file", "size", "Δ logit", "Δ probability", "top-1", "bits/note", "torch")


def add(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="write a model in other formats: ONNX, TFLite, C",
        description="Write a model in other formats, each with its manifest beside it, calibrated on real music and "
        "played beside torch before it is written: the largest difference of a logit and of a probability, how often "
        "the most probable symbol is the same, and bits per note on held-out music.",
    )
    export.set_defaults(run=run)
    export.add_argument("model", metavar="MODEL", help="a .playbach file or the name of a shipped model; with "
                        "--format c also a .tflite file, to be wrapped as a C array")  # fmt: skip
    export.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="of the music that it was trained on, "
                        "to calibrate and check with (default: the model's own corpus, if it is a built-in one, else "
                        "pieces that it composes)")  # fmt: skip
    export.add_argument("--format", action="append", metavar="NAME", help=f"one of: {', '.join(FORMATS)}; may be "
                        "repeated (default: all that the model can have)")  # fmt: skip
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER",
                        help="where the files go; made if missing, and nothing in it is overwritten")  # fmt: skip
    export.add_argument("--profile", metavar="NAME", help="the machine that the format c must fit: any, cortex-m4, "
                        "rp2040, esp32 (default: any)")  # fmt: skip
    export.add_argument("--steps", type=int, metavar="N", help="check with whole pieces of N steps at least "
                        "(default: 2000)")  # fmt: skip
    export.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    names = tuple(given.format or ())
    if Path(given.model).suffix.lower() == ".tflite":
        return _wrap(given, names)
    try:
        from playbach.export.exporting import ExportOptions, export
    except ModuleNotFoundError as error:
        raise MissingExtra("exporting", "export", str(error.name)) from error
    asked = {"formats": names or None, "profile": given.profile, "steps": given.steps}
    options = ExportOptions(**{name: value for name, value in asked.items() if value is not None})
    found = export(given.model, given.output, options, given.folder, say)
    result(json.dumps(found.manifest(), indent=2) if given.json else "\n".join(_text(found)))
    return 0


def _wrap(given: argparse.Namespace, names: tuple[str, ...]) -> int:
    from playbach.export.c.wrapping import wrap

    if names != ("c",):
        raise UsageError(f"{given.model}: a .tflite file can only be wrapped as a C array: --format c")
    if any(option is not None for option in (given.profile, given.folder, given.steps)):
        raise UsageError("FOLDER of music, --profile and --steps go with a model, not with a .tflite file")
    path = wrap(Path(given.model), given.output)
    result(json.dumps({"path": str(path)}, indent=2) if given.json else str(path))
    return 0


def _text(found: Exports) -> Iterator[str]:
    rows = []
    for w in found.written:
        c = w.check
        differences = f"{c.largest_logit_difference:.2g}", f"{c.largest_probability_difference:.2g}", f"{c.top_1:.3f}"
        rows.append((w.format, str(w.path), bytes_of(w.bytes), *differences, f"{c.bits_per_note:.3f}",
                     f"{c.torch_bits_per_note:.3f}"))  # fmt: skip
    yield from columns([HEAD, *rows], right=set(range(2, len(HEAD))))
    if found.written:
        check = found.written[0].check
        yield ""
        yield f"{check.steps:,} steps of {check.pieces} pieces: {check.music}"
        if check.compared > check.steps:
            yield f"Compared with torch over {check.compared:,} steps, of pieces that it has met, too"
        if not check.held_out:
            yield "Bits per note are of what the model composed, not of held-out music: give the FOLDER of its music"
