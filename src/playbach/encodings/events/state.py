"""The state of a piece in the `events` encoding as its symbols are fed: its notes, meters, tempos, and the context.

`decoder.py` says which symbols may come next. Knows nothing of networks.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Self

import numpy as np

from playbach.encodings import lines
from playbach.encodings.base import Decoder, meter_symbol
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
    velocity_of,
)
from playbach.encodings.events.constants import EventsConstants
from playbach.encodings.events.context import note_order
from playbach.encodings.events.fields import (
    AFTER_BAR,
    AFTER_METER,
    AFTER_NOTE,
    AFTER_PLACE,
    AFTER_PROGRAM,
    AFTER_TEMPO,
    BAR_LAGS,
    FIRST_PLACE,
    LENGTH_SYMBOLS,
    LINE_SELECTION,
    MAX_WAITED,
    NEXT_BAR_LINE,
    NEXT_DURATION,
    NEXT_EVENT,
    NEXT_PITCH,
    NEXT_VELOCITY,
    NO_PLACE,
)
from playbach.encodings.events.grid import (
    DRUM_DURATION,
    EVENTS_GRID,
    EVENTS_UNITS,
    MAX_BAR,
    bar_ticks,
    tempo_at,
)
from playbach.encodings.lines import FIRST_NOTE, NO_NOTE
from playbach.music import keys
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header
from playbach.music.events import DEFAULT_VELOCITY, Event, Meter, Note, Tempo


class _InstrumentState:
    """What one instrument has played so far; all times are in units."""

    def __init__(self) -> None:
        self.line = lines.Line()
        self.top, self.until = -1, -1  # pitch and end of the line's last note; the end is -2 until it is known
        self.onset = -1  # its last onset
        self.now: list[int] = []  # the pitches of its last onset, from high to low
        self.before: list[int] = []  # those of the onset before
        self.length = self.velocity = 0  # of its last note, as symbols of the context

    def copy(self) -> Self:
        twin = type(self)()
        twin.__dict__.update(self.__dict__)
        twin.line, twin.now, twin.before = self.line.copy(), list(self.now), list(self.before)
        return twin

    def begin_note(self, unit: int, pitch: int, drums: bool) -> None:
        if unit != self.onset:
            self.before, self.now, self.onset = self.now, [], unit
            if not drums and (unit >= self.until or pitch >= self.top):
                self.line.add(pitch)
                self.top, self.until = pitch, -2
        self.now.append(pitch)

    def previous_onset(self, unit: int) -> list[int]:
        """The pitches of its last onset before this unit, from high to low."""
        return self.now if self.onset < unit else self.before


class EventsState(Decoder):
    """The part of the decoder that follows the symbols; `EventsDecoder` adds which symbols are possible."""

    def __init__(self, encoding: EventsConstants, header: Header, bars: int | None) -> None:
        self._encoding, self._alphabet = encoding, encoding.alphabet
        numbers = {track.name: i for i, track in enumerate(encoding.tracks)}
        if any(track.name not in numbers for track in header.tracks):
            raise ValueError("the header has an instrument that the encoding does not know")
        self._track_numbers = [numbers[track.name] for track in header.tracks]
        self._track_indices = {number: i for i, number in enumerate(self._track_numbers)}
        super().__init__(header, bars)
        self._bar_count = bars
        self._tempo = header.tempo
        self._meters = list(header.meters)
        self._fixed_meters = len(header.meters)
        self._place = self._bars.place(0) // EVENTS_GRID
        self._only_track = 0 if len(encoding.tracks) == 1 else -1
        self._track = self._only_track
        self._next, self._after = NEXT_EVENT, AFTER_BAR
        self._tempo_bin = 0
        self._parts = [_InstrumentState() for _ in encoding.tracks]
        self._last_pitch = -1  # the last pitch of this track at this place
        self._sounding: list[tuple[int, int, int]] = []  # (end in units, track, pitch), without drums
        self._weights = [0] * 12  # the total length of each pitch class, without this onset …
        self._onset_notes: list[tuple[int, int]] = []  # … whose pitches and durations are these
        self._key = 0
        self._note_orders: list[int] = []  # `note_order` of each note of the last bars, rising
        self._lengths: list[int] = []  # their durations, as symbols of the context
        self._previous_onset = -1  # the last unit before this place at which a note began
        self._newest_onset = -1  # the same, this place included
        self._empty_bars = 0  # successive bars in which no note has begun
        self._steps = 0
        self._note_steps: list[int] = []  # the steps of the current note so far
        self._note = (0, 0)  # its pitch, and its end in units
        self._pitched_onset = -1
        self._last_ends: list[int] = []  # ends of the notes of the last onset, in units, without drums
        self._kinds: dict[int, Mask] = {kind: self._alphabet.kinds == kind for kind in range(VELOCITY_KIND + 1)}

    def copy(self) -> Self:
        twin = super().copy()
        twin._parts = [part.copy() for part in self._parts]
        return twin

    @property
    def _unit(self) -> int:
        return self.tick // EVENTS_GRID

    @property
    def _bar_index(self) -> int:
        """The number of this bar, from 0."""
        return self.bar - (0 if self._bars.pickup else 1)

    def end_after(self, bars: int | None) -> None:
        self._bar_count = None if bars is None else max(bars, self.bar)
        super().end_after(bars)

    def _bar_units(self) -> int:
        """The length of this bar; a pickup counts as a full bar."""
        full = self._meters[1] if self._bars.pickup and self._bar_index == 0 else self._meters[-1]
        return bar_ticks(*full[1:]) // EVENTS_GRID

    @property
    def _end_unit(self) -> int | None:
        return None if self._end is None else self._end // EVENTS_GRID

    def context(self) -> Ints:
        track, unit = self._track, self._unit
        part = self._parts[track] if track >= 0 else None
        before = part.previous_onset(unit) if part else []
        low, _ = self._alphabet.tempos
        waited = min(unit - self._previous_onset, MAX_WAITED) if self._previous_onset >= 0 else 0
        context = [
            self._next,
            self._after,
            self._place,
            self._place % EVENTS_UNITS,
            meter_symbol(self._encoding.meters, self._bars.meter(self.tick)),
            self.bars_left(),
            track + 1,
            self._tempo_bin - low,
            waited,
            self._key,
            self._lowest(),
            _pitch_symbol(self._last_pitch),
            _pitch_symbol(before[1]) if len(before) > 1 else NO_NOTE,
            _pitch_symbol(before[2]) if len(before) > 2 else NO_NOTE,
            _pitch_symbol(before[-1]) if before else NO_NOTE,
            part.length if part else 0,
            self._length_before(),
            part.velocity if part else 0,
            *(self._place_before(lag) for lag in BAR_LAGS),
            *(self._track_before(lag) for lag in BAR_LAGS),
            *(self._note_before(lag) for lag in BAR_LAGS),
        ]
        line = (part.line if part else lines.Line()).context()
        return np.array([*context, *(line[i] for i in LINE_SELECTION)], np.int32)

    def _lowest(self) -> int:
        return min((FIRST_NOTE + p for end, _, p in self._sounding if end > self._unit), default=NO_NOTE)

    def _first_order_from(self, order: int) -> int:
        """The first of `self._note_orders` that is not smaller, or a number larger than all."""
        at = bisect_left(self._note_orders, order)
        return self._note_orders[at] if at < len(self._note_orders) else 1 << 62

    def _place_before(self, lag: int) -> int:
        bar = self._bar_index - lag
        if bar < 0:
            return NO_PLACE
        there = self._first_order_from(note_order(bar, self._place + 1, 0, 0)) >> 16
        return FIRST_PLACE + there % MAX_BAR if there // MAX_BAR == bar else NEXT_BAR_LINE

    def _track_before(self, lag: int) -> int:
        bar = self._bar_index - lag
        there = self._first_order_from(note_order(bar, self._place, self._track + 1, 0))
        same = bar >= 0 and there >> 16 == note_order(bar, self._place, 0, 0) >> 16
        return 1 + (there >> 8 & 255) if same else 0

    def _note_before(self, lag: int) -> int:
        bar = self._bar_index - lag
        if bar < 0 or self._track < 0:
            return NO_NOTE
        here = note_order(bar, self._place, self._track, 129 - self._last_pitch if self._last_pitch >= 0 else 0)
        there = self._first_order_from(here)
        return FIRST_NOTE + 128 - (there & 255) if there >> 8 == here >> 8 else NO_NOTE

    def _length_before(self) -> int:
        """The length of the instrument's first note at this place in the bar before."""
        bar = self._bar_index - 1
        if bar < 0 or self._track < 0:
            return 0
        here = note_order(bar, self._place, self._track, 0)
        at = bisect_left(self._note_orders, here)
        return self._lengths[at] if at < len(self._note_orders) and self._note_orders[at] >> 8 == here >> 8 else 0

    def feed(self, step: Ints) -> list[Event]:
        symbol = int(step[0])
        kind, value = int(self._alphabet.kinds[symbol]), int(self._alphabet.values[symbol])
        events: list[Event] = []
        self._after, self._next = AFTER_NOTE, NEXT_EVENT
        if kind == BAR_KIND:
            self._begin_bar()
        elif kind == METER_KIND:
            events = self._change_meter(*parse_meter(self._alphabet.meters[value]))
        elif kind == TEMPO_KIND:
            self._tempo_bin, self._after = value, AFTER_TEMPO
            events = [Tempo(self.tick, tempo_at(self._tempo, value))]
        elif kind == PLACE_KIND:
            self._move_to(self.tick + (value - self._place) * EVENTS_GRID)
            self._place, self._after = value, AFTER_PLACE
        elif kind == PROGRAM_KIND:
            self._track, self._last_pitch = value, -1
            self._after, self._next = AFTER_PROGRAM, NEXT_PITCH
        elif kind != UNKNOWN_KIND:
            events = self._feed_note(kind, value)
        self._steps += 1
        self.final_until = self.tick
        self.finished = self._reached_end()
        return events

    def _move_to(self, tick: int) -> None:
        """Move to a later place."""
        for pitch, duration in self._onset_notes:
            self._weights[pitch % 12] += duration
        if self._onset_notes:
            self._key = 1 + int(keys.likeliest_keys(np.array(self._weights)))
        self._onset_notes = []
        self._previous_onset = self._newest_onset
        self.tick = tick
        self._sounding = [s for s in self._sounding if s[0] > tick // EVENTS_GRID or s[0] == self._end_unit]
        self._track, self._last_pitch = self._only_track, -1

    def _begin_bar(self) -> None:
        begun = self._newest_onset >= 0 and self._unit - self._newest_onset <= self._place
        self._empty_bars = 0 if begun else self._empty_bars + 1
        tick, last = self._bars.start(self.bar + 1), self._bar_count is not None and self.bar >= self._bar_count
        self._move_to(max(self.tick, self._end) if last and self._end is not None else tick)
        self._place, self._after = 0, AFTER_BAR
        old = bisect_left(self._note_orders, note_order(self._bar_index - max(BAR_LAGS), 0, 0, 0))
        del self._note_orders[:old], self._lengths[:old]

    def _change_meter(self, numerator: int, denominator: int) -> list[Event]:
        self._after = AFTER_METER
        self._meters.append((self.tick, numerator, denominator))
        self._bars = Bars(tuple(self._meters))
        if self._bar_count is not None:
            self._end = self._bars.end(self._bar_count)
        return [Meter(self.tick, numerator, denominator)]

    def _feed_note(self, kind: int, value: int) -> list[Event]:
        """Take a symbol of a note: its pitch, duration or velocity."""
        part, track = self._parts[self._track], self._encoding.tracks[self._track]
        if kind in (PITCH_KIND, DRUM_KIND):
            part.begin_note(self._unit, value, track.drums)
            self._note_orders.append(int(note_order(self._bar_index, self._place, self._track, 128 - value)))
            self._lengths.append(LENGTH_SYMBOLS[DRUM_DURATION])
            self._last_pitch, self._newest_onset, self._note_steps = value, self._unit, [self._steps]
            self._note = (value, self._unit + DRUM_DURATION)
            if kind == PITCH_KIND:
                self._sounding.append((self._unit + 1, self._track, value))
                self._next = NEXT_DURATION
                return []
        elif kind == DURATION_KIND:
            self._set_end(self._unit + value, part)
        else:
            part.velocity = value + 1
        if kind != VELOCITY_KIND:
            self._note_steps += [self._steps] * (kind == DURATION_KIND)
            if self._alphabet.has_velocities:
                self._next = NEXT_VELOCITY
                return []
        else:
            self._note_steps.append(self._steps)
        pitch, end = self._note
        velocity = velocity_of(value) if kind == VELOCITY_KIND else DEFAULT_VELOCITY
        length = (end - self._unit) * EVENTS_GRID
        index = self._track_indices[self._track]
        return [Note(self.tick, length, pitch, velocity, index, tuple(self._note_steps))]

    def _set_end(self, end: int, part: _InstrumentState) -> None:
        """Set the end of the current note."""
        pitch, _ = self._note
        self._note = (pitch, end)
        self._sounding[-1] = (end, self._track, pitch)
        if self._last_ends and self._pitched_onset != self._unit:
            self._last_ends = []
        self._last_ends.append(end)
        self._pitched_onset = self._unit
        self._onset_notes.append((pitch, end - self._unit))
        self._lengths[-1] = part.length = LENGTH_SYMBOLS[end - self._unit]
        if part.until == -2:
            part.until = end

    def finish(self) -> list[Event]:
        self.final_until = self.tick
        return []


def _pitch_symbol(pitch: int) -> int:
    return FIRST_NOTE + pitch if pitch >= 0 else NO_NOTE


def parse_meter(name: str) -> tuple[int, int]:
    """`3/4` as (3, 4)."""
    numerator, _, denominator = name.partition("/")
    return int(numerator), int(denominator)
