"""The encodings by name. A new encoding is a file or a package here, and an entry of `ENCODINGS`; `base.py` says what
it must do.

Cheap to import: an encoding's code is imported by its entry's `load()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from playbach.encodings.options import ChoraleOptions, EventsOptions, NotesOptions
from playbach.system.registry import Entry, NoOptions, by_name

if TYPE_CHECKING:
    from playbach.encodings.base import Encoding

ENCODINGS: dict[str, Entry[type[Encoding]]] = by_name(
    Entry(
        name="notes",
        description="one line: a note, a chord or a rest after another",
        code="playbach.encodings.notes:NotesEncoding",
        options=NotesOptions,
    ),
    Entry(
        name="chorale",
        description="four voices, one note at a time in each",
        code="playbach.encodings.chorale:ChoraleEncoding",
        options=ChoraleOptions,
    ),
    Entry(
        name="events",
        description="any polyphonic music, from a piano to a band with drums",
        code="playbach.encodings.events.encoding:EventsEncoding",
        options=EventsOptions,
    ),
)

OPTIONS: dict[str, type[Any]] = {
    entry.name: entry.options for entry in ENCODINGS.values() if entry.options is not NoOptions
}
"""The dataclass of options of each encoding that has options."""


def options_dict(options: Any) -> Any:
    """Options of an encoding as a dict, whether they are given as a dict or as their dataclass."""
    return asdict(options) if is_dataclass(options) and not isinstance(options, type) else options


def from_manifest(data: Mapping[str, Any]) -> Encoding:
    """The encoding that a bundle's manifest describes. Raises what `Encoding.from_manifest` raises."""
    return ENCODINGS[data["name"]].load().from_manifest(data)
