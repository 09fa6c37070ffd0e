"""Puts the symbols of a piece in the `events` encoding into their order.

Knows notes, bars and symbols; knows nothing of scores or contexts.
"""

from __future__ import annotations

import numpy as np

from playbach.encodings.events.grid import (
    DEFAULT_VELOCITY_BIN,
    EVENTS_GRID,
    MAX_BAR,
    GridNotes,
    GridScore,
    LongInts,
)
from playbach.encodings.events.piece import EventsPiece
from playbach.encodings.events.symbols import (
    BAR_KIND,
    DRUM_KIND,
    DURATION_KIND,
    METER_KIND,
    PITCH_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    TEMPO_KIND,
    VELOCITY_KIND,
    Alphabet,
)
from playbach.encodings.fields import UNKNOWN
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars

BAR_RANK, METER_RANK, UNKNOWN_METER_RANK, PLACE_RANK, TEMPO_RANK, NOTE_RANK = range(6)
"""The order of symbols at one place."""
NOTE_RANKS = 4 * 130
"""The ranks of one track: its name, then four for each pitch, of which a note's symbols use three."""
_VELOCITY_OFFSET, _DURATION_OFFSET, _PITCH_OFFSET = range(3)

_BAR, _PLACE, _RANK, _SYMBOL, _NOTE = range(5)
_Numbers = int | Ints | LongInts


def events_piece(score: GridScore, alphabet: Alphabet, *, velocities: bool) -> EventsPiece:
    """A score as its symbols, in order; with or without those of velocities."""
    bars = Bars(tuple(score.meters))
    rows = np.concatenate(
        [_bar_rows(score, alphabet, bars), _changes(score, alphabet, bars), _notes(score, alphabet, bars, velocities)]
    )
    rows = np.concatenate([rows, _places(rows, alphabet, bars)])
    rows = rows[np.lexsort((rows[:, _RANK], rows[:, _PLACE], rows[:, _BAR]))]
    return EventsPiece(
        alphabet=alphabet,
        symbols=rows[:, _SYMBOL].astype(np.int32),
        bar_after=rows[:, _BAR],
        place_after=rows[:, _PLACE],
        note=rows[:, _NOTE],
        notes=score.known_notes,
        meters=score.meters,
    )


def _rows(*, bar: _Numbers, place: _Numbers, rank: _Numbers, symbol: _Numbers, note: _Numbers = -1) -> LongInts:
    """Symbols, (n, 5): each with the place to which it leads, its rank there and the index of its note, or -1."""
    columns = np.broadcast_arrays(bar, place, rank, symbol, note)
    return np.stack(columns, axis=-1, dtype=np.int64).reshape(-1, 5)


def _bar_rows(score: GridScore, alphabet: Alphabet, bars: Bars) -> LongInts:
    """Every bar line after the beginning, up to the end."""
    last = bars.number(score.end - 1) - _first_bar(bars) + 1
    return _rows(bar=np.arange(1, last + 1), place=0, rank=BAR_RANK, symbol=alphabet.symbol[BAR_KIND, 0])


def _changes(score: GridScore, alphabet: Alphabet, bars: Bars) -> LongInts:
    """The changes of meter and tempo."""
    found: list[tuple[int, int, int]] = []  # (tick, rank, symbol)
    for tick, numerator, denominator in score.meters[len(score.header.meters) :]:
        meter = alphabet.meters.index(f"{numerator}/{denominator}")
        found.append((tick, METER_RANK, alphabet.symbol[METER_KIND, meter]))
    found += [(tick, UNKNOWN_METER_RANK, UNKNOWN) for tick in score.unknown_meters]
    found += [(tick, TEMPO_RANK, alphabet.symbol[TEMPO_KIND, steps]) for tick, steps in score.tempo_changes]
    ticks, ranks, symbols = np.array(found, np.int64).reshape(-1, 3).T
    bar, place = _bars_and_places(ticks, bars)
    return _rows(bar=bar, place=place, rank=ranks, symbol=symbols)


