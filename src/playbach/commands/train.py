"""`playbach train`: a folder of music into a bundle.

Its path goes to stdout, everything else to stderr. Knows the training run, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from playbach.commands import result, say
from playbach.errors import UsageError

NETWORK = ("layers", "dropout", "width", "heads", "memory", "symbol_dropout", "hidden", "embedding")
"""What decides the network itself; each architecture refuses what is another's."""


class _HelpWithDefaults(argparse.Action):
    """Help that shows the defaults where they live, in the options' dataclasses, if torch is there to import them."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        with contextlib.suppress(ModuleNotFoundError):
            from playbach.models import MODELS
            from playbach.options import TrainOptions

            options = TrainOptions()
            networks = [MODELS[name].Config() for name in (options.model, *MODELS)]
            for action in parser._actions:
                holders = [o for o in (options, *networks) if hasattr(o, action.dest)]
                default = getattr(holders[0], action.dest) if holders else None
                if default is not None:
                    action.help = f"{action.help} (default: {default})"
        parser.print_help()
        parser.exit()


def add(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        add_help=False,
        help="train a network on a folder of music",
        description="Train a network on every MIDI and MusicXML file under FOLDER, or on the built-in Bach chorales, "
        "and write NAME.playbach, NAME.png (its curves) and NAME.log. Ctrl-C ends it and keeps the best. "
        "Needs the extra 'train'.",
    )
    train.set_defaults(run=run)
    train.add_argument("-h", "--help", nargs=0, action=_HelpWithDefaults, help="show this help message and exit")
    train.add_argument("folder", nargs="?", type=Path, metavar="FOLDER",
                       help="searched with all below it (default: the built-in corpus bach-chorales)")  # fmt: skip
    train.add_argument("--resume", nargs="?", const="", metavar="NAME.run",
                       help="go on with a training that was cut short: the one named, or the only one there is (of "
                            "FOLDER); its options are taken from it")  # fmt: skip
    train.add_argument("--name", help="of the files (default: corpus, model and encoding)")
    train.add_argument("--encoding", help="notes, chorale or events (default: chosen from the music)")
    train.add_argument("--octaves", choices=("kept", "folded"), help="notes: with their octaves, or without")
    train.add_argument("--durations", choices=("none", "joined", "separate"),
                       help="notes: no durations, in one symbol with the pitch, or predicted beside it")  # fmt: skip
    train.add_argument("--velocities", action="store_true", help="notes: compose the dynamics too")
    # Defaults stand in the options' dataclass, and only what is given is handed over.
    for flag, kind, text in (
        ("--model", str, "the network's architecture: transformer or lstm"),
        ("--layers", int, "how many layers"),
        ("--dropout", float, "the share of the network that is left out at random while it learns"),
        ("--width", int, "transformer: the size of what a step carries through the layers"),
        ("--heads", int, "transformer: how many places each layer looks at"),
        ("--memory", int, "transformer: how many steps it looks back"),
        ("--symbol-dropout", float, "transformer: the share of what is known that is hidden while it learns"),
        ("--hidden", int, "lstm: the size of its layers"),
        ("--embedding", int, "lstm: the size of a symbol's embedding"),
        ("--epochs", int, "at most so many times through the music"),
        ("--max-minutes", float, "stop after so many minutes and keep the best"),
        ("--patience", int, "stop after so many epochs without improvement"),
        ("--batch", int, "windows a training step (default: chosen from the music)"),
        ("--window", int, "steps a window"),
        ("--learning-rate", float, "of AdamW, halved on plateaus"),
        ("--seed", int, "of the split, the weights and the order of the music"),
        ("--device", str, "auto, cpu, cuda or mps"),
        ("--dtype", str, "auto, float32 or bfloat16"),
    ):
        train.add_argument(flag, type=kind, help=text, metavar="X" if kind is not str else "NAME")


def run(given: argparse.Namespace) -> int:
    from playbach import runs
    from playbach.encodings import NotesOptions
    from playbach.options import TrainOptions

    notes = {k: getattr(given, k) for k in ("octaves", "durations") if getattr(given, k) is not None}
    if given.velocities:
        notes["velocities"] = True
    if notes and given.encoding == "chorale":
        raise UsageError(f"--{next(iter(notes))} goes with --encoding notes, not with chorale")
    names = {field.name for field in dataclasses.fields(TrainOptions)} - {"notes"}
    chosen = {name: value for name, value in vars(given).items() if name in names and value is not None}
    network = {name: getattr(given, name) for name in NETWORK}
    chosen["network"] = {name: value for name, value in network.items() if value is not None}
    if notes:
        chosen["encoding"] = "notes"
    talk: dict[str, Any] = {"name": given.name, "report": _talk, "progress": _progress_bar()}
    if given.resume is None:
        done = runs.run(given.folder, TrainOptions(notes=NotesOptions(**notes), **chosen), **talk)
    else:
        done = runs.resume(given.resume or None, {**chosen, "notes": notes}, folder=given.folder, **talk)
    say(f"Curves in {done.picture}, log in {done.log}")
    result(str(done.path))
    return 0


def _talk(line: str) -> None:
    """A line of talk that does not break a progress bar."""
    from tqdm import tqdm

    with contextlib.suppress(OSError):
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()


def _progress_bar() -> Callable[..., Any]:
    """tqdm on stderr, and only where that is a terminal."""
    from functools import partial

    from tqdm import tqdm

    return partial(tqdm, file=sys.stderr, disable=None)
