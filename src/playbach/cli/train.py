"""`playbach train`: trains a network on a folder of music and writes a bundle.

Its path goes to stdout, all other lines to stderr. The training is imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from playbach.cli.common import parse_float, parse_int, print_message, print_result
from playbach.system.errors import UsageError

if TYPE_CHECKING:
    from playbach.training.distributed import ProcessGroup


def add_defaults(parser: argparse.ArgumentParser) -> None:
    """Append the defaults, which are in the options' dataclasses, to the help texts. Needs torch.

    Where the encodings or the architectures that have an option differ, each is named with its own default.
    """
    from playbach.models import MODELS
    from playbach.training.options import TrainOptions

    options = TrainOptions()
    networks = {name: MODELS[name].Config() for name in dict.fromkeys((options.model, *MODELS))}
    for action in parser._actions:
        if hasattr(options, action.dest):
            if getattr(options, action.dest) not in (None, {}):
                action.help = f"{action.help} (default: {format_default(getattr(options, action.dest))})"
            continue
        for owners in ({"notes": options.notes, "events": options.events}, networks):
            defaults = {n: getattr(owner, action.dest) for n, owner in owners.items() if hasattr(owner, action.dest)}
            if len(defaults) == 1:
                [(name, value)] = defaults.items()
                default = "" if value is False else f"; default: {format_default(value)}"
                action.help = f"{action.help} ({name} only{default})"
            elif defaults:
                each = ", ".join(f"{name} {format_default(value)}" for name, value in defaults.items())
                action.help = f"{action.help} (default: {each})"


def format_default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


class _HelpWithDefaults(argparse.Action):
    """`--help` with the defaults, if torch is installed to import them."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        with contextlib.suppress(ModuleNotFoundError):
            add_defaults(parser)
        parser.print_help()
        parser.exit()


