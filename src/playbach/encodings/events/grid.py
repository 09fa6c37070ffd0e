"""A score on a grid, as the `events` encoding reads it: notes by instrument, bars, and the tempo of each beat.

The grid has 24 units to a quarter, enough for thirty-seconds and triplets of sixteenths. A score is changed to fit
it, and fitting the result again changes nothing:

- The notes of one instrument are one track, whatever tracks they were on. All drums are one track, and a drum lasts
  one unit.
- A duration becomes the nearest of EVENTS_DURATIONS, at most four bars of 4/4. A note ends where its own pitch begins
  again.
- A bar is a whole number of thirty-seconds and at most MAX_BAR long. A longer bar is divided (`meters.py`).
- The tempo is constant within a beat, a quarter counted from the bar line. It is the beat's mean tempo, so that the
  piece takes the same time, in steps of a sixteenth of an octave (4.4 %) from the tempo of the first note.

Knows the grid; knows nothing of symbols.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast, overload

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header, quantise, tempo_of
from playbach.music.events import DEFAULT_VELOCITY, MAX_TEMPO, MIN_TEMPO, TICKS_PER_QUARTER
from playbach.music.scores import ticks_to_seconds
from playbach.system.errors import ScoreError

EVENTS_UNITS = 24
"""Grid units in a quarter note."""
EVENTS_GRID = TICKS_PER_QUARTER // EVENTS_UNITS
"""Ticks in a unit."""
EVENTS_DURATIONS = (
    *(1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 21, 24, 27, 28, 30, 32, 36, 40, 42, 44, 48, 54, 60, 64, 66, 72),
    *(80, 84, 90, 96, 108, 120, 132, 144, 168, 192, 216, 240, 288, 336, 384),
)
"""All durations, in units."""
MAX_BAR = 8 * EVENTS_UNITS
"""The longest bar, in units."""
EVENTS_VELOCITY_BIN = 8
"""MIDI velocities are rounded to bins of this width."""
DEFAULT_VELOCITY_BIN = DEFAULT_VELOCITY // EVENTS_VELOCITY_BIN
"""The bin of each instrument's velocity until a symbol changes it."""
DRUM_DURATION = 1
"""In units."""
DRUM_PROGRAM = 128
"""The number that stands for drums, after General MIDI's programs 0 to 127."""
TEMPO_STEPS_PER_OCTAVE = 16
"""Steps of tempo between a tempo and its double."""
THIRTY_SECOND = TICKS_PER_QUARTER // 8
"""In ticks; bar lines fall on thirty-seconds."""

MeterList = list[tuple[int, int, int]]
"""(tick, numerator, denominator)."""
LongInts = npt.NDArray[np.int64]
"""Ticks, positions in a piece, and numbers by which it is sorted."""


@dataclass(frozen=True)
class GridNotes:
    """N notes in the order of their symbols: by onset, then by track, then the highest first. Each array is (N,)."""

    onset: Ints
    """In units."""
    duration: Ints
    """In units."""
    pitch: Ints
    velocity: Ints
    """In bins."""
    track: Ints
    """The index of the track, or -1."""

    def __len__(self) -> int:
        return len(self.onset)

    def select(self, chosen: Mask | LongInts) -> GridNotes:
        columns = (self.onset, self.duration, self.pitch, self.velocity, self.track)
        return GridNotes(*(column[chosen] for column in columns))

    @property
    def end(self) -> int:
        """The unit at which the last sounding note ends."""
        return int((self.onset + self.duration).max(initial=0))


@dataclass(frozen=True)
class GridScore:
    """A score on the grid, and what of it a vocabulary knows."""

    header: Header
    notes: GridNotes
    known: Mask
    """(N,): whether training knows each note."""
    meters: MeterList
    """Those that training knows."""
    unknown_meters: list[int]
    """The ticks of bar lines where a meter begins that training never saw."""
    tempo_changes: list[tuple[int, int]]
    """(tick, steps of a sixteenth of an octave from the opening tempo)."""
    end: int
    """The tick at which the last bar ends."""

    @property
    def known_notes(self) -> GridNotes:
        return self.notes.select(self.known)


@overload
def note_order(bar: int, place: int, *, track: int = 0, rank: int = 0) -> int: ...
@overload
def note_order(bar: LongInts, place: Ints | LongInts, *, track: Ints | int = 0, rank: Ints | int = 0) -> LongInts: ...
def note_order(
    bar: int | LongInts, place: int | Ints | LongInts, *, track: Ints | int = 0, rank: Ints | int = 0
) -> int | LongInts:
    """A number by which notes sort into the order of their symbols.

    Its last 8 bits are the rank, those before them the track, the rest the place.

    Args:
        bar: from 0. Arrays have 64 bits, which the numbers need from the 171st bar on.
        place: in units.
        track: the index of the track.
        rank: of a pitch, 128 - pitch.
    """
    return cast("int | LongInts", ((bar * MAX_BAR + place) * 256 + track) * 256 + rank)


