"""Write docs/options.md from the command line's parsers and the dataclasses of options.

python docs/make_options.py            # write the page
python docs/make_options.py --check    # exit with 1 if the page is not current
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from playbach.cli.main import build_parser
from playbach.cli.options import default_text
from playbach.encodings import OPTIONS
from playbach.models import MODELS
from playbach.system.options import options_of
from playbach.training.options import TrainOptions

PAGE = Path(__file__).with_name("options.md")
INTRODUCTION = """\
# Options

All commands and their options. `playbach COMMAND --help` prints the same texts. `python docs/make_options.py` writes
this page from the program's parsers: change the texts there, then run it again.

Every command also has `--help`, and `--debug`, which prints the traceback of an error. Where a default names
encodings or architectures, the option applies only to these.
"""
CONFIGURATION = """\
## Options in a configuration file

`playbach train --config FILE` reads options from a TOML file, and `playbach inspect MODEL --config` prints those of a
trained model. An option has the same name as on the command line, with `_` for `-`. The options of the network are in
the table `[network]`, those of an encoding in the table `[notes]`, `[chorale]` or `[events]`, and the weights in
`[weights]`:

```toml
model = "lstm"
epochs = 60

[notes]
durations = "joined"

[network]
hidden = 300
```

These options exist only in a configuration file, and in Python:
"""


TABLES = {(name, "") for name in ("network", *OPTIONS)}
"""The options that are tables of the file."""
FORMS: dict[int | str | None, str] = {"?": "[{}]", "*": "[{} ...]", 0: ""}
"""How the value of an argument is written, by its number of values; all others have exactly one."""


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    [commands] = [action for action in build_parser()._actions if isinstance(action.choices, dict)]
    return dict(commands.choices)


def rows(parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> Iterator[tuple[str, str, str]]:
    """Name, meaning and default of each argument except `--help`."""
    formatter = parser._get_formatter()
    for action in actions:
        if "--help" in action.option_strings:
            continue
        value = FORMS.get(action.nargs, "{}").format(action.metavar)
        if action.option_strings:
            value = f"{', '.join(action.option_strings)} {value}".rstrip()
        meaning, default = split_default(formatter._expand_help(action))
        yield value, meaning, "required" if action.required and action.nargs not in FORMS else default


def split_default(text: str) -> tuple[str, str]:
    """A help text without its default, and the default: `width (transformer only; default: 128)`."""
    match = re.fullmatch(r"(.+) \((?:(\w+ only); )?default: (.+)\)", text)
    if match is None:
        return text, ""
    return f"{match[1]} ({match[2]})" if match[2] else match[1], match[3]


def table(heads: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for name, *cells in lines:
        yield f"| `{name}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def command_lines(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield fill(parser.description or "", 118)
    yield ""
    positionals, options, *groups = parser._action_groups
    yield from table(
        ("argument", "meaning", "default"), rows(parser, [*positionals._group_actions, *options._group_actions])
    )
    yield ""
    for group in groups:
        yield f"**{str(group.title).capitalize()}.** {group.description or ''}".rstrip()
        yield ""
        yield from table(("option", "meaning", "default"), rows(parser, group._group_actions))
        yield ""
    if parser.epilog:
        yield fill(parser.epilog, 118)
        yield ""


def configuration_rows() -> Iterator[tuple[str, str, str]]:
    """Name, meaning and default of the options of training that are not on the command line."""
    owners: dict[str, Any] = {"": TrainOptions, **{name: entry.options for name, entry in MODELS.items()}}
    for owner, options in owners.items():
        for described in options_of(options):
            if described.flag is None and (described.name, owner) not in TABLES:
                only = f" ({owner} only)" if owner else ""
                yield described.name, described.option.help_text() + only, default_text(described)


def page() -> str:
    commands = parsers()
    lines = [INTRODUCTION]
    for name, parser in commands.items():
        lines += command_lines(name, parser)
    lines += [CONFIGURATION, *table(("option", "meaning", "default"), configuration_rows())]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/options.md.")
    parser.add_argument("--check", action="store_true", help="only check that the page is current")
    if not parser.parse_args().check:
        PAGE.write_text(page(), "utf-8", newline="\n")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == page():
        return 0
    print("docs/options.md is not current: run python docs/make_options.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
