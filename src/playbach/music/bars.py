"""Headers (a piece's meters, tempo and tracks) and bars (where each bar begins, and the place of a tick in its bar).

Positions and lengths are in ticks, 480 to a quarter note. Knows scores; knows nothing of encodings.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.music.arrays import Ints
from playbach.music.events import MAX_NUMERATOR, METER_DENOMINATORS, MIDI_TEMPO, TICKS_PER_QUARTER, Track

DEFAULT_TEMPO = 80.0
"""Of a score without a tempo, in quarters a minute."""


@dataclass(frozen=True, slots=True)
class Header:
    """How a piece begins, and where its meter changes."""

    meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),)
    """(tick, numerator, denominator), the first at tick 0."""
    tempo: float = DEFAULT_TEMPO
    """In quarters a minute."""
    tracks: tuple[Track, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """The header as JSON. `from_manifest` is its inverse."""
        return {
            "meters": [list(m) for m in self.meters],
            "tempo": self.tempo,
            "tracks": [track_manifest(t) for t in self.tracks],
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Header:
        meters = tuple((int(a), int(b), int(c)) for a, b, c in data["meters"])
        return cls(meters, float(data["tempo"]), tuple(map(track_from_manifest, data["tracks"])))


def track_manifest(track: Track) -> list[Any]:
    """A track as JSON: name, program, and `true` for drums. `track_from_manifest` is its inverse."""
    return [track.name, track.program, *[True] * track.drums]


def track_from_manifest(entry: Iterable[Any]) -> Track:
    name, program, *drums = entry
    return Track(printable_name(str(name)), int(program), bool(drums))


def printable_name(name: str) -> str:
    """A track's name, at most 80 characters, with spaces for those that cannot be printed."""
    return "".join(c if c.isprintable() else " " for c in name[:80]).strip()


