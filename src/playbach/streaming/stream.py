"""A programme in seconds: each bar with the times of its notes, and knobs that turn at bar lines.

A stream is what one listener, or all of a station, hear. It is synchronous, and asked for bars by one thread at a
time. Knows no clock: when a bar is due is its reader's business.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from playbach.inference.composing import Composer
from playbach.music.events import TICKS_PER_QUARTER, Note
from playbach.music.performance import Performing
from playbach.streaming.programme import MOST_BARS, Bar, KnobChange, Programme, Settings

CADENCE_BARS = 2
"""A piece that is asked to end has, after the bar from which that holds, so many more; less time leaves no
cadence."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A note with its time in seconds of the stream."""

    note: Note
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class TimedBar:
    """A bar with its times. Where a note's end lies behind the bar it is as the tempo stands now; should that change,
    it is among the next bar's `held` with its new end. `following` is when the next bar begins: behind a last bar,
    after a breath. `tempos` are (tick, at, quarters a minute)."""

    bar: Bar
    at: float
    seconds: float
    following: float
    tempos: tuple[tuple[int, float, float], ...]
    temperature: float
    notes: tuple[Timed, ...]
    held: tuple[Timed, ...]

    @property
    def place(self) -> tuple[int, int]:
        return self.bar.place


Key = tuple[int, int, int]
"""A note's track, pitch and tick: what tells it from the others of its piece."""


def key(note: Note) -> Key:
    return note.track, note.pitch, note.tick


@dataclass(frozen=True, slots=True)
class _Given:
    """A bar that was given, and when the notes that it holds over had begun."""

    bar: TimedBar
    onsets: dict[Key, float]


class Stream:
    """`changes` are those known beforehand; a stream may begin anywhere. Its time 0 is where it begins."""

    def __init__(
        self, composer: Composer, settings: Settings, changes: Sequence[KnobChange] = (), piece: int = 0, bar: int = 0
    ) -> None:
        self._programme = Programme(composer, settings, changes, piece, bar)
        self._breath = Performing().breath_quarters
        self._at = 0.0
        self._onsets: dict[Key, float] = {}
        self._given: deque[_Given] = deque()

    @property
    def composer(self) -> Composer:
        return self._programme.composer

    @property
    def settings(self) -> Settings:
        return self._programme.settings

    @property
    def changes(self) -> tuple[KnobChange, ...]:
        return tuple(self._programme.changes)

    @property
    def until(self) -> float:
        """What was given reaches so far."""
        return self._at

    def next(self) -> TimedBar:
        bar = self._programme.next()
        timed = self._timed(bar)
        self._given.append(_Given(timed, self._onsets))
        # What ends with the bar stays too: another temperature may yet hold on to it.
        end = math.inf if bar.last else bar.tick + bar.ticks
        sounding = (t for t in (*timed.held, *timed.notes) if t.note.tick + t.note.duration >= end)
        self._onsets = {key(t.note): t.at for t in sounding}
        self._at = timed.following
        return timed

    def forget(self, before: float) -> None:
        """Nobody will turn a knob at bars that begin before this time."""
        while len(self._given) > 1 and self._given[1].bar.at <= before:
            self._given.popleft()
        if self._given:
            self._programme.forget(self._given[0].bar.place[0])

    def turn(self, knob: str, value: float | None, earliest: float) -> KnobChange | None:
        """Turn a knob at the first bar line from `earliest` on, and go back there. None where nothing changes."""
        at = next((i for i, given in enumerate(self._given) if given.bar.at >= earliest), len(self._given))
        piece, bar = self._given[at].bar.place if at < len(self._given) else self._programme.place
        if self._programme.knob(knob, piece, bar) == value:
            return None
        return self._changed(KnobChange(piece, bar, knob, value), at)

    def end_soon(self, earliest: float, now: float) -> KnobChange | None:
        """Bring the piece that sounds now to a cadence. None where it ends as soon anyway."""
        at = next((i for i, given in enumerate(self._given) if given.bar.at >= earliest), len(self._given))
        piece, bar = self._given[at].bar.place if at < len(self._given) else self._programme.place
        sounds = next((g.bar.place[0] for g in self._given if now < g.bar.following), piece)
        length = self._programme.knob("length", piece, bar) or self.settings.bars
        ending = bar + CADENCE_BARS
        if sounds != piece or ending >= length or ending > MOST_BARS:
            return None
        return self._changed(KnobChange(piece, bar, "length", ending), at)

    def _changed(self, change: KnobChange, at: int) -> KnobChange:
        """Take it down, in the place of an earlier one of this knob from there on, and go back."""
        later = (change.piece, change.bar)
        self._programme.changes = [
            c for c in self._programme.changes if c.knob != change.knob or (c.piece, c.bar) < later
        ] + [change]
        if at < len(self._given):
            self._at, self._onsets = self._given[at].bar.at, self._given[at].onsets
            self._programme.back(*self._given[at].bar.place)
            while len(self._given) > at:
                self._given.pop()
        return change

    def _timed(self, bar: Bar) -> TimedBar:
        own = bar.opening.tempo
        factor = (self._programme.knob("tempo", *bar.place) or own) / own
        tempos: list[tuple[int, float, float]] = []
        at, tick = self._at, bar.tick
        for i, tempo in enumerate(bar.tempos):
            if i:
                at += (tempo.tick - tick) * _per_tick(tempos[-1][2])
            tick = tempo.tick
            tempos.append((tick, at, tempo.qpm * factor))
        clock = tuple(tempos)
        end = _time(clock, bar.tick + bar.ticks)
        temperature = self._programme.knob("temperature", *bar.place)
        if temperature is None:
            temperature = self.composer.sampling.temperature
        breath = self._breath * TICKS_PER_QUARTER * _per_tick(own * factor) if bar.last else 0.0
        begun = {key(n): self._onsets.get(key(n), _time(clock, n.tick)) for n in bar.held}
        return TimedBar(
            bar,
            self._at,
            end - self._at,
            end + breath,
            clock,
            temperature,
            tuple(_sounding(n, _time(clock, n.tick), clock) for n in bar.notes),
            tuple(_sounding(n, begun[key(n)], clock) for n in bar.held),
        )


def _per_tick(qpm: float) -> float:
    return 60 / qpm / TICKS_PER_QUARTER


def _time(tempos: tuple[tuple[int, float, float], ...], tick: int) -> float:
    """When a tick is; before and behind the bar as its first and last tempo have it."""
    begin, at, qpm = next((t for t in reversed(tempos) if t[0] <= tick), tempos[0])
    return at + (tick - begin) * _per_tick(qpm)


def _sounding(note: Note, at: float, tempos: tuple[tuple[int, float, float], ...]) -> Timed:
    return Timed(note, at, _time(tempos, note.tick + note.duration) - at)
