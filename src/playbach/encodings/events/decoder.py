"""The decoder of the `events` encoding: which symbol may follow which, and which endings are good ones.

A piece made of allowed symbols is always one that could be encoded: bars are full, what is said at a place is in
order, no pitch is struck while it sounds, nothing sounds beyond the end, and no more bars stay empty than training
pieces have. What symbols mean is in `events_hearing.py`. Knows nothing of networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from playbach.encodings.events.alphabet import BAR, DRUM, DURATION, METER, PITCH, PLACE, PROGRAM, TEMPO, VELOCITY
from playbach.encodings.events.fields import (
    A_DURATION,
    A_PITCH,
    A_VELOCITY,
    AFTER_BAR,
    AFTER_METER,
    AFTER_PLACE,
    EVENT,
)
from playbach.encodings.events.grid import DURATIONS, GRID, MAX_BAR, UNITS
from playbach.encodings.events.state import Hearing, meter_of
from playbach.music.arrays import Mask
from playbach.music.bars import Bars


class EventsDecoder(Hearing):
    def valid_mask(self) -> list[Mask]:
        if self._next == A_PITCH:
            return [self._pitches(self._track)]
        if self._next == A_DURATION:
            return [self._durations()]
        if self._next == A_VELOCITY:
            return [self._kinds[VELOCITY]]
        mask = np.zeros(len(self._alphabet), bool)
        if self._after == AFTER_BAR:
            mask |= self._new_meters()
        if self._after in (AFTER_BAR, AFTER_METER, AFTER_PLACE) and self._place % UNITS == 0:
            mask |= self._kinds[TEMPO]
            mask &= ~(self._kinds[TEMPO] & (self._alphabet.values == self._pace))
        if self._track >= 0:
            mask |= self._pitches(self._track)
        if self._only < 0:
            mask |= self._instruments()
        if self._after != AFTER_PLACE:  # which is said only where something comes
            mask |= self._moves()
        return [mask if mask.any() else self._bar_lines() | self._moves()]

    def _new_meters(self) -> Mask:
        """Those that neither make a pickup of the first bar nor move the end before what sounds."""
        mask = self._kinds[METER].copy()
        if self.tick <= self._meters[self._fixed_meters - 1][0]:
            mask[:] = False
        for symbol in np.flatnonzero(mask).tolist():
            name = self._encoding.alphabet.meters[int(self._alphabet.values[symbol])]
            changed = Bars((*self._meters, (self.tick, *meter_of(name))))
            end = None if self._length is None else changed.end(self._length)
            sounds = max((e for e, _, _ in self._sounding), default=0) * GRID
            wrong = end is not None and (end < sounds or end <= self.tick)
            mask[symbol] = name != self._bars.meter(self.tick) and changed.pickup == self._bars.pickup and not wrong
        return mask

    def _instruments(self) -> Mask:
        """Those of the piece that come after this one, and could strike something."""
        mask = np.zeros(len(self._alphabet), bool)
        for number in self._numbers:
            if number > self._track:
                mask[self._alphabet.symbol[PROGRAM, number]] = self._pitches(number, begun=False).any()
        return mask

    def _pitches(self, track: int, begun: bool = True) -> Mask:
        """What an instrument may strike now: below what it has just struck, and not what still sounds."""
        low, high, at_once = self._encoding.parts[track]
        above = self._above if begun and self._above >= 0 else 128
        values: Any = self._alphabet.values
        part = self._parts[track]
        if begun and part.at == self._unit and len(part.now) >= at_once:
            return np.zeros(len(values), bool)
        if self._encoding.tracks[track].drums:
            return np.asarray(self._kinds[DRUM] & (values < above))
        mask: Mask = self._kinds[PITCH] & (values >= low) & (values <= high) & (values < above)
        sounding = [p for end, number, p in self._sounding if number == track and end > self._unit]
        mask[[self._alphabet.symbol[PITCH, p] for p in sounding]] = False
        return mask

    def _durations(self) -> Mask:
        most = self._encoding.longest
        if self._end_unit is not None:
            most = min(most, self._end_unit - self._unit)
        return np.asarray(self._kinds[DURATION] & (self._alphabet.values <= max(most, 1)))

    def _moves(self) -> Mask:
        """A later place of this bar, or its end."""
        until = self._place - self._unit + self._end_unit if self._end_unit is not None else MAX_BAR
        places: Mask = self._kinds[PLACE] & (self._alphabet.values > self._place)
        places &= self._alphabet.values < min(until, self._bar_units())
        empty = self._struck < 0 or self._unit - self._struck > self._place  # nothing has begun in this bar
        if empty and self._rests >= self._encoding.rests and places.any():
            return places
        return places | self._bar_lines()

    def _bar_lines(self) -> Mask:
        return self._kinds[BAR]

    def style_mask(self) -> list[Mask]:
        """To an ending that is one: what sounds last is begun a quarter before the end at least, and held up to it,
        and nothing stops shortly before it."""
        [mask] = self.valid_mask()
        if self._end_unit is None or not self._pitched():
            return [mask]
        left = self._end_unit - self._unit
        values = self._alphabet.values
        if self._next == A_DURATION:
            ends = (values == left) | (values <= left - UNITS)
            return [_narrowed(mask, ~self._kinds[DURATION] | ends)]
        if self._next != EVENT or self.left():
            return [mask]
        leaves = left - (values - self._place)
        kept = ~self._kinds[PLACE] | ((leaves >= UNITS) & np.isin(leaves, DURATIONS))
        mask = _narrowed(mask, kept)
        if self._held():
            return [mask]
        mask = _narrowed(mask, ~self._kinds[BAR])
        if not (mask & self._kinds[PLACE]).any():  # the last chance: nothing comes after drums
            mask = _narrowed(mask, ~(self._kinds[PROGRAM] & (values == self._alphabet.drum_track)))
        return [mask]

    def _pitched(self) -> bool:
        return any(not self._encoding.tracks[number].drums for number in self._numbers)

    def _held(self) -> bool:
        """Whether what was struck last lasts until the end."""
        return bool(self._ending) and min(self._ending) == self._end_unit

    def is_good_ending(self) -> bool:
        """What was struck last is held up to the end, for a quarter at least, with at least half as many notes as the
        training pieces' last chords usually have, over the tonic of the piece so far."""
        if not self._pitched() or self._end_unit is None:
            return True
        last = [(p, number) for end, number, p in self._sounding if end == self._end_unit]
        if not self._held() or 2 * len(last) < self._encoding.closing:
            return False
        tonic = (self._home - 1) % 12 if self._home else None
        return tonic is None or min(last)[0] % 12 == tonic


def _narrowed(mask: Mask, by: Mask) -> Mask:
    """The symbols that both masks allow, or the first mask where they agree on none."""
    both = mask & by
    return both if both.any() else mask
