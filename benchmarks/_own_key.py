"""The `notes` encoding without transposition, to measure the effect of transposition. Needs playbach.

A module of its own, since the processes that encode music import it by name.
"""

from __future__ import annotations

from typing import Any, ClassVar

from playbach.encodings.notes import NotesEncoding


class OwnKey(NotesEncoding):
    """Keeps each piece in its own key; vocabulary and context are those of `notes`."""

    name: ClassVar[str] = "own-key"

    def transpositions(self, score: Any) -> range:
        return range(1)