def grid_notes(score: Score, tracks: Ints) -> GridNotes:
    """The notes of a score.

    Args:
        tracks: (129,), the track of each program, and last that of the drums.

    Raises:
        ScoreError: the score has no notes.
    """
    found = [(t.notes.numpy(), DRUM_PROGRAM if t.is_drum else t.program) for t in score.tracks if len(t.notes)]
    if not found:
        raise ScoreError("it has no notes")
    time, duration, pitch, velocity = (
        np.concatenate([notes[key] for notes, _ in found]).astype(np.int64)
        for key in ("time", "duration", "pitch", "velocity")
    )
    programs = np.repeat([program for _, program in found], [len(notes["time"]) for notes, _ in found])
    track, drums = tracks[programs].astype(np.int64), programs == DRUM_PROGRAM
    onset = quantise(time, EVENTS_GRID)
    length = np.maximum(quantise(time + duration, EVENTS_GRID) - onset, 1)
    # Notes without a track come last. Of several equal notes the longest and loudest is kept.
    line = (np.where(track < 0, DRUM_PROGRAM, track) * 2 + drums) * 128 + 127 - pitch
    order = np.lexsort((-velocity, -length, line, onset))
    first = (np.diff(onset[order], prepend=-1) != 0) | (np.diff(line[order], prepend=-1) != 0)
    order = order[first]
    onset, length, line, drums = onset[order], length[order], line[order], drums[order]
    length = np.where(drums, DRUM_DURATION, _lengths(onset, length, line))
    columns = (onset, length, pitch[order], np.clip(velocity[order], 0, 127) // EVENTS_VELOCITY_BIN, track[order])
    return GridNotes(*(column.astype(np.int32) for column in columns))


def _lengths(onset: LongInts, length: LongInts, line: LongInts) -> LongInts:
    """The nearest of EVENTS_DURATIONS that ends before the next note of the same pitch."""
    order = np.lexsort((onset, line))
    gap = np.full(len(onset), EVENTS_DURATIONS[-1])
    same = np.diff(line[order]) == 0
    gap[order[:-1][same]] = np.diff(onset[order])[same]
    known = np.array(EVENTS_DURATIONS)
    nearest = np.searchsorted((known[1:] + known[:-1]) / 2, np.minimum(length, gap), side="right")
    most = np.searchsorted(known, gap, side="right") - 1
    lengths: LongInts = known[np.minimum(nearest, most)]
    return lengths


# ------------------------------------------------------------------------------------------------------------ bars


def parse_meter(name: str) -> tuple[int, int]:
    """`3/4` as (3, 4)."""
    numerator, _, denominator = name.partition("/")
    return int(numerator), int(denominator)


def bar_ticks(numerator: int, denominator: int) -> int:
    return TICKS_PER_QUARTER * 4 * numerator // denominator


def opening_meters(meters: MeterList) -> int:
    """How many of the meters belong to the header: two if the first is a pickup's, else one."""
    return 2 if Bars(tuple(meters)).pickup else 1


def known_meters(meters: MeterList, known: Iterable[str]) -> tuple[MeterList, list[int]]:
    """Leave out meters that training never saw.

    Returns:
        The known meters, each moved to a bar line, and the ticks of the bar lines where an unknown meter begins.
    """
    names, first = set(known), opening_meters(meters)
    kept, unknown = meters[:first], []
    for tick, numerator, denominator in meters[first:]:
        begin, n, d = kept[-1]
        line = begin + max(0, -(-(tick - begin) // bar_ticks(n, d))) * bar_ticks(n, d)
        if (n, d) == (numerator, denominator):  # only unknown meters were between them
            continue
        if f"{numerator}/{denominator}" not in names:
            unknown.append(line)
            continue
        if line == begin:  # an unknown meter has moved the change before to this bar line, or past it
            del kept[-1]
        if kept[-1][1:] != (numerator, denominator):
            kept.append((line, numerator, denominator))
    return kept, sorted(set(unknown))


# ----------------------------------------------------------------------------------------------------------- tempo


def tempo_changes(score: Score, meters: MeterList, *, first: int, end: int) -> tuple[float, list[tuple[int, int]]]:
    """The tempo of the first note and all later changes, which fall on beats.

    Args:
        first: the tick of the first note.
        end: the tick of the end; later changes are left out.

    Returns:
        The opening tempo in quarters a minute, and changes as (tick, steps of a sixteenth of an octave from it).
    """
    qpms = {round(float(t.qpm), 2) for t in score.tempos}
    if len(qpms) < 2:
        return _within(tempo_of(score)), []
    beats = _beats(meters, end)
    means = np.clip(
        np.diff(beats) * 60 / TICKS_PER_QUARTER / np.diff(ticks_to_seconds(score, beats)), MIN_TEMPO, MAX_TEMPO
    )
    begin = max(0, int(np.searchsorted(beats, first, side="right")) - 1)
    opening = _within(float(means[min(begin, len(means) - 1)]))
    steps = np.floor(TEMPO_STEPS_PER_OCTAVE * np.log2(means / opening) + 0.5).astype(int)
    steps[: begin + 1] = 0
    changes = np.flatnonzero(np.diff(steps)) + 1
    return opening, [(int(beats[i]), int(steps[i])) for i in changes]


def tempo_at(opening: float, steps: int) -> float:
    """The tempo in quarters a minute, this many steps from the opening tempo."""
    return round(opening * 2 ** (steps / TEMPO_STEPS_PER_OCTAVE), 2)


def clip_tempo_changes(changes: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """Limit changes of tempo to a range of steps; leave out those that then change nothing."""
    limited = [(tick, min(max(steps, low), high)) for tick, steps in changes]
    before = [0, *(steps for _, steps in limited[:-1])]
    return [change for change, steps in zip(limited, before) if change[1] != steps]


def _within(qpm: float) -> float:
    return round(min(max(qpm, MIN_TEMPO), MAX_TEMPO), 2)


def _beats(meters: MeterList, end: int) -> LongInts:
    """The ticks of all beats up to the end of the bar with the tick `end`. A pickup has the last beats of a bar."""
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
