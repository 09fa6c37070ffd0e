"""What a field is: a named vocabulary. A network predicts the fields of a step, and is told those of its context.

Symbol 0 of each field of a step is UNKNOWN. It stands for anything that training never saw. It is never composed, but
its cost counts when music is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from playbach.music.keys import pitch_name

UNKNOWN = 0
UNKNOWN_NAME = "?"


@dataclass(frozen=True, slots=True)
class Field:
    """A named vocabulary: one integer of a step or of a context is an index into its symbols."""

    name: str
    symbols: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.symbols)


def symbol_label(field: Field, symbol: int) -> str:
    """A symbol as shown to people: MIDI numbers of pitches become names such as `F#3`."""
    text = field.symbols[symbol]
    return pitch_name(int(text)) if field.name == "symbol" and text.isdecimal() else text
