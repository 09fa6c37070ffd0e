"""The encodings by name. A new encoding is a file here and a line in `ENCODINGS`; `base.py` says what it must do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from playbach.encodings.base import Decoder, EncodedPiece, Encoding, Field
from playbach.encodings.choosing import encoding_for_corpus, encoding_for_piece
from playbach.encodings.chorale import ChoraleEncoding
from playbach.encodings.events.constants import EventsOptions
from playbach.encodings.events.encoding import EventsEncoding
from playbach.encodings.notes import NotesEncoding, NotesOptions, pitch_name
from playbach.music.bars import Header
from playbach.music.scores import transpose

ENCODINGS: dict[str, type[Encoding]] = {
    "notes": NotesEncoding,
    "chorale": ChoraleEncoding,
    "events": EventsEncoding,
}

OPTIONS: dict[str, type[Any]] = {"notes": NotesOptions, "events": EventsOptions}
"""The dataclass of options of each encoding that has options."""


def options_dict(options: Any) -> Any:
    """Options of an encoding as a dict, whether they are given as a dict or as their dataclass."""
    return asdict(options) if is_dataclass(options) and not isinstance(options, type) else options


def from_manifest(data: Mapping[str, Any]) -> Encoding:
    """The encoding that a bundle's manifest describes. Raises what `Encoding.from_manifest` raises."""
    return ENCODINGS[data["name"]].from_manifest(data)


def symbol_label(field: Field, symbol: int) -> str:
    """A symbol as shown to people: MIDI numbers of pitches become names such as `F#3`."""
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
    "encoding_for_corpus",
    "encoding_for_piece",
    "from_manifest",
    "options_dict",
    "pitch_name",
    "symbol_label",
    "transpose",
]
