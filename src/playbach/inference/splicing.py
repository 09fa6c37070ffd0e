"""Puts composed bars in the place of others. What is outside these bars stays as it was.

A note that is held over the first bar line ends there if the voice is composed anew, unless the network holds it on.
One that is held over the last bar line is kept from there on; a composed note that leads to it is tied to it.

Knows scores and events; knows nothing of networks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from symusic.core import ControlChangeTick as ControlChange
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as ScoreTrack

from playbach.music.bars import Bars, meters_of
from playbach.music.events import Note
from playbach.music.pedal import SUSTAIN
from playbach.system.errors import ScoreError, UsageError

EARLY = 30
"""In ticks: a note that is played this much before a bar line belongs to the bar after it."""
BUSY = 1000
"""In semitones: how far away a single voice counts while it sounds another note."""
_BARS = re.compile(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?")


@dataclass(frozen=True, slots=True)
class Window:
    """The bars that are composed anew."""

    begin: int
    """In ticks."""
    end: int
    """In ticks."""
    reaches_end: bool
    """Whether no bar follows."""

    def holds(self, tick: int) -> bool:
        """Whether a note that begins at this tick is in these bars."""
        return self.begin <= tick + EARLY < self.end


def parse_bars(text: str) -> tuple[int, int]:
    """The first and the last bar of a text such as `5-8` or `5`.

    Raises:
        UsageError: the text is something else.
    """
    found = _BARS.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise UsageError(f"bars must be a number or two with a dash, such as 5-8, not {text!r:.40}")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise UsageError(f"bars must not end before they begin, as {text.strip()} does")
    return first, last


def window_of(score: Score, first: int, last: int) -> Window:
    """The bars from `first` to `last` of a score, 480 ticks to a quarter note.

    Raises:
        ScoreError: the score does not have them.
    """
    bars = Bars(meters_of(score, 1))
    ends = [int((n["time"] + n["duration"]).max()) for t in score.tracks if len(t.notes) for n in [t.notes.numpy()]]
    if not ends:
        raise ScoreError("has no notes")
    final, least = bars.number(max(ends) - 1), 0 if bars.pickup else 1
    if not least <= first <= last <= final:
        begins = "0 (its pickup)" if bars.pickup else "1"
        raise ScoreError(f"has the bars {begins} to {final}, but bars {first} to {last} are to be composed")
    return Window(bars.start(first), bars.start(last + 1), last == final)


@dataclass(frozen=True, slots=True)
class Splice:
    """A score, the bars to compose anew, and in which tracks."""

    score: Score
    window: Window
    parts: tuple[tuple[int, ...], ...]
    """For each track of the composed music, the indices of the score's tracks that it stands for. Those of tracks
    that are not composed anew are empty."""
    single_voices: bool
    """Whether a track sounds one note at a time."""
    keeps_velocities: bool
    """Whether composed notes are as loud as those that they replace."""

    def with_notes(self, notes: Iterable[Note]) -> Score:
        """The score with composed notes in these bars.

        Args:
            notes: those that the network composed or held on, in the tracks of the composed music.
        """
        score = self.score.copy()
        by_part = [[n for n in notes if n.track == i and n.tick < self.window.end] for i in range(len(self.parts))]
        for part, composed in zip(self.parts, by_part):
            if part:
                self._fill([score.tracks[i] for i in part], composed)
        return score

    def _fill(self, tracks: Sequence[ScoreTrack], composed: Sequence[Note]) -> None:
        lines = [_Line(track, self) for track in tracks]
        for note in sorted(composed, key=lambda n: (n.tick, -n.pitch)):
            nearest = min(lines, key=lambda line: line.distance(note))
            nearest.add(note)
        for line in lines:
            line.write()


class _Line:
    """A track whose bars are filled."""

    def __init__(self, track: ScoreTrack, splice: Splice) -> None:
        self._track, self._splice, window = track, splice, splice.window
        self._before: list[ScoreNote] = []
        self._after: list[ScoreNote] = []
        self._tails: list[ScoreNote] = []
        self._composed: list[ScoreNote] = []
        inside: list[ScoreNote] = []
        for note in track.notes:
            if not window.holds(note.time):
                (self._before if note.time < window.begin else self._after).append(note)
            else:
                inside.append(note)
        held = [n for n in self._before if n.end > window.begin] if splice.single_voices else []
        for note in (*inside, *held):
            if note.end > window.end + EARLY and note.time + EARLY < window.end:
                self._tails.append(_note(note, window.end, note.end))
        if splice.single_voices:
            self._before = [_note(n, n.time, min(n.end, window.begin)) for n in self._before]
        near = inside or [*self._before[-4:], *self._after[:4]]
        self._velocity = int(np.median([n.velocity for n in near])) if near else 0
        self._is_single = not _has_chords(track)
        self._pitch = float(np.mean([n.pitch for n in near])) if near else 0.0

    def distance(self, note: Note) -> float:
        """How far a composed note is from the last one of this track."""
        last = self._composed[-1] if self._composed else None
        if last is None:
            return abs(note.pitch - self._pitch)
        is_busy = self._is_single and last.end > note.tick
        return abs(note.pitch - (last.pitch if self._is_single else self._pitch)) + BUSY * is_busy

    def add(self, note: Note) -> None:
        window, end = self._splice.window, min(note.tick + note.duration, self._splice.window.end)
        if note.tick + EARLY < window.begin:
            self._hold(note, end)
        elif end > note.tick:
            velocity = self._velocity if self._splice.keeps_velocities and self._velocity else note.velocity
            self._composed.append(ScoreNote(note.tick, end - note.tick, note.pitch, velocity))

    def _hold(self, note: Note, end: int) -> None:
        """Hold on the note that leads into the bars."""
        for i in reversed(range(len(self._before))):
            if self._before[i].pitch == note.pitch:
                self._before[i] = _note(self._before[i], self._before[i].time, end)
                return

    def write(self) -> None:
        """Write the notes, and lift the sustain pedal in these bars: it was pressed for other notes."""
        end, tails = self._splice.window.end, list(self._tails)
        for notes in (self._before, self._composed):
            for i, note in enumerate(notes):
                tail = next((t for t in tails if t.pitch == note.pitch and note.end == end), None)
                if tail is not None:
                    notes[i] = _note(note, note.time, tail.end)
                    tails.remove(tail)
        self._track.notes.clear()
        for note in sorted([*self._before, *self._composed, *tails, *self._after], key=lambda n: (n.time, n.pitch)):
            self._track.notes.append(note)
        _lift_pedal(self._track, self._splice.window)


def _note(note: ScoreNote, begin: int, end: int) -> ScoreNote:
    return ScoreNote(begin, max(end - begin, 1), note.pitch, note.velocity)


def _has_chords(track: ScoreTrack) -> bool:
    notes = track.notes.numpy()
    order = np.argsort(notes["time"], kind="stable")
    times, ends = notes["time"][order], (notes["time"] + notes["duration"])[order]
    return bool((times[1:] + EARLY < ends[:-1]).any())


def _lift_pedal(track: ScoreTrack, window: Window) -> None:
    pedals = sorted((c for c in track.controls if c.number == SUSTAIN), key=lambda c: c.time)
    before = [c.value for c in pedals if c.time < window.begin]
    until = [c.value for c in pedals if c.time <= window.end]
    if not pedals:
        return
    track.controls.filter(lambda c: c.number != SUSTAIN or not window.begin <= c.time <= window.end, inplace=True)
    if before and before[-1]:
        track.controls.append(ControlChange(window.begin, SUSTAIN, 0))
    if until and until[-1]:
        track.controls.append(ControlChange(window.end, SUSTAIN, until[-1]))
    track.controls.sort(key=lambda c: c.time, inplace=True)
