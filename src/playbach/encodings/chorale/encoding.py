"""The `chorale` encoding: four voices on a grid of sixteenths, one onset after another.

An onset is a sixteenth at which at least one voice begins a note or a rest. It has five steps of one field:

- Soprano, bass, alto and tenor have a step each: a pitch where a note begins, `rest` where the voice falls silent,
  `hold` where the voice continues its note or its rest.
- The fifth step is the wait until the next onset, `+1` to `+16` sixteenths. A wait never crosses a bar line: where
  nothing begins at one, all four voices hold.

Relations give the network the intervals and the degree of each possible note. Outer voices come first, as in
teaching, and as in the most successful model of chorales (TonicNet, arXiv:1911.11775). With waits, a piece has less
than half as many steps as with one step for every sixteenth. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score

from playbach.encodings.base import (
    EncodedPiece,
    append_new,
    most_common_headers,
    transposition_range,
)
from playbach.encodings.chorale.decoder import ChoraleDecoder
from playbach.encodings.chorale.features import chorale_features
from playbach.encodings.chorale.given import GivenVoice, given_voices, told_context
from playbach.encodings.chorale.piece import ChoralePiece, chorale_piece
from playbach.encodings.chorale.state import ChoraleState
from playbach.encodings.chorale.vocabulary import (
    FIRST_PITCH,
    HOLD,
    ORDER,
    STEPS_PER_ONSET,
    WAIT_SLOT,
    ChoraleVocabulary,
)
from playbach.encodings.features.base import Features
from playbach.encodings.fields import UNKNOWN
from playbach.encodings.options import ChoraleOptions
from playbach.encodings.relations import Classes, Relation, chord_classes, interval_classes
from playbach.encodings.voices import (
    SIXTEENTH,
    VOICES,
    chorale_header,
    too_short,
    voice_tracks,
    voices_of,
)
from playbach.music import keys
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header, left_out_meters
from playbach.music.events import DEFAULT_VELOCITY
from playbach.music.scores import score_from_header
from playbach.system.errors import ScoreError


@dataclass(frozen=True)
class ChoraleEncoding(ChoraleVocabulary):
    """See the module."""

    step_kind: ClassVar[str | None] = "voice"
    has_single_voices: ClassVar[bool] = True

    @cached_property
    def features(self) -> Features[ChoralePiece, ChoraleState]:
        return chorale_features(self.pitches, self.meters, self.options)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """The intervals to a note from the voice's last note and from each sounding voice, the latter also modulo the
        octave, and the note's degree in the key that the piece seems to be in. With given voices, also the intervals
        from their next notes."""
        known = [None, None, None, *range(len(self.pitches))]
        distance, above = interval_classes(known, known), chord_classes(known, known)
        aspects = np.zeros(len(self.fields[0]), np.int64)
        aspects[FIRST_PITCH : self.first_wait] = np.arange(FIRST_PITCH, self.first_wait)
        voices = [v.lower() for v in VOICES]
        told = voices if self.options.given else []

        def relation(name: str, field: str, classes: Classes) -> Relation:
            column = self.features.column(field)
            return Relation(name, field=0, column=column, classes=classes, aspects=aspects)

        return (
            relation("motion", "sounding", distance),
            *(relation(f"distance from {voice}", f"sounding {voice}", distance) for voice in voices),
            *(relation(f"above {voice}", f"sounding {voice}", above) for voice in voices),
            relation("degree", "home", self._degrees()),
            *(relation(f"distance from next {voice}", f"next {voice}", distance) for voice in told),
            *(relation(f"above next {voice}", f"next {voice}", above) for voice in told),
        )

    def _degrees(self) -> Classes:
        """The degree of each pitch in each key, (25, pitches); major and minor degrees are different classes."""
        pitches = np.arange(len(self.pitches)) + self.low
        classes = np.zeros((1 + len(keys.KEY_NAMES), FIRST_PITCH + len(pitches)), np.int64)
        for key in range(len(keys.KEY_NAMES)):
            mode, tonic = divmod(key, 12)
            classes[1 + key, FIRST_PITCH:] = 1 + 12 * mode + (pitches - tonic) % 12
        return classes

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        """See `Encoding.fit`. With a `base`, pitches outside its range stay UNKNOWN; pieces can be moved into it."""
        lows, highs, longest = [127] * 4, [0] * 4, 1
        headers: list[Header] = []
        for score in scores:
            for v, voice in enumerate(voices_of(score)):
                lows[v] = min([lows[v], *(p for _, _, p in voice)])
                highs[v] = max([highs[v], *(p for _, _, p in voice)])
                longest = max([longest, *(end - onset for onset, end, _ in voice)])
            headers.append(chorale_header(score))
        if not headers:
            raise ScoreError("the chorale encoding has no pieces to learn its vocabulary from")
        meters = sorted({Bars(h.meters).meter(m[0]) for h in headers for m in h.meters})
        ranges = tuple(zip(lows, highs))
        if base is not None:
            meters = append_new(base.meters, meters)
            longest = max(longest, base.longest)
            ranges = tuple(
                (max(min(low, lowest), base.low), min(max(high, highest), base.high))
                for (low, high), (lowest, highest) in zip(ranges, base.ranges)
            )
        return cls(
            ranges=ranges,
            longest=longest,
            meters=tuple(meters),
            headers=most_common_headers(headers),
            options=options or ChoraleOptions(),
        )

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        try:
            voices_of(score)
        except ScoreError as error:
            return str(error)
        return None

    @classmethod
    def remarks(cls, score: Score) -> tuple[str, ...]:
        return left_out_meters(score, SIXTEENTH)

    def encode(self, score: Score) -> EncodedPiece:
        piece, notes = chorale_piece(score, self)
        steps = np.vstack([piece.at_onsets[list(ORDER)], self.first_wait - 1 + piece.waits]).T
        return EncodedPiece(
            steps=steps.reshape(-1, 1).astype(np.int32),
            context=self.features.of_piece(piece),
            header=piece.header,
            notes=notes,
            ticks=piece.end * SIXTEENTH,
        )

    def project(self, score: Score) -> Score:
        projected = score_from_header(chorale_header(score))
        for track, voice in zip(projected.tracks, voices_of(score)):
            for onset, end, pitch in voice:
                if self.low <= pitch <= self.high:
                    duration = (end - onset) * SIXTEENTH
                    track.notes.append(ScoreNote(onset * SIXTEENTH, duration, pitch, DEFAULT_VELOCITY))
        return projected

    def sources(self, score: Score, header: Header) -> tuple[int | None, ...]:
        return tuple(voice_tracks(score))

    def unheard(self, score: Score) -> dict[str, Ints]:
        voices, onsets = set(voice_tracks(score)), dict[str, list[Ints]]()
        for i, track in enumerate(score.tracks):
            notes = track.notes.numpy()
            reasons = {"outside its four voices": np.full(len(track.notes), i not in voices)}
            if i in voices and len(track.notes):
                beyond = (notes["pitch"] < self.low) | (notes["pitch"] > self.high)
                reasons = {"beyond its range": beyond, "too short for its sixteenths": too_short(notes) & ~beyond}
            for reason, unheard in reasons.items():
                onsets.setdefault(reason, []).append(notes["time"][unheard])
        return {reason: np.concatenate(found) for reason, found in onsets.items()}

    def decoder(self, header: Header, bars: int | None = None) -> ChoraleDecoder:
        return ChoraleDecoder(vocabulary=self, features=self.features, header=header, bars=bars)

    def decoder_around(self, header: Header, given: Mapping[int, GivenVoice]) -> ChoraleDecoder:
        """A decoder of a piece in which some voices, indices into VOICES, are given. It ends where they end."""
        decoder = self.decoder(header)
        decoder.given, [end] = dict(given), {voice.end for voice in given.values()}
        decoder.end_at(end * SIXTEENTH)
        return decoder

    @property
    def tellable_voices(self) -> int:
        return len(VOICES) if self.options.given else 0

    def lines(self, steps: Ints) -> tuple[GivenVoice, ...]:
        """What each of the four voices does in a whole piece, (T, 1)."""
        at_onsets = np.empty((len(VOICES), len(steps) // STEPS_PER_ONSET), np.int32)
        at_onsets[list(ORDER)] = steps[:, 0].reshape(-1, STEPS_PER_ONSET)[:, :WAIT_SLOT].T
        onsets, end = self._onsets(steps)
        return given_voices(onsets, at_onsets, end)

    def _onsets(self, steps: Ints) -> tuple[Ints, int]:
        """The sixteenths of the onsets of a whole piece (N,), and its length."""
        waits = steps[:, 0].reshape(-1, STEPS_PER_ONSET)[:, WAIT_SLOT] - self.first_wait + 1
        ends = np.cumsum(waits, dtype=np.int32)
        return np.concatenate([np.zeros(1, np.int32), ends[:-1]]), int(ends[-1])

    @cached_property
    def _first_told(self) -> int:
        return self.features.column(f"next {VOICES[0].lower()}")

    def untold(self, context: Ints) -> Ints:
        known = context.copy()
        if self.options.given:
            known[..., self._first_told :] = UNKNOWN
        return known

    def tell(self, steps: Ints, context: Ints, voices: Sequence[int]) -> Ints:
        lines, (onsets, _) = self.lines(steps), self._onsets(steps)
        told = context.copy()
        told[:, self._first_told :] = told_context({voice: lines[voice] for voice in voices}, onsets)
        return told

    def is_continuation(self, steps: Ints) -> Mask:
        return np.asarray(steps[:, 0] == HOLD)

    def transpositions(self, score: Score) -> range:
        down, up = -127, 127
        for (low, high), voice in zip(self.ranges, voices_of(score)):
            if not voice:
                continue
            pitches = [p for _, _, p in voice]
            down, up = max(down, low - min(pitches)), min(up, high - max(pitches))
        return transposition_range(down, up)
