"""The `notes` encoding: one step for each onset, which is a note `A2`, a chord `A2.F#3` or a rest `R`.

It is the encoding of the articles "Play Bach". All tracks are merged: notes that begin together are one chord, the
next onset ends it, and a silence is a rest unless it is mere articulation.

- Durations are left out (every onset lasts an eighth), joined to the pitch in one symbol (`A2:1/2`), or a field of
  their own.
- Velocities, if composed, are a field of their own.
- Octaves are kept, or folded: then symbols have only pitch classes, which are played around the median pitch.

Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score

from playbach.encodings.base import EncodedPiece, append_new, most_common_headers, transposition_range
from playbach.encodings.features.bars import USUAL_METERS, Timing, Timings
from playbach.encodings.features.base import Features
from playbach.encodings.features.lines import ECHO_LENGTHS, RecentNotes
from playbach.encodings.notes.decoder import NotesDecoder
from playbach.encodings.notes.features import NotesPiece, notes_features
from playbach.encodings.notes.state import NotesState
from playbach.encodings.notes.survey import NotesSurvey
from playbach.encodings.notes.vocabulary import (
    NOTES_VELOCITY_BIN,
    VELOCITY_REST,
    NotesVocabulary,
    symbol_with,
    velocity_of_bin,
    velocity_symbol,
)
from playbach.encodings.onsets import (
    NOTES_GRID,
    NOTES_UNITS,
    ONLY_DRUMS,
    REST_CHORD,
    REST_NUMBER,
    Onsets,
    durations_to,
    in_batches,
    longest_units,
    main_track,
    notes_header,
    onsets_with,
)
from playbach.encodings.options import NotesOptions
from playbach.encodings.relations import Relation, chord_classes, interval_classes
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Header, left_out_meters, quantise
from playbach.music.events import DEFAULT_VELOCITY
from playbach.music.scores import score_from_header
from playbach.system.errors import ScoreError

ANY_LOW, ANY_HIGH = 21, 108
"""The lowest and the highest pitch of a vocabulary for any music: those of a piano."""


@dataclass(frozen=True)
class NotesEncoding(NotesVocabulary):
    """See the module."""

    @cached_property
    def features(self) -> Features[NotesPiece, NotesState]:
        return notes_features(self.options, self.meters)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """The interval to a symbol's top note from each of the line's last notes and echoes."""
        known = [None, None, *range(128)]
        classes = chord_classes(known, known) if self.folded else interval_classes(known, known)
        aspects = self.tops.astype(np.int64)
        names = (*(field.name for field in RecentNotes.fields), *(f"echo of {k}" for k in ECHO_LENGTHS))
        return tuple(
            Relation(f"from {name}", field=0, column=self.features.column(name), classes=classes, aspects=aspects)
            for name in names
        )

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        options = options or NotesOptions()
        survey = NotesSurvey(options)
        for batch in in_batches(scores):
            survey.add(batch)
        if not survey.openings:
            raise ScoreError("the notes encoding has no pieces to learn its vocabulary from")
        headers = most_common_headers(survey.openings)
        if base is None:
            return cls(
                options=options,
                symbols=survey.symbols(survey.low, survey.high),
                low=survey.low,
                high=survey.high,
                middle=survey.middle,
                longest_run=survey.longest_run,
                longest_rest=survey.longest_rest,
                meters=tuple(survey.meters),
                headers=headers,
            )
        return cls(
            options=options,
            symbols=tuple(append_new(base.symbols, survey.symbols(survey.low, survey.high))),
            low=survey.low,
            high=survey.high,
            middle=survey.middle,
            longest_run=max(survey.longest_run, base.longest_run),
            longest_rest=max(survey.longest_rest, base.longest_rest),
            meters=tuple(append_new(base.meters, survey.meters)),
            headers=headers,
        )

    @classmethod
    def for_any_music(cls, options: Any = None) -> Self:
        """All single notes of a piano. Chords are too many: those of the music follow."""
        options = options or NotesOptions()
        lengths = durations_to(longest_units(options)) if options.durations == "joined" else (0,)
        pitches = range(12) if options.octaves == "folded" else range(ANY_LOW, ANY_HIGH + 1)
        chords = (REST_CHORD, *((pitch,) for pitch in pitches))
        return cls(
            options=options,
            symbols=tuple((chord, units) for chord in chords for units in lengths),
            low=ANY_LOW,
            high=ANY_HIGH,
            middle=(ANY_LOW + ANY_HIGH) // 2,
            longest_run=1,
            longest_rest=1,
            meters=USUAL_METERS,
            headers=((Header(), 1),),
        )

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        if any(len(t.notes) and not t.is_drum for t in score.tracks):
            return None
        return ONLY_DRUMS

    @classmethod
    def remarks(cls, score: Score) -> tuple[str, ...]:
        return left_out_meters(score, NOTES_GRID)

    def encode(self, score: Score) -> EncodedPiece:
        [piece] = self._encode_batch([score])
        return piece

    def encode_all(self, scores: Iterable[Score]) -> Iterator[EncodedPiece]:
        for batch in in_batches(scores):
            yield from self._encode_batch(batch)

    def _encode_batch(self, scores: Sequence[Score]) -> list[EncodedPiece]:
        """The pieces, computed together. Their steps and contexts are views of common arrays."""
        onsets = onsets_with(self.options, scores)
        headers = [notes_header(score, self.options) for score in scores]
        steps = self._steps(onsets)
        ticks = (onsets.times * NOTES_GRID).astype(np.int32)
        parts = [slice(a, b) for a, b in pairwise((*onsets.begins, len(onsets)))]
        timings = [Timing(header, ticks[part], int(ticks[part][-1])) for header, part in zip(headers, parts)]
        context = self.features.of_piece(
            NotesPiece(self.tops[steps[:, 0]], Timings(timings), self.modulus, onsets.begins)
        )
        lasts = (onsets.units[[part.stop - 1 for part in parts]] * NOTES_GRID).tolist()
        notes = np.diff(onsets.begins_of_pitches, append=len(onsets.pitches)).tolist()
        return [
            EncodedPiece(steps[part], context[part], timing.header, notes=count, ticks=timing.last_tick + last)
            for part, timing, count, last in zip(parts, timings, notes, lasts)
        ]

    def _steps(self, onsets: Onsets) -> Ints:
        pairs, _, which = onsets.distinct(with_durations=self.options.durations == "joined")
        columns = [np.array([self.symbol_of(*pair) for pair in pairs])[which]]
        if self.options.durations == "separate":
            columns.append(onsets.duration)
        if self.options.velocities:
            columns.append(np.where(onsets.chord == REST_NUMBER, VELOCITY_REST, velocity_symbol(onsets.loudest)))
        return np.stack(columns, axis=1, dtype=np.int32)

    def mask_rare(self, steps: Ints, context: Ints, hidden: Mask) -> tuple[Ints, Ints]:
        steps, context = steps.copy(), context.copy()
        steps[hidden, 0] = self.unknown_symbols()[0][steps[hidden, 0]]
        # When the steps begin is not known here. No feature that follows the symbols looks at it.
        untimed = Timing(Header(), np.zeros(len(steps), np.int32), 0)
        piece = NotesPiece(self.tops[steps[:, 0]], untimed, self.modulus)
        for feature in self.features:
            if feature.follows_symbols:
                context[:, self.features.columns_of(feature)] = feature.of_piece(piece)
        return steps, context

    def project(self, score: Score) -> Score:
        known = set(self.symbols)
        projected = score_from_header(notes_header(score, self.options))
        for onset, chord, units, loudest in onsets_with(self.options, [score]).listed():
            symbol = symbol_with(self.options, chord, units)
            if symbol not in known:
                continue
            velocity = velocity_of_bin(loudest // NOTES_VELOCITY_BIN) if self.options.velocities else DEFAULT_VELOCITY
            for pitch in self.played(symbol[0]):
                projected.tracks[0].notes.append(ScoreNote(onset * NOTES_GRID, units * NOTES_GRID, pitch, velocity))
        projected.tracks[0].notes.sort()
        return projected

    @property
    def keeps_times(self) -> bool:
        return self.options.durations != "none" and not self.offset

    def sources(self, score: Score, header: Header) -> tuple[int | None, ...]:
        return (main_track(score),)

    def heard_tracks(self, score: Score, header: Header) -> tuple[tuple[int, ...], ...]:
        """See `Encoding.heard_tracks`: all tracks with notes but drums, of which the main one is the first."""
        main = main_track(score)
        others = (i for i, t in enumerate(score.tracks) if len(t.notes) and not t.is_drum and i != main)
        return ((() if main is None else (main,)) + tuple(others),)

    def unheard(self, score: Score) -> dict[str, Ints]:
        drums = [track.notes.numpy()["time"] for track in score.tracks if track.is_drum]
        pitched = [track.notes.numpy() for track in score.tracks if len(track.notes) and not track.is_drum]
        times, pitches = (np.concatenate([notes[key] for notes in pitched]) for key in ("time", "pitch"))
        onsets = onsets_with(replace(self.options, durations="separate"), [score]).listed()
        unknown = [t for t, chord, units, _ in onsets if symbol_with(self.options, chord, units) not in self.index]
        in_unknown = np.isin(quantise(times.astype(np.int64), NOTES_GRID), unknown)
        beyond = ((pitches < self.low) | (pitches > self.high)) & (not self.folded)
        return {
            "on drums": np.concatenate([np.zeros(0, np.int32), *drums]),
            "beyond its range": times[beyond],
            "in chords unknown to it": times[in_unknown & ~beyond],
        }

    def decoder(self, header: Header, bars: int | None = None) -> NotesDecoder:
        return NotesDecoder(vocabulary=self, features=self.features, header=header, bars=bars)

    def with_fixed_times(self, offset: float | None, duration: float | None) -> Self:
        """See `Encoding.with_fixed_times`. No note lasts beyond the next onset."""
        apart, lasting = (max(1, round(quarters * NOTES_UNITS)) if quarters else 0 for quarters in (offset, duration))
        return replace(self, offset=apart, duration=lasting)

    def transpositions(self, score: Score) -> range:
        pitches = [p for t in score.tracks if not t.is_drum for p in t.notes.numpy()["pitch"].tolist()]
        return transposition_range(self.low - min(pitches), self.high - max(pitches))
