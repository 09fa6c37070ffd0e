"""Options of training in a TOML file; `playbach inspect MODEL --config` writes those of a bundle as one.

    model = "lstm"
    epochs = 60

    [notes]
    durations = "joined"

    [network]
    hidden = 300

Names are those of the options' dataclasses; the articles' names for them are known, too, to say what they are called
here. Needs torch, for the architectures' own options.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from playbach.encodings import OPTIONS
from playbach.models import MODELS
from playbach.system.errors import UsageError
from playbach.system.files import shown
from playbach.training.options import TrainOptions

RUN = ("folder", "name", "from")
"""What else a file may say: of what to train, under which name, with what to begin."""
OF_THE_ARTICLE = {
    "seqlen": "window",
    "normal": 'octaves = "folded" in [notes]',
    "concatenate": 'durations = "joined" in [notes]',
    "predict_velocity": "velocities = true in [notes]",
    "maxduration": "max_duration in [notes]",
    "modeltype": "model",
}
MOST_BYTES = 1 << 20


def read(path: Path) -> dict[str, Any]:
    """The options in a file: those of TrainOptions, and RUN's.

    Raises:
        UsageError: it cannot be read, is not TOML, or has a key or a value that makes no sense.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UsageError(f"{shown(path)}: too large for a file of options")
        found = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{shown(path)}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{shown(path)}: not TOML ({str(error)[:120]}); `name = value`, a line each") from error
    _check(path, found)
    for name, kind in OPTIONS.items():
        if name in found:
            found[name] = _made(path, f"[{name}] ", kind, found[name])
    _made(path, "", TrainOptions, {k: v for k, v in found.items() if k not in RUN})
    return found


def _made(path: Path, where: str, kind: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return kind(**values)
    except UsageError as error:
        raise UsageError(f"{shown(path)}: {where}{error}") from error


def _check(path: Path, found: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(TrainOptions)]
    tables = ("network", "weights", *OPTIONS)
    _demand_known(path, found, [*known, *RUN], "")
    for name in tables:
        if not isinstance(found.get(name, {}), dict):
            raise UsageError(f"{shown(path)}: {name} is a table here: [{name}], and its options below it")
    for name, kind in OPTIONS.items():
        _demand_known(path, found.get(name, {}), [f.name for f in fields(kind)], f" in [{name}]")
    model = found.get("model", TrainOptions().model)
    if model in tuple(MODELS):
        config = MODELS[model].Config
        _demand_known(path, found.get("network", {}), list(config.__dataclass_fields__), f" in [network] of {model}")
    for name in RUN:
        if not isinstance(found.get(name, ""), str):
            raise UsageError(f"{shown(path)}: {name} must be text, not {found[name]!r:.40}")


def _demand_known(path: Path, given: Iterable[str], known: list[str], where: str) -> None:
    for name in given:
        if name in known:
            continue
        if name.lower() in OF_THE_ARTICLE:
            hint = f"the article's {name} is called {OF_THE_ARTICLE[name.lower()]} here"
        elif not where and (table := _table_of(name)):
            hint = f"it belongs under [{table}]"
        elif near := get_close_matches(name.lower().replace("-", "_"), known, 1):
            hint = f"did you mean {near[0]}?"
        else:
            hint = f"there are: {', '.join(known)}"
        raise UsageError(f"{shown(path)}: no option called {name!r:.60}{where}; {hint}")


def _table_of(name: str) -> str | None:
    """The table that an option belongs to."""
    for table, kind in OPTIONS.items():
        if name in kind.__dataclass_fields__:
            return table
    return "network" if any(name in m.Config.__dataclass_fields__ for m in MODELS.values()) else None
