"""What each step of the `notes` encoding does: which notes it plays, and when the next step begins.

Knows the last chord and the line of top notes; knows nothing of which step may come next (`decoder.py`).
"""

from __future__ import annotations

from typing import Self

from playbach.encodings.base import Decoder
from playbach.encodings.features.lines import NO_NOTE, Line
from playbach.encodings.notes.vocabulary import ANY_CHORD, FIRST_TOP, FIRST_VELOCITY, NotesVocabulary, velocity_of_bin
from playbach.encodings.onsets import FIXED_DURATION, NOTES_DURATIONS, NOTES_GRID, NOTES_UNITS, REST_CHORD, Chord
from playbach.music.arrays import Ints
from playbach.music.bars import Header
from playbach.music.events import DEFAULT_VELOCITY, Event, Note


class NotesState(Decoder):
    """The part of the decoder that follows the steps; `NotesDecoder` adds which steps are possible."""

    def __init__(self, vocabulary: NotesVocabulary, header: Header, bars: int | None) -> None:
        super().__init__(header, bars)
        self._vocabulary, self._options = vocabulary, vocabulary.options
        self.top = NO_NOTE  # the highest note of the last onset, as a context symbol
        self.line = Line(vocabulary.modulus)  # the highest notes of all onsets
        self._chord: Chord | None = None  # of the last onset …
        self._run = 0  # … and how often it came in succession
        self._units = 0  # the time from the last onset to this one
        self._steps = 0

    def copy(self) -> Self:
        twin = super().copy()
        twin.line = self.line.copy()
        return twin

    def feed(self, step: Ints) -> list[Event]:
        values = [int(symbol) for symbol in step]
        chord = self._vocabulary.symbols[values[0] - 1][0] if values[0] else ANY_CHORD
        composed = self._composed_units(values)
        units = self._vocabulary.offset or composed
        events = self._notes(chord, min(self._vocabulary.duration or composed, units), values)
        self._follow(chord, int(self._vocabulary.tops[values[0]]))
        self._units = units
        self._steps += 1
        self.tick += units * NOTES_GRID
        self.final_until = self.tick
        self.finished = self._reached_end()
        return events

    def _composed_units(self, values: list[int]) -> int:
        """How long an onset lasts, if the vocabulary does not fix that."""
        if self._options.durations == "none":
            return self._vocabulary.offset or FIXED_DURATION
        if self._options.durations == "separate":
            return NOTES_DURATIONS[values[1] - 1] if values[1] else FIXED_DURATION
        return self._vocabulary.symbols[values[0] - 1][1] if values[0] else FIXED_DURATION

    def _notes(self, chord: Chord, units: int, values: list[int]) -> list[Event]:
        if chord in (REST_CHORD, ANY_CHORD):
            return []
        duration = units * NOTES_GRID
        if self._end is not None:
            duration = min(duration, self._end - self.tick)
        velocity = velocity_of_bin(values[-1] - FIRST_VELOCITY) if self._options.velocities else DEFAULT_VELOCITY
        made_by = (self._steps,)
        return [Note(self.tick, duration, pitch, velocity, 0, made_by) for pitch in self._vocabulary.played(chord)]

    def _follow(self, chord: Chord, top: int) -> None:
        self._run = self._run + 1 if chord == self._chord else 1
        self._chord, self.top = chord, top
        if top >= FIRST_TOP:
            self.line.add(top - FIRST_TOP)

    def is_good_ending(self) -> bool:
        """Whether the last onset is not a rest, and lasts at least a quarter if durations are composed."""
        sounds = self._chord not in (None, REST_CHORD, ANY_CHORD)
        fixed = self._options.durations == "none" or self._vocabulary.offset
        return sounds and (bool(fixed) or self._units >= NOTES_UNITS)

    def finish(self) -> list[Event]:
        return []
