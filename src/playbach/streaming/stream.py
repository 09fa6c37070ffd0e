"""A stream: a programme with times in seconds, and parameters that change at bar lines.

One listener, or all listeners of the station, receive it. It is synchronous; one thread at a time asks it for bars.
Knows no clock: the caller decides when a bar is due.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from playbach.inference.composing import Composer
from playbach.music.events import TICKS_PER_QUARTER, Note
from playbach.music.performance import PerformanceOptions
from playbach.streaming.programme import ComposedBar, Programme
from playbach.streaming.settings import MAX_PIECE_BARS, MAX_PIECES, ProgrammeChange, ProgrammeSettings

CADENCE_BARS = 2
"""The number of bars that follow the bar in which a piece is asked to end; with fewer there is no cadence."""


@dataclass(frozen=True, slots=True)
class StreamNote:
    """A note with its times in seconds of the stream."""

    note: Note
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class TimedBar:
    """A bar with its times in seconds of the stream."""

    bar: ComposedBar
    at: float
    seconds: float
    next_at: float
    """When the next bar begins. After the last bar of a piece there is a short pause before that."""
    tempos: tuple[tuple[int, float, float], ...]
    """(tick, at, quarter notes a minute)."""
    temperature: float
    notes: tuple[StreamNote, ...]
    """The end of a note that reaches into the next bar is preliminary: if the tempo changes there, `held` of the next
    bar has the new end."""
    held: tuple[StreamNote, ...]

    @property
    def position(self) -> tuple[int, int]:
        """The numbers of the piece and of the bar."""
        return self.bar.position


NoteKey = tuple[int, int, int]
"""A note's track, pitch and tick, which identify it within its piece."""


def note_key(note: Note) -> NoteKey:
    return note.track, note.pitch, note.tick


@dataclass(frozen=True, slots=True)
class _BarRecord:
    """A bar that was returned, and the onsets of the notes that it holds over from earlier bars."""

    bar: TimedBar
    onsets: dict[NoteKey, float]


