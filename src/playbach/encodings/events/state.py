"""What has been heard of a piece in the `events` encoding, symbol by symbol: its notes, meters and tempos, and what
the network is told of it before the next one.

Which symbols may come next is another matter (`events_decoder.py`). Knows nothing of networks.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Self

import numpy as np

from playbach.encodings import lines
from playbach.encodings.base import Decoder, meter_symbol
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
    velocity_of,
)
from playbach.encodings.events.constants import EventsConstants
from playbach.encodings.events.context import note_key
from playbach.encodings.events.fields import (
    A_DURATION,
    A_PITCH,
    A_VELOCITY,
    AFTER_BAR,
    AFTER_METER,
    AFTER_NOTE,
    AFTER_PLACE,
    AFTER_PROGRAM,
    AFTER_TEMPO,
    BAR_LINE,
    EVENT,
    FIRST,
    FIRST_PLACE,
    LAGS,
    LENGTHS,
    MOST_WAIT,
    NO_PLACE,
    SILENCE,
    TOLD,
)
from playbach.encodings.events.grid import DRUM_UNITS, GRID, MAX_BAR, UNITS, bar_ticks, tempo_after
from playbach.music import keys
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header
from playbach.music.events import Event, Meter, Note, Tempo

VELOCITY_FIXED = 80
"""Where loudness is not said."""


class _Part:
    """What one instrument has said so far; all times in units."""

    def __init__(self) -> None:
        self.line = lines.Line()
        self.top, self.until = -1, -1  # of the line
        self.at = -1
        self.now: list[int] = []
        self.before: list[int] = []
        self.length = self.loudness = 0  # of its last note, as symbols of the context

    def copy(self) -> Self:
        twin = type(self)()
        twin.__dict__.update(self.__dict__)
        twin.line, twin.now, twin.before = self.line.copy(), list(self.now), list(self.before)
        return twin

    def strike(self, unit: int, pitch: int, drums: bool) -> None:
        if unit != self.at:
            self.before, self.now, self.at = self.now, [], unit
            if not drums and (unit >= self.until or pitch >= self.top):
                self.line.hear(pitch)
                self.top, self.until = pitch, -2
        self.now.append(pitch)

    def last(self, unit: int) -> list[int]:
        """The notes of its onset before this unit, from high to low."""
        return self.now if self.at < unit else self.before


class Hearing(Decoder):
    def __init__(self, encoding: EventsConstants, header: Header, bars: int | None) -> None:
        self._encoding, self._alphabet = encoding, encoding.alphabet
        numbers = {track.name: i for i, track in enumerate(encoding.tracks)}
        if any(track.name not in numbers for track in header.tracks):
            raise ValueError("a header has an instrument that the encoding does not have")
        self._numbers = [numbers[track.name] for track in header.tracks]
        self._indices = {number: i for i, number in enumerate(self._numbers)}
        super().__init__(header, bars)
        self._length = bars
        self._tempo = header.tempo
        self._meters = list(header.meters)
        self._fixed_meters = len(header.meters)
        self._place = self._bars.place(0) // GRID
        self._only = 0 if len(encoding.tracks) == 1 else -1
        self._track = self._only
        self._next, self._after = EVENT, AFTER_BAR
        self._pace = 0
        self._parts = [_Part() for _ in encoding.tracks]
        self._above = -1  # the pitch chosen last, of this track at this place
        self._sounding: list[tuple[int, int, int]] = []  # end in units, track, pitch; drums are not among them
        self._weights = [0] * 12  # how long each pitch class has sounded, of all but this onset …
        self._fresh: list[tuple[int, int]] = []  # … and its pitches and durations
        self._home = 0
        self._keys: list[int] = []  # of the notes of the last bars, in order
        self._lengths: list[int] = []  # their durations, as symbols of the context
        self._onset = -1  # the last unit at which something began, before this one
        self._struck = -1  # or at this one
        self._rests = 0  # bars in succession in which nothing has begun
        self._steps = 0
        self._made: list[int] = []  # the steps of the note that is being said
        self._note = (0, 0)  # its pitch, and its end in units
        self._last_onset = -1
        self._ending: list[int] = []  # ends of the notes of the last onset that was not drums', in units
        self._kinds: dict[int, Mask] = {kind: self._alphabet.kinds == kind for kind in range(VELOCITY + 1)}

    def copy(self) -> Self:
        twin = super().copy()
        twin._parts = [part.copy() for part in self._parts]
        return twin

    @property
    def _unit(self) -> int:
        return self.tick // GRID

    @property
    def _number(self) -> int:
        """Of this bar, from 0 on."""
        return self.bar - (0 if self._bars.pickup else 1)

    def end_after(self, bars: int | None) -> None:
        self._length = None if bars is None else max(bars, self.bar)
        super().end_after(bars)

    def _bar_units(self) -> int:
        """How long this bar is, from the beginning of a full one."""
        full = self._meters[1] if self._bars.pickup and self._number == 0 else self._meters[-1]
        return bar_ticks(*full[1:]) // GRID

    @property
    def _end_unit(self) -> int | None:
        return None if self._end is None else self._end // GRID

    def context(self) -> Ints:
        track, unit = self._track, self._unit
        part = self._parts[track] if track >= 0 else None
        before = part.last(unit) if part else []
        low, _ = self._alphabet.tempos
        waited = min(unit - self._onset, MOST_WAIT) if self._onset >= 0 else 0
        told = [self._next, self._after, self._place, self._place % UNITS]
        told += [
            meter_symbol(self._encoding.meters, self._bars.meter(self.tick)),
            self.left(),
            track + 1,
            self._pace - low,
        ]
        told += [waited, self._home, self._lowest(), _heard(self._above)]
        told += [_heard(before[1]) if len(before) > 1 else SILENCE, _heard(before[2]) if len(before) > 2 else SILENCE]
        told += [_heard(before[-1]) if before else SILENCE]
        told += [part.length if part else 0, self._length_before(), part.loudness if part else 0]
        told += [self._place_before(lag) for lag in LAGS]
        told += [self._track_before(lag) for lag in LAGS]
        told += [self._note_before(lag) for lag in LAGS]
        line = (part.line if part else lines.Line()).told()
        return np.array([*told, *(line[i] for i in TOLD)], np.int32)

    def _lowest(self) -> int:
        return min((FIRST + p for end, _, p in self._sounding if end > self._unit), default=SILENCE)

    def _at(self, key: int) -> int:
        """The first note of those bars that is not before this key, or a key beyond all."""
        at = bisect_left(self._keys, key)
        return self._keys[at] if at < len(self._keys) else 1 << 62

    def _place_before(self, lag: int) -> int:
        bar = self._number - lag
        if bar < 0:
            return NO_PLACE
        there = self._at(note_key(bar, self._place + 1, 0, 0)) >> 16
        return FIRST_PLACE + there % MAX_BAR if there // MAX_BAR == bar else BAR_LINE

    def _track_before(self, lag: int) -> int:
        bar = self._number - lag
        there = self._at(note_key(bar, self._place, self._track + 1, 0))
        same = bar >= 0 and there >> 16 == note_key(bar, self._place, 0, 0) >> 16
        return 1 + (there >> 8 & 255) if same else 0

    def _note_before(self, lag: int) -> int:
        bar = self._number - lag
        if bar < 0 or self._track < 0:
            return SILENCE
        here = note_key(bar, self._place, self._track, 129 - self._above if self._above >= 0 else 0)
        there = self._at(here)
        return FIRST + 128 - (there & 255) if there >> 8 == here >> 8 else SILENCE

    def _length_before(self) -> int:
        """Of the first note that the instrument had at this place in the bar before."""
        bar = self._number - 1
        if bar < 0 or self._track < 0:
            return 0
        here = note_key(bar, self._place, self._track, 0)
        at = bisect_left(self._keys, here)
        return self._lengths[at] if at < len(self._keys) and self._keys[at] >> 8 == here >> 8 else 0

    def feed(self, step: Ints) -> list[Event]:
        symbol = int(step[0])
        kind, value = int(self._alphabet.kinds[symbol]), int(self._alphabet.values[symbol])
        events: list[Event] = []
        self._after, self._next = AFTER_NOTE, EVENT
        if kind == BAR:
            self._begin_bar()
        elif kind == METER:
            events = self._change_meter(*meter_of(self._alphabet.meters[value]))
        elif kind == TEMPO:
            self._pace, self._after = value, AFTER_TEMPO
            events = [Tempo(self.tick, tempo_after(self._tempo, value))]
        elif kind == PLACE:
            self._move(self.tick + (value - self._place) * GRID)
            self._place, self._after = value, AFTER_PLACE
        elif kind == PROGRAM:
            self._track, self._above = value, -1
            self._after, self._next = AFTER_PROGRAM, A_PITCH
        elif kind != NOTHING_KNOWN:
            events = self._say(kind, value)
        self._steps += 1
        self.final_until = self.tick
        self.finished = self._reached_end()
        return events

    def _move(self, tick: int) -> None:
        """To a place where nothing has been said yet."""
        for pitch, duration in self._fresh:
            self._weights[pitch % 12] += duration
        if self._fresh:
            self._home = 1 + int(keys.likeliest(np.array(self._weights)))
        self._fresh = []
        self._onset = self._struck
        self.tick = tick
        self._sounding = [s for s in self._sounding if s[0] > tick // GRID or s[0] == self._end_unit]
        self._track, self._above = self._only, -1

    def _begin_bar(self) -> None:
        begun = self._struck >= 0 and self._unit - self._struck <= self._place
        self._rests = 0 if begun else self._rests + 1
        tick, last = self._bars.start(self.bar + 1), self._length is not None and self.bar >= self._length
        self._move(max(self.tick, self._end) if last and self._end is not None else tick)
        self._place, self._after = 0, AFTER_BAR
        kept = bisect_left(self._keys, note_key(self._number - max(LAGS), 0, 0, 0))
        del self._keys[:kept], self._lengths[:kept]

    def _change_meter(self, numerator: int, denominator: int) -> list[Event]:
        self._after = AFTER_METER
        self._meters.append((self.tick, numerator, denominator))
        self._bars = Bars(tuple(self._meters))
        if self._length is not None:
            self._end = self._bars.end(self._length)
        return [Meter(self.tick, numerator, denominator)]

    def _say(self, kind: int, value: int) -> list[Event]:
        """A part of a note."""
        part, track = self._parts[self._track], self._encoding.tracks[self._track]
        if kind in (PITCH, DRUM):
            part.strike(self._unit, value, track.drums)
            self._keys.append(int(note_key(self._number, self._place, self._track, 128 - value)))
            self._lengths.append(LENGTHS[DRUM_UNITS])
            self._above, self._struck, self._made = value, self._unit, [self._steps]
            self._note = (value, self._unit + DRUM_UNITS)
            if kind == PITCH:
                self._sounding.append((self._unit + 1, self._track, value))
                self._next = A_DURATION
                return []
        elif kind == DURATION:
            self._last_until(self._unit + value, part)
        else:
            part.loudness = value + 1
        if kind != VELOCITY:
            self._made += [self._steps] * (kind == DURATION)
            if self._alphabet.velocities:
                self._next = A_VELOCITY
                return []
        else:
            self._made.append(self._steps)
        pitch, end = self._note
        velocity = velocity_of(value) if kind == VELOCITY else VELOCITY_FIXED
        length = (end - self._unit) * GRID
        index = self._indices[self._track]
        return [Note(self.tick, length, pitch, velocity, index, tuple(self._made))]

    def _last_until(self, end: int, part: _Part) -> None:
        """The note that is being said ends there."""
        pitch, _ = self._note
        self._note = (pitch, end)
        self._sounding[-1] = (end, self._track, pitch)
        if self._ending and self._last_onset != self._unit:
            self._ending = []
        self._ending.append(end)
        self._last_onset = self._unit
        self._fresh.append((pitch, end - self._unit))
        self._lengths[-1] = part.length = LENGTHS[end - self._unit]
        if part.until == -2:
            part.until = end

    def finish(self) -> list[Event]:
        self.final_until = self.tick
        return []


def _heard(pitch: int) -> int:
    return FIRST + pitch if pitch >= 0 else SILENCE


def meter_of(name: str) -> tuple[int, int]:
    numerator, _, denominator = name.partition("/")
    return int(numerator), int(denominator)
