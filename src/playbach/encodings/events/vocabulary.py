"""What the `events` encoding learns from training pieces and stores: its options, its alphabet and a few limits.

Knows a survey of the pieces and the manifest; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from playbach.encodings.base import append_new, most_common_headers
from playbach.encodings.events.any_music import any_alphabet, any_programs
from playbach.encodings.events.grid import DRUM_PROGRAM, EVENTS_DURATIONS
from playbach.encodings.events.survey import Survey
from playbach.encodings.events.symbols import DRUM_KIND, METER_KIND, TEMPO_KIND, VELOCITY_KIND, Alphabet
from playbach.encodings.options import EventsOptions
from playbach.music.arrays import Mask
from playbach.music.bars import Header, track_from_manifest, track_manifest
from playbach.music.events import Track

SYMBOL_ORDER = "running"
"""The order of symbols, in the manifest. A manifest without it has another one, with a duration and a velocity after
each pitch."""
MANY_EMPTY_BARS = 64
"""The most empty bars in succession in any music."""


class PartRange(NamedTuple):
    """What one instrument plays."""

    low: int
    """Its lowest pitch."""
    high: int
    """Its highest pitch."""
    at_once: int
    """The most notes that begin together."""


class ComposedChanges(NamedTuple):
    """What training pieces change to and strike. A base may have more symbols: they are known, but not composed."""

    meters: tuple[str, ...]
    tempos: tuple[int, int]
    """The lowest and the highest bin."""
    drums: tuple[int, ...]
    """The pitches of drums."""
    velocities: bool
    """Whether notes have different velocities."""

    @classmethod
    def of_alphabet(cls, alphabet: Alphabet) -> Self:
        """All that an alphabet has."""
        return cls(alphabet.meters, alphabet.tempos, alphabet.drums, alphabet.has_velocities)


@dataclass(frozen=True)
class EventsVocabulary:
    """What `EventsEncoding` stores. `meters` and `headers` are those of every encoding."""

    options: EventsOptions
    alphabet: Alphabet
    parts: tuple[PartRange, ...]
    """One for each track."""
    programs: tuple[int, ...]
    """(129,): the track of each program, and last that of the drums; -1 for none."""
    changes: ComposedChanges
    """What training pieces change to, of what the alphabet has."""
    longest: int
    """The longest note, in units."""
    empty_bars: int
    """The most bars in succession in which no note begins."""
    closing_notes: int
    """The number of notes with which a piece usually ends."""
    closing_triad: bool
    """Whether most pieces end with a triad, or a part of one."""
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
        return self.alphabet.has_velocities and self.changes.velocities

    @cached_property
    def composed(self) -> tuple[Mask, ...]:
        """For each kind a mask (V,) of its symbols, without those of changes that no training piece has."""
        alphabet, (low, high) = self.alphabet, self.changes.tempos
        values, masks = alphabet.values, list(alphabet.of_kind)
        meters = [i for i, meter in enumerate(alphabet.meters) if meter in self.changes.meters]
        masks[METER_KIND] = masks[METER_KIND] & np.isin(values, meters)
        masks[TEMPO_KIND] = masks[TEMPO_KIND] & (values >= low) & (values <= high)
        masks[DRUM_KIND] = masks[DRUM_KIND] & np.isin(values, self.changes.drums)
        masks[VELOCITY_KIND] = masks[VELOCITY_KIND] & self.changes.velocities
        for mask in masks:  # decoders share them
            mask.flags.writeable = False
        return tuple(masks)

    @classmethod
    def for_any_music(cls, options: EventsOptions | None = None) -> Self:
        """A vocabulary with symbols for nearly any music: a `base` for `fit`, so that a network trained on some music
        knows the symbols of other music. It has no headers, since it describes no pieces, so it cannot compose."""
        options = options or EventsOptions()
        alphabet = any_alphabet(options)
        return cls(
            options=options,
            alphabet=alphabet,
            parts=tuple(PartRange(0, 127, 128) for _ in alphabet.tracks),
            programs=any_programs(options),
            changes=ComposedChanges.of_alphabet(alphabet),
            longest=EVENTS_DURATIONS[-1],
            empty_bars=MANY_EMPTY_BARS,
            closing_notes=1,
            closing_triad=False,
            meters=alphabet.meters,
            headers=(),
        )

    @classmethod
    def of_survey(cls, survey: Survey, options: EventsOptions, base: Self | None) -> Self:
        """The vocabulary of the pieces of a survey, after that of a base; at least one piece.

        Symbols and the fields of the context are the base's, then the pieces' own. Limits, ranges and headers are
        those of the pieces; an instrument that they lack keeps its range in the base. A program that they lack is
        played as in the base, unless the base describes no pieces.
        """
        by_group = survey.tracks()
        tracks = _with_base(by_group.values(), base.tracks if base else ())
        numbers = {group: tracks.index(track) for group, track in by_group.items()}
        parts = {
            number: PartRange(int(survey.low[group]), int(survey.high[group]), int(survey.at_once[group]))
            for group, number in numbers.items()
        }
        alphabet = _alphabet(survey, options, tracks=tracks, parts=parts)
        low, high = alphabet.tempos
        changes = ComposedChanges.of_alphabet(alphabet)
        if base is not None:
            alphabet = alphabet.with_base(base.alphabet)
            parts = _with_symbols({**dict(enumerate(base.parts)), **parts}, alphabet)
            known_low, known_high = alphabet.tempos
            changes = changes._replace(tempos=(max(low, known_low), min(high, known_high)))
        headers = (
            replace(header, tracks=tuple(tracks[i] for i in sorted(numbers[g] for g in groups)))
            for header, groups in survey.pieces
        )
        return cls(
            options=options,
            alphabet=alphabet,
            parts=tuple(parts[i] for i in range(len(tracks))),
            programs=survey.program_tracks(numbers, base.programs if base and base.headers else ()),
            changes=changes,
            longest=survey.longest,
            empty_bars=survey.empty_bars,
            closing_notes=sorted(survey.closing_notes)[len(survey.closing_notes) // 2],
            closing_triad=2 * survey.closing_triads > len(survey.pieces),
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
            "changes": self.changes._asdict(),
            "longest": self.longest,
            "rests": self.empty_bars,
            "closing": self.closing_notes,
            "triad": self.closing_triad,
            "meters": list(self.meters),
            "headers": [[h.manifest(), n] for h, n in self.headers],
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        """See `Encoding.from_manifest`."""
        if data.get("order") != SYMBOL_ORDER:
            raise ValueError("its symbols are in the order of an earlier version of playbach")
        stored, changes = data["alphabet"], data["changes"]
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
            changes=ComposedChanges(
                meters=tuple(map(str, changes["meters"])),
                tempos=(int(changes["tempos"][0]), int(changes["tempos"][1])),
                drums=tuple(map(int, changes["drums"])),
                velocities=bool(changes["velocities"]),
            ),
            longest=int(data["longest"]),
            empty_bars=int(data["rests"]),
            closing_notes=int(data["closing"]),
            closing_triad=bool(data.get("triad", False)),
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


def _with_base(tracks: Iterable[Track], base: tuple[Track, ...]) -> tuple[Track, ...]:
    """The tracks of a base, then those that it lacks. A track that both have plays the program that it has here."""
    own = {track.name: track for track in tracks}
    return tuple({**{track.name: track for track in base}, **own}.values())


def _with_symbols(parts: Mapping[int, PartRange], alphabet: Alphabet) -> dict[int, PartRange]:
    """What the instruments play, as far as there are symbols for it."""
    return {
        number: part
        if alphabet.tracks[number].drums
        else PartRange(max(part.low, alphabet.low), min(part.high, alphabet.high), part.at_once)
        for number, part in parts.items()
    }