def _notes(score: GridScore, alphabet: Alphabet, bars: Bars, velocities: bool) -> LongInts:
    """The symbols of notes, UNKNOWN for each note that training does not know, and the names of instruments."""
    notes, known = score.notes, score.known
    bar, place = _bars_and_places(notes.onset * EVENTS_GRID, bars)
    track = np.where(notes.track < 0, len(alphabet.tracks), notes.track)
    rank = NOTE_RANK + track * NOTE_RANKS + 4 * (128 - notes.pitch)
    unknown = _rows(bar=bar[~known], place=place[~known], rank=rank[~known], symbol=UNKNOWN)
    rows = [_names(notes, alphabet, bar=bar, place=place), unknown]
    sounding, number = score.known_notes, np.arange(int(known.sum()))
    bar, place, rank = bar[known], place[known], rank[known]
    drums = alphabet.is_drums(sounding.track)
    pitches = np.where(drums, alphabet.table(DRUM_KIND)[sounding.pitch], alphabet.table(PITCH_KIND)[sounding.pitch])
    rows.append(_rows(bar=bar, place=place, rank=rank + _PITCH_OFFSET, symbol=pitches, note=number))
    lengths = alphabet.table(DURATION_KIND)[sounding.duration]
    longer_or_shorter = ~drums & _changes_of_track(sounding.duration, sounding.track, first=0)
    rows.append(
        _rows(bar=bar, place=place, rank=rank + _DURATION_OFFSET, symbol=lengths, note=number)[longer_or_shorter]
    )
    if velocities:
        levels = alphabet.table(VELOCITY_KIND)[sounding.velocity]
        louder_or_softer = _changes_of_track(sounding.velocity, sounding.track, first=DEFAULT_VELOCITY_BIN)
        rows.append(
            _rows(bar=bar, place=place, rank=rank + _VELOCITY_OFFSET, symbol=levels, note=number)[louder_or_softer]
        )
    return np.concatenate(rows)


def _changes_of_track(values: Ints, tracks: Ints, *, first: int) -> Mask:
    """Which of N values differ from the one before of the same track, as a mask (N,); `first` precedes each track."""
    order = np.argsort(tracks, kind="stable")
    begins = np.diff(tracks[order], prepend=-1) != 0
    changes = np.zeros(len(values), bool)
    changes[order] = values[order] != np.where(begins, first, np.roll(values[order], 1))
    return changes


def _names(notes: GridNotes, alphabet: Alphabet, *, bar: LongInts, place: LongInts) -> LongInts:
    """The name of each instrument at each place where it plays, if there are several."""
    if len(alphabet.tracks) == 1:
        return np.zeros((0, 5), np.int64)
    where, tracks = np.divmod(np.unique(((bar * MAX_BAR + place) * 256 + notes.track)[notes.track >= 0]), 256)
    ranks, names = NOTE_RANK + tracks * NOTE_RANKS, alphabet.table(PROGRAM_KIND)[tracks]
    return _rows(bar=where // MAX_BAR, place=where % MAX_BAR, rank=ranks, symbol=names)


def _places(rows: LongInts, alphabet: Alphabet, bars: Bars) -> LongInts:
    """The places to which these symbols lead, but for where a bar or the piece begins."""
    begin = bars.place(0) // EVENTS_GRID
    bar, place = np.divmod(np.unique(rows[:, _BAR] * MAX_BAR + rows[:, _PLACE]), MAX_BAR)
    moves = place > np.where(bar == 0, begin, 0)
    bar, place = bar[moves], place[moves]
    return _rows(bar=bar, place=place, rank=PLACE_RANK, symbol=alphabet.table(PLACE_KIND)[place])


def _first_bar(bars: Bars) -> int:
    """The number of the bar in which the piece begins."""
    return 0 if bars.pickup else 1


def _bars_and_places(ticks: Ints | LongInts, bars: Bars) -> tuple[LongInts, LongInts]:
    """The bars from 0, and the places in them in units."""
    numbers, places = bars.numbers_and_places(ticks.astype(np.int32))
    return numbers.astype(np.int64) - _first_bar(bars), places.astype(np.int64) // EVENTS_GRID
