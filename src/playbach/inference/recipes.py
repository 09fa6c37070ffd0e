"""Recipes: how a piece was composed. Its file contains one as a comment, in JSON.

A recipe of someone else's file may hold anything, so that its command is made from checked values.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from playbach.inference.options import ComposeOptions, HarmoniseOptions, OriginalOption, RewriteOptions, WishOptions
from playbach.music.options import ReadingOptions
from playbach.system.options import DescribedOption, options_of

SAME_FILE = "THE-SAME-FILE"
"""Stands in a command for a file of the user's own, of which a recipe has only the hash."""
COMPOSING_OPTIONS: dict[str, tuple[DescribedOption, ...]] = {
    "compose": (*options_of(ComposeOptions), *options_of(OriginalOption), *options_of(WishOptions)),
    "harmonise": options_of(HarmoniseOptions),
    "rewrite": options_of(RewriteOptions),
}
"""The options of each command that composes."""
_TEXTS = ("version", "model", "bundle", "prime", "tune", "piece", "soundfont")
_KINDS = {"seed": int, **dict.fromkeys(_TEXTS, str)}


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
    return {"command": command, **found}


def _described(command: str) -> dict[str, DescribedOption]:
    """The options of a command by their names. That of a meter is both a wish and for reading."""
    return {option.name: option for option in (*COMPOSING_OPTIONS[command], *options_of(ReadingOptions))}


def _is_valid(option: DescribedOption, value: Any) -> bool:
    if option.name == "programs":
        return isinstance(value, list) and all(p is None or isinstance(p, int) for p in value)
    return isinstance(value, str if option.type is str else int | float)


def command_words(recipe: dict[str, Any], tracks: Sequence[str] = ()) -> tuple[str, ...] | None:
    """The words of the command that makes a piece again; None without a model and a seed.

    Args:
        recipe: from `parse_recipe`.
        tracks: the names of the piece's tracks, whose instruments were chosen.
    """
    if not {"model", "seed"} <= set(recipe):
        return None
    command, options = recipe["command"], recipe["options"]
    words = ["playbach", command]
    words += [recipe["model"]] if command == "compose" else [SAME_FILE, "--model", recipe["model"]]
    words += ["--seed", str(recipe["seed"])]
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
