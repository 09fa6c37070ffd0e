"""`playbach listening-test`: writes the pairs of a blind listening test, for `playbach serve --listening-test`.

The name of the file goes to stdout, all other lines to stderr.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playbach.cli import options
from playbach.cli.common import Command, add_runtime, print_message, print_result
from playbach.evaluation.options import ListeningTestOptions
from playbach.system.options import given


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a .playbach file or a shipped model (default: bach-chorales)",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="folder with the model's held-out pieces (default: the built-in corpus that it was trained on)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("pairs.json"),
        metavar="FILE",
        help="file to write; an existing file is kept and a number added to the name (default: %(default)s)",
    )
    options.add_options(parser, ListeningTestOptions)
    add_runtime(parser)


def run(arguments: argparse.Namespace) -> int:
    from playbach.evaluation.listening_test import make_listening_test
    from playbach.inference import composing
    from playbach.server.schema import write
    from playbach.system.files import pending_file

    chosen = ListeningTestOptions(**given(ListeningTestOptions, vars(arguments)))
    with pending_file(arguments.output) as pending:
        composer = composing.load(arguments.model, arguments.runtime)
        test = make_listening_test(composer, arguments.folder, chosen, print_message)
        pending.temporary.write_text(write(test) + "\n", "utf-8")
    for remark in test.remarks:
        print_message(f"remark: {remark}")
    print_message(f"seed: {test.seed}")
    print_result(str(pending.path))
    return 0


COMMAND = Command(
    "Write the pairs of a blind listening test: in each, the first bars of a held-out piece of the model and of one "
    "that it composes, with the same voices, meter, tempo and performance. `playbach serve --listening-test FILE` "
    "asks listeners which is which.",
    add_options=add_options,
    run=run,
)
