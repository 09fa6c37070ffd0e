"""A piece in the `events` encoding as arrays: what `state.py` knows before each step, for all steps at once.

Knows notes and symbols; knows nothing of scores, and nothing of what a network is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from playbach.encodings.events.grid import EVENTS_GRID, GridNotes, LongInts, MeterList, note_order
from playbach.encodings.events.symbols import (
    BAR_KIND,
    DRUM_KIND,
    PITCH_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    Alphabet,
)
from playbach.encodings.features.bars import Timing
from playbach.encodings.features.home import likeliest_homes
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header

_Array = TypeVar("_Array", Ints, LongInts)


@dataclass(frozen=True)
class EventsPiece:
    """A piece of T symbols with N notes. Attributes are named as in `EventsState`, and mean what is known before a
    step, unless they say otherwise."""

    alphabet: Alphabet
    symbols: Ints
    """(T,)."""
    bar_after: LongInts
    """(T,): the bar in which the piece is after each symbol, from 0."""
    place_after: LongInts
    """(T,): the place in that bar, in units."""
    note: LongInts
    """(T,): the index of the note to which each symbol belongs, or -1."""
    notes: GridNotes
    """The notes that training knows."""
    meters: MeterList

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def bars(self) -> Bars:
        return Bars(tuple(self.meters))

    @cached_property
    def kinds(self) -> Ints:
        """(T,): the kind of each symbol."""
        return self.alphabet.kinds[self.symbols]

    @cached_property
    def kind_before(self) -> Ints:
        """(T,): the kind of the symbol before; a piece begins as after a bar line."""
        return before(self.kinds, BAR_KIND)

    @cached_property
    def begins_note(self) -> Mask:
        """(T,): whether each symbol begins a note."""
        return np.isin(self.kinds, (PITCH_KIND, DRUM_KIND))

    @cached_property
    def bar_index(self) -> LongInts:
        """(T,): the bar, from 0."""
        return before(self.bar_after, 0)

    @cached_property
    def place_unit(self) -> LongInts:
        """(T,): the place in the bar, in units."""
        return before(self.place_after, self.bars.place(0) // EVENTS_GRID)

    @cached_property
    def unit(self) -> LongInts:
        """(T,): the position in units from the beginning."""
        first = 0 if self.bars.pickup else 1
        numbers = np.unique(self.bar_index)
        starts = np.array([self.bars.start(n + first) // EVENTS_GRID for n in numbers.tolist()], np.int64)
        if self.bars.pickup:  # places in a pickup count from where a full bar would have begun
            starts[numbers == 0] = -(self.bars.place(0) // EVENTS_GRID)
        unit: LongInts = starts[np.searchsorted(numbers, self.bar_index)] + self.place_unit
        return unit

    @property
    def timing(self) -> Timing:
        last = int(self.bar_after.max()) - (1 if self.bars.pickup else 0)
        return Timing(Header(tuple(self.meters)), (self.unit * EVENTS_GRID).astype(np.int32), self.bars.start(last))

    @cached_property
    def place_steps(self) -> LongInts:
        """(P,): the first step at each of the places of the piece."""
        return np.flatnonzero(np.diff(self.unit, prepend=-1))

    @cached_property
    def place_number(self) -> LongInts:
        """(T,): the index of the place among those of `place_steps`."""
        return np.cumsum(np.diff(self.unit, prepend=-1) != 0) - 1

    @cached_property
    def track(self) -> Ints:
        """(T,): the index of the instrument, -1 where none has been named at this place."""
        if len(self.alphabet.tracks) == 1:
            return np.zeros(len(self), np.int32)
        named = np.where(self.kinds == PROGRAM_KIND, self.alphabet.values[self.symbols], -1)
        reset = (self.kinds == BAR_KIND) | (self.kinds == PLACE_KIND)
        last = np.maximum.accumulate(np.where((named >= 0) | reset, np.arange(len(self)), 0))
        return before(named[last].astype(np.int32), -1)

    # --------------------------------------------------------------------------------------------------- notes

    @cached_property
    def begun(self) -> LongInts:
        """(T,): how many notes have begun."""
        return before(np.cumsum(self.begins_note), 0)

    @cached_property
    def begun_before_place(self) -> LongInts:
        """(T,): how many notes began before this place."""
        return np.searchsorted(self.notes.onset, self.unit, side="left")

    @cached_property
    def begun_here(self) -> Mask:
        """(T,): whether the last note began at this place."""
        here: Mask = (self.begun > 0) & (np.append(self.notes.onset, -1)[self.begun - 1] == self.unit)
        return here

    @cached_property
    def note_above(self) -> Ints:
        """(T,): the last pitch that the instrument began at this place, -1 if it has begun none."""
        own = self.begun_here & (np.append(self.notes.track, -2)[self.begun - 1] == self.track)
        return np.where(own, np.append(self.notes.pitch, np.int32(0))[self.begun - 1], -1)

    @cached_property
    def first_notes(self) -> LongInts:
        """(M,): the index of the first, the highest note of each onset of each instrument."""
        notes = self.notes
        return np.flatnonzero((np.diff(notes.onset, prepend=-1) != 0) | (np.diff(notes.track, prepend=-1) != 0))

    @cached_property
    def note_orders(self) -> LongInts:
        """(N,): the `note_order` of each note, rising."""
        ticks = (self.notes.onset * EVENTS_GRID).astype(np.int32)
        numbers, places = self.bars.numbers_and_places(ticks)
        bars = numbers.astype(np.int64) - (0 if self.bars.pickup else 1)
        return note_order(bars, places // EVENTS_GRID, track=self.notes.track, rank=128 - self.notes.pitch)

    @cached_property
    def homes(self) -> Ints:
        """(T,): the likeliest key of the notes before this place, as a context symbol."""
        notes = np.flatnonzero(~self.alphabet.is_drums(self.notes.track))
        weights = np.zeros((len(self.notes) + 1, 12), np.int64)
        weights[notes + 1, self.notes.pitch[notes] % 12] = self.notes.duration[notes]
        weights = weights.cumsum(axis=0)[self.begun_before_place[self.place_steps]]
        return likeliest_homes(weights)[self.place_number]


def before(after: _Array, first: int) -> _Array:
    """The values before each step, given those after each step."""
    shifted = np.empty_like(after)
    shifted[:1], shifted[1:] = first, after[:-1]
    return shifted
