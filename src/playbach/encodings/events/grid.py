"""What the `events` encoding sees of a score: its notes on a grid, by instrument; its bars; its tempo, beat by beat.

The grid has 24 units to a quarter: thirty-seconds, triplets of sixteenths, and everything coarser. What it cannot
say, it bends, and bent once, it stays as it is:

- Notes of one instrument are one track, however many tracks had them; all drums are one, too, and a hit lasts a unit.
- A note lasts one of DURATIONS, the nearest; at most four bars of 4/4, and never into the next one of its own pitch.
- A bar is a whole number of thirty-seconds and at most MAX_BAR long; of a longer one, a part is the bar (12/4: 6/4).
  A bar that a change of meter cuts short has a meter of its own.
- Tempo is told by the beat, a quarter counted from the bar line: the mean over the beat, so that the piece takes the
  same time, in steps of a sixteenth of an octave (4.4 %) from the tempo at which the first note begins.

Knows the grid; knows nothing of symbols.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music.arrays import Ints
from playbach.music.bars import FASTEST, SLOWEST, Bars, meters_of, quantise, tempo_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.system.errors import ScoreError

UNITS = 24
GRID = TICKS_PER_QUARTER // UNITS
DURATIONS = (
    *(1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 21, 24, 27, 28, 30, 32, 36, 40, 42, 44, 48, 54, 60, 64, 66, 72),
    *(80, 84, 90, 96, 108, 120, 132, 144, 168, 192, 216, 240, 288, 336, 384),
)
"""In units."""
MAX_BAR = 8 * UNITS
BINS = 8
"""MIDI velocities are told apart in bins of this width."""
DRUM_UNITS = 1
DRUMS = 128
"""Where programs are counted, drums come after them."""
TEMPO_STEPS = 16
"""To an octave, which is twice as fast."""
SNAP = TICKS_PER_QUARTER // 8
"""Bar lines stand on thirty-seconds."""

MeterList = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Notes:
    """All notes (N,), in the order in which they are said: by onset, then track, then from high to low. Onsets and
    durations in units, velocities in bins; `track` is the number of one, or -1."""

    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    track: Ints

    def __len__(self) -> int:
        return len(self.onset)

    def only(self, chosen: Any) -> Notes:
        columns = (self.onset, self.duration, self.pitch, self.velocity, self.track)
        return Notes(*(column[chosen] for column in columns))

    @property
    def end(self) -> int:
        """The unit at which the last of them has ended."""
        return int((self.onset + self.duration).max(initial=0))


def notes_of(score: Score, tracks: Ints) -> Notes:
    """The notes of a score; `tracks` (129,) gives the track of each program, and last of the drums.

    Raises:
        ScoreError: there are none.
    """
    found = [(t.notes.numpy(), DRUMS if t.is_drum else t.program) for t in score.tracks if len(t.notes)]
    if not found:
        raise ScoreError("it has no notes")
    time, duration, pitch, velocity = (
        np.concatenate([notes[key] for notes, _ in found]).astype(np.int64)
        for key in ("time", "duration", "pitch", "velocity")
    )
    programs = np.repeat([program for _, program in found], [len(notes["time"]) for notes, _ in found])
    track, drums = tracks[programs].astype(np.int64), programs == DRUMS
    onset = quantise(time, GRID)
    length = np.maximum(quantise(time + duration, GRID) - onset, 1)
    # Whatever track is unknown comes last. Of several equal notes the longest and loudest stays.
    line = (np.where(track < 0, DRUMS, track) * 2 + drums) * 128 + 127 - pitch
    order = np.lexsort((-velocity, -length, line, onset))
    first = (np.diff(onset[order], prepend=-1) != 0) | (np.diff(line[order], prepend=-1) != 0)
    order = order[first]
    onset, length, line, drums = onset[order], length[order], line[order], drums[order]
    length = np.where(drums, DRUM_UNITS, _lengths(onset, length, line))
    columns = (onset, length, pitch[order], np.clip(velocity[order], 0, 127) // BINS, track[order])
    return Notes(*(column.astype(np.int32) for column in columns))


def _lengths(onset: Any, length: Any, line: Any) -> Any:
    """The nearest duration that there is, of those that leave room for the next note on the same line."""
    order = np.lexsort((onset, line))
    gap = np.full(len(onset), DURATIONS[-1])
    same = np.diff(line[order]) == 0
    gap[order[:-1][same]] = np.diff(onset[order])[same]
    known = np.array(DURATIONS)
    nearest = np.searchsorted((known[1:] + known[:-1]) / 2, np.minimum(length, gap), side="right")
    most = np.searchsorted(known, gap, side="right") - 1
    return known[np.minimum(nearest, most)]


# ------------------------------------------------------------------------------------------------------------ bars


def bar_ticks(numerator: int, denominator: int) -> int:
    return TICKS_PER_QUARTER * 4 * numerator // denominator


def _bounded(numerator: int, denominator: int) -> tuple[int, int]:
    """The meter, or one like it whose bar has whole thirty-seconds and is not too long."""
    if denominator > 32:
        numerator, denominator = -(-numerator * 32 // denominator), 32
    while bar_ticks(numerator, denominator) > MAX_BAR * GRID:
        numerator //= next(p for p in range(2, numerator + 1) if numerator % p == 0)
    return numerator, denominator


def _short(ticks: int) -> tuple[int, int]:
    """The meter of a bar of so many ticks, in the largest unit that divides them."""
    count, denominator = ticks // SNAP, 32
    while count % 2 == 0 and denominator > 4:
        count, denominator = count // 2, denominator // 2
    return count, denominator


def meters_in(score: Score) -> MeterList:
    """The meters of a score, each a whole number of bars after the one before it."""
    raw = meters_of(score, SNAP)
    found: MeterList = []
    for i, (tick, *meter) in enumerate(raw):
        numerator, denominator = _bounded(*meter)
        parts = [(tick, numerator, denominator)]
        if i + 1 < len(raw):
            rest = (raw[i + 1][0] - tick) % bar_ticks(numerator, denominator)
            cut = raw[i + 1][0] - rest
            if rest:
                parts = [*(p for p in parts if p[0] < cut), (cut, *_short(rest))]
        found += parts
    return [m for i, m in enumerate(found) if i == 0 or m[1:] != found[i - 1][1:]]


def opening_of(meters: MeterList) -> int:
    """With how many of its meters a piece begins: two where the first is a pickup's."""
    return 2 if Bars(tuple(meters)).pickup else 1


