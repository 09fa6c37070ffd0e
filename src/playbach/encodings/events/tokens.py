"""The symbols of a piece in the `events` encoding, put into the order in which they are said.

Knows notes, bars and symbols; knows nothing of scores or of what a network is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import UNKNOWN
from playbach.encodings.events.alphabet import BAR, DRUM, DURATION, PITCH, PLACE, PROGRAM, VELOCITY, Alphabet
from playbach.encodings.events.context import Told
from playbach.encodings.events.grid import GRID, MAX_BAR, MeterList, Notes
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars

BAR_RANK, METER_RANK, STRANGE_RANK, PLACE_RANK, TEMPO_RANK, NOTE_RANK = range(6)
"""In which order symbols come at one place."""
NOTE_RANKS = 4 * 130
"""Of one track: its name, and then for each pitch what is said of a note."""


class Tokens:
    """Symbols in any order, each with the place that it leads to, until `told` puts them in order."""

    def __init__(self, alphabet: Alphabet, bars: Bars) -> None:
        self._alphabet, self._bars = alphabet, bars
        self._rows: list[npt.NDArray[np.int64]] = []  # (bar, place, rank, symbol, note)
        self._first = 0 if bars.pickup else 1

    def _add(self, bar: Any, place: Any, rank: Any, symbol: Any, note: Any = -1) -> None:
        self._rows.append(np.stack(np.broadcast_arrays(bar, place, rank, symbol, note), axis=-1).reshape(-1, 5))

    def bars(self, end: int) -> None:
        """Every bar line, the last one at `end`, and no other: the first bar has begun before anything is said."""
        last = self._bars.number(end - 1) - self._first + 1
        self._add(np.arange(1, last + 1), 0, BAR_RANK, self._alphabet.symbol[BAR, 0])

    def at_tick(self, tick: int, rank: int, symbol: int) -> None:
        self._add(self._bars.number(tick) - self._first, self._bars.place(tick) // GRID, rank, symbol)

    def notes(self, notes: Notes, known: Mask) -> None:
        alphabet = self._alphabet
        bar, place = self._bars.columns((notes.onset * GRID).astype(np.int32))
        bar, place = bar - self._first, place // GRID
        track = np.where(notes.track < 0, len(alphabet.tracks), notes.track)
        rank = NOTE_RANK + track * NOTE_RANKS + 4 * (128 - notes.pitch)
        if len(alphabet.tracks) > 1:
            named = np.unique(((bar * MAX_BAR + place).astype(np.int64) * 256 + notes.track)[notes.track >= 0])
            where, tracks = named >> 8, named & 255
            ranks = NOTE_RANK + tracks * NOTE_RANKS
            self._add(where // MAX_BAR, where % MAX_BAR, ranks, alphabet.table(PROGRAM)[tracks])
        self._add(bar[~known], place[~known], rank[~known], UNKNOWN)
        number = np.arange(int(known.sum()))
        bar, place, rank = bar[known], place[known], rank[known]
        heard = notes.only(known)
        drums = heard.track == (-2 if alphabet.drum_track is None else alphabet.drum_track)
        pitches, struck = self._pitches(heard), ~drums
        self._add(bar, place, rank, pitches, number)
        lengths = alphabet.table(DURATION)[heard.duration[struck]]
        self._add(bar[struck], place[struck], rank[struck] + 1, lengths, number[struck])
        if alphabet.velocities:
            self._add(bar, place, rank + 2, alphabet.table(VELOCITY)[heard.velocity], number)

    def _pitches(self, heard: Notes) -> Ints:
        drums = heard.track == (-2 if self._alphabet.drum_track is None else self._alphabet.drum_track)
        return np.where(drums, self._alphabet.table(DRUM)[heard.pitch], self._alphabet.table(PITCH)[heard.pitch])

    def told(self, heard: Notes, meters: MeterList) -> Told:
        rows = np.concatenate(self._rows)
        begin = self._bars.place(0) // GRID
        bar, place = np.divmod(np.unique(rows[:, 0] * MAX_BAR + rows[:, 1]), MAX_BAR)
        moves = np.where(bar == 0, place > begin, place > 0)
        self._add(bar[moves], place[moves], PLACE_RANK, self._alphabet.table(PLACE)[place[moves]])
        rows = np.concatenate(self._rows)
        rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
        bar, place, _, symbol, note = rows.T
        return Told(symbol.astype(np.int32), bar, place, note, heard, meters)
