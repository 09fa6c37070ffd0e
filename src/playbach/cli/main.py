"""The command line: parses, calls, and puts errors in one line. Each command is a file in `commands/`, and what it
needs is imported when it runs.

stdout carries results only; seeds, progress and talk go to stderr. Exit status 0, 1 for a fault that the
user can mend, 2 for usage.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from playbach.cli import benchmark, compose, corpora, evaluate, export, inspect, models, play, serve, train
from playbach.cli.common import UnwrittenResult
from playbach.system.errors import MissingExtra, PlaybachError, UsageError
from playbach.system.version import __version__

EXTRAS = dict.fromkeys(("torch", "onnx", "onnxscript", "safetensors", "matplotlib", "tqdm", "music21"), "train")
EXTRAS |= dict.fromkeys(("starlette", "uvicorn", "websockets", "segno"), "serve")
EXTRAS["tensorboard"] = "tensorboard"
"""The extra that each optional package comes with."""
LEFT_OUT = {"soundfile": "soundfile", "PIL": "Pillow", "onnxruntime": "onnxruntime"}
"""What a light install may lack (docs/raspberry-pi.md), by what it is imported as, and what pip calls it."""


class _Parser(argparse.ArgumentParser):
    """Errors in one line that says where help is."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    _mend_streams()
    try:
        options = _parser().parse_args([a for a in given if a != "--debug"])
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except PlaybachError as error:
        if debug:
            traceback.print_exc()
        print(f"playbach: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        told = _missing(str(error.name))
        if told is None or debug:
            raise
        print(f"playbach: {told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("playbach: interrupted", file=sys.stderr)
        return 130
    except UnwrittenResult as error:
        print(f"playbach: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # somebody reads only the first lines: no fault of theirs
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _missing(module: str) -> str | None:
    """How to mend that a module is missing, where an install may lack it."""
    package = module.partition(".")[0]
    if package in LEFT_OUT:
        return f"this command needs the package {package!r}, which is not installed: pip install {LEFT_OUT[package]}"
    return str(MissingExtra("this command", EXTRAS[package], module)) if package in EXTRAS else None


def _mend_streams() -> None:
    """A closed stream must not break what is done beside it, nor a name that the terminal cannot spell."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="playbach", description="Train a neural network on the music you love, and let it play for you."
    )
    parser.add_argument("--version", action="version", version=f"playbach {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback where something fails")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (compose, play, serve, train, evaluate, inspect, models, corpora, export, benchmark):
        command.add(commands)
    return parser
