"""The `notes` encoding without transposition, to see what transposition is worth. Needs playbach.

A module of its own, as the processes that encode music import it by its name.
"""

from __future__ import annotations

from typing import Any, ClassVar

from playbach.encodings.notes import NotesEncoding


class OwnKey(NotesEncoding):
    """Each piece in the key it is written in; vocabulary and context are those of `notes`."""

    name: ClassVar[str] = "own-key"

    def transpositions(self, score: Any) -> range:
        return range(1)
