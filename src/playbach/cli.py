"""The command line: parses, calls, and puts errors in one line. Each command's modules are imported when it runs.

stdout carries results only (paths); seeds, progress and talk go to stderr. Exit status 0, 1 for a fault that the
user can mend, 2 for usage.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from playbach._version import __version__
from playbach.errors import MissingExtra, PlaybachError, UsageError

EXTRAS = dict.fromkeys(("torch", "onnx", "onnxscript", "safetensors", "matplotlib", "tqdm", "music21"), "train")
"""The extra that each optional package comes with."""


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
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None or debug:
            raise
        print(f"playbach: {MissingExtra('this command', extra, str(error.name))}", file=sys.stderr)
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


class UnwrittenResult(Exception):
    """stdout cannot take the result."""


def _mend_streams() -> None:
    """A closed stream must not break what is done beside it, nor a name that the terminal cannot spell."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _result(line: str) -> None:
    """One line of the result, on stdout."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwrittenResult(f"{line}: done, but stdout cannot be written ({error.strerror})") from error


def _say(line: str) -> None:
    """Talk, on stderr; where that cannot be written there is nobody to tell."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="playbach", description="Train a neural network on the music you love, and let it play for you."
    )
    parser.add_argument("--version", action="version", version=f"playbach {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback where something fails")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_compose(commands)
    _add_train(commands)
    return parser


# ------------------------------------------------------------------------------------------------------- compose


def _add_compose(commands: Any) -> None:
    compose = commands.add_parser(
        "compose",
        help="compose a new piece and write it to a file",
        description="Compose a new piece. Prints its path on stdout and its seed on stderr.",
    )
    compose.set_defaults(run=_compose)
    compose.add_argument("model", nargs="?", metavar="MODEL",
                         help="a .playbach file or the name of a shipped model (default: bach-chorales)")  # fmt: skip
    compose.add_argument("-o", "--output", type=Path, default=Path("piece.mid"), metavar="FILE",
                         help=".mid, .wav, .flac, .mp3, .ogg or .png (a piano roll); default %(default)s; "
                              "an existing file is never overwritten")  # fmt: skip
    compose.add_argument("--bars", type=int, metavar="N", help="how many bars (default: 16)")
    compose.add_argument("--seed", type=int, metavar="N", help="the same seed makes the same piece")
    compose.add_argument("--temperature", type=float, metavar="T",
                         help="0: the most probable; 1: as learnt; more: bolder (default: the model's)")  # fmt: skip
    compose.add_argument("--top-p", type=float, metavar="P", help="sample among the most probable symbols that "
                         "together have probability P (default: the model's)")  # fmt: skip
    compose.add_argument("--tempo", type=float, metavar="QPM", help="quarter notes per minute")
    compose.add_argument("--instrument", action="append", default=[], metavar="[VOICE=]NAME",
                         help="a General MIDI instrument for all voices, or for one; may be repeated")  # fmt: skip
    compose.add_argument("--instruments", action="store_true", help="list General MIDI's 128 names and stop")
    compose.add_argument("--prime", type=Path, metavar="FILE", help="continue this MIDI file")
    compose.add_argument("--prime-bars", type=int, metavar="N", help="only its first N bars (default: all)")
    compose.add_argument("--no-prime", action="store_true", help="leave the given piece out of the result")
    compose.add_argument("--count", type=int, default=1, metavar="N",
                         help="write N pieces, with the seeds that follow each other (default: 1)")  # fmt: skip
    compose.add_argument("--plain", action="store_true",
                         help="leave the notes as composed: no dynamics, no broadening at the end")  # fmt: skip
    compose.add_argument("--no-rules", action="store_true", help="leave the network alone: parallel fifths and "
                         "octaves, and the first ending that comes")  # fmt: skip
    compose.add_argument("--soundfont", type=Path, metavar="FILE", help="an .sf2 or .sf3 for audio files")


