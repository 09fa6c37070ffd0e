"""The encodings by name. A new one is a file here and a line in `ENCODINGS`; the conformance tests then cover it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from playbach.encodings.base import Decoder, EncodedPiece, Encoding, Field
from playbach.encodings.choosing import chosen, kind_of
from playbach.encodings.chorale import ChoraleEncoding
from playbach.encodings.events.constants import EventsOptions
from playbach.encodings.events.encoding import EventsEncoding
from playbach.encodings.notes import NotesEncoding, NotesOptions, pitch_name
from playbach.music.bars import Header
from playbach.music.scores import transposed

ENCODINGS: dict[str, type[Encoding]] = {
    "notes": NotesEncoding,
    "chorale": ChoraleEncoding,
    "events": EventsEncoding,
}


OPTIONS: dict[str, type[Any]] = {"notes": NotesOptions, "events": EventsOptions}
"""What can be chosen of an encoding, of those that leave a choice."""


def by_name(options: Any) -> Any:
    """Options of an encoding as a dict, where they come as their dataclass."""
    return asdict(options) if is_dataclass(options) and not isinstance(options, type) else options


def from_manifest(data: Mapping[str, Any]) -> Encoding:
    """The encoding that a bundle's manifest describes."""
    return ENCODINGS[data["name"]].from_manifest(data)


def symbol_label(field: Field, symbol: int) -> str:
    """A symbol as people say it: a pitch, of which some encodings write the number, by its name."""
    text = field.symbols[symbol]
    return pitch_name(int(text)) if field.name == "symbol" and text.isdecimal() else text


__all__ = [
    "ENCODINGS",
    "OPTIONS",
    "Decoder",
    "EncodedPiece",
    "Encoding",
    "EventsOptions",
    "Field",
    "Header",
    "NotesOptions",
    "by_name",
    "chosen",
    "from_manifest",
    "kind_of",
    "pitch_name",
    "symbol_label",
    "transposed",
]
