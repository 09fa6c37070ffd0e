"""The words on a page around the music: the title, and at the foot how the piece was made.

They come from the comment that playbach stores in its files (`Composition.comment`). Knows no formats.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FLAGS = {"keep_prime": "--no-prime", "rules": "--no-rules"}
"""Options of composing that are on, and the flags that turn them off."""
_DEFAULTS = {"pedal": "keep"}
"""Options of reading that are stored although nobody chose them."""
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the music and at the foot of the first page."""

    title: str = ""
    foot: str = ""
    comment: str = ""
    """How to make the piece again, as JSON; it is kept in the file and not shown."""


def heading_of(comment: str) -> Heading:
    """The heading for a comment; without a title and a foot if it is none of playbach's."""
    try:
        recipe = json.loads(comment) if comment else {}
    except ValueError:
        recipe = {}
    if not isinstance(recipe, dict):
        recipe = {}
    title, foot = str(recipe.get("title", "")), str(recipe.get("foot", ""))
    if "model" in recipe and "seed" in recipe:
        title = title or f"{recipe['model']}, seed {recipe['seed']}"
        foot = foot or f"playbach {recipe.get('version', '')}: {command_of(recipe)}".replace(" :", ":")
    return Heading(_short(title), _short(foot), comment)


def command_of(recipe: Mapping[str, Any]) -> str:
    """The command that composes a piece again, as far as a command can say it."""
    words = ["playbach", "compose", str(recipe["model"]), "--seed", str(recipe["seed"])]
    options = recipe.get("options")
    for name, value in sorted(options.items()) if isinstance(options, dict) else ():
        if name in _FLAGS:
            words += [] if value else [_FLAGS[name]]
        elif value is True:
            words.append(_flag(name))
        elif _DEFAULTS.get(name) == value:
            continue
        elif isinstance(value, int | float | str) and value is not False:
            words += [_flag(name), f"{value:g}" if isinstance(value, float) else str(value)]
    if "prime" in recipe:
        # Of a user's own music, the recipe has only a hash.
        words += ["--prime", "corpus" if str(recipe["prime"]).startswith("corpus: ") else "FILE"]
    return shlex.join(words)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _short(text: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