def _compose(given: argparse.Namespace) -> int:
    from playbach import instruments

    if given.instruments:
        _result("\n".join(f"{number:3} {name}" for number, name in enumerate(instruments.NAMES)))
        return 0
    import playbach
    from playbach import composing, outputs, scores

    if given.count < 1:
        raise UsageError(f"--count must be at least 1, not {given.count}")
    if given.prime is None and (given.no_prime or given.prime_bars is not None):
        raise UsageError("--no-prime and --prime-bars go with --prime FILE")
    outputs.writer_for(given.output)
    options: dict[str, Any] = {
        "temperature": given.temperature,
        "top_p": given.top_p,
        "tempo": given.tempo,
        "prime_bars": given.prime_bars,
        "keep_prime": not given.no_prime,
        "plain": given.plain,
        "rules": not given.no_rules,
    }
    if given.bars is not None:
        options["bars"] = given.bars
    composing.ComposeOptions(**options)
    if given.soundfont is not None and given.output.suffix.lower() in (".mid", ".midi", ".png"):
        raise UsageError("--soundfont goes with audio files: -o piece.wav, .flac, .mp3 or .ogg")
    seed = composing.new_seed(given.seed)
    composing.new_seed(seed + given.count - 1)
    composer = playbach.load(given.model)
    if given.instrument:
        options["programs"] = instruments.parse(given.instrument, composer.tracks)
    prime = None if given.prime is None else scores.read(given.prime)
    for number in range(given.count):
        piece = composer.compose(seed=seed + number, prime=prime, **options)
        path = piece.write(given.output, given.soundfont)
        _say(f"seed {piece.seed}")
        _result(str(path))
    return 0


# --------------------------------------------------------------------------------------------------------- train


class _HelpWithDefaults(argparse.Action):
    """Help that shows the defaults where they live, in the options' dataclasses, if torch is there to import them."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        with contextlib.suppress(ModuleNotFoundError):
            from playbach.models import MODELS
            from playbach.training import TrainOptions

            options = TrainOptions()
            network = MODELS[options.model].Config()
            for action in parser._actions:
                default = getattr(options, action.dest, getattr(network, action.dest, None))
                if default is not None:
                    action.help = f"{action.help} (default: {default})"
        parser.print_help()
        parser.exit()


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        add_help=False,
        help="train a network on a folder of MIDI files",
        description="Train a network on every MIDI file under FOLDER, or on the built-in Bach chorales, and write "
        "NAME.playbach, NAME.png (its curves) and NAME.log. Ctrl-C ends it and keeps the best. "
        "Needs the extra 'train'.",
    )
    train.set_defaults(run=_train)
    train.add_argument("-h", "--help", nargs=0, action=_HelpWithDefaults, help="show this help message and exit")
    train.add_argument("folder", nargs="?", type=Path, metavar="FOLDER",
                       help="searched with all below it (default: the built-in corpus bach-chorales)")  # fmt: skip
    train.add_argument("--name", help="of the files (default: corpus, model and encoding)")
    train.add_argument("--encoding", help="notes or chorale (default: chosen from the music)")
    train.add_argument("--octaves", choices=("kept", "folded"), help="notes: with their octaves, or without")
    train.add_argument("--durations", choices=("none", "joined", "separate"),
                       help="notes: no durations, in one symbol with the pitch, or predicted beside it")  # fmt: skip
    train.add_argument("--velocities", action="store_true", help="notes: compose the dynamics too")
    # Defaults stand in the options' dataclass, and only what is given is handed over.
    for flag, kind, text in (
        ("--model", str, "the network's architecture: lstm"),
        ("--hidden", int, "the network's width"),
        ("--layers", int, "how many LSTM layers"),
        ("--embedding", int, "the size of a symbol's embedding"),
        ("--dropout", float, "the share of the network that is left out at random while it learns"),
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


def _train(given: argparse.Namespace) -> int:
    from playbach import runs
    from playbach.encodings import NotesOptions
    from playbach.training import TrainOptions

    notes = {k: getattr(given, k) for k in ("octaves", "durations") if getattr(given, k) is not None}
    if given.velocities:
        notes["velocities"] = True
    if notes and given.encoding == "chorale":
        raise UsageError(f"--{next(iter(notes))} goes with --encoding notes, not with chorale")
    names = {field.name for field in dataclasses.fields(TrainOptions)} - {"notes"}
    chosen = {name: value for name, value in vars(given).items() if name in names and value is not None}
    network = {k: getattr(given, k) for k in ("hidden", "layers", "embedding", "dropout")}
    chosen["network"] = {name: value for name, value in network.items() if value is not None}
    if notes:
        chosen["encoding"] = "notes"
    run = runs.run(
        given.folder,
        TrainOptions(notes=NotesOptions(**notes), **chosen),
        name=given.name,
        report=_talk,
        progress=_progress_bar(),
    )
    _say(f"Curves in {run.picture}, log in {run.log}")
    _result(str(run.path))
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
