"""Makes options of the command line from the dataclasses that describe them (`system.options`).

An option that is not given is None in the parsed arguments; `system.options.given` picks those that are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from playbach.rendering import output_for, outputs_text
from playbach.system.errors import UsageError
from playbach.system.options import DescribedOption, options_of

if TYPE_CHECKING:
    from playbach.rendering import Output


def parse_int(text: str) -> int:
    """The type of an option that takes a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r:.40}") from None


def parse_float(text: str) -> float:
    """The type of an option that takes any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r:.40}") from None


PARSERS: dict[Any, Callable[[str], Any]] = {int: parse_int, float: parse_float}
METAVARS = {int: "N", float: "X"}


def add_options(group: Any, kind: type[Any], names: Iterable[str] = ()) -> None:
    """Add the options of a dataclass: those named, or all that are meant for the command line.

    Args:
        group: a parser or a group of one.
    """
    described = {o.name: o for o in options_of(kind) if o.flag is not None}
    for name in names or described:
        add_option(group, described[name], f" (default: {text})" if (text := default_text(described[name])) else "")


def add_output(group: Any, default: str) -> None:
    """Add the options of a command that writes music: the file, how many, and the sounds.

    Args:
        default: the name of the file.
    """
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(default),
        metavar="FILE",
        help=f"file to write: {outputs_text()}; an existing file is kept and a number added to the name (default: "
        "%(default)s)",
    )
    group.add_argument("--sheet", action="store_true", help="write a .png file as pages of sheet music")
    group.add_argument(
        "--count",
        type=parse_int,
        default=1,
        metavar="N",
        help="number of pieces, with consecutive seeds (default: %(default)s)",
    )
    group.add_argument(
        "--soundfont", type=Path, metavar="FILE", help="sounds for audio files, .sf2 or .sf3 (default: included)"
    )


def check_output(arguments: argparse.Namespace) -> Output:
    """The output that the options of `add_output` choose.

    Raises:
        UsageError: one of them is wrong, or they contradict each other.
        MissingExtra: the output needs a package that is not installed.
    """
    if arguments.count < 1:
        raise UsageError(f"--count must be at least 1, not {arguments.count}")
    output = output_for(arguments.output, sheet=arguments.sheet)
    if arguments.soundfont is not None and not output.has_sound:
        raise UsageError("--soundfont applies only to audio files: add -o piece.wav, .flac, .mp3 or .ogg")
    if output.extra is not None:
        output.load()  # a missing package is an error before the work begins
    return output


def add_shared_options(group: Any, owners: Mapping[str, type[Any]]) -> None:
    """Add the options of several dataclasses, each option once. Its help text names those that have it.

    Args:
        owners: the dataclasses, by the name of what they are the options of.
    """
    names = dict.fromkeys(o.name for kind in owners.values() for o in options_of(kind) if o.flag is not None)
    for name in names:
        having = {owner: o for owner, kind in owners.items() for o in options_of(kind) if o.name == name}
        first = next(iter(having.values()))
        texts = {owner: default_text(o) for owner, o in having.items()}
        if first.type is bool and len(having) > 1:
            texts = {owner: "yes" if o.default else "no" for owner, o in having.items()}
        if len(having) == 1:
            [(owner, text)] = texts.items()
            remark = f" ({owner} only{'; default: ' * bool(text)}{text})"
        else:
            remark = f" (default: {', '.join(f'{owner} {text}' for owner, text in texts.items())})"
        add_option(group, first, remark, can_be_negated=any(o.default is True for o in having.values()))


def add_option(group: Any, described: DescribedOption, remark: str, can_be_negated: bool = False) -> None:
    """Add one option, with a remark after its help text."""
    assert described.flag is not None
    kind, option = described.type, described.option
    facts: dict[str, Any] = {"dest": described.name, "default": None, "help": option.help_text() + remark}
    if described.is_required:
        facts["required"] = True
    if kind is bool and (can_be_negated or described.optional):
        facts["action"] = argparse.BooleanOptionalAction
    elif kind is bool:
        facts["action"] = "store_false" if described.default is True else "store_true"
    elif get_origin(kind) is tuple:
        facts |= {"action": "append", "metavar": option.metavar or "NAME"}
    else:
        facts["type"] = PARSERS.get(kind, str)
        facts["metavar"] = option.metavar or METAVARS.get(kind, "NAME")
        if option.const is not None:
            facts |= {"nargs": "?", "const": option.const}
    group.add_argument(described.flag, **facts)


def default_text(described: DescribedOption) -> str:
    """The default in words; nothing for an option without a default, and for a flag."""
    if described.is_required:
        return ""
    if described.option.default_text or described.default is None or isinstance(described.default, bool):
        return described.option.default_text
    return f"{described.default:g}" if isinstance(described.default, float) else str(described.default)
