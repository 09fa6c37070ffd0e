"""Puts the symbols of a piece in the `events` encoding into their order.

Knows notes, bars and symbols; knows nothing of scores or contexts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import UNKNOWN
from playbach.encodings.events.alphabet import (
    BAR_KIND,
    DRUM_KIND,
    DURATION_KIND,
    PITCH_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    VELOCITY_KIND,
    Alphabet,
)
from playbach.encodings.events.context import PieceSymbols
from playbach.encodings.events.grid import EVENTS_GRID, MAX_BAR, GridNotes, MeterList
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars

BAR_RANK, METER_RANK, UNKNOWN_METER_RANK, PLACE_RANK, TEMPO_RANK, NOTE_RANK = range(6)
"""The order of symbols at one place."""
NOTE_RANKS = 4 * 130
"""The ranks of one track: its name, then four for each pitch, of which a note's symbols use three."""


class Tokens:
    """Collects symbols in any order, each with the place that it leads to. `in_order` sorts them."""

    def __init__(self, alphabet: Alphabet, bars: Bars) -> None:
        self._alphabet, self._bars = alphabet, bars
        self._rows: list[npt.NDArray[np.int64]] = []  # (bar, place, rank, symbol, note)
        self._first = 0 if bars.pickup else 1

    def _add(self, bar: Any, place: Any, rank: Any, symbol: Any, note: Any = -1) -> None:
        self._rows.append(np.stack(np.broadcast_arrays(bar, place, rank, symbol, note), axis=-1).reshape(-1, 5))

    def bars(self, end: int) -> None:
        """Add every bar line after the beginning, up to the one at tick `end`."""
        last = self._bars.number(end - 1) - self._first + 1
        self._add(np.arange(1, last + 1), 0, BAR_RANK, self._alphabet.symbol[BAR_KIND, 0])

    def at_tick(self, tick: int, rank: int, symbol: int) -> None:
        self._add(self._bars.number(tick) - self._first, self._bars.place(tick) // EVENTS_GRID, rank, symbol)

    def notes(self, notes: GridNotes, known: Mask) -> None:
        alphabet = self._alphabet
        bar, place = self._bars.numbers_and_places((notes.onset * EVENTS_GRID).astype(np.int32))
        bar, place = bar - self._first, place // EVENTS_GRID
        track = np.where(notes.track < 0, len(alphabet.tracks), notes.track)
        rank = NOTE_RANK + track * NOTE_RANKS + 4 * (128 - notes.pitch)
        if len(alphabet.tracks) > 1:
            named = np.unique(((bar * MAX_BAR + place).astype(np.int64) * 256 + notes.track)[notes.track >= 0])
            where, tracks = named >> 8, named & 255
            ranks = NOTE_RANK + tracks * NOTE_RANKS
            self._add(where // MAX_BAR, where % MAX_BAR, ranks, alphabet.table(PROGRAM_KIND)[tracks])
        self._add(bar[~known], place[~known], rank[~known], UNKNOWN)
        number = np.arange(int(known.sum()))
        bar, place, rank = bar[known], place[known], rank[known]
        sounding = notes.select(known)
        drums = sounding.track == (-2 if alphabet.drum_track is None else alphabet.drum_track)
        pitches, struck = self._pitches(sounding), ~drums
        self._add(bar, place, rank, pitches, number)
        lengths = alphabet.table(DURATION_KIND)[sounding.duration[struck]]
        self._add(bar[struck], place[struck], rank[struck] + 1, lengths, number[struck])
        if alphabet.has_velocities:
            self._add(bar, place, rank + 2, alphabet.table(VELOCITY_KIND)[sounding.velocity], number)

    def _pitches(self, sounding: GridNotes) -> Ints:
        drums = sounding.track == (-2 if self._alphabet.drum_track is None else self._alphabet.drum_track)
        return np.where(
            drums, self._alphabet.table(DRUM_KIND)[sounding.pitch], self._alphabet.table(PITCH_KIND)[sounding.pitch]
        )

    def in_order(self, sounding: GridNotes, meters: MeterList) -> PieceSymbols:
        rows = np.concatenate(self._rows)
        begin = self._bars.place(0) // EVENTS_GRID
        bar, place = np.divmod(np.unique(rows[:, 0] * MAX_BAR + rows[:, 1]), MAX_BAR)
        moves = np.where(bar == 0, place > begin, place > 0)
        self._add(bar[moves], place[moves], PLACE_RANK, self._alphabet.table(PLACE_KIND)[place[moves]])
        rows = np.concatenate(self._rows)
        rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
        bar, place, _, symbol, note = rows.T
        return PieceSymbols(symbol.astype(np.int32), bar, place, note, sounding, meters)
