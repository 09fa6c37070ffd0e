"""The symbols of the `notes` encoding, and the constants that it takes from training pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import Encoding
from playbach.encodings.features.lines import FIRST_NOTE
from playbach.encodings.fields import UNKNOWN, UNKNOWN_NAME, Field
from playbach.encodings.onsets import NOTES_UNITS, Chord, durations_to, longest_units
from playbach.encodings.options import NotesOptions
from playbach.music.arrays import Ints
from playbach.music.bars import Header
from playbach.music.keys import pitch_name

NOTES_VELOCITY_BIN = 4
"""MIDI velocities are rounded to bins of this width."""
VELOCITY_REST, FIRST_VELOCITY = 1, 2
"""Symbols of a velocity; 0 is UNKNOWN."""
TOP_REST, FIRST_TOP = 1, FIRST_NOTE
"""Context symbols of a top note: there is none; pitch 0."""
ANY_CHORD: Chord = (-1,)
"""A chord that training never saw, in a symbol that still gives its duration."""
Symbol = tuple[Chord, int]
"""A chord and its duration in units, which is 0 where durations are not joined."""


@dataclass(frozen=True)
class NotesVocabulary(Encoding):
    """What the decoder needs to know of a `notes` encoding."""

    name: ClassVar[str] = "notes"
    track_count: ClassVar[int] = 1
    options: NotesOptions
    symbols: tuple[Symbol, ...]
    """The vocabulary without UNKNOWN."""
    low: int
    """The lowest pitch of the training pieces."""
    high: int
    """The highest pitch of the training pieces."""
    middle: int
    """The pitch around which folded octaves are played."""
    longest_run: int
    """The most equal chords in succession."""
    longest_rest: int
    """The most rests in succession."""
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]
    offset: int = 0
    """If not 0: the fixed time from each onset to the next when decoded, in units."""
    duration: int = 0
    """If not 0: the fixed duration of all notes when decoded, in units."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        fields = [Field("symbol", (UNKNOWN_NAME, *map(self._name, self.symbols)))]
        if self.options.durations == "separate":
            fields.append(Field("duration", (UNKNOWN_NAME, *map(duration_name, self.durations))))
        if self.options.velocities:
            bins = (str(velocity_of_bin(b)) for b in range(128 // NOTES_VELOCITY_BIN))
            fields.append(Field("velocity", (UNKNOWN_NAME, "rest", *bins)))
        return tuple(fields)

    def _name(self, symbol: Symbol) -> str:
        chord, units = symbol
        name = ".".join(pitch_name(p, self.folded) for p in chord) if chord != ANY_CHORD else UNKNOWN_NAME
        return (name or "R") + (f":{duration_name(units)}" if units else "")

    @property
    def folded(self) -> bool:
        """Whether symbols have pitch classes only."""
        return self.options.octaves == "folded"

    @property
    def modulus(self) -> int | None:
        """That of the line of top notes."""
        return 12 if self.folded else None

    @property
    def durations(self) -> tuple[int, ...]:
        """All durations that are written, in units."""
        return durations_to(longest_units(self.options))

    @cached_property
    def index(self) -> dict[Symbol, int]:
        """The number of each symbol."""
        return {symbol: i for i, symbol in enumerate(self.symbols, 1)}

    def symbol_of(self, chord: Chord, units: int) -> int:
        """The number of the symbol of an onset."""
        number = self.index.get(symbol_with(self.options, chord, units))
        if number is None and self.options.durations == "joined":
            number = self.index.get((ANY_CHORD, units))
        return UNKNOWN if number is None else number

    @cached_property
    def tops(self) -> Ints:
        """For each symbol (V,) its highest note, as a context symbol."""
        tops = [TOP_REST]  # of UNKNOWN
        for chord, _ in self.symbols:
            tops.append(FIRST_TOP + chord[-1] if chord and chord != ANY_CHORD else TOP_REST)
        return np.array(tops, np.int32)

    def unfolded(self, pitch_class: int) -> int:
        """The pitch of this class from six semitones below the middle to five above it."""
        lowest = self.middle - 6
        return lowest + (pitch_class - lowest) % 12

    def played(self, chord: Chord) -> list[int]:
        """The pitches at which a chord of a symbol is played."""
        return [self.unfolded(pitch) if self.folded else pitch for pitch in chord]

    def unknown_symbols(self) -> tuple[Ints, ...]:
        symbols, *others = super().unknown_symbols()
        if self.options.durations == "joined":
            for i, (_, units) in enumerate(self.symbols, 1):
                symbols[i] = self.index[(ANY_CHORD, units)]
        return (symbols, *others)

    def similar_symbols(self) -> tuple[Ints, ...]:
        symbols, *others = super().similar_symbols()
        for i, (chord, units) in enumerate(self.symbols, 1):
            if len(chord) > 1:
                symbols[i] = self.index.get((chord[-1:], units), UNKNOWN)
        return (symbols, *others)

    def manifest(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "options": asdict(self.options),
            "symbols": [[list(chord), units] for chord, units in self.symbols],
            "low": self.low,
            "high": self.high,
            "middle": self.middle,
            "longest_run": self.longest_run,
            "longest_rest": self.longest_rest,
            "meters": list(self.meters),
            "headers": [[h.manifest(), n] for h, n in self.headers],
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            options=NotesOptions(**data["options"]),
            symbols=tuple((tuple(map(int, chord)), int(units)) for chord, units in data["symbols"]),
            low=int(data["low"]),
            high=int(data["high"]),
            middle=int(data["middle"]),
            longest_run=int(data["longest_run"]),
            longest_rest=int(data["longest_rest"]),
            meters=tuple(map(str, data["meters"])),
            headers=tuple((Header.from_manifest(h), int(n)) for h, n in data["headers"]),
        )


def duration_name(units: int) -> str:
    """A duration in quarters: `1/2` is an eighth."""
    return str(Fraction(units, NOTES_UNITS))


def velocity_of_bin(index: int) -> int:
    return min(max(index, 0) * NOTES_VELOCITY_BIN + NOTES_VELOCITY_BIN // 2, 127)


def velocity_symbol(velocity: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The symbols of notes' velocities."""
    return FIRST_VELOCITY + velocity // NOTES_VELOCITY_BIN


def symbol_with(options: NotesOptions, chord: Chord, units: int) -> Symbol:
    """What a symbol with these options tells of an onset."""
    kept = chord if options.octaves == "kept" else tuple(sorted({pitch % 12 for pitch in chord}))
    return kept, units if options.durations == "joined" else 0
