"""The state of a piece in the `events` encoding as its symbols are fed: what each symbol does.

`features/` says what a network is told of it, `decoder.py` which symbol may come next. Knows nothing of networks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np

from playbach.encodings.base import Decoder
from playbach.encodings.events.grid import (
    DEFAULT_VELOCITY_BIN,
    DRUM_DURATION,
    EVENTS_GRID,
    bar_ticks,
    note_order,
    parse_meter,
    tempo_at,
)
from playbach.encodings.events.symbols import (
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
from playbach.encodings.events.vocabulary import EventsVocabulary
from playbach.encodings.features import lines
from playbach.music import keys
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header
from playbach.music.events import DEFAULT_VELOCITY, Event, Meter, Note, Tempo

NEXT_EVENT, NEXT_NOTE, NEXT_PITCH = range(3)
"""The kinds of the next step; an event is any symbol that can stand at this place, a note any that it begins with."""
AFTER_BAR, AFTER_METER, AFTER_PLACE, AFTER_TEMPO, AFTER_PROGRAM, AFTER_NOTE, AFTER_VELOCITY, AFTER_DURATION = range(8)
"""The kinds of the symbol before."""
BAR_LAGS = (1, 2, 4)
"""How many bars back features look for what came at the same place."""


class InstrumentState:
    """What one instrument has played so far; all times are in units."""

    def __init__(self) -> None:
        self.line = lines.Line()
        self.top, self.until = -1, -1  # pitch and end of the line's last note
        self.onset = -1  # its last onset
        self.now: list[int] = []  # the pitches of its last onset, from high to low
        self.before: list[int] = []  # those of the onset before
        self.duration = 0  # of the notes that follow; 0 until it has been written
        self.velocity_bin = DEFAULT_VELOCITY_BIN  # of the notes that follow
        self._line_context: list[int] | None = None  # None until it is asked for after a note of the line

    def copy(self) -> Self:
        twin = type(self)()
        twin.__dict__.update(self.__dict__)
        twin.line, twin.now, twin.before = self.line.copy(), list(self.now), list(self.before)
        return twin

    def begin_note(self, unit: int, pitch: int, *, drums: bool) -> None:
        if unit != self.onset:
            self.before, self.now, self.onset = self.now, [], unit
            if not drums and (unit >= self.until or pitch >= self.top):
                self.line.add(pitch)
                self.top, self.until = pitch, unit + self.duration
                self._line_context = None
        self.now.append(pitch)

    def previous_onset(self, unit: int) -> list[int]:
        """The pitches of its last onset before this unit, from high to low."""
        return self.now if self.onset < unit else self.before

    @property
    def line_context(self) -> list[int]:
        """The context of its top line, one symbol for each of `lines.LINE_FIELDS`."""
        if self._line_context is None:
            self._line_context = self.line.context()
        return self._line_context


_NOBODY = InstrumentState()
"""Before an instrument is named. It never plays."""
_NOBODY.velocity_bin = -1


class EventsState(Decoder):
    """The part of the decoder that follows the symbols. All times are in units where nothing else is said."""

    def __init__(self, vocabulary: EventsVocabulary, header: Header, bars: int | None) -> None:
        self.vocabulary, self.alphabet = vocabulary, vocabulary.alphabet
        numbers = {track.name: i for i, track in enumerate(vocabulary.tracks)}
        if any(track.name not in numbers for track in header.tracks):
            raise ValueError("the header has an instrument that the encoding does not know")
        super().__init__(header, bars)
        self._bar_count = bars
        self._tempo = header.tempo
        # Where the piece is.
        self.next, self.after = NEXT_EVENT, AFTER_BAR
        self.place_unit = self._bars.place(0) // EVENTS_GRID
        self.meters = list(header.meters)
        self.fixed_meters = len(header.meters)  # those of the header
        self.tempo_bin = 0
        self.empty_bars = 0  # successive bars in which no note has begun
        # Who plays.
        self.track_numbers = [numbers[track.name] for track in header.tracks]
        self._track_indices = {number: i for i, number in enumerate(self.track_numbers)}
        self.only_track = 0 if len(vocabulary.tracks) == 1 else -1
        self.track = self.only_track  # -1 until an instrument is named at this place
        self.instruments = [InstrumentState() for _ in vocabulary.tracks]
        self.note_above = -1  # the last pitch of this instrument at this place
        # What sounds and sounded.
        self.sounding: list[tuple[int, int, int]] = []  # (end, track, pitch), without drums
        self.last_ends: list[int] = []  # ends of the notes of the last onset, without drums
        self._pitched_onset = -1
        self.previous_onset = -1  # the last unit before this place at which a note began
        self.newest_onset = -1  # the same, this place included
        self.note_orders: list[int] = []  # `note_order` of each note of the last bars, rising
        self.durations: list[int] = []  # their durations
        self.home = 0  # the likeliest key of the notes before this place, as a context symbol; 0 if there are none
        self._weights = [0] * 12  # the total length of each pitch class, without this onset …
        self._onset_notes: list[tuple[int, int]] = []  # … whose pitches and durations are these
        self._steps = 0
        self._changes: list[int] = []  # the steps before this one that change the velocity or duration of its note

    def copy(self) -> Self:
        twin = super().copy()
        twin.instruments = [part.copy() for part in self.instruments]
        return twin

    @property
    def unit(self) -> int:
        """The position from the beginning."""
        return self.tick // EVENTS_GRID

    @property
    def bar_index(self) -> int:
        """The number of this bar, from 0."""
        return self.bar - (0 if self._bars.pickup else 1)

    @property
    def meter(self) -> str:
        """The meter, such as `3/4`."""
        return self._bars.meter(self.tick)

    @property
    def instrument(self) -> InstrumentState:
        """The one that plays now."""
        return self.instruments[self.track] if self.track >= 0 else _NOBODY

    @property
    def length_here(self) -> int:
        """The length of the last note that began at this place; 0 if none has, but for drums."""
        return self._onset_notes[-1][1] if self._onset_notes else 0

    @property
    def bar_units(self) -> int:
        """The length of this bar; a pickup counts as a full bar."""
        full = self.meters[1] if self._bars.pickup and self.bar_index == 0 else self.meters[-1]
        return bar_ticks(*full[1:]) // EVENTS_GRID

    @property
    def end_unit(self) -> int | None:
        return None if self._end is None else self._end // EVENTS_GRID

    def end_after(self, bars: int | None) -> None:
        self._bar_count = None if bars is None else max(bars, self.bar)
        super().end_after(bars)

    # ----------------------------------------------------------------------------------------------- symbols

    def feed(self, step: Ints) -> list[Event]:
        kind, value = self.alphabet.symbols[int(step[0])]
        self.after, self.next = AFTER_NOTE, NEXT_EVENT
        events = self._feed_kind[kind](self, value)
        self._steps += 1
        if self.after not in (AFTER_VELOCITY, AFTER_DURATION):
            self._changes = []
        self.final_until = self.tick
        self.finished = self._reached_end()
        return events

    def _feed_unknown(self, value: int) -> list[Event]:
        return []

    def _feed_bar(self, value: int) -> list[Event]:
        begun = self.newest_onset >= 0 and self.unit - self.newest_onset <= self.place_unit
        self.empty_bars = 0 if begun else self.empty_bars + 1
        tick, last = self._bars.start(self.bar + 1), self._bar_count is not None and self.bar >= self._bar_count
        self._move_to(max(self.tick, self._end) if last and self._end is not None else tick)
        self.place_unit, self.after = 0, AFTER_BAR
        old = bisect_left(self.note_orders, note_order(self.bar_index - max(BAR_LAGS), 0))
        del self.note_orders[:old], self.durations[:old]
        return []

    def _feed_meter(self, value: int) -> list[Event]:
        self.after = AFTER_METER
        change = (self.tick, *parse_meter(self.alphabet.meters[value]))
        self.meters.append(change)
        self._bars = Bars(tuple(self.meters))
        if self._bar_count is not None:
            self._end = self._bars.end(self._bar_count)
        return [Meter(*change)]

    def _feed_tempo(self, value: int) -> list[Event]:
        self.tempo_bin, self.after = value, AFTER_TEMPO
        return [Tempo(self.tick, tempo_at(self._tempo, value))]

    def _feed_place(self, value: int) -> list[Event]:
        self._move_to(self.tick + (value - self.place_unit) * EVENTS_GRID)
        self.place_unit, self.after = value, AFTER_PLACE
        return []

    def _feed_instrument(self, value: int) -> list[Event]:
        self.track, self.note_above = value, -1
        self.after, self.next = AFTER_PROGRAM, NEXT_NOTE
        return []

    def _feed_velocity(self, value: int) -> list[Event]:
        self.instruments[self.track].velocity_bin = value
        self._changes.append(self._steps)
        self.after, self.next = AFTER_VELOCITY, NEXT_NOTE
        return []

    def _feed_duration(self, value: int) -> list[Event]:
        self.instruments[self.track].duration = value
        self._changes.append(self._steps)
        self.after, self.next = AFTER_DURATION, NEXT_PITCH
        return []

    def _feed_pitch(self, value: int) -> list[Event]:
        duration = max(self.instruments[self.track].duration, 1)  # no valid piece has a pitch before a duration
        end = self.unit + duration
        self.sounding.append((end, self.track, value))
        if self.last_ends and self._pitched_onset != self.unit:
            self.last_ends = []
        self.last_ends.append(end)
        self._pitched_onset = self.unit
        self._onset_notes.append((value, duration))
        return [self._note(value, duration, drums=False)]

    def _feed_drum(self, value: int) -> list[Event]:
        return [self._note(value, DRUM_DURATION, drums=True)]

    _feed_kind: ClassVar[dict[int, Callable[[EventsState, int], list[Event]]]] = {
        UNKNOWN_KIND: _feed_unknown,
        BAR_KIND: _feed_bar,
        METER_KIND: _feed_meter,
        TEMPO_KIND: _feed_tempo,
        PLACE_KIND: _feed_place,
        PROGRAM_KIND: _feed_instrument,
        PITCH_KIND: _feed_pitch,
        DRUM_KIND: _feed_drum,
        DURATION_KIND: _feed_duration,
        VELOCITY_KIND: _feed_velocity,
    }

    def _move_to(self, tick: int) -> None:
        """Move to a later place."""
        for pitch, duration in self._onset_notes:
            self._weights[pitch % 12] += duration
        if self._onset_notes:
            self.home = 1 + int(keys.likeliest_keys(np.array(self._weights)))
        self._onset_notes = []
        self.previous_onset = self.newest_onset
        self.tick = tick
        self.sounding = [s for s in self.sounding if s[0] > tick // EVENTS_GRID or s[0] == self.end_unit]
        self.track, self.note_above = self.only_track, -1

    def _note(self, pitch: int, duration: int, *, drums: bool) -> Note:
        """Begin a note, whose velocity and duration are known."""
        part = self.instruments[self.track]
        part.begin_note(self.unit, pitch, drums=drums)
        self.note_orders.append(note_order(self.bar_index, self.place_unit, track=self.track, rank=128 - pitch))
        self.durations.append(duration)
        self.note_above, self.newest_onset = pitch, self.unit
        velocity = velocity_of(part.velocity_bin) if self.vocabulary.has_velocities else DEFAULT_VELOCITY
        steps = (self._steps, *self._changes)  # the pitch is what a listener asks about first
        return Note(self.tick, duration * EVENTS_GRID, pitch, velocity, self._track_indices[self.track], steps)

    def finish(self) -> list[Event]:
        self.final_until = self.tick
        return []
