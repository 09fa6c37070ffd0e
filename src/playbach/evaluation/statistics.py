"""Statistics of scores, to compare composed pieces with a corpus.

docs/evaluation.md defines them. Four voices become a `Grid` of sixteenths. The distance between two histograms of
notes is the share of notes that would have to change (total variation): 0 for equal ones, 1 for ones with nothing in
common. Pitch classes count from the tonic of a piece's estimated key, since pieces may be composed in any key. Knows
scores; knows nothing of networks.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.encodings.voices import SIXTEENTH, SingleNote, chorale_header, voices_of
from playbach.music import keys
from playbach.music.bars import Bars
from playbach.music.tunes import top_line

FIFTH, OCTAVE = 7, 0
MIN_CHANGES = 1
"""A bar with fewer changes of its chord is not counted as copied: held chords are in everybody's music."""

Histogram = Mapping[int, float]


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


# ------------------------------------------------------------------------------------------------- in four voices


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


def ends_in_triad(grid: Grid) -> bool:
    """Whether all voices sound until the end, in a major or minor triad whose fifth may be missing."""
    if (grid.pitch[:, -1] < 0).any():
        return False
    classes = set((grid.pitch[:, -1] % 12).tolist())
    chords = [(r, (r + third) % 12, (r + 7) % 12) for r in range(12) for third in (3, 4)]
    return any(classes >= {root, third} and classes <= {root, third, fifth} for root, third, fifth in chords)


def bars_of(grid: Grid) -> Iterator[bytes]:
    """The pitches of each full bar, counted from its lowest pitch, as bytes. Pickups, and bars in which no voice
    moves, are left out."""
    edges = np.flatnonzero(np.diff(grid.bars)) + 1
    for number, bar in zip(grid.bars[[0, *edges]], np.split(grid.pitch, edges, axis=1)):
        if number > 0 and int((np.diff(bar, axis=1) != 0).any(axis=0).sum()) >= MIN_CHANGES:
            lowest = bar[bar >= 0].min()
            yield np.where(bar >= 0, bar - lowest, -1).astype(np.int8).tobytes() + bytes([bar.shape[1]])


# ------------------------------------------------------------------------------------------------- in any score


def _notes(score: Score) -> npt.NDArray[np.int64]:
    """(N, 3) the onset and duration in ticks and the pitch of each note, by onset; without drums."""
    found = [t.notes.numpy() for t in score.tracks if not t.is_drum]
    columns = [np.concatenate([f[name] for f in found] or [[]]) for name in ("time", "duration", "pitch")]
    notes = np.stack(columns, axis=1).astype(np.int64)
    return notes[np.argsort(notes[:, 0], kind="stable")]


def tonic(score: Score) -> int | None:
    """The pitch class of the tonic of the estimated key (`keys`)."""
    notes = _notes(score)
    found = keys.estimate_key(np.bincount(notes[:, 2] % 12, weights=notes[:, 1], minlength=12))
    return None if found is None else found.tonic


def ends_on_tonic(score: Score) -> bool:
    """Whether the lowest of the notes that end last is the tonic of the piece's estimated key."""
    notes = _notes(score)
    ends = notes[:, 0] + notes[:, 1]
    return len(notes) > 0 and int(notes[ends == ends.max(), 2].min()) % 12 == tonic(score)


def longest_repetition(lines: Iterable[Iterable[int]]) -> int:
    """The largest number of notes of the same pitch in succession in one of the lines."""
    return max((len(list(run)) for line in lines for _, run in groupby(line)), default=0)


def longest_silence(lines: Iterable[npt.NDArray[np.int64]]) -> float:
    """The longest time in quarters between two notes of one of the lines, which are given as (N, 3) notes."""
    longest = 0
    for notes in lines:
        if len(notes):
            until = np.maximum.accumulate(notes[:, 0] + notes[:, 1])
            longest = max(longest, int(notes[0, 0]), *(notes[1:, 0] - until[:-1]).tolist())
    return longest / (4 * SIXTEENTH)


def _lines(score: Score, four: bool) -> tuple[list[list[int]], list[npt.NDArray[np.int64]]]:
    """The lines in which repetitions (as pitches) and silences (as notes) are looked for: the four voices, or else
    the top line and all notes."""
    if not four:
        return [top_line(score)], [_notes(score)]
    parts = voices_of(score)
    as_notes = [
        np.array([(o * SIXTEENTH, (e - o) * SIXTEENTH, p) for o, e, p in part]).reshape(-1, 3) for part in parts
    ]
    return [[p for _, _, p in part] for part in parts], as_notes


def _shares(counts: Counter[int]) -> Histogram:
    total = max(1, sum(counts.values()))
    return {value: n / total for value, n in counts.items()}


def degrees(scores: Iterable[Score]) -> Histogram:
    """The share of notes on each semitone above the tonic."""
    counts: Counter[int] = Counter()
    for score in scores:
        counts.update(((_notes(score)[:, 2] - (tonic(score) or 0)) % 12).tolist())
    return _shares(counts)


def durations(scores: Iterable[Score]) -> Histogram:
    """The share of notes of each duration, in ticks."""
    counts: Counter[int] = Counter()
    for score in scores:
        counts.update(_notes(score)[:, 1].tolist())
    return _shares(counts)


def distance(a: Histogram, b: Histogram) -> float:
    """The total variation: half of the sum of all differences."""
    return sum(abs(a.get(value, 0.0) - b.get(value, 0.0)) for value in {*a, *b}) / 2


# ------------------------------------------------------------------------------------------------ all of it at once


