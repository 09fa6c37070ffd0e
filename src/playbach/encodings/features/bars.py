"""Features of time: the place in the bar, the meter, the bars left.

Knows headers and bars; knows nothing of symbols of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np

from playbach.encodings.features.base import Feature
from playbach.encodings.fields import UNKNOWN, UNKNOWN_NAME, Field
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header

BARS_LEFT = "left"
"""The name of the context field that holds the number of bars left. Every encoding has this field."""
BARS_LEFT_SYMBOLS = (*map(str, range(9)), "many", "unknown")
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

    @property
    def meters(self) -> Ints:
        """(T,): the meter of each step, as an index into the meters of the header."""
        starts = [tick for tick, _, _ in self.header.meters]
        return np.searchsorted(starts, self.ticks, side="right").astype(np.int32) - 1


class TimedPiece(Protocol):
    """A piece whose steps have times."""

    @property
    def timing(self) -> Timing: ...


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
        names = [piece.timing.bars.meter(tick) for tick, _, _ in piece.timing.header.meters]
        symbols = np.array([meter_symbol(self.meters, name) for name in names], np.int32)
        return symbols[piece.timing.meters, None]

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
