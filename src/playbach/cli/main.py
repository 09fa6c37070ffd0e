"""The command line: parses the arguments, runs a command, and prints errors as one line.

Each command is a module of its own, with an entry in `COMMANDS`, and is imported when it runs. stdout carries results
only; seeds and progress go to stderr. Exit status: 0; 1 for an error that the user can correct; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from playbach.cli.common import Command, UnwrittenResult
from playbach.system.errors import MissingExtra, PlaybachError, UsageError
from playbach.system.registry import Entry, by_name
from playbach.system.version import __version__

COMMANDS: dict[str, Entry[Command]] = by_name(
    Entry(name="compose", description="compose a piece and write it to a file", code="playbach.cli.compose:COMMAND"),
    Entry(
        name="engrave",
        description="write any music file as sheet music",
        code="playbach.cli.engrave:COMMAND",
    ),
    Entry(
        name="harmonise",
        description="set a tune for four voices",
        code="playbach.cli.harmonise:COMMAND",
    ),
    Entry(
        name="rewrite",
        description="compose some bars of a piece anew",
        code="playbach.cli.rewrite:COMMAND",
    ),
    Entry(
        name="play",
        description="play endless music through the speakers or to a MIDI port",
        code="playbach.cli.play:COMMAND",
    ),
    Entry(
        name="serve",
        description="serve a page that plays endless music in any browser",
        code="playbach.cli.serve:COMMAND",
    ),
    Entry(
        name="publish",
        description="write a page that plays without a server, for any web host",
        code="playbach.cli.publish:COMMAND",
    ),
    Entry(name="train", description="train a network on a folder of music", code="playbach.cli.train:COMMAND"),
    Entry(
        name="evaluate",
        description="measure a model on music that it was not trained on",
        code="playbach.cli.evaluate:COMMAND",
    ),
    Entry(
        name="originality",
        description="say what a piece borrows from the training music",
        code="playbach.cli.originality:COMMAND",
    ),
    Entry(
        name="listening-test",
        description="write pairs for a blind listening test",
        code="playbach.cli.listening_test:COMMAND",
    ),
    Entry(
        name="inspect", description="describe a model, a music file or a corpus", code="playbach.cli.inspect:COMMAND"
    ),
    Entry(name="models", description="list the available models", code="playbach.cli.models:COMMAND"),
    Entry(
        name="corpora",
        description="list the built-in corpora, or write one as MIDI files",
        code="playbach.cli.corpora:COMMAND",
    ),
    Entry(
        name="export",
        description="write a model in other formats: ONNX, TFLite, C",
        code="playbach.cli.export:COMMAND",
    ),
    Entry(
        name="benchmark",
        description="measure the speed, size and memory of models",
        code="playbach.cli.benchmark:COMMAND",
    ),
)
"""In the order of the help."""
EXTRAS = {
    **dict.fromkeys(("torch", "onnx", "onnxscript", "safetensors", "matplotlib", "tqdm", "music21"), "train"),
    **dict.fromkeys(("starlette", "uvicorn", "websockets", "segno"), "serve"),
    "tensorboard": "tensorboard",
    **dict.fromkeys(("verovio", "typst"), "score"),
}
"""The extra that installs each optional package."""
OMITTABLE = {"soundfile": "soundfile", "PIL": "Pillow", "onnxruntime": "onnxruntime"}
"""Packages that a light install may omit (docs/raspberry-pi.md): import name and pip name."""


class _HelpFormatter(argparse.HelpFormatter):
    """Writes `-o, --output FILE`, and leaves room for the options' names."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=23, **options)
        self._action_max_length = 14  # argparse ignores the indentation of the commands' names

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class _Parser(argparse.ArgumentParser):
    """Raises a UsageError that names the command's help, instead of printing the usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_HelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    _repair_streams()
    try:
        options = _parse([word for word in words if word != "--debug"])
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except PlaybachError as error:
        if debug:
            traceback.print_exc()
        print(f"playbach: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        advice = _install_advice(str(error.name))
        if advice is None or debug:
            raise
        print(f"playbach: {advice}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("playbach: interrupted", file=sys.stderr)
        return 130
    except UnwrittenResult as error:
        print(f"playbach: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe: not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parse(words: list[str]) -> argparse.Namespace:
    # The command is one of the words. Others may be names of commands too; their options then only take time.
    options, unknown = build_parser(words).parse_known_args(words)
    if unknown:
        raise UsageError(f"unknown argument: {unknown[0]} (see playbach {options.command} --help)")
    return options


def _install_advice(module: str) -> str | None:
    """How to install a missing module, or None if no install of playbach lacks it."""
    package = module.partition(".")[0]
    if package in OMITTABLE:
        return f"this command needs the package {package!r}, which is not installed: pip install {OMITTABLE[package]}"
    return str(MissingExtra("this command", EXTRAS[package], module)) if package in EXTRAS else None


def _repair_streams() -> None:
    """Replace closed streams, and escape characters that the terminal cannot display."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def build_parser(filled: Collection[str] | None = None) -> argparse.ArgumentParser:
    """The parser of all commands. If `filled` is given, only the commands that it names are imported and have their
    options."""
    parser = _Parser(
        prog="playbach",
        description="Train a neural network on the music you love, and let it play for you.",
        epilog="Run `playbach COMMAND --help` for the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"playbach {__version__}", help="print the version")
    parser.add_argument("--debug", action="store_true", help="print the traceback of an error, with any command")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for entry in COMMANDS.values():
        subparser = subparsers.add_parser(entry.name, help=entry.description)
        if filled is None or entry.name in filled:
            command = entry.load()
            subparser.description, subparser.usage = command.description, command.usage
            subparser.epilog = command.epilog
            subparser.set_defaults(run=command.run)
            command.add_options(subparser)
    return parser
