"""What the `events` encoding learns from training pieces and stores: its options, its alphabet and a few limits.

Knows a survey of the pieces and the manifest; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Self

from playbach.encodings.base import append_new, most_common_headers
from playbach.encodings.events.grid import DRUM_PROGRAM
from playbach.encodings.events.survey import Survey
from playbach.encodings.events.symbols import Alphabet
from playbach.encodings.options import EventsOptions
from playbach.music.bars import Header, track_from_manifest, track_manifest
from playbach.music.events import Track

SYMBOL_ORDER = "running"
"""The order of symbols, in the manifest. A manifest without it has another one, with a duration and a velocity after
each pitch."""


class PartRange(NamedTuple):
    """What one instrument plays."""

    low: int
    """Its lowest pitch."""
    high: int
    """Its highest pitch."""
    at_once: int
    """The most notes that begin together."""


@dataclass(frozen=True)
class EventsVocabulary:
    """What `EventsEncoding` stores. `meters` and `headers` are those of every encoding."""

    options: EventsOptions
    alphabet: Alphabet
    parts: tuple[PartRange, ...]
    """One for each track."""
    programs: tuple[int, ...]
    """(129,): the track of each program, and last that of the drums; -1 for none."""
    longest: int
    """The longest note, in units."""
    empty_bars: int
    """The most bars in succession in which no note begins."""
    closing_notes: int
    """The number of notes with which a piece usually ends."""
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]

    def __post_init__(self) -> None:
        """Check what may come from a file.

        Raises:
            ValueError: the constants contradict each other.
        """
        tracks = len(self.alphabet.tracks)
        if len(self.parts) != tracks:
            raise ValueError(f"expected {tracks} parts, got {len(self.parts)}")
        if len(self.programs) != DRUM_PROGRAM + 1 or any(not -1 <= track < tracks for track in self.programs):
            raise ValueError(f"expected {DRUM_PROGRAM + 1} programs with tracks from -1 to {tracks - 1}")

    @property
    def tracks(self) -> tuple[Track, ...]:
        return self.alphabet.tracks

    @property
    def has_velocities(self) -> bool:
        return self.alphabet.has_velocities

    @classmethod
    def of_survey(cls, survey: Survey, options: EventsOptions, base: Self | None) -> Self:
        """The vocabulary of the pieces of a survey, after that of a base; at least one piece."""
        known = {track.name: track for track in base.tracks} if base else {}
        by_group = {group: known.get(track.name, track) for group, track in survey.tracks().items()}
        tracks = tuple(append_new(base.tracks if base else (), by_group.values()))
        numbers = {group: tracks.index(track) for group, track in by_group.items()}
        parts = {
            number: PartRange(int(survey.low[group]), int(survey.high[group]), int(survey.at_once[group]))
            for group, number in numbers.items()
        }
        alphabet = _alphabet(survey, options, tracks=tracks, parts=parts)
        if base is not None:
            alphabet = alphabet.with_base(base.alphabet)
            parts = _joined(parts, base.parts, alphabet)
        headers = (
            replace(header, tracks=tuple(tracks[i] for i in sorted(numbers[g] for g in groups)))
            for header, groups in survey.pieces
        )
        return cls(
            options=options,
            alphabet=alphabet,
            parts=tuple(parts[i] for i in range(len(tracks))),
            programs=survey.program_tracks(numbers, base.programs if base else ()),
            longest=max(survey.longest, base.longest if base else 0),
            empty_bars=max(survey.empty_bars, base.empty_bars if base else 0),
            closing_notes=sorted(survey.closing_notes)[len(survey.closing_notes) // 2],
            meters=tuple(append_new(base.meters if base else (), sorted(survey.meters))),
            headers=most_common_headers(headers),
        )

    def manifest(self) -> dict[str, Any]:
        """See `Encoding.manifest`."""
        return {
            "name": "events",
            "order": SYMBOL_ORDER,
            "options": asdict(self.options),
            "tracks": [track_manifest(t) for t in self.tracks],
            "alphabet": {
                "meters": self.alphabet.meters,
                "tempos": self.alphabet.tempos,
                "low": self.alphabet.low,
                "high": self.alphabet.high,
                "drums": self.alphabet.drums,
                "velocities": self.alphabet.has_velocities,
                "before": self.alphabet.base_symbols,
            },
            "parts": [list(p) for p in self.parts],
            "programs": list(self.programs),
            "longest": self.longest,
            "rests": self.empty_bars,
            "closing": self.closing_notes,
            "meters": list(self.meters),
            "headers": [[h.manifest(), n] for h, n in self.headers],
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        """See `Encoding.from_manifest`."""
        if data.get("order") != SYMBOL_ORDER:
            raise ValueError("its symbols are in the order of an earlier version of playbach")
        stored = data["alphabet"]
        alphabet = Alphabet(
            meters=tuple(map(str, stored["meters"])),
            tempos=(int(stored["tempos"][0]), int(stored["tempos"][1])),
            tracks=tuple(map(track_from_manifest, data["tracks"])),
            low=int(stored["low"]),
            high=int(stored["high"]),
            drums=tuple(map(int, stored["drums"])),
            has_velocities=bool(stored["velocities"]),
            base_symbols=tuple((int(kind), int(value)) for kind, value in stored["before"]),
        )
        return cls(
            options=EventsOptions(**data["options"]),
            alphabet=alphabet,
            parts=tuple(PartRange(int(low), int(high), int(at_once)) for low, high, at_once in data["parts"]),
            programs=tuple(map(int, data["programs"])),
            longest=int(data["longest"]),
            empty_bars=int(data["rests"]),
            closing_notes=int(data["closing"]),
            meters=tuple(map(str, data["meters"])),
            headers=tuple((Header.from_manifest(h), int(n)) for h, n in data["headers"]),
        )


def _alphabet(
    survey: Survey, options: EventsOptions, *, tracks: tuple[Track, ...], parts: Mapping[int, PartRange]
) -> Alphabet:
    """The alphabet of the pieces of a survey."""
    pitched = [part for number, part in parts.items() if not tracks[number].drums]
    return Alphabet(
        meters=tuple(sorted(survey.meter_changes)),
        tempos=(min(survey.tempo_bins), max(survey.tempo_bins)) if options.tempos == "kept" else (0, 0),
        tracks=tracks,
        low=min((part.low for part in pitched), default=60),
        high=max((part.high for part in pitched), default=59),
        drums=tuple(sorted(survey.drums)),
        has_velocities=options.velocities and len(survey.velocities) > 1,
    )


def _joined(parts: Mapping[int, PartRange], base: tuple[PartRange, ...], alphabet: Alphabet) -> dict[int, PartRange]:
    """What the instruments play here or in a base, as far as there are symbols for it."""
    joined = dict(parts)
    for number, part in enumerate(base):
        here = parts.get(number, part)
        joined[number] = PartRange(
            min(here.low, part.low), max(here.high, part.high), max(here.at_once, part.at_once)
        )
    return {
        number: part
        if alphabet.tracks[number].drums
        else PartRange(max(part.low, alphabet.low), min(part.high, alphabet.high), part.at_once)
        for number, part in joined.items()
    }
