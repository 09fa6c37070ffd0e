"""Recipes: how a piece was composed. Its file contains one as a comment, in JSON.

A recipe of someone else's file may hold anything, so that its command is made from checked values.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from playbach.inference.options import (
    MAX_PROGRAM,
    ComposeOptions,
    HarmoniseOptions,
    OriginalOption,
    ParameterChange,
    RewriteOptions,
    SeedOption,
    WishOptions,
)
from playbach.inference.runtimes import RUNTIMES
from playbach.music.events import Track
from playbach.music.options import ReadingOptions
from playbach.system.errors import UsageError
from playbach.system.options import DescribedOption, options_of

SAME_FILE = "THE-SAME-FILE"
"""Stands in a command for a file of the user's own, of which a recipe has only the hash."""
COMPOSING_OPTIONS: dict[str, tuple[DescribedOption, ...]] = {
    "compose": (*options_of(ComposeOptions), *options_of(OriginalOption), *options_of(WishOptions)),
    "harmonise": options_of(HarmoniseOptions),
    "rewrite": options_of(RewriteOptions),
}
"""The options of each command that composes."""
_TEXTS = ("version", "model", "bundle", "runtime", "prime", "tune", "piece", "soundfont")
_KINDS = {"seed": int, "program": int, **dict.fromkeys(_TEXTS, str)}
LiveChange = tuple[int, str, float | None]
"""A bar, and the new value of a parameter there: `changes` of the page's recipes."""
_CHANGE_KEYS = frozenset(field.name for field in fields(ParameterChange))


def parse_recipe(comment: str) -> dict[str, Any] | None:
    """The recipe in a comment, with the values that are known and valid; None if it is missing or malformed."""
    try:
        recipe = json.loads(comment)
    except (ValueError, RecursionError):
        return None
    if not isinstance(recipe, dict) or not isinstance(recipe.get("options"), dict):
        return None
    command = recipe.get("command", "compose")
    if command not in COMPOSING_OPTIONS:
        return None
    described = _described(command)
    options = {k: v for k, v in recipe["options"].items() if k in described and _is_valid(described[k], v)}
    found = {k: recipe[k] for k, kind in _KINDS.items() if isinstance(recipe.get(k), kind)} | {"options": options}
    if "changes" in recipe and (changes := _read_live_changes(recipe["changes"])) is not None:
        found["changes"] = changes
    if ("changes" in recipe) > ("changes" in found) or ("changes" in recipe["options"]) > ("changes" in options):
        found["incomplete"] = True
    return {"command": command, **found}


def _read_live_changes(rows: Any) -> tuple[LiveChange, ...] | None:
    """The changes that a listener made; None if they are malformed, as those of earlier versions of the page."""
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 3 for row in rows):
        return None
    if not all(isinstance(b, int) and isinstance(n, str) and isinstance(v, int | float | None) for b, n, v in rows):
        return None
    return tuple((bar, name, value) for bar, name, value in rows)


def _described(command: str) -> dict[str, DescribedOption]:
    """The options of a command by their names. That of a meter is both a wish and for reading."""
    return {option.name: option for option in (*COMPOSING_OPTIONS[command], *options_of(ReadingOptions))}


def _is_valid(option: DescribedOption, value: Any) -> bool:
    if option.name == "programs":
        return isinstance(value, list) and all(p is None or isinstance(p, int) for p in value)
    if option.name == "changes":
        return _read_changes(value) is not None
    return isinstance(value, str if option.type is str else int | float)


