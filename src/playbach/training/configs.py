"""Training options from a TOML file; `playbach inspect MODEL --config` writes one with the options of a model.

    model = "lstm"
    epochs = 60

    [notes]
    durations = "joined"

    [network]
    hidden = 300

The names are those of the options' dataclasses. If a file uses a name from the articles, the error message gives the
name used here. Needs torch, for the options of the architectures.
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
from playbach.system.files import display_path
from playbach.training.options import TrainOptions

_RUN_KEYS = ("folder", "name", "from")
"""Keys that a file may have besides the training options: the music, the model's name, the model to begin from."""
ARTICLE_NAMES = {
    "seqlen": "window",
    "normal": 'octaves = "folded" in [notes]',
    "concatenate": 'durations = "joined" in [notes]',
    "predict_velocity": "velocities = true in [notes]",
    "maxduration": "max_duration in [notes]",
    "modeltype": "model",
}
CONFIG_MAX_BYTES = 1 << 20


def read(path: Path) -> dict[str, Any]:
    """Read the options in a file: fields of TrainOptions, and `folder`, `name` and `from`.

    Raises:
        UsageError: the file cannot be read, is not TOML, or has an unknown key or an invalid value.
    """
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_MAX_BYTES + 1)
        if len(data) > CONFIG_MAX_BYTES:
            raise UsageError(f"{display_path(path)}: too large for a file of options; give another file")
        options = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{display_path(path)}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{display_path(path)}: not valid TOML ({str(error)[:120]}); write one `name = value` per line"
        ) from error
    _check(path, options)
    for name, kind in OPTIONS.items():
        if name in options:
            options[name] = _construct(path, f"[{name}] ", kind, options[name])
    _construct(path, "", TrainOptions, {k: v for k, v in options.items() if k not in _RUN_KEYS})
    return options


def _construct(path: Path, where: str, kind: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return kind(**values)
    except UsageError as error:
        raise UsageError(f"{display_path(path)}: {where}{error}") from error


def _check(path: Path, options: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(TrainOptions)]
    tables = ("network", "weights", *OPTIONS)
    _require_known(path, options, [*known, *_RUN_KEYS], "")
    for name in tables:
        if not isinstance(options.get(name, {}), dict):
            raise UsageError(f"{display_path(path)}: {name} must be a table: write [{name}], then its options below")
    for name, kind in OPTIONS.items():
        _require_known(path, options.get(name, {}), [f.name for f in fields(kind)], f" in [{name}]")
    model = options.get("model", TrainOptions().model)
    if model in tuple(MODELS):
        known = list(MODELS[model].options.__dataclass_fields__)
        _require_known(path, options.get("network", {}), known, f" in [network] of {model}")
    for name in _RUN_KEYS:
        if not isinstance(options.get(name, ""), str):
            raise UsageError(f"{display_path(path)}: {name} must be text, not {options[name]!r:.40}")


def _require_known(path: Path, names: Iterable[str], known: list[str], where: str) -> None:
    for name in names:
        if name in known:
            continue
        if name.lower() in ARTICLE_NAMES:
            hint = f"the article's {name} is called {ARTICLE_NAMES[name.lower()]} here"
        elif not where and (table := _table_of(name)):
            hint = f"it belongs in the table [{table}]"
        elif near := get_close_matches(name.lower().replace("-", "_"), known, 1):
            hint = f"did you mean {near[0]}?"
        else:
            hint = f"there are: {', '.join(known)}"
        raise UsageError(f"{display_path(path)}: no option called {name!r:.60}{where}; {hint}")


def _table_of(name: str) -> str | None:
    """The table that an option belongs in."""
    for table, kind in OPTIONS.items():
        if name in kind.__dataclass_fields__:
            return table
    return "network" if any(name in m.options.__dataclass_fields__ for m in MODELS.values()) else None
