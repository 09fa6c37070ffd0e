"""The decoder of the `events` encoding: which symbol may follow which, and which endings are good.

Any piece made of valid symbols could also be the result of encoding: bars are full, the symbols at a place are in
order, no pitch begins while it sounds, nothing sounds beyond the end, and no more successive bars are empty than in
training pieces. `state.py` says what each symbol does. Knows nothing of networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from playbach.encodings.base import narrow_mask
from playbach.encodings.events.alphabet import (
    BAR_KIND,
    DRUM_KIND,
    DURATION_KIND,
    METER_KIND,
    PITCH_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    TEMPO_KIND,
    VELOCITY_KIND,
)
from playbach.encodings.events.fields import (
    AFTER_BAR,
    AFTER_METER,
    AFTER_PLACE,
    NEXT_DURATION,
    NEXT_EVENT,
    NEXT_PITCH,
    NEXT_VELOCITY,
)
from playbach.encodings.events.grid import EVENTS_DURATIONS, EVENTS_GRID, EVENTS_UNITS, MAX_BAR
from playbach.encodings.events.state import EventsState, parse_meter
from playbach.music.arrays import Mask
from playbach.music.bars import Bars


class EventsDecoder(EventsState):
    """See the module."""

    def valid_mask(self) -> list[Mask]:
        if self._next == NEXT_PITCH:
            return [self._pitches(self._track)]
        if self._next == NEXT_DURATION:
            return [self._durations()]
        if self._next == NEXT_VELOCITY:
            return [self._kinds[VELOCITY_KIND]]
        mask = np.zeros(len(self._alphabet), bool)
        if self._after == AFTER_BAR:
            mask |= self._new_meters()
        if self._after in (AFTER_BAR, AFTER_METER, AFTER_PLACE) and self._place % EVENTS_UNITS == 0:
            mask |= self._kinds[TEMPO_KIND]
            mask &= ~(self._kinds[TEMPO_KIND] & (self._alphabet.values == self._tempo_bin))
        if self._track >= 0:
            mask |= self._pitches(self._track)
        if self._only_track < 0:
            mask |= self._instruments()
        if self._after != AFTER_PLACE:  # a place is written only where something follows
            mask |= self._moves()
        return [mask if mask.any() else self._bar_lines() | self._moves()]

    def _new_meters(self) -> Mask:
        """The meters that neither turn the first bar into a pickup nor move the end before a sounding note."""
        mask = self._kinds[METER_KIND].copy()
        if self.tick <= self._meters[self._fixed_meters - 1][0]:
            mask[:] = False
        for symbol in np.flatnonzero(mask).tolist():
            name = self._encoding.alphabet.meters[int(self._alphabet.values[symbol])]
            changed = Bars((*self._meters, (self.tick, *parse_meter(name))))
            end = None if self._bar_count is None else changed.end(self._bar_count)
            sounds = max((e for e, _, _ in self._sounding), default=0) * EVENTS_GRID
            too_early = end is not None and (end < sounds or end <= self.tick)
            is_other = name != self._bars.meter(self.tick)
            mask[symbol] = is_other and changed.pickup == self._bars.pickup and not too_early
        return mask

    def _instruments(self) -> Mask:
        """The instruments of the piece that come after this one and can begin a note."""
        mask = np.zeros(len(self._alphabet), bool)
        for number in self._track_numbers:
            if number > self._track:
                mask[self._alphabet.symbol[PROGRAM_KIND, number]] = self._pitches(number, begun=False).any()
        return mask

    def _pitches(self, track: int, begun: bool = True) -> Mask:
        """The pitches that an instrument can begin: below its last one at this place, and not sounding."""
        low, high, at_once = self._encoding.parts[track]
        above = self._last_pitch if begun and self._last_pitch >= 0 else 128
        values: Any = self._alphabet.values
        part = self._parts[track]
        if begun and part.onset == self._unit and len(part.now) >= at_once:
            return np.zeros(len(values), bool)
        if self._encoding.tracks[track].drums:
            return np.asarray(self._kinds[DRUM_KIND] & (values < above))
        mask: Mask = self._kinds[PITCH_KIND] & (values >= low) & (values <= high) & (values < above)
        sounding = [p for end, number, p in self._sounding if number == track and end > self._unit]
        mask[[self._alphabet.symbol[PITCH_KIND, p] for p in sounding]] = False
        return mask

    def _durations(self) -> Mask:
        longest = self._encoding.longest
        if self._end_unit is not None:
            longest = min(longest, self._end_unit - self._unit)
        return np.asarray(self._kinds[DURATION_KIND] & (self._alphabet.values <= max(longest, 1)))

    def _moves(self) -> Mask:
        """A later place of this bar, or its end."""
        until = self._place - self._unit + self._end_unit if self._end_unit is not None else MAX_BAR
        places: Mask = self._kinds[PLACE_KIND] & (self._alphabet.values > self._place)
        places &= self._alphabet.values < min(until, self._bar_units())
        empty = (
            self._newest_onset < 0 or self._unit - self._newest_onset > self._place
        )  # no note has begun in this bar
        if empty and self._empty_bars >= self._encoding.empty_bars and places.any():
            return places
        return places | self._bar_lines()

    def _bar_lines(self) -> Mask:
        return self._kinds[BAR_KIND]

    def style_mask(self) -> list[Mask]:
        """Lead to a good ending: the last notes begin at least a quarter before the end and are held until it, and no
        note stops shortly before it."""
        [mask] = self.valid_mask()
        if self._end_unit is None or not self._has_pitches():
            return [mask]
        left = self._end_unit - self._unit
        values = self._alphabet.values
        if self._next == NEXT_DURATION:
            ends = (values == left) | (values <= left - EVENTS_UNITS)
            return [narrow_mask(mask, ~self._kinds[DURATION_KIND] | ends)]
        if self._next != NEXT_EVENT or self.bars_left():
            return [mask]
        leaves = left - (values - self._place)
        to_ending = ~self._kinds[PLACE_KIND] | ((leaves >= EVENTS_UNITS) & np.isin(leaves, EVENTS_DURATIONS))
        mask = narrow_mask(mask, to_ending)
        if self._is_held():
            return [mask]
        mask = narrow_mask(mask, ~self._kinds[BAR_KIND])
        if not (mask & self._kinds[PLACE_KIND]).any():  # at the last place: an ending needs more than drums
            mask = narrow_mask(mask, ~(self._kinds[PROGRAM_KIND] & (values == self._alphabet.drum_track)))
        return [mask]

    def _has_pitches(self) -> bool:
        return any(not self._encoding.tracks[number].drums for number in self._track_numbers)

    def _is_held(self) -> bool:
        """Whether all notes of the last onset are held until the end."""
        return bool(self._last_ends) and min(self._last_ends) == self._end_unit

    def is_good_ending(self) -> bool:
        """Whether the last notes are held until the end over the piece's tonic, and are at least half as many as
        training pieces usually end with."""
        if not self._has_pitches() or self._end_unit is None:
            return True
        last = [(p, number) for end, number, p in self._sounding if end == self._end_unit]
        if not self._is_held() or 2 * len(last) < self._encoding.closing_notes:
            return False
        tonic = (self._key - 1) % 12 if self._key else None
        return tonic is None or min(last)[0] % 12 == tonic