@dataclass(frozen=True, slots=True)
class Reference:
    """The statistics of the training pieces, with which composed pieces are compared."""

    degrees: Histogram
    durations: Histogram
    bars: frozenset[bytes]

    @classmethod
    def of(cls, scores: Sequence[Score], four: bool) -> Reference:
        bars = frozenset(bar for s in scores for bar in bars_of(grid_of_score(s))) if four else frozenset()
        return cls(degrees(scores), durations(scores), bars)


@dataclass(frozen=True, slots=True)
class Measures:
    """Statistics of some pieces. Shares and distances are between 0 and 1. None: the measure does not apply."""

    pieces: int
    notes: int
    degree_distance: float | None
    """The distance from the training pieces in semitones above the tonic."""
    duration_distance: float | None
    """The distance from the training pieces in durations."""
    longest_repetition: int
    """The largest number of notes of the same pitch in succession, in any piece."""
    usual_repetition: float
    """The median of that number."""
    longest_silence: float
    """In quarters, in any piece."""
    usual_silence: float
    """The median of each piece's longest silence."""
    ends_on_tonic: float
    """The share of pieces that end on the tonic."""
    notes_a_bar: tuple[float, ...] | None = None
    """Notes per bar. This field and all that follow need four voices; a tuple has a value for each, soprano first."""
    lowest: tuple[int, ...] | None = None
    highest: tuple[int, ...] | None = None
    held: float | None = None
    """The share of sixteenths in which a voice holds a note or a rest."""
    fifths: float | None = None
    """Parallel fifths per 1,000 onsets."""
    octaves: float | None = None
    """Parallel octaves and unisons per 1,000 onsets."""
    crossings: float | None = None
    """Sixteenths with crossed voices, per 1,000."""
    ends_in_triad: float | None = None
    """The share of pieces that end with a triad."""
    copied_bars: float | None = None
    """The share of bars that also occur in a training piece, in any key."""


MEASURE_LABELS = {
    "pieces": "pieces",
    "notes": "notes",
    "degree_distance": "pitch classes, distance from training",
    "duration_distance": "durations, distance from training",
    "longest_repetition": "most repetitions of a note, maximum",
    "usual_repetition": "most repetitions of a note, median",
    "longest_silence": "longest silence in quarters, maximum",
    "usual_silence": "longest silence in quarters, median",
    "ends_on_tonic": "ends on the tonic",
    "notes_a_bar": "notes per bar, soprano to bass",
    "lowest": "lowest pitch, soprano to bass",
    "highest": "highest pitch, soprano to bass",
    "held": "share of held sixteenths",
    "fifths": "parallel fifths per 1,000 onsets",
    "octaves": "parallel octaves per 1,000 onsets",
    "crossings": "voice crossings per 1,000 sixteenths",
    "ends_in_triad": "ends with a triad",
    "copied_bars": "bars copied from training",
}
"""The label of each measure in a table."""
PERCENTAGES = ("ends_on_tonic", "held", "ends_in_triad", "copied_bars")


def measures_of(scores: Sequence[Score], four: bool, reference: Reference | None = None) -> Measures:
    """The measures of one or more pieces.

    Args:
        four: whether all pieces have four voices.
        reference: needed for distances and copied bars.

    Raises:
        ScoreError: `four` is true, and a piece does not have four voices.
    """
    lines = [_lines(score, four) for score in scores]
    repetitions = [longest_repetition(pitches) for pitches, _ in lines]
    silences = [longest_silence(notes) for _, notes in lines]
    return Measures(
        pieces=len(scores),
        notes=sum(int(score.note_num()) for score in scores),
        degree_distance=None if reference is None else distance(degrees(scores), reference.degrees),
        duration_distance=None if reference is None else distance(durations(scores), reference.durations),
        longest_repetition=max(repetitions),
        usual_repetition=statistics.median(repetitions),
        longest_silence=max(silences),
        usual_silence=statistics.median(silences),
        ends_on_tonic=sum(map(ends_on_tonic, scores)) / len(scores),
        **(_in_four_voices([grid_of_score(score) for score in scores], reference) if four else {}),
    )


def _in_four_voices(grids: list[Grid], reference: Reference | None) -> dict[str, Any]:
    onsets = sum(int(g.onset.sum()) for g in grids)
    frames = sum(g.pitch.shape[1] for g in grids)
    bars = sum(max(1, int(g.bars.max())) for g in grids)  # a pickup and the last bar make one bar together
    together = [np.concatenate([g.pitch[v] for g in grids]) for v in range(4)]
    copied = [bar in reference.bars for g in grids for bar in bars_of(g)] if reference is not None else []

    def compass(of: Callable[..., Any]) -> tuple[int, ...]:
        return tuple(int(of(p[p >= 0], initial=-1 if of is np.max else 128)) for p in together)

    return {
        "notes_a_bar": tuple(sum(int(g.onset[v].sum()) for g in grids) / bars for v in range(4)),
        "lowest": compass(np.min),
        "highest": compass(np.max),
        "held": sum(map(held_sixteenths, grids)) / (4 * frames),
        "fifths": 1000 * sum(parallels(g, FIFTH) for g in grids) / onsets,
        "octaves": 1000 * sum(parallels(g, OCTAVE) for g in grids) / onsets,
        "crossings": 1000 * sum(map(crossings, grids)) / frames,
        "ends_in_triad": sum(map(ends_in_triad, grids)) / len(grids),
        "copied_bars": sum(copied) / len(copied) if copied else None,
    }
