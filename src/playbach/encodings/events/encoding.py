"""The `events` encoding: any polyphonic music, from a piano to a whole band with its drums, as one row of symbols.

A piece is told from left to right. `bar` begins the next bar, and a last one ends the piece; `meter 3/4` and
`tempo x1.091` say that something changes there (what a piece begins with is in its header); `at 3/2` goes on to a
place in the bar, in quarters; an instrument's name says who plays what follows, where there are several; then come
its notes from high to low, each a pitch, `for 1/2` (its duration) and `velocity 68`. Drums have pitches of their own
and no duration. What depends on something else is a step after it, and the context tells what must come next. What a
score is bent to stands in `events_view.py`, what the network is told in `events_fields.py`, what may follow what in
`events_decoder.py`.

The order of symbols is that of REMI and its successors (Huang and Yang, arXiv:2002.00212; von Rütte et al.,
arXiv:2201.10936); that an instrument is named once for all its notes at a place is ours. Knows nothing of networks.
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

from playbach.encodings.base import UNKNOWN, EncodedPiece, Encoding, Field, appended, most_common_headers, shifts
from playbach.encodings.events.alphabet import METER, TEMPO, Alphabet, velocity_of
from playbach.encodings.events.constants import EventsConstants, EventsOptions
from playbach.encodings.events.context import Contexts, Told
from playbach.encodings.events.decoder import EventsDecoder
from playbach.encodings.events.fields import fields_of, relations_of
from playbach.encodings.events.grid import (
    GRID,
    MeterList,
    Notes,
    clipped,
    heard_meters,
    meters_in,
    notes_of,
    opening_of,
    tempo_after,
    tempos_of,
)
from playbach.encodings.events.state import VELOCITY_FIXED
from playbach.encodings.events.survey import Seen
from playbach.encodings.events.tokens import METER_RANK, STRANGE_RANK, TEMPO_RANK, Tokens
from playbach.encodings.relations import Relation
from playbach.music.arrays import Mask
from playbach.music.bars import Bars, Header, track_from, track_manifest
from playbach.music.scores import bare_score
from playbach.system.errors import ScoreError


@dataclass(frozen=True)
class EventsEncoding(EventsConstants, Encoding):
    """`events`: any polyphonic music as one row of symbols. See the module."""

    name: ClassVar[str] = "events"
    voices: ClassVar[int | None] = None
    step_kind: ClassVar[str | None] = "next"

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        return (Field("symbol", self.alphabet.names),)

    @cached_property
    def context(self) -> tuple[Field, ...]:  # type: ignore[override]
        return fields_of(self.alphabet, self.meters)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        return relations_of(self.alphabet)

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        """With a `base`, pitches outside of its range, and tempos, are bent to it or UNKNOWN; what else is new has
        symbols of its own."""
        options = options or EventsOptions()
        seen = Seen(options.programs)
        for score in scores:
            seen.add(score)
        if not seen.pieces:
            raise ScoreError("no piece to fit the events encoding to")
        known = {track.name: track for track in base.tracks} if base else {}
        by_group = {group: known.get(track.name, track) for group, track in seen.tracks().items()}
        tracks = tuple(appended(base.tracks if base else (), by_group.values()))
        numbers = {group: tracks.index(track) for group, track in by_group.items()}
        parts = {numbers[g]: (int(seen.low[g]), int(seen.high[g]), int(seen.at_once[g])) for g in by_group}
        programs = seen.programs(numbers, base.programs if base else ())
        pitched = [parts[i] for i, track in enumerate(tracks) if i in parts and not track.drums]
        alphabet = Alphabet(
            tuple(sorted(seen.changes)),
            (min(seen.bins), max(seen.bins)) if options.tempos == "kept" else (0, 0),
            tracks,
            min((low for low, _, _ in pitched), default=60),
            max((high for _, high, _ in pitched), default=59),
            tuple(sorted(seen.struck)),
            options.velocities and len(seen.loudness) > 1,
        )
        meters, longest, rests = sorted(seen.meters), seen.longest, seen.rests
        if base is not None:
            alphabet = alphabet.after(base.alphabet)
            meters = appended(base.meters, meters)
            longest, rests = max(longest, base.longest), max(rests, base.rests)
            for i, (low, high, at_once) in enumerate(base.parts):
                a, b, c = parts.get(i, (low, high, at_once))
                parts[i] = min(a, low), max(b, high), max(c, at_once)
            for i, (low, high, at_once) in parts.items():
                if not tracks[i].drums:
                    parts[i] = max(low, alphabet.low), min(high, alphabet.high), at_once
        headers = (
            replace(header, tracks=tuple(tracks[i] for i in sorted(numbers[g] for g in groups)))
            for header, groups in seen.pieces
        )
        return cls(
            options,
            alphabet,
            tuple(parts[i] for i in range(len(tracks))),
            programs,
            longest,
            rests,
            sorted(seen.closing)[len(seen.closing) // 2],
            tuple(meters),
            most_common_headers(headers),
        )

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        return None if score.note_num() else "it has no notes"

    def encode(self, score: Score) -> EncodedPiece:
        piece = self._piece(score)
        told = self._told(piece)
        last = int(told.bar.max())
        before = np.concatenate([[0], told.bar[:-1]])
        context = Contexts(told, self.alphabet, self.meters, last - 1 - before).table()
        bars = Bars(tuple(piece.meters))
        ticks = bars.start(last + (0 if bars.pickup else 1))
        return EncodedPiece(told.symbols[:, None], context, piece.header, len(piece.notes), ticks)

    def _piece(self, score: Score) -> _Piece:
        notes = notes_of(score, np.array(self.programs, np.int32))
        known = self._knows(notes)
        heard = notes.only(known)
        meters, strange = heard_meters(meters_in(score), self.alphabet.meters)
        bars = Bars(tuple(meters))
        end = bars.start(bars.number(max(heard.end, 1) * GRID - 1) + 1)
        # What is unknown is paid for, but makes no piece longer.
        notes = replace(notes, onset=np.where(known, notes.onset, np.minimum(notes.onset, end // GRID - 1)))
        meters = [m for i, m in enumerate(meters) if m[0] < end or i < opening_of(meters)]
        first = int(heard.onset[0]) if len(heard) else 0
        tempo, changes = tempos_of(score, meters, first * GRID, max(heard.end, 1) * GRID)
        changes = clipped(changes, *self.alphabet.tempos)
        tracks = tuple(self.tracks[i] for i in np.unique(heard.track).tolist()) or self.tracks[:1]
        header = Header(tuple(meters[: opening_of(meters)]), tempo, tracks)
        return _Piece(header, notes, known, meters, [t for t in strange if t < end], changes, end)

    def _knows(self, notes: Notes) -> Mask:
        """Which notes (N,) training saw: the instrument, and a pitch within the range, or the drum."""
        drums = notes.track == (-2 if self.alphabet.drum_track is None else self.alphabet.drum_track)
        pitched = (notes.pitch >= self.alphabet.low) & (notes.pitch <= self.alphabet.high)
        struck = self.alphabet.drum_index[notes.pitch] >= 0
        return np.asarray((notes.track >= 0) & np.where(drums, struck, pitched))

    def _told(self, piece: _Piece) -> Told:
        """All symbols of a piece, in order."""
        tokens = Tokens(self.alphabet, Bars(tuple(piece.meters)))
        tokens.bars(piece.end)
        symbol = self.alphabet.symbol
        for tick, numerator, denominator in piece.meters[len(piece.header.meters) :]:
            number = self.alphabet.meters.index(f"{numerator}/{denominator}")
            tokens.at_tick(tick, METER_RANK, symbol[METER, number])
        for tick in piece.strange:
            tokens.at_tick(tick, STRANGE_RANK, UNKNOWN)
        for tick, bin_ in piece.changes:
            tokens.at_tick(tick, TEMPO_RANK, symbol[TEMPO, bin_])
        tokens.notes(piece.notes, piece.known)
        return tokens.told(piece.notes.only(piece.known), piece.meters)

    def project(self, score: Score) -> Score:
        piece = self._piece(score)
        projected = bare_score(piece.header)
        for meter in piece.meters[len(piece.header.meters) :]:
            projected.time_signatures.append(TimeSignature(*meter))
        for tick, bin_ in piece.changes:
            projected.tempos.append(ScoreTempo(tick, qpm=tempo_after(piece.header.tempo, bin_)))
        there = {part.name: part.notes for part in projected.tracks}
        notes = piece.notes.only(piece.known)
        rows = np.stack([notes.onset, notes.duration, notes.pitch, notes.velocity, notes.track], axis=1)
        for onset, duration, pitch, bin_, track in rows.tolist():
            velocity = velocity_of(bin_) if self.velocities else VELOCITY_FIXED
            there[self.tracks[track].name].append(ScoreNote(onset * GRID, duration * GRID, pitch, velocity))
        for part in projected.tracks:
            part.notes.sort()
        return projected

    def decoder(self, header: Header, bars: int | None = None) -> EventsDecoder:
        return EventsDecoder(self, header, bars)

    def transpositions(self, score: Score) -> range:
        """Drums stay, and each instrument stays within its own compass."""
        notes = notes_of(score, np.array(self.programs, np.int32))
        down, up = -127, 127
        for track, (low, high, _) in enumerate(self.parts):
            pitches = notes.pitch[notes.track == track]
            if len(pitches) and not self.tracks[track].drums:
                down, up = max(down, low - int(pitches.min())), min(up, high - int(pitches.max()))
        if (down, up) == (-127, 127):  # there is nothing but drums
            return range(1)
        return shifts(down, up)

    def manifest(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "options": asdict(self.options),
            "tracks": [track_manifest(t) for t in self.tracks],
            "alphabet": {k: v for k, v in asdict(self.alphabet).items() if k != "tracks"},
            "parts": [list(p) for p in self.parts],
            "programs": list(self.programs),
            "longest": self.longest,
            "rests": self.rests,
            "closing": self.closing,
            "meters": list(self.meters),
            "headers": [[h.manifest(), n] for h, n in self.headers],
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        given = data["alphabet"]
        alphabet = Alphabet(
            tuple(map(str, given["meters"])),
            (int(given["tempos"][0]), int(given["tempos"][1])),
            tuple(map(track_from, data["tracks"])),
            int(given["low"]),
            int(given["high"]),
            tuple(map(int, given["drums"])),
            bool(given["velocities"]),
            tuple((int(kind), int(value)) for kind, value in given["before"]),
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
class _Piece:
    """A score as this encoding sees it: `strange` are bar lines with a meter that training never saw, `changes` of
    tempo as (tick, bin), `end` the end of its last bar; ticks."""

    header: Header
    notes: Notes
    known: Mask
    meters: MeterList
    strange: list[int]
    changes: list[tuple[int, int]]
    end: int