def add(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        add_help=False,
        usage="%(prog)s [OPTION ...] [FOLDER]",
        help="train a network on a folder of music",
        description="Train a network on music and write NAME.playbach, NAME.png (learning curves), NAME.log and "
        "NAME.jsonl. Ctrl-C ends the training and keeps the best network. Needs the extra 'train'.",
    )
    train.set_defaults(run=run)
    train.add_argument("folder", nargs="?", type=Path, metavar="FOLDER",
                       help="folder of MIDI and MusicXML files, subfolders included, or a built-in corpus, see "
                            "`playbach corpora` (default: bach-chorales)")  # fmt: skip
    train.add_argument("-h", "--help", nargs=0, action=_HelpWithDefaults, help="show this help message and exit")
    run_options = train.add_argument_group("run")
    run_options.add_argument("--resume", nargs="?", const="", metavar="NAME.run",
                             help="continue an interrupted run, with its options; without a name, the only run in "
                                  "this folder (of FOLDER, if given)")  # fmt: skip
    run_options.add_argument("--name", metavar="NAME",
                             help="name of the files (default: corpus, model and encoding)")  # fmt: skip
    run_options.add_argument("--tensorboard", action="store_true",
                             help="also write NAME.tensorboard (extra 'tensorboard')")  # fmt: skip
    run_options.add_argument("--config", type=Path, metavar="FILE",
                             help="TOML file of options, with _ for - in their names; the command line takes "
                                  "precedence")  # fmt: skip
    run_options.add_argument("--from", dest="base", metavar="MODEL",
                             help="continue training this model, on other music")  # fmt: skip
    encoding = train.add_argument_group("encoding", "Some options apply to one encoding and select it.")
    encoding.add_argument("--encoding", metavar="NAME",
                          help="notes, chorale or events (default: chosen from the music)")  # fmt: skip
    encoding.add_argument("--octaves", choices=("kept", "folded"), metavar="NAME",
                          help="pitches: kept, or folded into one octave")  # fmt: skip
    encoding.add_argument("--durations", choices=("none", "joined", "separate"), metavar="NAME",
                          help="none, joined with the pitch in one symbol, or a separate symbol")  # fmt: skip
    encoding.add_argument("--max-duration", type=float, metavar="X",
                          help="longest note, 1 to 8 quarter notes; longer ones are cut")  # fmt: skip
    encoding.add_argument("--chordify", action="store_true", default=None,
                          help="form chords of all notes that sound, not only of those that begin")  # fmt: skip
    encoding.add_argument("--velocities", action=argparse.BooleanOptionalAction, help="learn and compose dynamics")
    encoding.add_argument("--programs", choices=("exact", "families"), metavar="NAME",
                          help="exact instruments of General MIDI, or its 16 families")  # fmt: skip
    encoding.add_argument("--tempos", choices=("kept", "fixed"), metavar="NAME",
                          help="tempo changes kept, or one fixed tempo per piece")  # fmt: skip
    encoding.add_argument("--weights", metavar="FIELD=X,…",
                          help="weights of the fields in the loss, such as symbol=1,duration=0.5 (default: 1 "
                               "each)")  # fmt: skip
    # The defaults of all that follows are in the dataclasses; only what is given here is passed on.
    network = train.add_argument_group("network", "An option applies to the architectures named with it.")
    training = train.add_argument_group("training")
    for group, flag, kind, text in (
        (network, "--model", str, "architecture: lstm, transformer, attention or cnn"),
        (network, "--layers", int, "number of layers"),
        (network, "--dropout", float, "fraction of units dropped in training"),
        (network, "--width", int, "size of the residual stream, a multiple of twice the heads"),
        (network, "--heads", int, "attention heads per layer"),
        (network, "--memory", int, "steps that attention looks back"),
        (network, "--symbol-dropout", float, "fraction of the input symbols hidden in training"),
        (network, "--hidden", int, "size of the hidden layers"),
        (network, "--embedding", int, "size of a symbol's embedding"),
        (network, "--onehot", bool, "one-hot symbols instead of embeddings"),
        (network, "--image", int, "rows (steps) and columns of the image, 8 to 256"),
        (network, "--channels", int, "channels of the first convolution"),
        (training, "--epochs", int, "maximum number of epochs"),
        (training, "--max-minutes", float, "maximum training time in minutes"),
        (training, "--patience", int, "epochs without improvement before training stops"),
        (training, "--batch", int, "windows per training step (default: chosen from the music)"),
        (training, "--window", int, "maximum steps per window"),
        (training, "--learning-rate", float, "learning rate of AdamW, halved on plateaus"),
        (training, "--seed", int, "seed of the split, the weights and the data order"),
        (training, "--device", str, "auto, cpu, cuda or mps"),
        (training, "--dtype", str, "auto, float32 or bfloat16"),
    ):
        if kind is bool:
            group.add_argument(flag, action="store_true", default=None, help=text)
        else:
            parse: Callable[[str], Any] = {int: parse_int, float: parse_float}.get(kind, str)
            group.add_argument(flag, type=parse, help=text, metavar={int: "N", float: "X"}.get(kind, "NAME"))


def run(arguments: argparse.Namespace) -> int:
    from playbach.training import distributed, worker

    with distributed.join_process_group() as group:
        if group.is_leader:
            _lead(arguments, group)
        else:
            worker.run_worker(group)
    return 0


