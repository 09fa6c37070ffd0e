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
