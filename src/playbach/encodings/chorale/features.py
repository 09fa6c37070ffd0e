"""What a network is told before each step of a chorale: what a student of counterpoint looks at.

Each feature has its two faces side by side, and names the function of `export/c/engine/` that computes it in C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from playbach.encodings.chorale.given import FARTHEST, SYMBOLS_PER_VOICE
from playbach.encodings.chorale.piece import ChoralePiece
from playbach.encodings.chorale.state import ChoraleState
from playbach.encodings.chorale.vocabulary import FIRST_PITCH, ORDER, WAIT_SLOT, WAITS
from playbach.encodings.features.bars import BarsLeft, MeterOfBar, PlaceInBar
from playbach.encodings.features.base import Feature, Features
from playbach.encodings.features.home import Home
from playbach.encodings.fields import UNKNOWN, UNKNOWN_NAME, Field
from playbach.encodings.options import ChoraleOptions
from playbach.encodings.voices import SIXTEENTH, VOICES
from playbach.music.arrays import Ints

MAX_LENGTH = 32
"""The context distinguishes how long a voice has held up to this many sixteenths."""
CHORALE_PLACES = 64
"""Places in the bar that the context distinguishes, in sixteenths; the rest is `later`."""
WIDEST_MOTION = 12
"""In semitones; wider ones count as this."""
NO_CLASS = 12
"""Context symbol: there is no interval. Symbol i is an interval of i semitones, modulo the octave."""
NO_MOTION = 2 * WIDEST_MOTION + 1
"""Context symbol: there is no motion. Symbol i is a motion of i - WIDEST_MOTION semitones."""

ChoraleFeature = Feature[ChoralePiece, ChoraleState]


@dataclass(frozen=True)
class StepKind(ChoraleFeature):
    """Whose step it is: a voice's, or the wait."""

    engine: ClassVar[str] = "pb_context_voice"
    fields = (Field("voice", (*(VOICES[v] for v in ORDER), "wait")),)

    def of_piece(self, piece: ChoralePiece) -> Ints:
        return piece.slot[:, None]

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        return (state.slot,)


@dataclass(frozen=True)
class Waited(ChoraleFeature):
    """The last wait."""

    engine: ClassVar[str] = "pb_context_waited"
    fields = (Field("waited", ("0", *WAITS)),)

    def of_piece(self, piece: ChoralePiece) -> Ints:
        return piece.waited[:, None]

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        return (state.waited,)


@dataclass(frozen=True)
class Lengths(ChoraleFeature):
    """For how many sixteenths each voice has held its note or its rest."""

    engine: ClassVar[str] = "pb_context_lengths"
    fields = tuple(Field(f"length of {v.lower()}", tuple(map(str, range(MAX_LENGTH + 1)))) for v in VOICES)

    def of_piece(self, piece: ChoralePiece) -> Ints:
        held: Ints = np.minimum(piece.frame - piece.begun, MAX_LENGTH)
        return held.T

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        return [min(state.frame - begun, MAX_LENGTH) for begun in state.begun]


@dataclass(frozen=True)
class OwnNote(ChoraleFeature):
    """What the voice whose step it is sounded before this onset."""

    engine: ClassVar[str] = "pb_context_own"
    pitches: tuple[str, ...]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return (Field("sounding", _sounding_symbols(self.pitches)),)

    def of_piece(self, piece: ChoralePiece) -> Ints:
        return np.where(piece.slot == WAIT_SLOT, UNKNOWN, piece.own_before)[:, None]

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        return (UNKNOWN if state.slot == WAIT_SLOT else state.before[state.voice],)


@dataclass(frozen=True)
class Sounding(ChoraleFeature):
    """What sounds in each voice now."""

    engine: ClassVar[str] = "pb_context_sounding"
    pitches: tuple[str, ...]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        symbols = _sounding_symbols(self.pitches)
        return tuple(Field(f"sounding {v.lower()}", symbols) for v in VOICES)

    def of_piece(self, piece: ChoralePiece) -> Ints:
        return piece.sounding.T

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        return state.sounding


