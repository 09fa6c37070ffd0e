"""`playbach train`: a folder of music into a bundle.

Its path goes to stdout, everything else to stderr. Knows the training run, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from playbach.cli.common import result, say
from playbach.system.errors import UsageError

if TYPE_CHECKING:
    from playbach.training.distributed import World


class _HelpWithDefaults(argparse.Action):
    """Help that shows the defaults where they live, in the options' dataclasses, if torch is there to import them."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        with contextlib.suppress(ModuleNotFoundError):
            from playbach.models import MODELS
            from playbach.training.options import TrainOptions

            options = TrainOptions()
            networks = [MODELS[name].Config() for name in (options.model, *MODELS)]
            for action in parser._actions:
                holders = [o for o in (options, options.notes, options.events, *networks) if hasattr(o, action.dest)]
                default = getattr(holders[0], action.dest) if holders else None
                if default is not None and default != {}:
                    action.help = f"{action.help} (default: {default})"
        parser.print_help()
        parser.exit()


def add(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        add_help=False,
        help="train a network on a folder of music",
        description="Train a network on every MIDI and MusicXML file under FOLDER, or on a built-in corpus "
        "(`playbach corpora` lists them), and write NAME.playbach, NAME.png (its curves), NAME.log and NAME.jsonl. "
        "Ctrl-C ends it and keeps the best. "
        "Needs the extra 'train'.",
    )
    train.set_defaults(run=run)
    train.add_argument("-h", "--help", nargs=0, action=_HelpWithDefaults, help="show this help message and exit")
    train.add_argument("folder", nargs="?", type=Path, metavar="FOLDER",
                       help="searched with all below it, or the name of a built-in corpus (default: "
                            "bach-chorales)")  # fmt: skip
    train.add_argument("--resume", nargs="?", const="", metavar="NAME.run",
                       help="go on with a training that was cut short: the one named, or the only one there is (of "
                            "FOLDER); its options are taken from it")  # fmt: skip
    train.add_argument("--name", help="of the files (default: corpus, model and encoding)")
    train.add_argument("--tensorboard", action="store_true",
                       help="write NAME.tensorboard, too, for TensorBoard to draw (extra 'tensorboard')")  # fmt: skip
    train.add_argument("--config", type=Path, metavar="FILE",
                       help="a TOML file of options, by the names of these with _ for -; what is given here comes "
                            "first")  # fmt: skip
    train.add_argument("--from", dest="base", metavar="MODEL",
                       help="begin with this model's network and go on training it on other music")  # fmt: skip
    train.add_argument("--encoding", help="notes, chorale or events (default: chosen from the music)")
    train.add_argument("--octaves", choices=("kept", "folded"), help="notes: with their octaves, or without")
    train.add_argument("--durations", choices=("none", "joined", "separate"),
                       help="notes: no durations, in one symbol with the pitch, or predicted beside it")  # fmt: skip
    train.add_argument(
        "--max-duration", type=float, metavar="X", help="notes: longer ones are cut to so many quarters, 1 to 8"
    )
    train.add_argument("--chordify", action="store_true", default=None,
                       help="notes: chords of all that sounds, not only of what begins together")  # fmt: skip
    train.add_argument("--velocities", action=argparse.BooleanOptionalAction, help="compose the dynamics too")
    train.add_argument("--programs", choices=("exact", "families"),
                       help="events: each of General MIDI's instruments, or its 16 families")  # fmt: skip
    train.add_argument("--tempos", choices=("kept", "fixed"), help="events: tempos that change, or one a piece")
    train.add_argument("--weights", metavar="FIELD=X,…",
                       help="how much the cost of each field counts, such as symbol=1,duration=0.5")  # fmt: skip
    # Defaults stand in the options' dataclass, and only what is given is handed over.
    for flag, kind, text in (
        ("--model", str, "the network's architecture: transformer, lstm, attention or cnn"),
        ("--layers", int, "how many layers"),
        ("--dropout", float, "the share of the network that is left out at random while it learns"),
        ("--width", int, "transformer: the size of what a step carries through the layers"),
        ("--heads", int, "transformer: how many places each layer looks at"),
        ("--memory", int, "transformer, attention: how many steps it looks back"),
        ("--symbol-dropout", float, "transformer, cnn: the share of what is known that is hidden while it learns"),
        ("--hidden", int, "lstm, attention, cnn: the size of its layers"),
        ("--embedding", int, "lstm, attention: the size of a symbol's embedding"),
        ("--onehot", bool, "lstm: symbols one-hot and not embedded"),
        ("--image", int, "cnn: how many steps its image holds, and how many columns a step"),
        ("--channels", int, "cnn: of the first convolution"),
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
        if kind is bool:
            train.add_argument(flag, action="store_true", default=None, help=text)
        else:
            train.add_argument(flag, type=kind, help=text, metavar="X" if kind is not str else "NAME")


def run(given: argparse.Namespace) -> int:
    from playbach.training import distributed, worker

    with distributed.joined() as world:
        if world.leads:
            _lead(given, world)
        else:
            worker.follow(world)
    return 0


def _lead(given: argparse.Namespace, world: World) -> None:
    from playbach.bundles import network
    from playbach.training import configs, finetuning, runs
    from playbach.training.options import TrainOptions

    if given.resume is not None:
        for flag in ("base", "config"):
            if getattr(given, flag) is not None:
                name = "from" if flag == "base" else flag
                raise UsageError(f"--{name} and --resume contradict each other: a run goes on as it was begun")
    chosen = _of_file(configs.read(given.config), given) if given.config else {}
    if given.folder is not None:
        chosen["folder"] = given.folder
    base = given.base or chosen.pop("from", None)
    folder, name = chosen.pop("folder", None), given.name or chosen.pop("name", None)
    chosen.pop("name", None)
    _add_flags(chosen, given)
    talk: dict[str, Any] = {"name": name, "report": _talk, "progress": _progress_bar(), "world": world}
    if given.resume is None:
        begun = network.read_base(base) if base is not None else None
        options = finetuning.options_of(begun, chosen) if begun else chosen
        done = runs.run(
            folder, TrainOptions(**_completed(options)), base=begun, tensorboard=given.tensorboard, **talk
        )
    else:
        done = runs.resume(given.resume or None, chosen, folder=folder, **talk)
    say(f"Curves in {done.picture}, log in {done.log}")
    result(str(done.path))


def _of_file(found: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """A file's options: its folder as seen from where the file lies, and no options of an architecture that the
    command line replaces by another."""
    found = dict(found)
    if "folder" in found:
        there = given.config.parent / found["folder"]
        found["folder"] = there if there.exists() else found["folder"]
    if given.model is not None and given.model != found.get("model"):
        found.pop("network", None)
    return found


def _add_flags(chosen: dict[str, Any], given: argparse.Namespace) -> None:
    """What the command line says comes first. What decides the network is for its architecture to refuse."""
    from playbach.encodings import OPTIONS, by_name
    from playbach.models import MODELS
    from playbach.training.options import TrainOptions

    flags = {name: value for name, value in vars(given).items() if value is not None}
    names = {field.name for field in dataclasses.fields(TrainOptions)} - {"weights"}
    chosen.update({name: value for name, value in flags.items() if name in names})
    of_networks = {field.name for model in MODELS.values() for field in dataclasses.fields(model.Config)}
    network = {name: value for name, value in flags.items() if name in of_networks}
    chosen["network"] = {**chosen.get("network", {}), **network}
    if given.weights is not None:
        chosen["weights"] = {**chosen.get("weights", {}), **_weights(given.weights)}
    holders = {name: [e for e, kind in OPTIONS.items() if name in kind.__dataclass_fields__] for name in flags}
    said = {name: encodings for name, encodings in holders.items() if encodings}
    _choose_encoding(chosen, said)
    for name, encodings in said.items():
        for encoding in encodings:
            chosen[encoding] = {**by_name(chosen.get(encoding, {})), name: flags[name]}


def _choose_encoding(chosen: dict[str, Any], said: Mapping[str, list[str]]) -> None:
    """The encoding that the options are of, where none is named. `said` has the encodings of each option."""
    for name, known in said.items():
        flag = f"--{name.replace('_', '-')}"
        encoding = chosen.get("encoding")
        if encoding is not None and encoding not in known:
            raise UsageError(f"{flag} goes with --encoding {' or '.join(known)}, not with {encoding}")
        if encoding is None and len(known) == 1:
            chosen["encoding"] = known[0]


def _weights(text: str) -> dict[str, float]:
    weights = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        try:
            weights[name.strip()] = float(value if equals else "none")
        except ValueError:
            raise UsageError(f"--weights: {part!r:.60} is not FIELD=NUMBER, such as duration=0.5") from None
    return weights


def _completed(options: dict[str, Any]) -> dict[str, Any]:
    """With the options of encodings as their dataclasses."""
    from playbach.encodings import OPTIONS

    made = {n: kind(**options[n]) for n, kind in OPTIONS.items() if isinstance(options.get(n), dict)}
    return {**options, **made}


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
