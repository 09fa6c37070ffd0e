"""The `events` encoding: any polyphonic music, from a piano to a band with drums, as one sequence of symbols.

A piece is written from left to right:

- `bar` begins the next bar; the last one ends the piece.
- `meter 3/4` and `tempo x1.091` change the meter or the tempo. The header holds those of the beginning.
- `at 3/2` moves to a place in the bar, in quarters.
- An instrument's name says who plays the notes that follow, if the encoding has several instruments.
- `velocity 68`, then `for 1/2`, a duration in quarters, say how the instrument plays from here on. Each is written
  only before a note in which it changes, as MIDI's running status leaves out what stays. A piece begins at velocity
  84 and without a duration.
- A note is a pitch. The notes of an instrument at one place come from high to low. Drums have symbols of their own
  and no duration.

A symbol that depends on another one is a later step, and the context says which kind of step comes next.

`grid.py` describes how a score is fitted to the grid, `features/` what a network is told before each step,
`decoder.py` which symbol may follow which. The order of symbols is that of REMI and its successors (Huang and Yang,
arXiv:2002.00212; von Rütte et al., arXiv:2201.10936); that an instrument is named once for all its notes at a place,
and keeps its velocity and duration until they change, is new. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as ScoreTempo
from symusic.core import TimeSignatureTick as TimeSignature

from playbach.encodings.base import EncodedPiece, Encoding, transposition_range
from playbach.encodings.events.decoder import EventsDecoder
from playbach.encodings.events.features import events_features
from playbach.encodings.events.grid import (
    DRUM_PROGRAM,
    EVENTS_GRID,
    GridNotes,
    GridScore,
    clip_tempo_changes,
    grid_notes,
    known_meters,
    opening_meters,
    tempo_at,
    tempo_changes,
)
from playbach.encodings.events.meters import grid_meters, meter_remarks
from playbach.encodings.events.order import events_piece
from playbach.encodings.events.piece import EventsPiece
from playbach.encodings.events.relations import relations_of
from playbach.encodings.events.state import EventsState
from playbach.encodings.events.survey import Survey
from playbach.encodings.events.symbols import velocity_of
from playbach.encodings.events.vocabulary import EventsVocabulary
from playbach.encodings.features.base import Features
from playbach.encodings.fields import Field
from playbach.encodings.options import EventsOptions
from playbach.encodings.relations import Relation
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header
from playbach.music.events import DEFAULT_VELOCITY
from playbach.music.scores import score_from_header
from playbach.system.errors import ScoreError


@dataclass(frozen=True)
class EventsEncoding(EventsVocabulary, Encoding):
    """See the module."""

    name: ClassVar[str] = "events"
    track_count: ClassVar[int | None] = None
    step_kind: ClassVar[str | None] = "next"

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        return (Field("symbol", self.alphabet.names),)

    @cached_property
    def features(self) -> Features[EventsPiece, EventsState]:
        """What a network is told before each step."""
        return events_features(self.alphabet, self.meters)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        return relations_of(self.alphabet, self.features.columns)

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        """See `Encoding.fit`. With a `base`, pitches and tempos outside its range get no symbols; all else does."""
        options = options or EventsOptions()
        survey = Survey(options.programs)
        for score in scores:
            survey.add(score)
        if not survey.pieces:
            raise ScoreError("the events encoding has no pieces to learn its vocabulary from")
        return cls.of_survey(survey, options, base)

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        return None if score.note_num() else "it has no notes"

    @classmethod
    def remarks(cls, score: Score) -> tuple[str, ...]:
        return meter_remarks(score)

    def encode(self, score: Score) -> EncodedPiece:
        on_grid = self._to_grid(score)
        piece = events_piece(on_grid, self.alphabet, velocities=self.has_velocities)
        return EncodedPiece(
            steps=piece.symbols[:, None],
            context=self.features.of_piece(piece),
            header=on_grid.header,
            notes=len(on_grid.notes),
            ticks=on_grid.end,
        )

    def _to_grid(self, score: Score) -> GridScore:
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
        tempo, changes = tempo_changes(
            score, meters, first=first * EVENTS_GRID, end=max(known_notes.end, 1) * EVENTS_GRID
        )
        tracks = tuple(self.tracks[i] for i in np.unique(known_notes.track).tolist()) or self.tracks[:1]
        return GridScore(
            header=Header(tuple(meters[: opening_meters(meters)]), tempo, tracks),
            notes=notes,
            known=known,
            meters=meters,
            unknown_meters=[tick for tick in unknown_meters if tick < end],
            tempo_changes=clip_tempo_changes(changes, *self.alphabet.tempos),
            end=end,
        )

    def _is_known(self, notes: GridNotes) -> Mask:
        """Which notes training knows, as a mask (N,): their instrument, and a pitch in range or the drum."""
        pitched = (notes.pitch >= self.alphabet.low) & (notes.pitch <= self.alphabet.high)
        struck = self.alphabet.drum_index[notes.pitch] >= 0
        return (notes.track >= 0) & np.where(self.alphabet.is_drums(notes.track), struck, pitched)

    def project(self, score: Score) -> Score:
        on_grid = self._to_grid(score)
        projected = score_from_header(on_grid.header)
        for meter in on_grid.meters[len(on_grid.header.meters) :]:
            projected.time_signatures.append(TimeSignature(*meter))
        for tick, bin_ in on_grid.tempo_changes:
            projected.tempos.append(ScoreTempo(tick, qpm=tempo_at(on_grid.header.tempo, bin_)))
        notes_by_track = {part.name: part.notes for part in projected.tracks}
        notes = on_grid.known_notes
        rows = np.stack([notes.onset, notes.duration, notes.pitch, notes.velocity, notes.track], axis=1)
        for onset, duration, pitch, bin_, track in rows.tolist():
            velocity = velocity_of(bin_) if self.has_velocities else DEFAULT_VELOCITY
            notes_by_track[self.tracks[track].name].append(
                ScoreNote(onset * EVENTS_GRID, duration * EVENTS_GRID, pitch, velocity)
            )
        for part in projected.tracks:
            part.notes.sort()
        return projected

    def sources(self, score: Score, header: Header) -> tuple[int | None, ...]:
        """See `Encoding.sources`: the first track with notes whose program belongs to the instrument."""
        return tuple(part[0] if part else None for part in self.heard_tracks(score, header))

    def heard_tracks(self, score: Score, header: Header) -> tuple[tuple[int, ...], ...]:
        """See `Encoding.heard_tracks`: the tracks with notes whose programs belong to the instrument."""
        names, found = [track.name for track in self.tracks], dict[int, list[int]]()
        for i, track in enumerate(score.tracks):
            if len(track.notes):
                found.setdefault(self.programs[DRUM_PROGRAM if track.is_drum else track.program], []).append(i)
        return tuple(tuple(found.get(names.index(track.name), ())) for track in header.tracks)

    def unheard(self, score: Score) -> dict[str, Ints]:
        onsets = dict[str, list[Ints]]()
        for track in score.tracks:
            notes = track.notes.numpy()
            times, pitches = notes["time"], notes["pitch"]
            if self.programs[DRUM_PROGRAM if track.is_drum else track.program] < 0:
                onsets.setdefault("of instruments unknown to it", []).append(times)
            elif track.is_drum:
                onsets.setdefault("on drums unknown to it", []).append(times[self.alphabet.drum_index[pitches] < 0])
            else:
                beyond = (pitches < self.alphabet.low) | (pitches > self.alphabet.high)
                onsets.setdefault("beyond its range", []).append(times[beyond])
        return {reason: np.concatenate(found) for reason, found in onsets.items()}

    def decoder(self, header: Header, bars: int | None = None) -> EventsDecoder:
        return EventsDecoder(vocabulary=self, features=self.features, header=header, bars=bars)

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
