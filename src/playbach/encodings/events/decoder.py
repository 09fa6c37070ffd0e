"""The decoder of the `events` encoding: which symbol may follow which, and which endings are good.

Any piece made of valid symbols could also be the result of encoding: bars are full, the symbols at a place are in
order, no pitch begins while it sounds, nothing sounds beyond the end, and no more successive bars are empty than in
training pieces. `state.py` says what each symbol does. Knows nothing of networks.
"""

from __future__ import annotations

import numpy as np

from playbach.encodings.base import narrow_mask
from playbach.encodings.events.grid import EVENTS_DURATIONS, EVENTS_GRID, EVENTS_UNITS, MAX_BAR, parse_meter
from playbach.encodings.events.piece import EventsPiece
from playbach.encodings.events.state import (
    AFTER_BAR,
    AFTER_METER,
    AFTER_PLACE,
    AFTER_VELOCITY,
    NEXT_EVENT,
    NEXT_PITCH,
    EventsState,
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
    VELOCITY_KIND,
)
from playbach.encodings.events.vocabulary import EventsVocabulary
from playbach.encodings.features.base import Features
from playbach.music.arrays import Mask
from playbach.music.bars import Bars, Header
from playbach.music.chords import is_part_of_triad


class EventsDecoder(EventsState):
    """See the module."""

    def __init__(
        self,
        *,
        vocabulary: EventsVocabulary,
        features: Features[EventsPiece, EventsState],
        header: Header,
        bars: int | None,
    ) -> None:
        super().__init__(vocabulary, header, bars)
        self.features = features

    def valid_mask(self) -> list[Mask]:
        if self.next != NEXT_EVENT:
            return [self._notes()]
        mask = np.zeros(len(self.alphabet), bool)
        if self.after == AFTER_BAR:
            mask |= self._new_meters()
        if self.after in (AFTER_BAR, AFTER_METER, AFTER_PLACE) and self.place_unit % EVENTS_UNITS == 0:
            mask |= self._of_kind(TEMPO_KIND) & (self.alphabet.values != self.tempo_bin)
        if self.track >= 0:
            mask |= self._notes()
        if self.only_track < 0:
            mask |= self._instruments()
        if self.after != AFTER_PLACE:  # a place is written only where something follows
            mask |= self._moves()
        return [mask if mask.any() else self._of_kind(BAR_KIND) | self._moves()]

    def _of_kind(self, kind: int) -> Mask:
        return self.vocabulary.composed[kind]

    def _new_meters(self) -> Mask:
        """The meters that neither turn the first bar into a pickup nor move the end before a sounding note."""
        mask = self._of_kind(METER_KIND).copy()
        if self.keeps_meter or self.tick <= self.meters[self.fixed_meters - 1][0]:
            mask[:] = False
        for symbol in np.flatnonzero(mask).tolist():
            name = self.alphabet.meters[int(self.alphabet.values[symbol])]
            changed = Bars((*self.meters, (self.tick, *parse_meter(name))))
            end = None if self._bar_count is None else changed.end(self._bar_count)
            sounds = max((e for e, _, _ in self.sounding), default=0) * EVENTS_GRID
            too_early = end is not None and (end < sounds or end <= self.tick)
            mask[symbol] = name != self.meter and changed.pickup == self._bars.pickup and not too_early
        return mask

    def _instruments(self) -> Mask:
        """The instruments of the piece that come after this one and can begin a note."""
        mask = np.zeros(len(self.alphabet), bool)
        for number in self.track_numbers:
            if number > self.track:
                mask[self.alphabet.symbol[PROGRAM_KIND, number]] = self._pitches(number, begun=False).any()
        return mask

    def _notes(self) -> Mask:
        """What the instrument's next note can begin with: its pitch, or a velocity or duration other than now."""
        pitches, values, part = self._pitches(self.track), self.alphabet.values, self.instrument
        if self.next == NEXT_PITCH or not pitches.any():
            return pitches
        mask = np.zeros(len(values), bool)
        if self.vocabulary.tracks[self.track].drums:
            mask |= pitches
        else:
            durations = self._durations()
            mask |= durations & (values != part.duration)
            if (durations & (values == part.duration)).any():
                mask |= pitches
        if self.after != AFTER_VELOCITY:
            mask |= self._of_kind(VELOCITY_KIND) & (values != part.velocity_bin)
        return mask

    def _pitches(self, track: int, begun: bool = True) -> Mask:
        """The pitches that an instrument can begin: below its last one at this place, and not sounding."""
        low, high, at_once = self.vocabulary.parts[track]
        above = self.note_above if begun and self.note_above >= 0 else 128
        values, part = self.alphabet.values, self.instruments[track]
        if begun and part.onset == self.unit and len(part.now) >= at_once:
            return np.zeros(len(values), bool)
        if self.vocabulary.tracks[track].drums:
            return self._of_kind(DRUM_KIND) & (values < above)
        mask = self._of_kind(PITCH_KIND) & (values >= low) & (values <= high) & (values < above)
        sounding = [p for end, number, p in self.sounding if number == track and end > self.unit]
        mask[[self.alphabet.symbol[PITCH_KIND, p] for p in sounding]] = False
        return mask

    def _durations(self) -> Mask:
        longest = self.vocabulary.longest
        if self.end_unit is not None:
            longest = min(longest, self.end_unit - self.unit)
        return self._of_kind(DURATION_KIND) & (self.alphabet.values <= max(longest, 1))

    def _moves(self) -> Mask:
        """A later place of this bar, or its end."""
        until = self.place_unit - self.unit + self.end_unit if self.end_unit is not None else MAX_BAR
        places = self._of_kind(PLACE_KIND) & (self.alphabet.values > self.place_unit)
        places &= self.alphabet.values < min(until, self.bar_units)
        # No note has begun in this bar.
        empty = self.newest_onset < 0 or self.unit - self.newest_onset > self.place_unit
        if empty and self.empty_bars >= self.vocabulary.empty_bars and places.any():
            return places
        return places | self._of_kind(BAR_KIND)

    def style_mask(self) -> list[Mask]:
        """Lead to a good ending: the last notes begin at least a quarter before the end and are held until it, and no
        note stops shortly before it."""
        [mask] = self.valid_mask()
        if self.end_unit is None or not self._has_pitches():
            return [mask]
        left = self.end_unit - self.unit
        values = self.alphabet.values
        if self.next != NEXT_PITCH:
            ends = (values == left) | (values <= left - EVENTS_UNITS)
            unfit = self._of_kind(DURATION_KIND) & ~ends
            now = self.instrument.duration
            if now != left and now > left - EVENTS_UNITS:
                unfit = unfit | self._of_kind(PITCH_KIND)
            mask = narrow_mask(mask, ~unfit)
        if self.next != NEXT_EVENT or self.bars_left():
            return [mask]
        leaves = left - (values - self.place_unit)
        to_ending = (leaves >= EVENTS_UNITS) & np.isin(leaves, EVENTS_DURATIONS)
        mask = narrow_mask(mask, ~self._of_kind(PLACE_KIND) | to_ending)
        if self._is_held():
            return [mask]
        mask = narrow_mask(mask, ~self._of_kind(BAR_KIND))
        if not (mask & self._of_kind(PLACE_KIND)).any():  # at the last place: an ending needs more than drums
            mask = narrow_mask(mask, ~(self._of_kind(PROGRAM_KIND) & self.alphabet.is_drums(values)))
        return [mask]

    def _has_pitches(self) -> bool:
        return any(not self.vocabulary.tracks[number].drums for number in self.track_numbers)

    def _is_held(self) -> bool:
        """Whether all notes of the last onset are held until the end."""
        return bool(self.last_ends) and min(self.last_ends) == self.end_unit

    def is_good_ending(self) -> bool:
        """Whether the last notes are held until the end over the piece's tonic, are at least half as many as training
        pieces usually end with, and form a triad, or a part of one, if that is what training pieces usually end with.
        """
        if not self._has_pitches() or self.end_unit is None:
            return True
        last = [(p, number) for end, number, p in self.sounding if end == self.end_unit]
        if not self._is_held() or 2 * len(last) < self.vocabulary.closing_notes:
            return False
        pitches = [pitch for pitch, _ in last]
        if self.vocabulary.closing_triad and not is_part_of_triad(pitches):
            return False
        return not self.home or min(pitches) % 12 == (self.home - 1) % 12
