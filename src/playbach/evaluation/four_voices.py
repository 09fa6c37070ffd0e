"""Statistics of four voices in sixteenths, as the `chorale` encoding reads them.

docs/evaluation.md defines them. Knows scores of four single voices; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.encodings.voices import SIXTEENTH, SingleNote, chorale_header, voices_of
from playbach.music.bars import Bars

FIFTH, OCTAVE = 7, 0


@dataclass(frozen=True, slots=True)
class Grid:
    """A piece of four voices in sixteenths."""

    pitch: npt.NDArray[np.int64]
    """(4, T) the sounding pitch; -1 where a voice is silent."""
    onset: npt.NDArray[np.bool_]
    """(4, T) whether a note begins."""
    bars: npt.NDArray[np.int64]
    """(T,) the number of the bar, 0 in a pickup."""


def grid_of(parts: Sequence[Sequence[SingleNote]], meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),)) -> Grid:
    """Make a grid from voices of (onset, end, pitch) in sixteenths, the highest voice first, and a header's
    meters."""
    frames = max(end for part in parts for _, end, _ in part)
    pitch, onset = np.full((len(parts), frames), -1), np.zeros((len(parts), frames), bool)
    for voice, part in enumerate(parts):
        for begin, end, sounding in part:
            pitch[voice, begin:end] = sounding
            onset[voice, begin] = True
    numbers, _ = Bars(meters).numbers_and_places(np.arange(frames, dtype=np.int32) * SIXTEENTH)
    return Grid(pitch, onset, numbers.astype(np.int64))


def grid_of_score(score: Score) -> Grid:
    """Make a grid from a score.

    Raises:
        ScoreError: the score is not four single voices.
    """
    return grid_of(voices_of(score), chorale_header(score).meters)


def parallels(grid: Grid, interval: int) -> int:
    """How often two voices move in parallel from an interval, in semitones modulo 12, to the same interval."""
    count = 0
    for a, b in combinations(grid.pitch, 2):
        sounding = (a[1:] >= 0) & (a[:-1] >= 0) & (b[1:] >= 0) & (b[:-1] >= 0)
        together = np.sign(np.diff(a)) * np.sign(np.diff(b)) == 1
        both = (abs(a - b) % 12 == interval)[1:] & (abs(a - b) % 12 == interval)[:-1]
        count += int((sounding & together & both).sum())
    return count


def crossings(grid: Grid) -> int:
    """The number of sixteenths in which a voice is below its lower neighbour."""
    upper, lower = grid.pitch[:-1], grid.pitch[1:]
    return int(((upper >= 0) & (lower >= 0) & (upper < lower)).any(axis=0).sum())


def held_sixteenths(grid: Grid) -> int:
    """The number of sixteenths, of all voices, in which neither a note nor a rest begins."""
    before = np.concatenate([np.full((len(grid.pitch), 1), -2), grid.pitch[:, :-1]], axis=1)
    return int((~grid.onset & (grid.pitch == before)).sum())


def doubled_leading_notes(grid: Grid, tonic: int) -> int:
    """The number of chords in which two voices sound the leading note, a semitone below the tonic. A chord is a
    sixteenth at which a note begins."""
    leading = (grid.pitch >= 0) & ((grid.pitch - tonic) % 12 == 11)
    return int(((leading.sum(axis=0) >= 2) & grid.onset.any(axis=0)).sum())


def unprepared_dissonances(grid: Grid, beat: int = 4) -> tuple[int, int]:
    """How many pairs of voices strike a second or a seventh on a beat without preparation, and how many sound on
    beats at all.

    It is prepared if one of the two notes is held, or repeated, or reached by a step.

    Args:
        beat: in sixteenths.
    """
    frames = np.arange(beat, grid.pitch.shape[1], beat)
    now, before = grid.pitch[:, frames], grid.pitch[:, frames - 1]
    by_step = (now >= 0) & (before >= 0) & (abs(now - before) <= 2)
    unprepared = pairs = 0
    for a, b in combinations(range(len(now)), 2):
        sounding = (now[a] >= 0) & (now[b] >= 0)
        dissonant = np.isin(abs(now[a] - now[b]) % 12, (1, 2, 10, 11))
        unprepared += int((sounding & dissonant & ~by_step[a] & ~by_step[b]).sum())
        pairs += int(sounding.sum())
    return unprepared, pairs
