"""The context of a whole piece in the `events` encoding, for all steps at once.

`state.py` computes the same step by step; the conformance tests compare them. `fields.py` names the columns. Knows
notes and symbols; knows nothing of scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings import lines
from playbach.encodings.base import MANY_BARS_LEFT
from playbach.encodings.events.alphabet import (
    BAR_KIND,
    DRUM_KIND,
    DURATION_KIND,
    METER_KIND,
    PITCH_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    TEMPO_KIND,
    UNKNOWN_KIND,
    VELOCITY_KIND,
    Alphabet,
)
from playbach.encodings.events.fields import (
    AFTER_COLUMN,
    AFTER_NOTE,
    AFTER_PROGRAM,
    BAR_LAGS,
    BAR_LENGTH_COLUMN,
    BARS_LEFT_COLUMN,
    BEAT_COLUMN,
    FIRST_PLACE,
    HOME_COLUMN,
    INSTRUMENT_COLUMN,
    LAG_INSTRUMENT,
    LAG_NOTE,
    LAG_PLACE,
    LENGTH_COLUMN,
    LINE_COLUMN,
    LINE_SELECTION,
    LOWEST_COLUMN,
    LOWEST_SOUNDING_COLUMN,
    MAX_WAITED,
    METER_COLUMN,
    NEXT_BAR_LINE,
    NEXT_COLUMN,
    NEXT_DURATION,
    NEXT_EVENT,
    NEXT_PITCH,
    NEXT_VELOCITY,
    NO_PLACE,
    NOTE_ABOVE_COLUMN,
    PLACE_COLUMN,
    SECOND_COLUMN,
    TEMPO_COLUMN,
    THIRD_COLUMN,
    VELOCITY_COLUMN,
    WAITED_COLUMN,
    lag_column,
)
from playbach.encodings.events.grid import (
    EVENTS_DURATIONS,
    EVENTS_GRID,
    EVENTS_UNITS,
    MAX_BAR,
    GridNotes,
    MeterList,
    opening_meters,
)
from playbach.encodings.lines import FIRST_NOTE, NO_NOTE
from playbach.music import keys
from playbach.music.arrays import Ints
from playbach.music.bars import Bars


@dataclass(frozen=True)
class PieceSymbols:
    """A piece as T symbols. The first four arrays are (T,)."""

    symbols: Ints
    bar: Ints
    """The bar in which the piece is after each symbol, from 0."""
    place: Ints
    """The place in that bar, in units."""
    note: Ints
    """The index of the note to which each symbol belongs, or -1."""
    notes: GridNotes
    """The notes that training knows."""
    meters: MeterList


def note_order(bar: Any, place: Any, track: Any, rank: Any) -> Any:
    """A number by which notes sort into the order of their symbols; the `rank` of a pitch is 128 - pitch."""
    return ((bar * MAX_BAR + place) * 256 + track) * 256 + rank


class ContextColumns:
    """The columns of the context of a piece."""

    def __init__(self, piece: PieceSymbols, alphabet: Alphabet, meters: tuple[str, ...], left: Ints) -> None:
        """`left` (T,) is the number of bars left before each step."""
        self._piece, self._alphabet, self._notes = piece, alphabet, piece.notes
        self._bars = Bars(tuple(piece.meters))
        self._steps = len(piece.symbols)
        kinds = alphabet.kinds[piece.symbols]
        first = self._bars.place(0) // EVENTS_GRID
        self._bar, self._place = _before(piece.bar, 0), _before(piece.place, first)
        self._unit = self._units()
        self._kind = _before(kinds, BAR_KIND)
        self._begun = _before(np.cumsum((kinds == PITCH_KIND) | (kinds == DRUM_KIND)), 0)
        self._track = self._tracks(kinds)
        self._meter_names, self._left = meters, left

    def build(self) -> Ints:
        """The context, (T, C)."""
        context = np.zeros((self._steps, LINE_COLUMN + len(LINE_SELECTION)), np.int32)
        context[:, NEXT_COLUMN], context[:, AFTER_COLUMN] = self._next()
        context[:, PLACE_COLUMN], context[:, BEAT_COLUMN] = self._place, self._place % EVENTS_UNITS
        context[:, METER_COLUMN] = self._meters()
        context[:, BARS_LEFT_COLUMN] = np.clip(self._left, 0, MANY_BARS_LEFT)
        context[:, INSTRUMENT_COLUMN] = self._track + 1
        context[:, TEMPO_COLUMN] = self._tempos()
        context[:, WAITED_COLUMN], context[:, HOME_COLUMN] = self._waited()
        self._fill_sounding(context)
        self._fill_tracks(context)
        self._fill_bars_before(context)
        return context

    def _units(self) -> npt.NDArray[np.int64]:
        """The position of each step, in units from the beginning."""
        first = 0 if self._bars.pickup else 1
        numbers = np.unique(self._bar)
        starts = np.array([self._bars.start(n + first) // EVENTS_GRID for n in numbers.tolist()], np.int64)
        if self._bars.pickup:  # places in a pickup count from where a full bar would have begun
            starts[numbers == 0] = -(self._bars.place(0) // EVENTS_GRID)
        return np.asarray(starts[np.searchsorted(numbers, self._bar)] + self._place, np.int64)

    def _tracks(self, kinds: Ints) -> Ints:
        """The instrument of each step, -1 where none has been named at this place."""
        if len(self._alphabet.tracks) == 1:
            return np.zeros(self._steps, np.int32)
        named = np.where(kinds == PROGRAM_KIND, self._alphabet.values[self._piece.symbols], -1)
        reset = (kinds == BAR_KIND) | (kinds == PLACE_KIND)
        last = np.maximum.accumulate(np.where((named >= 0) | reset, np.arange(self._steps), 0))
        return _before(named[last].astype(np.int32), -1)

    def _next(self) -> tuple[Ints, Ints]:
        after = np.zeros(256, np.int32)
        after[[BAR_KIND, METER_KIND, PLACE_KIND, TEMPO_KIND, PROGRAM_KIND]] = range(AFTER_PROGRAM + 1)
        after[[UNKNOWN_KIND, PITCH_KIND, DRUM_KIND, DURATION_KIND, VELOCITY_KIND]] = AFTER_NOTE
        loud = NEXT_VELOCITY if self._alphabet.has_velocities else NEXT_EVENT
        due = np.zeros(256, np.int32)
        due[[PROGRAM_KIND, PITCH_KIND, DRUM_KIND, DURATION_KIND]] = NEXT_PITCH, NEXT_DURATION, loud, loud
        return due[self._kind], after[self._kind]

    def _meters(self) -> Ints:
        starts = [m[0] // EVENTS_GRID for m in self._piece.meters]
        names = [self._bars.meter(m[0]) for m in self._piece.meters]
        index = np.array([_index(self._meter_names, name) + 1 for name in names], np.int32)
        at = np.searchsorted(starts, self._unit, side="right") - 1
        # Right after its bar line a change of meter has not been written yet. The header's meters need no symbol.
        pending = (
            (self._unit == np.array(starts)[at])
            & (self._kind == BAR_KIND)
            & (at >= opening_meters(self._piece.meters))
        )
        return np.asarray(index[at - pending])

    def _tempos(self) -> Ints:
        """The tempo before each step, as a symbol of its field."""
        low, _ = self._alphabet.tempos
        changed = np.where(self._kind == TEMPO_KIND, np.arange(self._steps), -1)
        last = np.maximum.accumulate(changed)
        values = _before(self._alphabet.values[self._piece.symbols], 0)
        return np.where(last >= 0, values[last], 0) - low

    def _waited(self) -> tuple[Ints, Ints]:
        """The time since the last onset before this place, and the likeliest key of the notes before it."""
        onsets = self._notes.onset
        began = np.searchsorted(onsets, self._unit, side="left")
        waited = self._unit - np.append(onsets, 0)[began - 1] if len(onsets) else np.zeros(self._steps, int)
        waited = np.where(began > 0, np.minimum(waited, MAX_WAITED), 0)
        pitched = self._notes.track != (-1 if self._alphabet.drum_track is None else self._alphabet.drum_track)
        weights = np.zeros((len(onsets) + 1, 12), np.int64)
        notes = np.flatnonzero(pitched)
        weights[notes + 1, self._notes.pitch[notes] % 12] = self._notes.duration[notes]
        weights = weights.cumsum(axis=0)
        places, which = np.unique(began, return_inverse=True)
        homes = np.where(weights[places].any(axis=1), 1 + keys.likeliest_keys(weights[places]), 0)
        return waited.astype(np.int32), homes[which.ravel()].astype(np.int32)

    def _fill_sounding(self, context: Ints) -> None:
        """The lowest sounding note of those begun so far."""
        notes, drums = self._notes, self._alphabet.drum_track
        pitched = notes.track != (-1 if drums is None else drums)
        places, which = np.unique(self._unit, return_inverse=True)
        lowest = _lowest_held(places, notes.select(pitched))[which.ravel()]
        # The lowest note of an onset so far is a running minimum, since each onset's numbers are below those of the
        # onset before it.
        onset = np.cumsum(np.diff(notes.onset, prepend=-1) != 0) * 256
        so_far = np.minimum.accumulate(np.where(pitched, notes.pitch, 128) - onset) + onset
        begun = (self._begun > 0) & (np.append(notes.onset, -1)[self._begun - 1] == self._unit)
        lowest = np.where(begun, np.minimum(lowest, np.append(so_far, 128)[self._begun - 1]), lowest)
        context[:, LOWEST_SOUNDING_COLUMN] = np.where(lowest < 128, FIRST_NOTE + lowest, NO_NOTE)

    def _fill_tracks(self, context: Ints) -> None:
        """The notes that the step's instrument has just begun, and those of its onset before."""
        notes, track = self._notes, self._track.astype(np.int64)
        count = len(notes)
        pitch = np.append(notes.pitch, 0)
        last = self._begun - 1
        own = (last >= 0) & (np.append(notes.track, -2)[last] == track)
        now = own & (np.append(notes.onset, -1)[last] == self._unit)
        context[:, NOTE_ABOVE_COLUMN] = np.where(now, FIRST_NOTE + pitch[last], NO_NOTE)

        steps = np.arange(self._steps)
        span = max(self._steps, int(self._unit.max(initial=0)), notes.end) + 1
        for column, kind, values in (
            (LENGTH_COLUMN, DURATION_KIND, _lengths(notes.duration)),
            (VELOCITY_COLUMN, VELOCITY_KIND, notes.velocity + 1),
        ):
            written = np.flatnonzero(self._alphabet.kinds[self._piece.symbols] == kind)
            owner = self._piece.note[written]
            at = _latest(notes.track[owner] * np.int64(span) + written, track * span + steps, span, track)
            context[:, column] = np.where(at >= 0, np.append(values[owner], 0)[at], 0)

        new = np.flatnonzero((np.diff(notes.onset, prepend=-1) != 0) | (np.diff(notes.track, prepend=-1) != 0))
        last_of = np.append(new[1:], count) - 1
        at = _latest(notes.track[new] * np.int64(span) + notes.onset[new], track * span + self._unit, span, track)
        for column, number in ((SECOND_COLUMN, 1), (THIRD_COLUMN, 2)):
            there = (at >= 0) & (np.append(last_of - new, 0)[at] >= number)
            context[:, column] = np.where(
                there, FIRST_NOTE + pitch[np.where(there, np.append(new, 0)[at] + number, 0)], 0
            )
        context[:, LOWEST_COLUMN] = np.where(at >= 0, FIRST_NOTE + pitch[np.append(last_of, 0)[at]], NO_NOTE)
        self._fill_lines(context, new)

    def _fill_lines(self, context: Ints, new: npt.NDArray[Any]) -> None:
        """The instrument's top line. A note that begins below a sounding note of the instrument is not in it."""
        notes = self._notes
        tables, row = [lines.line_contexts(notes.pitch[:0])[:, LINE_SELECTION]], np.zeros(self._steps, np.int64)
        struck = np.flatnonzero(np.isin(self._alphabet.kinds[self._piece.symbols], (PITCH_KIND, DRUM_KIND)))
        for number, track in enumerate(self._alphabet.tracks):
            own = new[notes.track[new] == number]
            if track.drums or not len(own):
                continue
            tops = own[_skyline(notes.select(own))]
            rows = np.flatnonzero(self._track == number)
            row[rows] = sum(map(len, tables)) + np.searchsorted(struck[tops], rows, side="left")
            tables.append(lines.line_contexts(notes.pitch[tops])[:, LINE_SELECTION])
        context[:, LINE_COLUMN:] = np.concatenate(tables)[row]

    def _fill_bars_before(self, context: Ints) -> None:
        """The next place, instrument and note that came some bars before, after this place, instrument and note."""
        notes = self._notes
        bars, places = self._bars.numbers_and_places((notes.onset * EVENTS_GRID).astype(np.int32))
        bars, places = bars - (0 if self._bars.pickup else 1), places // EVENTS_GRID
        # From the 171st bar on, the numbers need more than 32 bits.
        ordered = note_order(bars.astype(np.int64), places, notes.track, 128 - notes.pitch)
        table = np.append(ordered, np.int64(1) << 62)
        chosen = np.where(
            context[:, NOTE_ABOVE_COLUMN] >= FIRST_NOTE, 128 - (context[:, NOTE_ABOVE_COLUMN] - FIRST_NOTE) + 1, 0
        )
        for lag in BAR_LAGS:
            bar = self._bar - lag
            there = table[np.searchsorted(ordered, note_order(bar, self._place + 1, 0, 0))]
            same = (there >> 16) // MAX_BAR == bar
            place = np.where(same, FIRST_PLACE + (there >> 16) % MAX_BAR, NEXT_BAR_LINE)
            context[:, lag_column(LAG_PLACE, lag)] = np.where(bar >= 0, place, NO_PLACE)
            there = table[np.searchsorted(ordered, note_order(bar, self._place, self._track + 1, 0))]
            same = (there >> 16 == note_order(bar, self._place, 0, 0) >> 16) & (bar >= 0)
            context[:, lag_column(LAG_INSTRUMENT, lag)] = np.where(same, 1 + (there >> 8 & 255), 0)
            here = note_order(bar, self._place, self._track, chosen)
            at = np.searchsorted(ordered, here)
            same = (table[at] >> 8 == here >> 8) & (bar >= 0) & (self._track >= 0)
            context[:, lag_column(LAG_NOTE, lag)] = np.where(same, FIRST_NOTE + 128 - (table[at] & 255), NO_NOTE)
            if lag == 1:
                at = np.searchsorted(ordered, note_order(bar, self._place, self._track, 0))
                same = (table[at] >> 8 == here >> 8) & (bar >= 0) & (self._track >= 0)
                lengths = np.append(_lengths(notes.duration), 0)
                context[:, BAR_LENGTH_COLUMN] = np.where(same, lengths[at], 0)


