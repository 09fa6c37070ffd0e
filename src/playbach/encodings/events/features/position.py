"""Features of where the piece is: the kind of symbol that comes next, the place, the meter, the tempo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from playbach.encodings.events.grid import EVENTS_GRID, EVENTS_UNITS, MAX_BAR, opening_meters
from playbach.encodings.events.piece import EventsPiece, before
from playbach.encodings.events.state import (
    AFTER_DURATION,
    AFTER_NOTE,
    AFTER_PROGRAM,
    AFTER_VELOCITY,
    NEXT_EVENT,
    NEXT_NOTE,
    NEXT_PITCH,
    EventsState,
)
from playbach.encodings.events.symbols import (
    BAR_KIND,
    DURATION_KIND,
    METER_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    TEMPO_KIND,
    VELOCITY_KIND,
    Alphabet,
    in_quarters,
    tempo_name,
)
from playbach.encodings.features.bars import meter_symbol
from playbach.encodings.features.base import Feature
from playbach.encodings.fields import UNKNOWN_NAME, Field
from playbach.music.arrays import Ints

PLACES = tuple(in_quarters(place) for place in range(MAX_BAR))
"""The names of places in a bar."""
MAX_WAITED = MAX_BAR
"""In units."""

EventsFeature = Feature[EventsPiece, EventsState]


@dataclass(frozen=True)
class KindsOfSymbols(EventsFeature):
    """Which kind of symbol comes next, and after which kind."""

    fields = (
        Field("next", ("event", "note", "pitch")),
        Field("after", ("bar", "meter", "place", "tempo", "instrument", "note", "velocity", "duration")),
    )

    def of_piece(self, piece: EventsPiece) -> Ints:
        next_, after = np.full(VELOCITY_KIND + 1, NEXT_EVENT), np.full(VELOCITY_KIND + 1, AFTER_NOTE)
        next_[[PROGRAM_KIND, VELOCITY_KIND, DURATION_KIND]] = NEXT_NOTE, NEXT_NOTE, NEXT_PITCH
        after[[BAR_KIND, METER_KIND, PLACE_KIND, TEMPO_KIND, PROGRAM_KIND]] = range(AFTER_PROGRAM + 1)
        after[[VELOCITY_KIND, DURATION_KIND]] = AFTER_VELOCITY, AFTER_DURATION
        return np.stack([next_, after], axis=1, dtype=np.int32)[piece.kind_before]

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (state.next, state.after)


@dataclass(frozen=True)
class PlaceAndBeat(EventsFeature):
    """The place in the bar and within the beat; in a pickup, from where a full bar would have begun."""

    fields = (Field("place", PLACES), Field("within the beat", PLACES[:EVENTS_UNITS]))

    def of_piece(self, piece: EventsPiece) -> Ints:
        return np.stack([piece.place_unit, piece.place_unit % EVENTS_UNITS], axis=1).astype(np.int32)

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (state.place_unit, state.place_unit % EVENTS_UNITS)


@dataclass(frozen=True)
class WrittenMeter(EventsFeature):
    """The meter, if training pieces have it; from where its symbol is written."""

    meters: tuple[str, ...]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return (Field("meter", (UNKNOWN_NAME, *self.meters)),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        starts = np.array([tick // EVENTS_GRID for tick, _, _ in piece.meters])
        symbols = np.array(
            [meter_symbol(self.meters, piece.bars.meter(tick)) for tick, _, _ in piece.meters], np.int32
        )
        at = np.searchsorted(starts, piece.unit, side="right") - 1
        # Right after its bar line a change of meter has not been written yet. The header's meters need no symbol.
        written = at < opening_meters(piece.meters)
        pending = (piece.unit == starts[at]) & (piece.kind_before == BAR_KIND) & ~written
        return symbols[at - pending, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (meter_symbol(self.meters, state.meter),)


@dataclass(frozen=True)
class TempoNow(EventsFeature):
    """The tempo, relative to the opening tempo."""

    alphabet: Alphabet

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        low, high = self.alphabet.tempos
        return (Field("tempo", tuple(map(tempo_name, range(low, high + 1)))),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        low, _ = self.alphabet.tempos
        last = np.maximum.accumulate(np.where(piece.kind_before == TEMPO_KIND, np.arange(len(piece)), -1))
        values = before(self.alphabet.values[piece.symbols], 0)
        return (np.where(last >= 0, values[last], 0) - low)[:, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        low, _ = self.alphabet.tempos
        return (state.tempo_bin - low,)


@dataclass(frozen=True)
class WaitSinceOnset(EventsFeature):
    """The time since the last onset before this place."""

    fields = (Field("waited", (*PLACES, in_quarters(MAX_WAITED))),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        began = piece.begun_before_place
        waited = piece.unit - np.append(piece.notes.onset, 0)[began - 1]
        return np.where(began > 0, np.minimum(waited, MAX_WAITED), 0).astype(np.int32)[:, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        onset = state.previous_onset
        return (min(state.unit - onset, MAX_WAITED) if onset >= 0 else 0,)
