"""The context of a whole piece in the `events` encoding, all steps at once.

The decoder knows the same, step by step (`events_hearing.py`); the conformance tests hold the two together. What is
told is named in `events_fields.py`. Knows notes and symbols; knows nothing of scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings import lines
from playbach.encodings.base import LEFT_MANY
from playbach.encodings.events.alphabet import (
    BAR,
    DRUM,
    DURATION,
    METER,
    NOTHING_KNOWN,
    PITCH,
    PLACE,
    PROGRAM,
    TEMPO,
    VELOCITY,
    Alphabet,
)
from playbach.encodings.events.fields import (
    A_DURATION,
    A_PITCH,
    A_VELOCITY,
    ABOVE,
    AFTER_NOTE,
    AFTER_PROGRAM,
    BAR_LINE,
    BASS,
    EVENT,
    FIRST,
    FIRST_PLACE,
    HOME,
    HOW_MUCH,
    IN_METER,
    KIND,
    LAGS,
    LENGTH,
    LENGTH_BEFORE,
    LINE,
    LOUDNESS,
    LOWEST,
    MOST_WAIT,
    NO_PLACE,
    PACE,
    PHASE,
    SECOND,
    SILENCE,
    SINCE,
    THIRD,
    TOLD,
    WAITED,
    WHERE,
    WHO,
    column_of,
)
from playbach.encodings.events.grid import DURATIONS, GRID, MAX_BAR, UNITS, MeterList, Notes, opening_of
from playbach.music import keys
from playbach.music.arrays import Ints
from playbach.music.bars import Bars


@dataclass(frozen=True)
class Told:
    """A piece as symbols (T,), with the bar (from 0 on) and place that each leads to, and the number of the note that
    it belongs to, -1 for none; `notes` are those that are known."""

    symbols: Ints
    bar: Ints
    place: Ints
    note: Ints
    notes: Notes
    meters: MeterList


def note_key(bar: Any, place: Any, track: Any, rank: Any) -> Any:
    """A number that puts notes into the order in which they are said; `rank` of a pitch is 128 - pitch."""
    return ((bar * MAX_BAR + place) * 256 + track) * 256 + rank


class Contexts:
    """Columns of the context of a piece, computed for all steps at once."""

    def __init__(self, told: Told, alphabet: Alphabet, meters: tuple[str, ...], left: Ints) -> None:
        """`left` (T,) is how many bars are left before each step."""
        self._told, self._alphabet, self._notes = told, alphabet, told.notes
        self._bars = Bars(tuple(told.meters))
        self._steps = len(told.symbols)
        kinds = alphabet.kinds[told.symbols]
        first = self._bars.place(0) // GRID
        self._bar, self._place = _before(told.bar, 0), _before(told.place, first)
        self._tick = self._ticks()
        self._kind = _before(kinds, BAR)
        self._begun = _before(np.cumsum((kinds == PITCH) | (kinds == DRUM)), 0)
        self._track = self._tracks(kinds)
        self._meter_names, self._left = meters, left

    def table(self) -> Ints:
        """(T, C)."""
        found = np.zeros((self._steps, LINE + len(TOLD)), np.int32)
        found[:, KIND], found[:, SINCE] = self._next()
        found[:, WHERE], found[:, PHASE] = self._place, self._place % UNITS
        found[:, IN_METER] = self._meters()
        found[:, HOW_MUCH] = np.clip(self._left, 0, LEFT_MANY)
        found[:, WHO] = self._track + 1
        found[:, PACE] = self._paces()
        found[:, WAITED], found[:, HOME] = self._waited()
        self._fill_sounding(found)
        self._fill_tracks(found)
        self._fill_echoes(found)
        return found

    def _ticks(self) -> npt.NDArray[np.int64]:
        """Where each step stands, in units from the beginning."""
        first = 0 if self._bars.pickup else 1
        numbers = np.unique(self._bar)
        starts = np.array([self._bars.start(n + first) // GRID for n in numbers.tolist()], np.int64)
        if self._bars.pickup:  # its places count from where a full bar would have begun
            starts[numbers == 0] = -(self._bars.place(0) // GRID)
        return np.asarray(starts[np.searchsorted(numbers, self._bar)] + self._place, np.int64)

    def _tracks(self, kinds: Ints) -> Ints:
        """Whose turn it is, -1 where none has been named at this place."""
        if len(self._alphabet.tracks) == 1:
            return np.zeros(self._steps, np.int32)
        named = np.where(kinds == PROGRAM, self._alphabet.values[self._told.symbols], -1)
        reset = (kinds == BAR) | (kinds == PLACE)
        last = np.maximum.accumulate(np.where((named >= 0) | reset, np.arange(self._steps), 0))
        return _before(named[last].astype(np.int32), -1)

    def _next(self) -> tuple[Ints, Ints]:
        after = np.zeros(256, np.int32)
        after[[BAR, METER, PLACE, TEMPO, PROGRAM]] = range(AFTER_PROGRAM + 1)
        after[[NOTHING_KNOWN, PITCH, DRUM, DURATION, VELOCITY]] = AFTER_NOTE
        loud = A_VELOCITY if self._alphabet.velocities else EVENT
        due = np.zeros(256, np.int32)
        due[[PROGRAM, PITCH, DRUM, DURATION]] = A_PITCH, A_DURATION, loud, loud
        return due[self._kind], after[self._kind]

    def _meters(self) -> Ints:
        starts = [m[0] // GRID for m in self._told.meters]
        names = [self._bars.meter(m[0]) for m in self._told.meters]
        index = np.array([_index(self._meter_names, name) + 1 for name in names], np.int32)
        at = np.searchsorted(starts, self._tick, side="right") - 1
        # Behind its bar line a meter has yet to be said, but for those that the header tells.
        unsaid = (self._tick == np.array(starts)[at]) & (self._kind == BAR) & (at >= opening_of(self._told.meters))
        return np.asarray(index[at - unsaid])

    def _paces(self) -> Ints:
        """The tempo before each step, as an index into those there are."""
        low, _ = self._alphabet.tempos
        changed = np.where(self._kind == TEMPO, np.arange(self._steps), -1)
        last = np.maximum.accumulate(changed)
        values = _before(self._alphabet.values[self._told.symbols], 0)
        return np.where(last >= 0, values[last], 0) - low

    def _waited(self) -> tuple[Ints, Ints]:
        """How long the last onset before this place is over, and the key of all that began before it."""
        onsets = self._notes.onset
        began = np.searchsorted(onsets, self._tick, side="left")
        waited = self._tick - np.append(onsets, 0)[began - 1] if len(onsets) else np.zeros(self._steps, int)
        waited = np.where(began > 0, np.minimum(waited, MOST_WAIT), 0)
        pitched = self._notes.track != (-1 if self._alphabet.drum_track is None else self._alphabet.drum_track)
        weights = np.zeros((len(onsets) + 1, 12), np.int64)
        notes = np.flatnonzero(pitched)
        weights[notes + 1, self._notes.pitch[notes] % 12] = self._notes.duration[notes]
        weights = weights.cumsum(axis=0)
        places, which = np.unique(began, return_inverse=True)
        homes = np.where(weights[places].any(axis=1), 1 + keys.likeliest(weights[places]), 0)
        return waited.astype(np.int32), homes[which.ravel()].astype(np.int32)

    def _fill_sounding(self, found: Ints) -> None:
        """The lowest note that sounds, of those begun by now."""
        notes, drums = self._notes, self._alphabet.drum_track
        pitched = notes.track != (-1 if drums is None else drums)
        places, which = np.unique(self._tick, return_inverse=True)
        lowest = _still(places, notes.only(pitched))[which.ravel()]
        # Of each onset the lowest so far; the next onset's numbers are all lower.
        onset = np.cumsum(np.diff(notes.onset, prepend=-1) != 0) * 256
        so_far = np.minimum.accumulate(np.where(pitched, notes.pitch, 128) - onset) + onset
        begun = (self._begun > 0) & (np.append(notes.onset, -1)[self._begun - 1] == self._tick)
        lowest = np.where(begun, np.minimum(lowest, np.append(so_far, 128)[self._begun - 1]), lowest)
        found[:, BASS] = np.where(lowest < 128, FIRST + lowest, SILENCE)

    def _fill_tracks(self, found: Ints) -> None:
        """What the instrument whose turn it is has just said, and said before."""
        notes, track = self._notes, self._track.astype(np.int64)
        count = len(notes)
        pitch = np.append(notes.pitch, 0)
        last = self._begun - 1
        own = (last >= 0) & (np.append(notes.track, -2)[last] == track)
        now = own & (np.append(notes.onset, -1)[last] == self._tick)
        found[:, ABOVE] = np.where(now, FIRST + pitch[last], SILENCE)

        steps = np.arange(self._steps)
        span = max(self._steps, int(self._tick.max(initial=0)), notes.end) + 1
        for column, kind, values in (
            (LENGTH, DURATION, _lengths(notes.duration)),
            (LOUDNESS, VELOCITY, notes.velocity + 1),
        ):
            said = np.flatnonzero(self._alphabet.kinds[self._told.symbols] == kind)
            owner = self._told.note[said]
            at = _latest(notes.track[owner] * np.int64(span) + said, track * span + steps, span, track)
            found[:, column] = np.where(at >= 0, np.append(values[owner], 0)[at], 0)

        new = np.flatnonzero((np.diff(notes.onset, prepend=-1) != 0) | (np.diff(notes.track, prepend=-1) != 0))
        last_of = np.append(new[1:], count) - 1
        at = _latest(notes.track[new] * np.int64(span) + notes.onset[new], track * span + self._tick, span, track)
        for column, number in ((SECOND, 1), (THIRD, 2)):
            there = (at >= 0) & (np.append(last_of - new, 0)[at] >= number)
            found[:, column] = np.where(there, FIRST + pitch[np.where(there, np.append(new, 0)[at] + number, 0)], 0)
        found[:, LOWEST] = np.where(at >= 0, FIRST + pitch[np.append(last_of, 0)[at]], SILENCE)
        self._fill_lines(found, new)

    def _fill_lines(self, found: Ints, new: npt.NDArray[Any]) -> None:
        """The instrument's top line: what begins under a higher note of its own that still sounds is not of it."""
        notes = self._notes
        tables, row = [lines.told(notes.pitch[:0])[:, TOLD]], np.zeros(self._steps, np.int64)
        asked = np.flatnonzero(np.isin(self._alphabet.kinds[self._told.symbols], (PITCH, DRUM)))
        for number, track in enumerate(self._alphabet.tracks):
            mine = new[notes.track[new] == number]
            if track.drums or not len(mine):
                continue
            tops = mine[_skyline(notes.only(mine))]
            rows = np.flatnonzero(self._track == number)
            row[rows] = sum(map(len, tables)) + np.searchsorted(asked[tops], rows, side="left")
            tables.append(lines.told(notes.pitch[tops])[:, TOLD])
        found[:, LINE:] = np.concatenate(tables)[row]

    def _fill_echoes(self, found: Ints) -> None:
        """What came at this place some bars before: the next place, instrument and note, each after what is said."""
        notes = self._notes
        bars, _ = self._bars.columns((notes.onset * GRID).astype(np.int32))
        places = self._bars.columns((notes.onset * GRID).astype(np.int32))[1] // GRID
        bars = bars - (0 if self._bars.pickup else 1)
        ordered = note_key(bars, places, notes.track, 128 - notes.pitch)
        table = np.append(ordered, np.int64(1) << 62)
        chosen = np.where(found[:, ABOVE] >= FIRST, 128 - (found[:, ABOVE] - FIRST) + 1, 0)
        for lag in LAGS:
            bar = self._bar - lag
            there = table[np.searchsorted(ordered, note_key(bar, self._place + 1, 0, 0))]
            same = (there >> 16) // MAX_BAR == bar
            place = np.where(same, FIRST_PLACE + (there >> 16) % MAX_BAR, BAR_LINE)
            found[:, column_of(0, lag)] = np.where(bar >= 0, place, NO_PLACE)
            there = table[np.searchsorted(ordered, note_key(bar, self._place, self._track + 1, 0))]
            same = (there >> 16 == note_key(bar, self._place, 0, 0) >> 16) & (bar >= 0)
            found[:, column_of(1, lag)] = np.where(same, 1 + (there >> 8 & 255), 0)
            here = note_key(bar, self._place, self._track, chosen)
            at = np.searchsorted(ordered, here)
            same = (table[at] >> 8 == here >> 8) & (bar >= 0) & (self._track >= 0)
            found[:, column_of(2, lag)] = np.where(same, FIRST + 128 - (table[at] & 255), SILENCE)
            if lag == 1:
                at = np.searchsorted(ordered, note_key(bar, self._place, self._track, 0))
                same = (table[at] >> 8 == here >> 8) & (bar >= 0) & (self._track >= 0)
                lengths = np.append(_lengths(notes.duration), 0)
                found[:, LENGTH_BEFORE] = np.where(same, lengths[at], 0)