def _before(after: Ints, first: int) -> Ints:
    """The values before each step, given those after each step."""
    return np.concatenate([[first], after[:-1]]).astype(after.dtype)


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1


def _lengths(durations: Ints) -> Ints:
    return (np.searchsorted(EVENTS_DURATIONS, durations) + 1).astype(np.int32)


def _latest(
    entries: npt.NDArray[np.int64], queries: npt.NDArray[np.int64], span: int, track: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The index of the latest earlier entry of the same track, (T,), for each query; -1 where there is none.

    Args:
        entries: (N,), as track * span + time.
        queries: (T,), likewise.
        track: (T,), the queries' tracks.
    """
    order = np.argsort(entries, kind="stable")
    at = np.searchsorted(entries[order], queries, side="left") - 1
    latest = np.append(order, -1)[at]
    return np.where((at >= 0) & (np.append(entries, -1)[latest] // span == track) & (track >= 0), latest, -1)


def _lowest_held(places: npt.NDArray[np.int64], notes: GridNotes) -> Ints:
    """The lowest pitch of the notes that began before each place and still sound, or 128; places in rising order."""
    lowest = np.full(len(places), 128, np.int32)
    first = np.searchsorted(places, notes.onset, side="right")
    count = np.searchsorted(places, notes.onset + notes.duration, side="left") - first
    within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    np.minimum.at(lowest, np.repeat(first, count) + within, np.repeat(notes.pitch, count))
    return lowest


def _skyline(tops: GridNotes) -> list[int]:
    """The indices of those top notes of one instrument's onsets that belong to its top line."""
    indices: list[int] = []
    line, until = -1, -1
    for i, (onset, duration, pitch) in enumerate(
        zip(tops.onset.tolist(), tops.duration.tolist(), tops.pitch.tolist())
    ):
        if onset >= until or pitch >= line:
            indices.append(i)
            line, until = pitch, onset + duration
    return indices