def _lead(arguments: argparse.Namespace, group: ProcessGroup) -> None:
    from playbach.bundles import network
    from playbach.training import configs, finetuning, runs
    from playbach.training.options import TrainOptions

    if arguments.resume is not None:
        for flag in ("base", "config"):
            if getattr(arguments, flag) is not None:
                name = "from" if flag == "base" else flag
                raise UsageError(f"--{name} cannot be combined with --resume: a resumed run keeps its own options")
    options = _options_from_file(configs.read(arguments.config), arguments) if arguments.config else {}
    if arguments.folder is not None:
        options["folder"] = arguments.folder
    base_name = arguments.base or options.pop("from", None)
    folder, name = options.pop("folder", None), arguments.name or options.pop("name", None)
    options.pop("name", None)
    _add_flags(options, arguments)
    common: dict[str, Any] = {"name": name, "report": _print_message, "progress": _progress_bar(), "group": group}
    if arguments.resume is None:
        base = network.read_base_model(base_name) if base_name is not None else None
        options = finetuning.finetune_options(base, options) if base else options
        finished = runs.run(
            folder, TrainOptions(**_with_dataclasses(options)), base=base, tensorboard=arguments.tensorboard, **common
        )
    else:
        finished = runs.resume(arguments.resume or None, options, folder=folder, **common)
    print_message(f"Learning curves: {finished.picture}; log: {finished.log}")
    print_result(str(finished.path))


def _options_from_file(options: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """A file's options. A relative folder starts at the file; options of another architecture than `--model` are
    dropped."""
    options = dict(options)
    if "folder" in options:
        folder = arguments.config.parent / options["folder"]
        options["folder"] = folder if folder.exists() else options["folder"]
    if arguments.model is not None and arguments.model != options.get("model"):
        options.pop("network", None)
    return options


def _add_flags(options: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Add the command line's options, which take precedence. The architecture checks those of the network."""
    from playbach.encodings import OPTIONS, options_dict
    from playbach.models import MODELS
    from playbach.training.options import TrainOptions

    flags = {name: value for name, value in vars(arguments).items() if value is not None}
    names = {field.name for field in dataclasses.fields(TrainOptions)} - {"weights"}
    options.update({name: value for name, value in flags.items() if name in names})
    network_names = {field.name for model in MODELS.values() for field in dataclasses.fields(model.Config)}
    network = {name: value for name, value in flags.items() if name in network_names}
    options["network"] = {**options.get("network", {}), **network}
    if arguments.weights is not None:
        options["weights"] = {**options.get("weights", {}), **_parse_weights(arguments.weights)}
    owners = {name: [e for e, kind in OPTIONS.items() if name in kind.__dataclass_fields__] for name in flags}
    owners = {name: encodings for name, encodings in owners.items() if encodings}
    _choose_encoding(options, owners)
    for name, encodings in owners.items():
        for encoding in encodings:
            options[encoding] = {**options_dict(options.get(encoding, {})), name: flags[name]}


def _choose_encoding(options: dict[str, Any], owners: Mapping[str, list[str]]) -> None:
    """Choose the encoding that an option belongs to, if none is named. `owners`: the encodings of each option."""
    for name, known in owners.items():
        flag = f"--{name.replace('_', '-')}"
        encoding = options.get("encoding")
        if encoding is not None and encoding not in known:
            raise UsageError(f"{flag} applies only to --encoding {' or '.join(known)}, not to {encoding}")
        if encoding is None and len(known) == 1:
            options["encoding"] = known[0]


def _parse_weights(text: str) -> dict[str, float]:
    weights = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        try:
            weights[name.strip()] = float(value if equals else "none")
        except ValueError:
            raise UsageError(f"--weights: expected FIELD=NUMBER, such as duration=0.5, got {part!r:.60}") from None
    return weights


def _with_dataclasses(options: dict[str, Any]) -> dict[str, Any]:
    """Options with those of the encodings as dataclasses."""
    from playbach.encodings import OPTIONS

    encodings = {n: kind(**options[n]) for n, kind in OPTIONS.items() if isinstance(options.get(n), dict)}
    return {**options, **encodings}


def _print_message(line: str) -> None:
    """Print a line on stderr without breaking the progress bar."""
    from tqdm import tqdm

    with contextlib.suppress(OSError):
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()


def _progress_bar() -> Callable[..., Any]:
    """tqdm on stderr, shown only if that is a terminal."""
    from functools import partial

    from tqdm import tqdm

    return partial(tqdm, file=sys.stderr, disable=None)
