"""The decoder of the `chorale` encoding: which step may come next, and which endings are good.

`state.py` says what each step does. Knows nothing of networks.
"""

from __future__ import annotations

import numpy as np

from playbach.encodings.chorale.piece import ChoralePiece
from playbach.encodings.chorale.state import ChoraleState
from playbach.encodings.chorale.vocabulary import (
    BASS,
    FIRST_PITCH,
    HOLD,
    MAX_WAIT,
    ORDER,
    REST,
    WAIT_SLOT,
    ChoraleVocabulary,
)
from playbach.encodings.features.base import Features
from playbach.encodings.voices import SIXTEENTH
from playbach.music.arrays import Mask
from playbach.music.bars import Header
from playbach.music.chords import is_triad
from playbach.music.events import TICKS_PER_QUARTER


class ChoraleDecoder(ChoraleState):
    """See the module."""

    def __init__(
        self,
        *,
        vocabulary: ChoraleVocabulary,
        features: Features[ChoralePiece, ChoraleState],
        header: Header,
        bars: int | None,
    ) -> None:
        super().__init__(vocabulary, header, bars)
        self.features = features
        self._pitch_masks = [self._pitch_mask(low, high) for low, high in vocabulary.ranges]

    def _no_symbols(self) -> Mask:
        return np.zeros(len(self._vocabulary.fields[0]), bool)

    def _pitch_mask(self, low: int, high: int) -> Mask:
        mask = self._no_symbols()
        if low <= high:  # else: no training piece has a note in this voice
            mask[self._vocabulary.symbol_of(low) : self._vocabulary.symbol_of(high) + 1] = True
        return mask

    def valid_mask(self) -> list[Mask]:
        return [self._valid_waits() if self.slot == WAIT_SLOT else self._valid_in_voice(self.voice)]

    def _valid_in_voice(self, voice: int) -> Mask:
        if voice in self.given:
            mask = self._no_symbols()
            mask[self.given[voice].at(self.frame)] = True
            return mask
        sounding, length = self.sounding[voice], self.frame - self.begun[voice]
        mask = self._pitch_masks[voice].copy()
        mask[HOLD] = sounding != HOLD and (sounding == REST or length < self._vocabulary.longest)
        mask[REST] = sounding != REST
        if self._must_begin():
            mask[HOLD] = False  # otherwise nothing would begin at this onset …
            mask[HOLD] = not mask.any()  # … but a voice without notes in training can only hold
        return mask

    def _must_begin(self) -> bool:
        """Whether nothing begins at this onset, though something has to, unless it is now."""
        later = ORDER[self.slot + 1 :]
        last = all(voice in self.given and self.given[voice].at(self.frame) == HOLD for voice in later)
        return last and not self._can_all_hold() and max(self.begun) < self.frame

    def _can_all_hold(self) -> bool:
        """Whether all voices may hold here: at a bar line, and after the longest wait."""
        return self.waited == MAX_WAIT or self.place == 0

    def _valid_waits(self) -> Mask:
        mask = self._no_symbols()
        until = self._bars.start(self.bar + 1)
        if self._end is not None:
            until = min(until, self._end)
        until = min([until, *(given.onset_after(self.frame) * SIXTEENTH for given in self.given.values())])
        longest = min(until // SIXTEENTH - self.frame, MAX_WAIT)
        mask[self._vocabulary.first_wait :][: max(longest, 1)] = True
        return mask

    def given_symbols(self) -> slice | None:
        """The symbols of the next step that suit the given voices; None if any does.

        In a given voice only its own symbol suits, and a wait only if it ends at the next given onset or before.
        """
        if self.slot == WAIT_SLOT:
            first = self._vocabulary.first_wait
            longest = min(given.onset_after(self.frame) - self.frame for given in self.given.values())
            return slice(first, first + min(longest, MAX_WAIT))
        if self.voice not in self.given:
            return None
        symbol = self.given[self.voice].at(self.frame)
        return slice(symbol, symbol + 1)

    def style_mask(self) -> list[Mask]:
        """Forbid parallel octaves, unisons and fifths.

        Bach has one such parallel in about a thousand onsets; a small network without this rule has twenty, at any
        temperature.
        """
        [valid] = self.valid_mask()
        if self.slot == WAIT_SLOT:
            return [valid]
        mask = valid.copy()
        for other in {*ORDER[: self.slot], *self.given}:
            mask &= ~self._parallels(self.sounding[self.voice], other)
        return [mask if mask.any() else valid]

    def _parallels(self, own: int, other: int) -> Mask:
        """The symbols that would move this voice, which sounds `own`, in parallel with another that has moved."""
        before, now = self.before[other], self._now(other)
        interval = abs(own - before) % 12
        if min(own, before, now) < FIRST_PITCH or now == before or interval not in (0, 7):
            return self._no_symbols()
        symbols = np.arange(len(self._vocabulary.fields[0]))
        same_way = np.sign(symbols - own) == np.sign(now - before)
        parallels: Mask = (symbols >= FIRST_PITCH) & same_way & (abs(symbols - now) % 12 == interval)
        return parallels

    def _now(self, voice: int) -> int:
        """What sounds in a voice that has taken its step of this onset, or that is given."""
        symbol = self.given[voice].at(self.frame) if voice in self.given else HOLD
        return self.sounding[voice] if symbol == HOLD else symbol

    def is_good_ending(self) -> bool:
        """Whether all voices have held a major or minor triad on the tonic for at least a quarter; the fifth may be
        missing. All of Bach's chorales end with such a triad, and most of them on the tonic."""
        if min(self.sounding) < FIRST_PITCH or self.frame - max(self.begun) < TICKS_PER_QUARTER // SIXTEENTH:
            return False
        bass = self.sounding[BASS]
        if (self.home - 1) % 12 != self._vocabulary.pitch_of(bass) % 12:
            return False
        return is_triad(self.sounding, root=bass)
