"""Features of time: the place in the bar, the meter, the bars left.

Knows headers and bars; knows nothing of symbols of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, Protocol

import numpy as np

from playbach.encodings.features.base import Feature
from playbach.encodings.fields import UNKNOWN, UNKNOWN_NAME, Field
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header
from playbach.music.events import TICKS_PER_QUARTER

BARS_LEFT = "left"
"""The name of the context field that holds the number of bars left. Every encoding has this field."""
BARS_LEFT_SYMBOLS = (*map(str, range(9)), "many", "unknown")
USUAL_METERS = (
    *("4/4", "3/4", "2/4", "6/8", "2/2", "3/8", "9/8", "12/8", "3/2", "6/4", "5/4", "4/2"),
    *("7/8", "5/8", "1/4", "1/8", "5/2", "7/4", "8/8", "9/4", "12/4", "6/2", "4/8", "2/8"),
    *("6/16", "9/16", "12/16", "3/16", "5/16", "7/16", "1/2", "8/4", "12/2", "10/8", "11/8"),
)
"""The meters of a vocabulary for any music."""
MANY_BARS_LEFT, UNKNOWN_BARS_LEFT = 9, 10


@dataclass(frozen=True)
class Timing:
    """When each of the T steps of a piece begins."""

    header: Header
    ticks: Ints
    """(T,), rising."""
    last_tick: int
    """A tick in the last bar of the piece."""

    @cached_property
    def bars(self) -> Bars:
        return Bars(self.header.meters)

    @cached_property
    def _numbers_and_places(self) -> tuple[Ints, Ints]:
        return self.bars.numbers_and_places(self.ticks)

    @property
    def places(self) -> Ints:
        """(T,): ticks since the bar began."""
        return self._numbers_and_places[1]

    @property
    def bars_left(self) -> Ints:
        """(T,): how many bars come after the one in which each step begins."""
        return self.bars.number(self.last_tick) - self._numbers_and_places[0]

    def meter_symbols(self, meters: tuple[str, ...]) -> Ints:
        """(T,): the meter of each step, as `meter_symbol` of these meters."""
        starts = [tick for tick, _, _ in self.header.meters]
        symbols = np.array([meter_symbol(meters, self.bars.meter(tick)) for tick in starts], np.int32)
        return symbols[np.searchsorted(starts, self.ticks, side="right") - 1]


@dataclass(frozen=True)
class Timings:
    """The same for several pieces one after another, T steps in all."""

    pieces: Sequence[Timing]

    @cached_property
    def _meters(self) -> list[tuple[Bars, int, int]]:
        """Each meter of each piece, M in all: the bars of its piece, the tick at which it begins, the length of its
        bars."""
        bars_and_meters = ((piece.bars, meter) for piece in self.pieces for meter in piece.header.meters)
        return [(bars, tick, TICKS_PER_QUARTER * 4 * n // d) for bars, (tick, n, d) in bars_and_meters]

    @cached_property
    def _meter(self) -> Ints:
        """(T,): the index of each step's meter."""
        counts: list[int] = []
        for piece in self.pieces:
            starts = [tick for tick, _, _ in piece.header.meters[1:]]
            bounds = np.searchsorted(piece.ticks, starts).tolist() if starts else []
            counts += [b - a for a, b in pairwise((0, *bounds, len(piece.ticks)))]
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    @cached_property
    def _numbers_and_places(self) -> tuple[Ints, Ints]:
        """As `Bars.numbers_and_places`."""
        rows = [(tick, length, bars.number(tick), bars.place(tick)) for bars, tick, length in self._meters]
        starts, lengths, numbers, places = np.array(rows, np.int32).T
        since = np.concatenate([piece.ticks for piece in self.pieces]) - starts[self._meter]
        length = lengths[self._meter]
        whole = since // length
        return numbers[self._meter] + whole, since - whole * length + places[self._meter]

    @property
    def places(self) -> Ints:
        return self._numbers_and_places[1]

    @property
    def bars_left(self) -> Ints:
        last = [piece.bars.number(piece.last_tick) for piece in self.pieces]
        return (
            np.repeat(np.array(last, np.int32), [len(piece.ticks) for piece in self.pieces])
            - self._numbers_and_places[0]
        )

    def meter_symbols(self, meters: tuple[str, ...]) -> Ints:
        symbols = [meter_symbol(meters, bars.meter(tick)) for bars, tick, _ in self._meters]
        return np.array(symbols, np.int32)[self._meter]


class TimedPiece(Protocol):
    """A piece whose steps have times."""

    @property
    def timing(self) -> Timing | Timings: ...


class TimedState(Protocol):
    """A decoder, as these features see it: all is meant of the tick at which the next step begins."""

    @property
    def place(self) -> int: ...

    @property
    def meter(self) -> str: ...

    def bars_left(self) -> int: ...


@dataclass(frozen=True)
class PlaceInBar(Feature[TimedPiece, TimedState]):
    """The place in the bar; in a pickup, from where a full bar would have begun."""

    engine: ClassVar[str] = "pb_context_place"
    unit: int
    """Ticks from one place to the next."""
    places: int
    """The places that are told apart; all after them are `later`."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return (Field("place", (*map(str, range(self.places)), "later")),)

    def of_piece(self, piece: TimedPiece) -> Ints:
        return np.minimum(piece.timing.places // self.unit, self.places)[:, None]

    def of_state(self, state: TimedState) -> Sequence[int]:
        return (min(state.place // self.unit, self.places),)


@dataclass(frozen=True)
class MeterOfBar(Feature[TimedPiece, TimedState]):
    """The meter, if training pieces have it."""

    engine: ClassVar[str] = "pb_context_meter"
    meters: tuple[str, ...]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return (Field("meter", (UNKNOWN_NAME, *self.meters)),)

    def of_piece(self, piece: TimedPiece) -> Ints:
        return piece.timing.meter_symbols(self.meters)[:, None]

    def of_state(self, state: TimedState) -> Sequence[int]:
        return (meter_symbol(self.meters, state.meter),)


@dataclass(frozen=True)
class BarsLeft(Feature[TimedPiece, TimedState]):
    """How many bars come after this one; unknown while a piece is composed without an end."""

    engine: ClassVar[str] = "pb_context_bars_left"
    fields = (Field(BARS_LEFT, BARS_LEFT_SYMBOLS),)

    def of_piece(self, piece: TimedPiece) -> Ints:
        return np.clip(piece.timing.bars_left, 0, MANY_BARS_LEFT)[:, None]

    def of_state(self, state: TimedState) -> Sequence[int]:
        return (state.bars_left(),)


def meter_symbol(meters: tuple[str, ...], name: str) -> int:
    """The symbol of a meter such as `3/4`, in a context field with the symbols UNKNOWN and then `meters`."""
    return meters.index(name) + 1 if name in meters else UNKNOWN


def bars_left_symbol(bars: int) -> int:
    """The symbol for a number of bars after this one, as an index into BARS_LEFT_SYMBOLS; 0 in the last bar."""
    return min(max(bars, 0), MANY_BARS_LEFT)