def heard_meters(meters: MeterList, known: Iterable[str]) -> tuple[MeterList, list[int]]:
    """The meters as far as they are known, each from a bar line on, and the bar lines at which one is not."""
    names, first = set(known), opening_of(meters)
    heard, unknown = meters[:first], []
    for tick, numerator, denominator in meters[first:]:
        begin, n, d = heard[-1]
        line = begin + -(-(tick - begin) // bar_ticks(n, d)) * bar_ticks(n, d)
        if (n, d) == (numerator, denominator):  # what was between them is unknown
            continue
        if f"{numerator}/{denominator}" not in names:
            unknown.append(line)
            continue
        if line == begin:  # something unknown has moved two changes to one bar line
            del heard[-1]
        if heard[-1][1:] != (numerator, denominator):
            heard.append((line, numerator, denominator))
    return heard, sorted(set(unknown))


# ----------------------------------------------------------------------------------------------------------- tempo


def tempos_of(score: Score, meters: MeterList, first: int, end: int) -> tuple[float, list[tuple[int, int]]]:
    """The tempo in quarters a minute with which the first note begins, and every change up to `end`, as (tick, steps
    of a sixteenth of an octave from there). `first` and `end` in ticks; changes stand on beats."""
    qpms = {round(float(t.qpm), 2) for t in score.tempos}
    if len(qpms) < 2:
        return _within(tempo_of(score)), []
    beats = _beats(meters, end)
    means = np.clip(np.diff(beats) * 60 / TICKS_PER_QUARTER / np.diff(_seconds(score, beats)), SLOWEST, FASTEST)
    begin = max(0, int(np.searchsorted(beats, first, side="right")) - 1)
    opening = _within(float(means[min(begin, len(means) - 1)]))
    steps = np.floor(TEMPO_STEPS * np.log2(means / opening) + 0.5).astype(int)
    steps[: begin + 1] = 0
    changes = np.flatnonzero(np.diff(steps)) + 1
    return opening, [(int(beats[i]), int(steps[i])) for i in changes]


def tempo_after(opening: float, steps: int) -> float:
    """In quarters a minute."""
    return round(opening * 2 ** (steps / TEMPO_STEPS), 2)


def clipped(changes: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """Changes of tempo within a range; those that then change nothing are left out."""
    bent = [(tick, min(max(steps, low), high)) for tick, steps in changes]
    before = [0, *(steps for _, steps in bent[:-1])]
    return [change for change, steps in zip(bent, before) if change[1] != steps]


def _within(qpm: float) -> float:
    return round(min(max(qpm, SLOWEST), FASTEST), 2)


def _beats(meters: MeterList, end: int) -> npt.NDArray[np.int64]:
    """Where beats begin, in ticks, up to the end of the bar in which `end` lies. A pickup's are those of the bar that
    it is the end of."""
    bars = Bars(tuple(meters))
    last = bars.start(bars.number(max(end, 1) - 1) + 1)
    ends = [m[0] for m in meters[1:] if m[0] < last] + [last]
    found = []
    for (begin, *meter), until in zip(meters, ends):
        starts = np.arange(begin, until, bar_ticks(*meter))
        found.append((starts[:, None] + np.arange(0, bar_ticks(*meter), TICKS_PER_QUARTER)).ravel())
    if bars.pickup:
        first = -bars.place(0) % TICKS_PER_QUARTER
        found[0] = np.unique(np.append(0, np.arange(first, min(bars.pickup, last), TICKS_PER_QUARTER)))
    return np.append(np.concatenate(found), last)


def _seconds(score: Score, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The time of each tick; 120 quarters a minute until the first tempo, as in MIDI."""
    rates = {0: 500_000.0} | {t.time: float(t.mspq) for t in sorted(score.tempos, key=lambda t: t.time)}
    at = np.array(sorted(rates))
    rate = np.array([rates[tick] for tick in at.tolist()]) / 1e6 / TICKS_PER_QUARTER
    begins = np.concatenate([[0.0], np.cumsum(np.diff(at) * rate[:-1])])
    i = np.searchsorted(at, ticks, side="right") - 1
    found: npt.NDArray[np.float64] = begins[i] + (ticks - at[i]) * rate[i]
    return found
