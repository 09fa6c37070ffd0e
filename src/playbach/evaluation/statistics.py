"""What can be counted in written music, so that composed pieces can stand beside those of a corpus.

All of it is arithmetic on notes; how each figure is defined stands in docs/evaluation.md. Four voices are seen as a
`Grid` of sixteenths. Distances are between histograms of notes: the share of them that would have to be other ones
(total variation), 0 for the same and 1 for nothing in common. Pitch classes are counted from the tonic of the piece's
estimated key, since what is composed may stand in any key. Knows scores; knows nothing of networks.
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

from playbach.encodings.voices import GRID, SingleNote, header_of, voices
from playbach.music import keys
from playbach.music.bars import Bars
from playbach.music.tunes import top_line

FIFTH, OCTAVE = 7, 0
MOVING = 1
"""A bar counts as copied only if its chord changes so often at least: held chords are everybody's."""

Histogram = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """A piece in sixteenths: sounding pitch (4, T), -1 where a voice is silent; onset (4, T), where a note begins;
    the number of each sixteenth's bar (T,), 0 in a pickup."""

    pitch: npt.NDArray[np.int64]
    onset: npt.NDArray[np.bool_]
    bars: npt.NDArray[np.int64]


def grid_of(parts: Sequence[Sequence[SingleNote]], meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),)) -> Grid:
    """From voices of (onset, end, pitch) in sixteenths, the highest first, and a header's meters."""
    frames = max(end for part in parts for _, end, _ in part)
    pitch, onset = np.full((len(parts), frames), -1), np.zeros((len(parts), frames), bool)
    for voice, part in enumerate(parts):
        for begin, end, sounding in part:
            pitch[voice, begin:end] = sounding
            onset[voice, begin] = True
    numbers, _ = Bars(meters).columns(np.arange(frames, dtype=np.int32) * GRID)
    return Grid(pitch, onset, numbers.astype(np.int64))


def grid_of_score(score: Score) -> Grid:
    """Raises ScoreError where a score is not four single voices."""
    return grid_of(voices(score), header_of(score).meters)


# ------------------------------------------------------------------------------------------------- in four voices


def parallels(grid: Grid, interval: int) -> int:
    """How often two voices go in parallel from one interval (in semitones, octaves taken off) to another."""
    found = 0
    for a, b in combinations(grid.pitch, 2):
        sounding = (a[1:] >= 0) & (a[:-1] >= 0) & (b[1:] >= 0) & (b[:-1] >= 0)
        together = np.sign(np.diff(a)) * np.sign(np.diff(b)) == 1
        both = (abs(a - b) % 12 == interval)[1:] & (abs(a - b) % 12 == interval)[:-1]
        found += int((sounding & together & both).sum())
    return found


def crossings(grid: Grid) -> int:
    """Sixteenths in which a voice sounds below its lower neighbour."""
    upper, lower = grid.pitch[:-1], grid.pitch[1:]
    return int(((upper >= 0) & (lower >= 0) & (upper < lower)).any(axis=0).sum())


def held(grid: Grid) -> int:
    """Sixteenths of single voices in which nothing begins, neither a note nor a rest."""
    before = np.concatenate([np.full((len(grid.pitch), 1), -2), grid.pitch[:, :-1]], axis=1)
    return int((~grid.onset & (grid.pitch == before)).sum())


def ends_in_triad(grid: Grid) -> bool:
    """Whether all voices sound up to the end, in a major or minor triad whose fifth may be missing."""
    if (grid.pitch[:, -1] < 0).any():
        return False
    classes = set((grid.pitch[:, -1] % 12).tolist())
    chords = [(r, (r + third) % 12, (r + 7) % 12) for r in range(12) for third in (3, 4)]
    return any(classes >= {root, third} and classes <= {root, third, fifth} for root, third, fifth in chords)


def bars_of(grid: Grid) -> Iterator[bytes]:
    """Each full bar as what sounds in it: four voices a sixteenth, counted from its lowest pitch. A pickup, and a bar
    in which no voice ever moves, are left out."""
    edges = np.flatnonzero(np.diff(grid.bars)) + 1
    for number, bar in zip(grid.bars[[0, *edges]], np.split(grid.pitch, edges, axis=1)):
        if number > 0 and int((np.diff(bar, axis=1) != 0).any(axis=0).sum()) >= MOVING:
            lowest = bar[bar >= 0].min()
            yield np.where(bar >= 0, bar - lowest, -1).astype(np.int8).tobytes() + bytes([bar.shape[1]])


# ------------------------------------------------------------------------------------------------- in any score


def _notes(score: Score) -> npt.NDArray[np.int64]:
    """(N, 3) onset and duration in ticks and pitch of every note but drums, by onset."""
    found = [t.notes.numpy() for t in score.tracks if not t.is_drum]
    columns = [np.concatenate([f[name] for f in found] or [[]]) for name in ("time", "duration", "pitch")]
    notes = np.stack(columns, axis=1).astype(np.int64)
    return notes[np.argsort(notes[:, 0], kind="stable")]


def tonic(score: Score) -> int | None:
    """The pitch class of the estimated key's tonic (see `keys`), weighed by how long each sounds."""
    notes = _notes(score)
    found = keys.estimate(np.bincount(notes[:, 2] % 12, weights=notes[:, 1], minlength=12))
    return None if found is None else found.tonic


