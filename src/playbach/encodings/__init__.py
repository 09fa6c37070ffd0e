"""The encodings by name. A new one is a file here and a line in `ENCODINGS`; the conformance tests then cover it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playbach.encodings.base import Decoder, Encoding, Field, Header, Sequence, transposed
from playbach.encodings.chorale import ChoraleEncoding
from playbach.encodings.notes import NotesEncoding, NotesOptions

ENCODINGS: dict[str, type[Encoding]] = {
    "notes": NotesEncoding,
    "chorale": ChoraleEncoding,
}


def from_manifest(data: Mapping[str, Any]) -> Encoding:
    """The encoding that a bundle's manifest describes."""
    return ENCODINGS[data["name"]].from_manifest(data)


__all__ = [
    "ENCODINGS",
    "Decoder",
    "Encoding",
    "Field",
    "Header",
    "NotesOptions",
    "Sequence",
    "from_manifest",
    "transposed",
]