class Stream:
    """Returns the bars of a programme with their times. Its time 0 is where it begins."""

    def __init__(
        self,
        composer: Composer,
        settings: ProgrammeSettings,
        changes: Sequence[ProgrammeChange] = (),
        piece: int = 0,
        bar: int = 0,
    ) -> None:
        """`changes` are those known in advance; `piece` and `bar` say where to begin."""
        self._programme = Programme(composer, settings, changes, piece, bar)
        self._breath = PerformanceOptions().breath_quarters
        self._at = 0.0
        self._onsets: dict[NoteKey, float] = {}
        self._returned: deque[_BarRecord] = deque()

    @property
    def composer(self) -> Composer:
        return self._programme.composer

    @property
    def settings(self) -> ProgrammeSettings:
        return self._programme.settings

    @property
    def changes(self) -> tuple[ProgrammeChange, ...]:
        return tuple(self._programme.changes)

    @property
    def next_at(self) -> float:
        """When the next bar begins."""
        return self._at

    def next(self) -> TimedBar:
        """Raises ProgrammeEnded after the last bar of the last piece."""
        bar = self._programme.next()
        timed = self._with_times(bar)
        self._returned.append(_BarRecord(timed, self._onsets))
        # Notes that end with the bar are kept too: after a change of temperature they may last into the next bar.
        end = math.inf if bar.is_last else bar.tick + bar.ticks
        sounding = (t for t in (*timed.held, *timed.notes) if t.note.tick + t.note.duration >= end)
        self._onsets = {note_key(t.note): t.at for t in sounding}
        self._at = timed.next_at
        return timed

    def forget_before(self, time: float) -> None:
        """Free the memory of bars that begin before this time; no change will affect them."""
        while len(self._returned) > 1 and self._returned[1].bar.at <= time:
            self._returned.popleft()
        if self._returned:
            self._programme.forget_before(self._returned[0].bar.position[0])

    def change(self, parameter: str, value: float | None, earliest: float) -> ProgrammeChange | None:
        """Change a parameter at the first bar line from `earliest` on, and go back there. None if nothing changes."""
        index, position = self._first_bar_from(earliest)
        if position is None:
            return None
        piece, bar = position
        if self._programme.value_at(parameter, piece, bar) == value:
            return None
        return self._apply(ProgrammeChange(piece, bar, parameter, value), index)

    def end_piece_soon(self, earliest: float, now: float) -> ProgrammeChange | None:
        """End the piece that sounds now with a cadence. None if it ends as soon anyway."""
        index, position = self._first_bar_from(earliest)
        if position is None:
            return None
        piece, bar = position
        current = next((r.bar.position[0] for r in self._returned if now < r.bar.next_at), piece)
        length = self._programme.value_at("length", piece, bar) or self.settings.bars
        ending = bar + CADENCE_BARS
        if current != piece or ending >= length or ending > MAX_PIECE_BARS:
            return None
        return self._apply(ProgrammeChange(piece, bar, "length", ending), index)

    def _first_bar_from(self, earliest: float) -> tuple[int, tuple[int, int] | None]:
        """The first bar that begins at `earliest` or later and in which a change can be noted: its index in the
        returned bars, and its position; None after the last piece."""
        for index, record in enumerate(self._returned):
            if record.bar.at >= earliest and record.bar.position[1] <= MAX_PIECE_BARS:
                return index, record.bar.position
        piece, bar = self._programme.position
        if bar > MAX_PIECE_BARS:
            piece, bar = piece + 1, 0
        return len(self._returned), (piece, bar) if piece < MAX_PIECES else None

    def _apply(self, change: ProgrammeChange, index: int) -> ProgrammeChange:
        """Add the change, remove later changes of the same parameter, and go back to the bar at this index."""
        position = (change.piece, change.bar)
        self._programme.changes = [
            c for c in self._programme.changes if c.parameter != change.parameter or (c.piece, c.bar) < position
        ] + [change]
        if index < len(self._returned):
            self._at, self._onsets = self._returned[index].bar.at, self._returned[index].onsets
            self._programme.go_to(*self._returned[index].bar.position)
            while len(self._returned) > index:
                self._returned.pop()
        return change

    def _with_times(self, bar: ComposedBar) -> TimedBar:
        own = bar.header.tempo
        factor = (self._programme.value_at("tempo", *bar.position) or own) / own
        tempos: list[tuple[int, float, float]] = []
        at, tick = self._at, bar.tick
        for i, tempo in enumerate(bar.tempos):
            if i:
                at += (tempo.tick - tick) * _seconds_per_tick(tempos[-1][2])
            tick = tempo.tick
            tempos.append((tick, at, tempo.qpm * factor))
        clock = tuple(tempos)
        end = _time_of(bar.tick + bar.ticks, clock)
        temperature = self._programme.value_at("temperature", *bar.position)
        if temperature is None:
            temperature = self.composer.sampling.temperature
        breath = self._breath * TICKS_PER_QUARTER * _seconds_per_tick(own * factor) if bar.is_last else 0.0
        onsets = {note_key(n): self._onsets.get(note_key(n), _time_of(n.tick, clock)) for n in bar.held}
        return TimedBar(
            bar,
            self._at,
            end - self._at,
            end + breath,
            clock,
            temperature,
            tuple(_with_note_times(n, _time_of(n.tick, clock), clock) for n in bar.notes),
            tuple(_with_note_times(n, onsets[note_key(n)], clock) for n in bar.held),
        )


def _seconds_per_tick(qpm: float) -> float:
    return 60 / qpm / TICKS_PER_QUARTER


def _time_of(tick: int, tempos: tuple[tuple[int, float, float], ...]) -> float:
    """The time of a tick. Ticks outside the bar are timed with its first or last tempo."""
    begin, at, qpm = next((t for t in reversed(tempos) if t[0] <= tick), tempos[0])
    return at + (tick - begin) * _seconds_per_tick(qpm)


def _with_note_times(note: Note, at: float, tempos: tuple[tuple[int, float, float], ...]) -> StreamNote:
    return StreamNote(note, at, _time_of(note.tick + note.duration, tempos) - at)