class Bars:
    """The bars of a piece, from its meters (tick, numerator, denominator).

    A first bar in a shorter meter than the second is a pickup: it has number 0, and its places are those at the end
    of a full bar.
    """

    def __init__(self, meters: tuple[tuple[int, int, int], ...]) -> None:
        self._starts = [m[0] for m in meters]
        self._lengths = [TICKS_PER_QUARTER * 4 * n // d for _, n, d in meters]
        self._names = [f"{n}/{d}" for _, n, d in meters]
        self._first: list[int] = []  # index of the bar with which each meter begins
        bars = 0
        for i, start in enumerate(self._starts):
            self._first.append(bars)
            if i + 1 < len(meters):
                bars += -(-(self._starts[i + 1] - start) // self._lengths[i])
        two = len(meters) > 1 and self._starts[1] == self._lengths[0]
        # The length of the pickup in ticks, 0 if there is none.
        self.pickup = self._lengths[0] if two and self._lengths[0] < self._lengths[1] else 0
        if self.pickup:
            self._names[0] = self._names[1]

    def _at(self, tick: int) -> int:
        return max(0, bisect_right(self._starts, tick) - 1)

    def number(self, tick: int) -> int:
        """The bar's number; the first full bar is 1, a pickup 0."""
        i = self._at(tick)
        return self._first[i] + (tick - self._starts[i]) // self._lengths[i] + (0 if self.pickup else 1)

    def place(self, tick: int) -> int:
        """Ticks since the bar began; in a pickup, since a full bar would have begun."""
        i = self._at(tick)
        offset = (tick - self._starts[i]) % self._lengths[i]
        return offset + self._lengths[1] - self.pickup if self.pickup and i == 0 else offset

    def meter(self, tick: int) -> str:
        """The meter as in `3/4`; of a pickup, that of the bar after it."""
        return self._names[self._at(tick)]

    def start(self, number: int) -> int:
        """The tick at which a bar begins."""
        index = number - (0 if self.pickup else 1)
        i = max(0, bisect_right(self._first, index) - 1)
        return self._starts[i] + (index - self._first[i]) * self._lengths[i]

    def end(self, bars: int) -> int:
        """The tick at which a piece of `bars` full bars ends; a pickup shortens the last bar, if that is longer."""
        end = self.start(bars + 1)
        return end - self.pickup if end - self.pickup > self.start(bars) else end

    def numbers_and_places(self, ticks: Ints) -> tuple[Ints, Ints]:
        """The results of `number` and `place` for many ticks (n,)."""
        at = np.maximum(np.searchsorted(self._starts, ticks, side="right") - 1, 0)
        starts, lengths = np.asarray(self._starts)[at], np.asarray(self._lengths)[at]
        numbers = np.asarray(self._first)[at] + (ticks - starts) // lengths + (0 if self.pickup else 1)
        places = (ticks - starts) % lengths
        if self.pickup:
            places = np.where(at == 0, places + self._lengths[1] - self.pickup, places)
        return numbers.astype(np.int32), places.astype(np.int32)


def quantise(ticks: Any, unit: int) -> Any:
    """Ticks as a number of units, rounded to the nearest; halves go up."""
    return (ticks + unit // 2) // unit


def meter_of_length(ticks: int) -> tuple[int, int]:
    """The meter of a bar of this length, with the smallest denominator from 4 on, if its numerator is in range.

    A length that is no number of 128ths is rounded down.
    """
    count, denominator = ticks // (TICKS_PER_QUARTER // 32), METER_DENOMINATORS[-1]
    while count % 2 == 0 and (denominator > 4 or (count > MAX_NUMERATOR and denominator > 1)):
        count, denominator = count // 2, denominator // 2
    return count, denominator


def meters_of(score: Score, unit: int) -> tuple[tuple[int, int, int], ...]:
    """The score's meters (tick, numerator, denominator) at multiples of `unit` ticks; 4/4 until the first one.

    A meter that equals the one before it, or whose bar is shorter than a unit, is left out.
    """
    meters = [(0, 4, 4)]
    for m in sorted(score.time_signatures, key=lambda m: m.time):
        tick = int(quantise(m.time, unit)) * unit
        meter = (tick, int(m.numerator), int(m.denominator))
        if TICKS_PER_QUARTER * 4 * m.numerator // m.denominator < unit:
            continue
        if tick <= meters[-1][0]:
            meters[-1] = (meters[-1][0], *meter[1:])
        elif meters[-1][1:] != meter[1:]:
            meters.append(meter)
    # If several meters began at one tick, two neighbours can now be equal.
    return tuple(m for i, m in enumerate(meters) if i == 0 or m[1:] != meters[i - 1][1:])


def left_out_meters(score: Score, unit: int) -> tuple[str, ...]:
    """What `meters_of` leaves out, as remarks; none where it leaves out nothing."""
    count = sum(TICKS_PER_QUARTER * 4 * m.numerator // m.denominator < unit for m in score.time_signatures)
    if not count:
        return ()
    left_out = "meter is left out: its" if count == 1 else "meters are left out: their"
    return (f"{count:,} {left_out} bars are shorter than 1/{TICKS_PER_QUARTER * 4 // unit}",)


def tempo_of(score: Score) -> float:
    """The score's main tempo in quarters a minute: it is played faster for half of the time, and slower for half.

    Time counts in seconds, from the first note to the end of the last. As in MIDI, the tempo is 120 until the first
    one. 80 if the score has no tempo.
    """
    tempos = sorted(score.tempos, key=lambda t: t.time)
    if not tempos:
        return DEFAULT_TEMPO
    qpms = np.array([MIDI_TEMPO, *(round(float(t.qpm), 2) for t in tempos)])
    first, end = span_of(score) or (tempos[-1].time, tempos[-1].time + 1)
    lines = np.clip([first, *(t.time for t in tempos), end], first, end)
    seconds = np.diff(lines) / qpms  # but for a factor
    order = np.argsort(qpms, kind="stable")
    passed = np.cumsum(seconds[order])
    return float(qpms[order][np.searchsorted(passed, passed[-1] / 2)])


def span_of(score: Score) -> tuple[int, int] | None:
    """The ticks at which the first note begins and the last one ends; None without notes."""
    notes = [track.notes.numpy() for track in score.tracks if len(track.notes)]
    if not notes:
        return None
    return min(int(n["time"].min()) for n in notes), max(int((n["time"] + n["duration"]).max()) for n in notes)