@dataclass(frozen=True)
class Intervals(ChoraleFeature):
    """The interval from each voice up to the one whose step it is, modulo the octave, before this onset."""

    engine: ClassVar[str] = "pb_context_intervals"
    fields = tuple(Field(f"interval to {v.lower()}", (*map(str, range(12)), "none")) for v in VOICES)

    def of_piece(self, piece: ChoralePiece) -> Ints:
        own, other = piece.own_before, piece.before
        return np.where(np.minimum(own, other) >= FIRST_PITCH, (own - other) % 12, NO_CLASS).T

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        own = state.before[state.voice]
        return [(own - other) % 12 if min(own, other) >= FIRST_PITCH else NO_CLASS for other in state.before]


@dataclass(frozen=True)
class Motions(ChoraleFeature):
    """The interval by which each voice has moved at this onset; none from or to a rest."""

    engine: ClassVar[str] = "pb_context_motions"
    fields = tuple(
        Field(f"motion of {v.lower()}", (*map(str, range(-WIDEST_MOTION, WIDEST_MOTION + 1)), "none")) for v in VOICES
    )

    def of_piece(self, piece: ChoralePiece) -> Ints:
        before, now = piece.before, piece.sounding
        moved = np.clip(now - before, -WIDEST_MOTION, WIDEST_MOTION) + WIDEST_MOTION
        return np.where(np.minimum(before, now) >= FIRST_PITCH, moved, NO_MOTION).T

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        return [
            max(-WIDEST_MOTION, min(WIDEST_MOTION, now - before)) + WIDEST_MOTION
            if min(before, now) >= FIRST_PITCH
            else NO_MOTION
            for before, now in zip(state.before, state.sounding)
        ]


@dataclass(frozen=True)
class GivenVoices(ChoraleFeature):
    """The next onsets of each given voice."""

    engine: ClassVar[str] = "pb_context_given"
    pitches: tuple[str, ...]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        symbols = _sounding_symbols(self.pitches)
        times = (UNKNOWN_NAME, *map(str, range(FARTHEST + 1)))
        return tuple(
            field
            for voice in VOICES
            for rank in ("next", "second")
            for field in (
                Field(f"{rank} {voice.lower()}", symbols),
                Field(f"{rank} {voice.lower()} in", times),
            )
        )

    def of_piece(self, piece: ChoralePiece) -> Ints:
        """Nothing is given while a piece is read; `Encoding.tell` adds what is told if voices are given."""
        return np.full((len(piece.frame), len(self.fields)), UNKNOWN, np.int32)

    def of_state(self, state: ChoraleState) -> Sequence[int]:
        told = [UNKNOWN] * len(self.fields)
        for voice, given in state.given.items():
            columns = slice(SYMBOLS_PER_VOICE * voice, SYMBOLS_PER_VOICE * (voice + 1))
            told[columns] = given.told(state.frame, is_taken=state.slot > ORDER.index(voice))
        return told


def _sounding_symbols(pitches: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the steps, but for what has not begun; so that a context field has the numbers of the step's field."""
    return (UNKNOWN_NAME, "nothing", "rest", *pitches)


def chorale_features(
    pitches: tuple[str, ...], meters: tuple[str, ...], options: ChoraleOptions
) -> Features[ChoralePiece, ChoraleState]:
    """All features, in the order of the context.

    Args:
        pitches: the names of the vocabulary's pitches.
        meters: those of the training pieces.
        options: whether the network is also told of given voices.
    """
    return Features(
        (
            StepKind(),
            PlaceInBar(SIXTEENTH, CHORALE_PLACES),
            MeterOfBar(meters),
            BarsLeft(),
            Waited(),
            Lengths(),
            OwnNote(pitches),
            Sounding(pitches),
            Intervals(),
            Motions(),
            Home(),
            *([GivenVoices(pitches)] if options.given else []),
        )
    )
