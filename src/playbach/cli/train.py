"""`playbach train`: trains a network on a folder of music and writes a bundle.

Its path goes to stdout, all other lines to stderr. The training is imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli import options
from playbach.cli.common import Command, print_message, print_result
from playbach.encodings import OPTIONS, options_dict
from playbach.models import MODELS
from playbach.music.options import ReadingOptions
from playbach.system.errors import UsageError
from playbach.system.options import given, options_of, spelling
from playbach.training.options import TrainOptions

if TYPE_CHECKING:
    from playbach.training.distributed import ProcessGroup


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="folder of MIDI and MusicXML files, subfolders included, or a built-in corpus, see `playbach corpora` "
        "(default: bach-chorales)",
    )
    _add_run_options(parser.add_argument_group("run"))
    options.add_options(parser.add_argument_group("reading"), ReadingOptions)
    encoding = parser.add_argument_group("encoding", "Some options apply to one encoding and select it.")
    options.add_options(encoding, TrainOptions, ["encoding", "vocabulary"])
    options.add_shared_options(encoding, OPTIONS)
    options.add_options(encoding, TrainOptions, ["weights"])
    network = parser.add_argument_group("network", "An option applies to the architectures named with it.")
    options.add_options(network, TrainOptions, ["model"])
    options.add_shared_options(network, {name: entry.options for name, entry in MODELS.items()})
    added = ("encoding", "vocabulary", "weights", "model", *(o.name for o in options_of(ReadingOptions)))
    others = [o.name for o in options_of(TrainOptions) if o.flag is not None and o.name not in added]
    options.add_options(parser.add_argument_group("training"), TrainOptions, others)


def _add_run_options(group: Any) -> None:
    group.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="NAME.run",
        help="continue an interrupted run, with its options; without a name, the only run in this folder (of FOLDER, "
        "if given)",
    )
    group.add_argument("--name", metavar="NAME", help="name of the files (default: corpus, model and encoding)")
    group.add_argument("--tensorboard", action="store_true", help="also write NAME.tensorboard (extra 'tensorboard')")
    group.add_argument(
        "--listen", action="store_true", help="compose eight bars after each better epoch, to NAME-listen.mid"
    )
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file of options, with _ for - in their names; the command line takes precedence",
    )
    group.add_argument(
        "--from",
        dest="base",
        metavar="MODEL",
        help="base model: train this model further, on other music; "
        "none: begin from nothing (default: the shipped model that suits the music)",
    )
    group.add_argument(
        "--teacher",
        dest="teachers",
        action="append",
        metavar="MODEL",
        help="learn also what this model of the same training pieces predicts; can be given several times, for "
        "models that differ, such as in --model or --hidden",
    )


def run(arguments: argparse.Namespace) -> int:
    from playbach.training import distributed, loop

    with distributed.join_process_group() as group:
        if group.is_leader:
            _lead(arguments, group)
        else:
            loop.take_part(group)
    return 0


def _lead(arguments: argparse.Namespace, group: ProcessGroup) -> None:
    from playbach.bundles import network
    from playbach.training import configs, finetuning, runs

    if arguments.resume is not None:
        for flag in ("base", "config", "teachers"):
            if getattr(arguments, flag) is not None:
                name = {"base": "from", "teachers": "teacher"}.get(flag, flag)
                raise UsageError(f"--{name} cannot be combined with --resume: a resumed run keeps its own options")
    chosen = _options_from_file(configs.read(arguments.config), arguments) if arguments.config else {}
    if arguments.folder is not None:
        chosen["folder"] = arguments.folder
    base_name = arguments.base or chosen.pop("from", None)
    folder, name = chosen.pop("folder", None), arguments.name or chosen.pop("name", None)
    chosen.pop("name", None)
    _add_flags(chosen, arguments)
    common: dict[str, Any] = {"name": name, "report": _print_message, "progress": _progress_bar(), "group": group}
    common["listen"] = arguments.listen
    if arguments.resume is None:
        base = finetuning.read_base(base_name)
        chosen = finetuning.finetune_options(base, chosen)
        finished = runs.run(
            folder,
            TrainOptions(**_with_dataclasses(chosen)),
            base=base,
            teachers=[network.read_base_model(name) for name in arguments.teachers or ()],
            tensorboard=arguments.tensorboard,
            **common,
        )
    else:
        finished = runs.resume(arguments.resume or None, chosen, folder=folder, **common)
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


def _add_flags(chosen: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Add the command line's options, which take precedence. The architecture checks those of the network."""
    values = vars(arguments)
    chosen.update({name: value for name, value in given(TrainOptions, values).items() if name != "weights"})
    network = {name: value for entry in MODELS.values() for name, value in given(entry.options, values).items()}
    chosen["network"] = {**chosen.get("network", {}), **network}
    if arguments.weights is not None:
        chosen["weights"] = {**chosen.get("weights", {}), **_parse_weights(arguments.weights)}
    by_encoding = {name: of for name, kind in OPTIONS.items() if (of := given(kind, values))}
    owners = {
        option: [e for e, of in by_encoding.items() if option in of] for of in by_encoding.values() for option in of
    }
    _choose_encoding(chosen, owners)
    for encoding, of in by_encoding.items():
        chosen[encoding] = {**options_dict(chosen.get(encoding, {})), **of}


def _choose_encoding(options: dict[str, Any], owners: Mapping[str, list[str]]) -> None:
    """Choose the encoding that an option belongs to, if none is named. `owners`: the encodings of each option."""
    for name, known in owners.items():
        encoding = options.get("encoding")
        if encoding is not None and encoding not in known:
            raise UsageError(f"--{spelling(name)} applies only to --encoding {' or '.join(known)}, not to {encoding}")
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


COMMAND = Command(
    "Train a network on music and write NAME.playbach, NAME.png (learning curves), NAME.log and NAME.jsonl. After "
    "a minute NAME.playbach has the best network so far. Ctrl-C ends the training and keeps the best network. Needs "
    "the extra 'train'.",
    add_options=add_options,
    run=run,
    usage="%(prog)s [OPTION ...] [FOLDER]",
)