def _read_changes(rows: Any) -> tuple[ParameterChange, ...] | None:
    """The changes in a recipe; None if they are malformed."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() <= _CHANGE_KEYS for row in rows):
        return None
    try:
        changes = tuple(ParameterChange(**row) for row in rows)
        ComposeOptions(changes=changes)  # checks their order
    except (TypeError, UsageError):
        return None
    return changes


def command_words(
    recipe: dict[str, Any], tracks: Sequence[str] = (), file: str = SAME_FILE
) -> tuple[str, ...] | None:
    """The words of the command that makes a piece again; None if the recipe does not tell enough, or if the piece was
    composed in a browser.

    Args:
        recipe: from `parse_recipe`.
        tracks: the names of the piece's tracks, whose instruments were chosen.
        file: the piece itself, with which the changes within a piece are made again.
    """
    if not {"model", "seed"} <= set(recipe) or "incomplete" in recipe or not _has_runtime(recipe):
        return None
    command, options = recipe["command"], recipe["options"]
    if options.get("changes") or recipe.get("changes") or ("changes" in recipe and "tempo" in options):
        return ("playbach", command, "--replay", file) if command == "compose" and "prime" not in recipe else None
    words = ["playbach", command]
    words += [recipe["model"]] if command == "compose" else [SAME_FILE, "--model", recipe["model"]]
    words += ["--seed", str(recipe["seed"])]
    words += ["--runtime", recipe["runtime"]] if "runtime" in recipe else []
    words += ["--instrument", str(recipe["program"])] if "program" in recipe else []
    chosen = (o for o in _described(command).values() if o.name in options and options[o.name] != o.default)
    words += [word for o in chosen for word in o.words(options[o.name])]
    if "prime" in recipe:
        words += ["--prime", "corpus" if recipe["prime"].startswith("corpus: ") else SAME_FILE]
    for track, program in zip(tracks, options.get("programs", [])):
        if program is not None:
            words += ["--instrument", f"{track}={program}"]
    return tuple(words)


def foot_of(comment: str) -> str:
    """What stands at the foot of a page: how to make the piece again; nothing if the comment does not say."""
    recipe = parse_recipe(comment)
    words = None if recipe is None else command_words(recipe)
    if recipe is None or words is None:
        return ""
    return f"{' '.join(filter(None, ('playbach', recipe.get('version'))))}: {shlex.join(words)}"


def _has_runtime(recipe: dict[str, Any]) -> bool:
    return recipe.get("runtime", next(iter(RUNTIMES))) in RUNTIMES


@dataclass(frozen=True, slots=True)
class Replay:
    """A piece to be composed again."""

    model: str
    bundle: str | None
    """The SHA-256 of the model."""
    runtime: str | None
    """None: the model's default."""
    seed: int
    program: int | None
    """The General MIDI program of all voices but drums; None: each has its own, or that of the options."""
    options: dict[str, Any]
    """Other arguments of `Composer.compose`."""
    changes: tuple[LiveChange, ...] | None
    """Those of the listener to a stream; None: the piece is not of a stream."""
    comment: str

    def arguments(self, tracks: Sequence[Track]) -> dict[str, Any]:
        """The arguments of `Composer.compose`, for a model with these tracks."""
        program = self.program
        chosen = {"programs": tuple(None if t.drums else program for t in tracks)} if program is not None else {}
        return {"seed": self.seed, **chosen, **self.options}


def read_replay(comment: str) -> Replay:
    """What it takes to compose the piece with this comment again.

    Raises:
        UsageError: the comment does not tell it.
    """
    recipe = parse_recipe(comment)
    if recipe is None or not {"model", "seed"} <= set(recipe):
        raise UsageError("it does not say how it was composed")
    if recipe["command"] != "compose" or "prime" in recipe:
        raise UsageError(
            "it was composed around music of another file; `playbach inspect` prints the command that makes it again"
        )
    if "incomplete" in recipe:
        raise UsageError("its parameters were changed while it played, and it does not say where; download it again")
    if not _has_runtime(recipe):
        raise UsageError(
            "it was composed in a browser, with the network in whole numbers; a share link of the page plays it again"
        )
    if not re.fullmatch(r"[^/\\:\x00]+", recipe["model"]):  # a foreign file does not choose a path
        raise UsageError("its model has no name; give the model's file as MODEL")
    program = recipe.get("program")
    if program is not None and not 0 <= program <= MAX_PROGRAM:
        raise UsageError(f"its instrument must be a program between 0 and {MAX_PROGRAM}, not {program!r:.40}")
    names = {option.name for option in COMPOSING_OPTIONS["compose"]}
    options = {name: value for name, value in recipe["options"].items() if name in names}
    options |= {"changes": _read_changes(options["changes"])} if "changes" in options else {}
    options |= {"programs": tuple(options["programs"])} if "programs" in options else {}
    SeedOption(recipe["seed"])  # checks it
    return Replay(
        recipe["model"],
        recipe.get("bundle"),
        recipe.get("runtime"),
        recipe["seed"],
        program,
        options,
        recipe.get("changes"),
        comment,
    )