def ends_on_tonic(score: Score) -> bool:
    """Whether the lowest of the notes that end last is the tonic of the piece's estimated key."""
    notes = _notes(score)
    ends = notes[:, 0] + notes[:, 1]
    return len(notes) > 0 and int(notes[ends == ends.max(), 2].min()) % 12 == tonic(score)


def longest_repetition(lines: Iterable[Iterable[int]]) -> int:
    """The most notes of one pitch in succession in one line of pitches."""
    return max((len(list(run)) for line in lines for _, run in groupby(line)), default=0)


def longest_silence(lines: Iterable[npt.NDArray[np.int64]]) -> float:
    """The longest time in quarters between two notes of one line, given as (N, 3) notes like those of a score."""
    longest = 0
    for notes in lines:
        if len(notes):
            until = np.maximum.accumulate(notes[:, 0] + notes[:, 1])
            longest = max(longest, int(notes[0, 0]), *(notes[1:, 0] - until[:-1]).tolist())
    return longest / (4 * GRID)


def _lines(score: Score, four: bool) -> tuple[list[list[int]], list[npt.NDArray[np.int64]]]:
    """The lines of pitches and of notes that are looked at by themselves: four voices, or the top one and all."""
    if not four:
        return [top_line(score)], [_notes(score)]
    parts = voices(score)
    as_notes = [np.array([(o * GRID, (e - o) * GRID, p) for o, e, p in part]).reshape(-1, 3) for part in parts]
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
    """Total variation: half of all differences."""
    return sum(abs(a.get(value, 0.0) - b.get(value, 0.0)) for value in {*a, *b}) / 2


# ------------------------------------------------------------------------------------------------ all of it at once


@dataclass(frozen=True, slots=True)
class Reference:
    """What the training pieces are like: what is composed is held against it."""

    degrees: Histogram
    durations: Histogram
    bars: frozenset[bytes]

    @classmethod
    def of(cls, scores: Sequence[Score], four: bool) -> Reference:
        bars = frozenset(bar for s in scores for bar in bars_of(grid_of_score(s))) if four else frozenset()
        return cls(degrees(scores), durations(scores), bars)


@dataclass(frozen=True, slots=True)
class Measures:
    """All pieces together. Shares and distances are between 0 and 1; None where a measure makes no sense: those from
    `notes_a_bar` on are of four voices, soprano first where there is one of each."""

    pieces: int
    notes: int
    degree_distance: float | None
    duration_distance: float | None
    longest_repetition: int
    usual_repetition: float
    longest_silence: float
    usual_silence: float
    ends_on_tonic: float
    notes_a_bar: tuple[float, ...] | None = None
    lowest: tuple[int, ...] | None = None
    highest: tuple[int, ...] | None = None
    held: float | None = None
    fifths: float | None = None
    octaves: float | None = None
    crossings: float | None = None
    ends_in_triad: float | None = None
    copied_bars: float | None = None


WORDS = {
    "pieces": "pieces",
    "notes": "notes",
    "degree_distance": "pitch classes, distance from training",
    "duration_distance": "durations, distance from training",
    "longest_repetition": "longest run of one repeated note, any piece",
    "usual_repetition": "… the median piece",
    "longest_silence": "longest silence in quarters, any piece",
    "usual_silence": "… the median piece",
    "ends_on_tonic": "ends on the tonic",
    "notes_a_bar": "notes a bar, soprano to bass",
    "lowest": "lowest pitch, soprano to bass",
    "highest": "highest pitch, soprano to bass",
    "held": "hold share",
    "fifths": "parallel fifths per 1,000 onsets",
    "octaves": "parallel octaves per 1,000 onsets",
    "crossings": "voices crossed per 1,000 sixteenths",
    "ends_in_triad": "ends together in a triad",
    "copied_bars": "bars copied from training",
}
"""Each measure as people read it."""
SHARES = ("ends_on_tonic", "held", "ends_in_triad", "copied_bars")


def measured(scores: Sequence[Score], four: bool, reference: Reference | None = None) -> Measures:
    """Everything that can be counted in some pieces, one or more, of `four` voices each or any.

    Distances and copies need a reference.

    Raises:
        ScoreError: one of them is not in four voices.
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
    bars = sum(max(1, int(g.bars.max())) for g in grids)  # a pickup and the last bar are one
    together = [np.concatenate([g.pitch[v] for g in grids]) for v in range(4)]
    copied = [bar in reference.bars for g in grids for bar in bars_of(g)] if reference is not None else []

    def compass(of: Callable[..., Any]) -> tuple[int, ...]:
        return tuple(int(of(p[p >= 0], initial=-1 if of is np.max else 128)) for p in together)

    return {
        "notes_a_bar": tuple(sum(int(g.onset[v].sum()) for g in grids) / bars for v in range(4)),
        "lowest": compass(np.min),
        "highest": compass(np.max),
        "held": sum(map(held, grids)) / (4 * frames),
        "fifths": 1000 * sum(parallels(g, FIFTH) for g in grids) / onsets,
        "octaves": 1000 * sum(parallels(g, OCTAVE) for g in grids) / onsets,
        "crossings": 1000 * sum(map(crossings, grids)) / frames,
        "ends_in_triad": sum(map(ends_in_triad, grids)) / len(grids),
        "copied_bars": sum(copied) / len(copied) if copied else None,
    }