def _before(after: Ints, first: int) -> Ints:
    """What holds before each step, from what holds after it."""
    return np.concatenate([[first], after[:-1]]).astype(after.dtype)


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1


def _lengths(durations: Ints) -> Ints:
    return (np.searchsorted(DURATIONS, durations) + 1).astype(np.int32)


def _latest(
    known: npt.NDArray[np.int64], asked: npt.NDArray[np.int64], span: int, track: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """For each question (T,), as track * span + when, the index of the latest of a track that was before; -1 where
    there is none."""
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], asked, side="left") - 1
    found = np.append(order, -1)[at]
    return np.where((at >= 0) & (np.append(known, -1)[found] // span == track) & (track >= 0), found, -1)


def _still(places: npt.NDArray[np.int64], notes: Notes) -> Ints:
    """At each place (in rising order), the lowest pitch of the notes that began before it and still sound, or 128."""
    found = np.full(len(places), 128, np.int32)
    first = np.searchsorted(places, notes.onset, side="right")
    count = np.searchsorted(places, notes.onset + notes.duration, side="left") - first
    within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    np.minimum.at(found, np.repeat(first, count) + within, np.repeat(notes.pitch, count))
    return found


def _skyline(tops: Notes) -> list[int]:
    """Which of the highest notes of one instrument's onsets (as indices) are of its top line."""
    found: list[int] = []
    line, until = -1, -1
    for i, (onset, duration, pitch) in enumerate(
        zip(tops.onset.tolist(), tops.duration.tolist(), tops.pitch.tolist())
    ):
        if onset >= until or pitch >= line:
            found.append(i)
            line, until = pitch, onset + duration
    return found
