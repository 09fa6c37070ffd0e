"""What a field is: a named vocabulary. A network predicts the fields of a step, and is told those of its context.

Symbol 0 of each field of a step is UNKNOWN. It stands for anything that training never saw. It is never composed, but
its cost counts when music is measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from playbach.music.keys import PITCH_NAMES, pitch_name

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


_PITCH = re.compile(rf"({'|'.join(sorted(PITCH_NAMES, key=len, reverse=True))})(-?\d+)?")


def transposed_field(field: Field, semitones: int) -> Field:
    """The field with the symbols of other pitches: each symbol stands for what was `semitones` lower."""
    if field.name != "symbol":
        return field
    return replace(field, symbols=tuple(_transposed(symbol, semitones) for symbol in field.symbols))


def _transposed(symbol: str, semitones: int) -> str:
    """A symbol of a pitch or a chord (`62`, `D4`, `A2.F#3`), moved; another one as it is."""
    if symbol.isdecimal():
        return str(int(symbol) + semitones)
    parts = [_PITCH.fullmatch(part) for part in symbol.split(".")]
    names = [_moved(part[1], part[2], semitones) for part in parts if part is not None]
    return ".".join(names) if len(names) == len(parts) else symbol


def _moved(name: str, octave: str | None, semitones: int) -> str:
    pitch = PITCH_NAMES.index(name) + 12 * (int(octave or 0) + 1) + semitones
    return pitch_name(pitch, folded=octave is None)
