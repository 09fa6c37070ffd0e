"""The words on a page around the music: the title, and at the foot how the piece was made.

They come from the comment that playbach stores in its files (`Composition.comment`). Knows no formats.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

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
    title = str(recipe.get("title", ""))
    if not title and {"model", "seed"} <= set(recipe):
        title = f"{recipe['model']}, seed {recipe['seed']}"
    return Heading(_short(title), _short(str(recipe.get("foot", ""))), comment)


def _short(text: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
