"""The `events` encoding: any polyphonic music, from a piano to a band with drums, as one sequence of symbols.

A piece is written from left to right:

- `bar` begins the next bar; the last one ends the piece.
- `meter 3/4` and `tempo x1.091` change the meter or the tempo. The header holds those of the beginning.
- `at 3/2` moves to a place in the bar, in quarters.
- An instrument's name says who plays the notes that follow, if the encoding has several instruments.
- A note is a pitch, then `for 1/2`, its duration in quarters, then `velocity 68`. The notes of an instrument at one
  place come from high to low. Drums have symbols of their own and no duration.

A symbol that depends on another one is a later step, and the context says which kind of step comes next.

`grid.py` describes how a score is fitted to the grid, `fields.py` the context, `decoder.py` which symbol may follow
which. The order of symbols is that of REMI and its successors (Huang and Yang, arXiv:2002.00212; von Rütte et al.,
arXiv:2201.10936); that an instrument is named once for all its notes at a place is new. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as ScoreTempo
from symusic.core import TimeSignatureTick as TimeSignature

from playbach.encodings.base import (
    UNKNOWN,
    EncodedPiece,
    Encoding,
    Field,
    append_new,
    most_common_headers,
    transposition_range,
)
from playbach.encodings.events.alphabet import METER_KIND, TEMPO_KIND, Alphabet, velocity_of
from playbach.encodings.events.constants import EventsConstants
from playbach.encodings.events.context import ContextColumns, PieceSymbols
from playbach.encodings.events.decoder import EventsDecoder
from playbach.encodings.events.fields import context_fields, relations_of
from playbach.encodings.events.grid import (
    EVENTS_GRID,
    GridNotes,
    MeterList,
    clip_tempo_changes,
    grid_meters,
    grid_notes,
    known_meters,
    opening_meters,
    tempo_at,
    tempo_changes,
)
from playbach.encodings.events.survey import Survey
from playbach.encodings.events.tokens import METER_RANK, TEMPO_RANK, UNKNOWN_METER_RANK, Tokens
from playbach.encodings.options import EventsOptions
from playbach.encodings.relations import Relation
from playbach.music.arrays import Mask
from playbach.music.bars import Bars, Header, track_from_manifest, track_manifest
from playbach.music.events import DEFAULT_VELOCITY
from playbach.music.scores import score_from_header
from playbach.system.errors import ScoreError


@dataclass(frozen=True)
class EventsEncoding(EventsConstants, Encoding):
    """See the module."""

    name: ClassVar[str] = "events"
    track_count: ClassVar[int | None] = None
    step_kind: ClassVar[str | None] = "next"

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        return (Field("symbol", self.alphabet.names),)

    @cached_property
    def context(self) -> tuple[Field, ...]:  # type: ignore[override]
        return context_fields(self.alphabet, self.meters)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        return relations_of(self.alphabet)

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        """See `Encoding.fit`. With a `base`, pitches and tempos outside its range get no symbols; all else does."""
        options = options or EventsOptions()
        survey = Survey(options.programs)
        for score in scores:
            survey.add(score)
        if not survey.pieces:
            raise ScoreError("the events encoding has no pieces to learn its vocabulary from")
        known = {track.name: track for track in base.tracks} if base else {}
        by_group = {group: known.get(track.name, track) for group, track in survey.tracks().items()}
        tracks = tuple(append_new(base.tracks if base else (), by_group.values()))
        numbers = {group: tracks.index(track) for group, track in by_group.items()}
        parts = {numbers[g]: (int(survey.low[g]), int(survey.high[g]), int(survey.at_once[g])) for g in by_group}
        programs = survey.program_tracks(numbers, base.programs if base else ())
        pitched = [parts[i] for i, track in enumerate(tracks) if i in parts and not track.drums]
        alphabet = Alphabet(
            tuple(sorted(survey.meter_changes)),
            (min(survey.tempo_bins), max(survey.tempo_bins)) if options.tempos == "kept" else (0, 0),
            tracks,
            min((low for low, _, _ in pitched), default=60),
            max((high for _, high, _ in pitched), default=59),
            tuple(sorted(survey.drums)),
            options.velocities and len(survey.velocities) > 1,
        )
        meters, longest, empty_bars = sorted(survey.meters), survey.longest, survey.empty_bars
        if base is not None:
            alphabet = alphabet.with_base(base.alphabet)
            meters = append_new(base.meters, meters)
            longest, empty_bars = max(longest, base.longest), max(empty_bars, base.empty_bars)
            for i, (low, high, at_once) in enumerate(base.parts):
                a, b, c = parts.get(i, (low, high, at_once))
                parts[i] = min(a, low), max(b, high), max(c, at_once)
            for i, (low, high, at_once) in parts.items():
                if not tracks[i].drums:
                    parts[i] = max(low, alphabet.low), min(high, alphabet.high), at_once
        headers = (
            replace(header, tracks=tuple(tracks[i] for i in sorted(numbers[g] for g in groups)))
            for header, groups in survey.pieces
        )
        return cls(
            options,
            alphabet,
            tuple(parts[i] for i in range(len(tracks))),
            programs,
            longest,
            empty_bars,
            sorted(survey.closing_notes)[len(survey.closing_notes) // 2],
            tuple(meters),
            most_common_headers(headers),
        )

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        return None if score.note_num() else "it has no notes"

    def encode(self, score: Score) -> EncodedPiece:
        piece = self._to_grid(score)
        symbols = self._symbols(piece)
        last = int(symbols.bar.max())
        before = np.concatenate([[0], symbols.bar[:-1]])
        context = ContextColumns(symbols, self.alphabet, self.meters, last - 1 - before).build()
        bars = Bars(tuple(piece.meters))
        ticks = bars.start(last + (0 if bars.pickup else 1))
        return EncodedPiece(symbols.symbols[:, None], context, piece.header, len(piece.notes), ticks)

    def _to_grid(self, score: Score) -> _GridPiece:
        notes = grid_notes(score, np.array(self.programs, np.int32))
        known = self._is_known(notes)
        known_notes = notes.select(known)
        meters, unknown_meters = known_meters(grid_meters(score), self.alphabet.meters)
        bars = Bars(tuple(meters))
        end = bars.start(bars.number(max(known_notes.end, 1) * EVENTS_GRID - 1) + 1)
        # Unknown notes have a cost, but must not make the piece longer.
        notes = replace(notes, onset=np.where(known, notes.onset, np.minimum(notes.onset, end // EVENTS_GRID - 1)))
        meters = [m for i, m in enumerate(meters) if m[0] < end or i < opening_meters(meters)]
        first = int(known_notes.onset[0]) if len(known_notes) else 0
        tempo, changes = tempo_changes(score, meters, first * EVENTS_GRID, max(known_notes.end, 1) * EVENTS_GRID)
        changes = clip_tempo_changes(changes, *self.alphabet.tempos)
        tracks = tuple(self.tracks[i] for i in np.unique(known_notes.track).tolist()) or self.tracks[:1]
        header = Header(tuple(meters[: opening_meters(meters)]), tempo, tracks)
        return _GridPiece(header, notes, known, meters, [t for t in unknown_meters if t < end], changes, end)

    def _is_known(self, notes: GridNotes) -> Mask:
        """Which notes training knows, as a mask (N,): their instrument, and a pitch in range or the drum."""
        drums = notes.track == (-2 if self.alphabet.drum_track is None else self.alphabet.drum_track)
        pitched = (notes.pitch >= self.alphabet.low) & (notes.pitch <= self.alphabet.high)
        struck = self.alphabet.drum_index[notes.pitch] >= 0
        return np.asarray((notes.track >= 0) & np.where(drums, struck, pitched))

    def _symbols(self, piece: _GridPiece) -> PieceSymbols:
        """All symbols of a piece, in order."""
        tokens = Tokens(self.alphabet, Bars(tuple(piece.meters)))
        tokens.bars(piece.end)
        symbol = self.alphabet.symbol
        for tick, numerator, denominator in piece.meters[len(piece.header.meters) :]:
            number = self.alphabet.meters.index(f"{numerator}/{denominator}")
            tokens.at_tick(tick, METER_RANK, symbol[METER_KIND, number])
        for tick in piece.unknown_meters:
            tokens.at_tick(tick, UNKNOWN_METER_RANK, UNKNOWN)
        for tick, bin_ in piece.tempo_changes:
            tokens.at_tick(tick, TEMPO_RANK, symbol[TEMPO_KIND, bin_])
        tokens.notes(piece.notes, piece.known)
        return tokens.in_order(piece.notes.select(piece.known), piece.meters)

    def project(self, score: Score) -> Score:
        piece = self._to_grid(score)
        projected = score_from_header(piece.header)
        for meter in piece.meters[len(piece.header.meters) :]:
            projected.time_signatures.append(TimeSignature(*meter))
        for tick, bin_ in piece.tempo_changes:
            projected.tempos.append(ScoreTempo(tick, qpm=tempo_at(piece.header.tempo, bin_)))
        notes_by_track = {part.name: part.notes for part in projected.tracks}
        notes = piece.notes.select(piece.known)
        rows = np.stack([notes.onset, notes.duration, notes.pitch, notes.velocity, notes.track], axis=1)
        for onset, duration, pitch, bin_, track in rows.tolist():
            velocity = velocity_of(bin_) if self.has_velocities else DEFAULT_VELOCITY
            notes_by_track[self.tracks[track].name].append(
                ScoreNote(onset * EVENTS_GRID, duration * EVENTS_GRID, pitch, velocity)
            )
        for part in projected.tracks:
            part.notes.sort()
        return projected

    def decoder(self, header: Header, bars: int | None = None) -> EventsDecoder:
        return EventsDecoder(self, header, bars)

    def transpositions(self, score: Score) -> range:
        """See `Encoding.transpositions`. Drums stay, and each instrument stays within its own range."""
        notes = grid_notes(score, np.array(self.programs, np.int32))
        down, up = -127, 127
        for track, (low, high, _) in enumerate(self.parts):
            pitches = notes.pitch[notes.track == track]
            if len(pitches) and not self.tracks[track].drums:
                down, up = max(down, low - int(pitches.min())), min(up, high - int(pitches.max()))
        if (down, up) == (-127, 127):  # drums only
            return range(1)
        return transposition_range(down, up)

    def manifest(self) -> dict[str, Any]:
        return {
            "name": self.name,
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
        stored = data["alphabet"]
        alphabet = Alphabet(
            tuple(map(str, stored["meters"])),
            (int(stored["tempos"][0]), int(stored["tempos"][1])),
            tuple(map(track_from_manifest, data["tracks"])),
            int(stored["low"]),
            int(stored["high"]),
            tuple(map(int, stored["drums"])),
            bool(stored["velocities"]),
            tuple((int(kind), int(value)) for kind, value in stored["before"]),
        )
        return cls(
            EventsOptions(**data["options"]),
            alphabet,
            tuple((int(a), int(b), int(c)) for a, b, c in data["parts"]),
            tuple(map(int, data["programs"])),
            int(data["longest"]),
            int(data["rests"]),
            int(data["closing"]),
            tuple(map(str, data["meters"])),
            tuple((Header.from_manifest(h), int(n)) for h, n in data["headers"]),
        )


@dataclass(frozen=True)
class _GridPiece:
    """A score on the grid."""

    header: Header
    notes: GridNotes
    known: Mask
    """(N,): whether training knows each note."""
    meters: MeterList
    unknown_meters: list[int]
    """The ticks of bar lines where a meter begins that training never saw."""
    tempo_changes: list[tuple[int, int]]
    """(tick, bin)."""
    end: int
    """The tick at which the last bar ends."""
