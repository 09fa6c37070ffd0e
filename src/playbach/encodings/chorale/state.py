"""What each step of the `chorale` encoding does: which notes it begins and ends, and how long it waits.

Knows what sounds and since when; knows nothing of which step may come next (`decoder.py`).
"""

from __future__ import annotations

import numpy as np

from playbach.encodings.base import Decoder
from playbach.encodings.chorale.given import GivenVoice
from playbach.encodings.chorale.vocabulary import (
    BASS,
    FIRST_PITCH,
    HOLD,
    ORDER,
    REST,
    STEPS_PER_ONSET,
    WAIT_SLOT,
    ChoraleVocabulary,
)
from playbach.encodings.features.home import NO_HOME, likeliest_homes
from playbach.encodings.voices import SIXTEENTH
from playbach.music.arrays import Ints
from playbach.music.bars import Header
from playbach.music.events import DEFAULT_VELOCITY, Event, Note


class ChoraleState(Decoder):
    """The part of the decoder that follows the steps; `ChoraleDecoder` adds which steps are possible."""

    def __init__(self, vocabulary: ChoraleVocabulary, header: Header, bars: int | None) -> None:
        super().__init__(header, bars)
        self._vocabulary = vocabulary
        self.frame = 0  # the sixteenth of this onset
        self.waited = 0  # sixteenths since the onset before; 0 at the first one
        self.sounding = [HOLD] * 4  # the symbol of each voice now: a pitch or a rest, HOLD before its first one …
        self.before = [HOLD] * 4  # … and before this onset
        self.begun = [0] * 4  # the sixteenth at which each voice began its note or rest
        self.home = NO_HOME  # the likeliest key, as a context symbol
        self._weights = [0] * 12  # the total length of each pitch class
        self.given: dict[int, GivenVoice] = {}  # the voices that are given; indices into VOICES
        self._steps = 0
        self._note_steps: list[list[int]] = [[], [], [], []]

    @property
    def tick(self) -> int:  # type: ignore[override]
        return self.frame * SIXTEENTH

    @property
    def slot(self) -> int:
        """Which step of the onset is next."""
        return self._steps % STEPS_PER_ONSET

    @property
    def voice(self) -> int:
        """The voice whose step is next; before a wait the bass, from which a wait counts its intervals."""
        return BASS if self.slot == WAIT_SLOT else ORDER[self.slot]

    def feed(self, step: Ints) -> list[Event]:
        symbol, voice = int(step[0]), self.voice
        events: list[Event] = []
        if self.slot == WAIT_SLOT:
            self._wait(max(1, symbol - self._vocabulary.first_wait + 1))
        elif symbol == HOLD:
            self._note_steps[voice].append(self._steps)
        else:
            events = self._end_note(voice)
            self.sounding[voice], self.begun[voice] = symbol, self.frame
            self._note_steps[voice] = [self._steps]
        self._steps += 1
        return events

    def _wait(self, sixteenths: int) -> None:
        self.before = list(self.sounding)
        self.waited = sixteenths
        self.frame += sixteenths
        for symbol in self.sounding:
            if symbol >= FIRST_PITCH:
                self._weights[self._vocabulary.pitch_of(symbol) % 12] += sixteenths
        self.home = int(likeliest_homes(np.array(self._weights)))
        held = [begun * SIXTEENTH for begun, symbol in zip(self.begun, self.sounding) if symbol >= FIRST_PITCH]
        self.final_until = min([self.tick, *held])
        self.finished = self._reached_end()

    def _end_note(self, voice: int) -> list[Event]:
        symbol, onset = self.sounding[voice], self.begun[voice]
        if symbol < FIRST_PITCH or self.frame <= onset:
            return []
        pitch, made_by = self._vocabulary.pitch_of(symbol), tuple(self._note_steps[voice])
        duration = (self.frame - onset) * SIXTEENTH
        return [Note(onset * SIXTEENTH, duration, pitch, DEFAULT_VELOCITY, voice, made_by)]

    def finish(self) -> list[Event]:
        events = [event for voice in range(4) for event in self._end_note(voice)]
        self.sounding = [REST] * 4
        self.final_until = self.tick
        return events
