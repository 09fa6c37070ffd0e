"""Features of what came at the same place some bars before.

Both faces look for the first note from some `note_order` on. Where there is no such bar, or no instrument has been
named, no note has that order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from playbach.encodings.events.features.instrument import LENGTH_SYMBOLS, LENGTHS, instrument_names, length_symbols
from playbach.encodings.events.features.position import PLACES, EventsFeature
from playbach.encodings.events.grid import MAX_BAR, LongInts, note_order
from playbach.encodings.events.piece import EventsPiece
from playbach.encodings.events.state import BAR_LAGS, EventsState
from playbach.encodings.events.symbols import Alphabet
from playbach.encodings.features.lines import FIRST_NOTE, NO_NOTE, PITCH_SYMBOLS
from playbach.encodings.fields import Field
from playbach.music.arrays import Ints

NO_PLACE, NEXT_BAR_LINE, FIRST_PLACE = 0, 1, 2
"""The first symbols for the place some bars before: there was no such bar; only a bar line followed; place 0."""
_LAGS = [lag * note_order(1, 0) for lag in BAR_LAGS]
"""By how much the orders of notes are smaller in the bars before."""
_LAG_ROWS = np.array(_LAGS)[:, None]
_NO_ORDER = 1 << 62
"""Larger than all orders of notes."""


@dataclass(frozen=True)
class LengthBarBefore(EventsFeature):
    """The length of the instrument's first note at this place in the bar before."""

    fields = (Field("length a bar before", LENGTHS),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        here = note_order(piece.bar_index - 1, piece.place_unit, track=piece.track)
        lengths = np.append(length_symbols(piece.notes.duration), np.int32(0))
        at = np.searchsorted(piece.note_orders, here)
        return np.where(_first_orders(piece, here) >> 8 == here >> 8, lengths[at], 0)[:, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        here = note_order(state.bar_index - 1, state.place_unit, track=state.track)
        at = bisect_left(state.note_orders, here)
        same = at < len(state.note_orders) and state.note_orders[at] >> 8 == here >> 8
        return (LENGTH_SYMBOLS[state.durations[at]] if same else 0,)


@dataclass(frozen=True)
class PlaceBarsBefore(EventsFeature):
    """The next place at which a note began, after this place."""

    fields = tuple(Field(f"place {lag} bars before", ("none", "bar", *PLACES)) for lag in BAR_LAGS)

    def of_piece(self, piece: EventsPiece) -> Ints:
        here = note_order(piece.bar_index, piece.place_unit + 1) - _LAG_ROWS
        bar = piece.bar_index - np.array(BAR_LAGS)[:, None]
        place = (_first_orders(piece, here) >> 16) - bar * MAX_BAR
        symbols = np.where(place < MAX_BAR, FIRST_PLACE + place, np.where(bar < 0, NO_PLACE, NEXT_BAR_LINE))
        return symbols.T.astype(np.int32)

    def of_state(self, state: EventsState) -> Sequence[int]:
        now, here = state.bar_index, note_order(state.bar_index, state.place_unit + 1)
        return [self._symbol(now - bars, _first_order(state, here - lag)) for bars, lag in zip(BAR_LAGS, _LAGS)]

    def _symbol(self, bar: int, there: int) -> int:
        place = (there >> 16) - bar * MAX_BAR
        if place < MAX_BAR:
            return FIRST_PLACE + place
        return NO_PLACE if bar < 0 else NEXT_BAR_LINE


@dataclass(frozen=True)
class InstrumentBarsBefore(EventsFeature):
    """The next instrument at this place, after the one that has been named."""

    alphabet: Alphabet

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        names = instrument_names(self.alphabet)
        return tuple(Field(f"instrument {lag} bars before", names) for lag in BAR_LAGS)

    def of_piece(self, piece: EventsPiece) -> Ints:
        here = note_order(piece.bar_index, piece.place_unit, track=piece.track + 1) - _LAG_ROWS
        there = _first_orders(piece, here)
        return np.where(there >> 16 == here >> 16, 1 + (there >> 8 & 255), 0).T.astype(np.int32)

    def of_state(self, state: EventsState) -> Sequence[int]:
        here = note_order(state.bar_index, state.place_unit, track=state.track + 1)
        return [self._symbol(here - lag, _first_order(state, here - lag)) for lag in _LAGS]

    def _symbol(self, here: int, there: int) -> int:
        return 1 + (there >> 8 & 255) if there >> 16 == here >> 16 else 0


@dataclass(frozen=True)
class NoteBarsBefore(EventsFeature):
    """The instrument's next note at this place, below the one that it has begun."""

    fields = tuple(Field(f"note {lag} bars before", PITCH_SYMBOLS) for lag in BAR_LAGS)

    def of_piece(self, piece: EventsPiece) -> Ints:
        below = np.where(piece.note_above >= 0, 129 - piece.note_above, 0)
        here = note_order(piece.bar_index, piece.place_unit, track=piece.track, rank=below) - _LAG_ROWS
        there = _first_orders(piece, here)
        return np.where(there >> 8 == here >> 8, FIRST_NOTE + 128 - (there & 255), NO_NOTE).T.astype(np.int32)

    def of_state(self, state: EventsState) -> Sequence[int]:
        below = 129 - state.note_above if state.note_above >= 0 else 0
        here = note_order(state.bar_index, state.place_unit, track=state.track, rank=below)
        return [self._symbol(here - lag, _first_order(state, here - lag)) for lag in _LAGS]

    def _symbol(self, here: int, there: int) -> int:
        return FIRST_NOTE + 128 - (there & 255) if there >> 8 == here >> 8 else NO_NOTE


def _first_orders(piece: EventsPiece, orders: LongInts) -> LongInts:
    """For each of some orders (…) the first of a note of the piece that is not smaller, or _NO_ORDER."""
    return np.append(piece.note_orders, np.int64(_NO_ORDER))[np.searchsorted(piece.note_orders, orders)]


def _first_order(state: EventsState, order: int) -> int:
    """The first of the orders of notes so far that is not smaller, or _NO_ORDER."""
    at = bisect_left(state.note_orders, order)
    return state.note_orders[at] if at < len(state.note_orders) else _NO_ORDER
