"""What composed pieces and a corpus are compared by: the rows of a table, for music of every encoding.

docs/evaluation.md defines them. A row that needs four voices is None for other music. Knows scores; knows nothing of
networks.
"""

from __future__ import annotations

import statistics as numbers
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.evaluation import four_voices, statistics
from playbach.evaluation.four_voices import Grid, grid_of_score
from playbach.evaluation.statistics import Histogram, distance
from playbach.music.sounding import SoundingNotes, bars_of


@dataclass(frozen=True, slots=True)
class Reference:
    """The statistics of the training pieces, with which composed pieces are compared."""

    degrees: Histogram
    durations: Histogram
    bars: frozenset[bytes]

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Reference:
        bars = frozenset(bar for score in scores for bar in bars_of(score))
        return cls(statistics.degrees(scores), statistics.durations(scores), bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Statistics of some pieces. Shares, similarities and distances are between 0 and 1. None: the measure does not
    apply to any of the pieces."""

    pieces: int
    notes: int
    degree_distance: float | None
    """The distance from the training pieces in semitones above the tonic."""
    duration_distance: float | None
    """The distance from the training pieces in durations."""
    notes_a_quarter: float | None
    """The mean over the pieces, as all measures that say nothing else."""
    polyphony: float | None
    """How many pitches sound at once while any sounds."""
    usual_parts: float
    """The median number of parts."""
    parts_in_a_bar: float | None
    """How many parts begin a note in a bar."""
    usual_range: float | None
    """The median of the ranges in semitones."""
    longest_repetition: int
    """The largest number of notes of the same pitch in succession in one part, in any piece."""
    usual_repetition: float
    """The median of that number. This and all other medians are over `bars` bars at a time (`measures_of`)."""
    repeated: float | None
    """The share of notes that repeat the one before in their part."""
    longest_silence: float
    """The longest time in which nothing sounds, in quarters, in any piece."""
    usual_silence: float
    """The median of the longest silence."""
    silent: float | None
    """The share of the time in which nothing sounds."""
    usual_rest: float
    """The median of the longest rest of a part, in quarters."""
    entropy_1: float | None
    """The entropy of the pitch classes of a bar, in bits, at most 3.585."""
    entropy_4: float | None
    """The entropy of the pitch classes of four bars."""
    groove: float | None
    """The similarity of the rhythms of all bars."""
    alike_1: float | None
    """The similarity of bars that are 1 bar apart."""
    alike_2: float | None
    alike_4: float | None
    alike_8: float | None
    ends_on_tonic: float | None
    """The share of pieces that end on the tonic."""
    ends_in_triad: float | None
    """The share of pieces that end with a triad."""
    ends_together: float | None
    """The share of pieces, of those with several parts, whose parts end together."""
    copied_bars: float | None
    """The share of bars that also occur in a training piece, in any key."""
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


MEASURE_LABELS = {
    "pieces": "pieces",
    "notes": "notes",
    "degree_distance": "pitch classes, distance from training",
    "duration_distance": "durations, distance from training",
    "notes_a_quarter": "notes per quarter",
    "polyphony": "pitches sounding at once",
    "usual_parts": "parts in use, median",
    "parts_in_a_bar": "parts that play in a bar",
    "usual_range": "range in semitones, median",
    "longest_repetition": "longest run of one repeated note, maximum",
    "usual_repetition": "longest run of one repeated note, median",
    "repeated": "notes that repeat the one before",
    "longest_silence": "longest silence in quarters, maximum",
    "usual_silence": "longest silence in quarters, median",
    "silent": "time in silence",
    "usual_rest": "longest rest of a part in quarters, median",
    "entropy_1": "pitch-class entropy of 1 bar, bits",
    "entropy_4": "pitch-class entropy of 4 bars, bits",
    "groove": "rhythm alike, any two bars",
    "alike_1": "notes alike, bars 1 apart",
    "alike_2": "notes alike, bars 2 apart",
    "alike_4": "notes alike, bars 4 apart",
    "alike_8": "notes alike, bars 8 apart",
    "ends_on_tonic": "ends on the tonic",
    "ends_in_triad": "ends with a triad",
    "ends_together": "parts end together",
    "copied_bars": "bars copied from training",
    "notes_a_bar": "notes per bar, soprano to bass",
    "lowest": "lowest pitch, soprano to bass",
    "highest": "highest pitch, soprano to bass",
    "held": "share of held sixteenths",
    "fifths": "parallel fifths per 1,000 onsets",
    "octaves": "parallel octaves per 1,000 onsets",
    "crossings": "voice crossings per 1,000 sixteenths",
}
"""The label of each measure in a table."""
PERCENTAGES = (
    "repeated",
    "silent",
    "groove",
    "alike_1",
    "alike_2",
    "alike_4",
    "alike_8",
    "ends_on_tonic",
    "ends_in_triad",
    "ends_together",
    "copied_bars",
    "held",
)


def measures_of(
    scores: Sequence[Score], four: bool, reference: Reference | None = None, bars: int | None = None
) -> Measures:
    """The measures of one or more pieces.

    Args:
        four: whether all pieces have four voices.
        reference: needed for distances and copied bars.
        bars: what grows with the length of a piece (medians of the longest run, silence and rest, of range and parts)
            is taken of excerpts of this many bars; None: of whole pieces.

    Raises:
        ScoreError: `four` is true, and a piece does not have four voices.
    """
    pitched = [SoundingNotes.of(score) for score in scores]
    everything = [SoundingNotes.of(score, drums=True) for score in scores]
    lines = list(map(statistics.lines_of, pitched))
    degrees, durations = statistics.degrees(scores), statistics.durations(scores)
    copied = [bar in reference.bars for s in scores for bar in bars_of(s)] if reference is not None else []
    pitched_excerpts = [found for score in scores for found in statistics.excerpts(score, bars)]
    excerpts = [found for score in scores for found in statistics.excerpts(score, bars, drums=True)]
    ranges = [found for found in map(statistics.pitch_range, pitched_excerpts) if found is not None]
    return Measures(
        pieces=len(scores),
        notes=sum(map(len, everything)),
        degree_distance=distance(degrees, reference.degrees) if reference and degrees else None,
        duration_distance=distance(durations, reference.durations) if reference and durations else None,
        notes_a_quarter=_mean(map(statistics.notes_a_quarter, scores)),
        polyphony=_mean(map(statistics.polyphony, scores)),
        usual_parts=numbers.median(found.parts for found in excerpts),
        parts_in_a_bar=_mean(map(statistics.parts_in_a_bar, scores)),
        usual_range=numbers.median(ranges) if ranges else None,
        longest_repetition=max(map(statistics.longest_repetition, lines)),
        usual_repetition=numbers.median(
            statistics.longest_repetition(statistics.lines_of(found)) for found in pitched_excerpts
        ),
        repeated=_mean(map(statistics.repeated_share, lines)),
        longest_silence=max(map(statistics.longest_silence, everything)),
        usual_silence=numbers.median(map(statistics.longest_silence, excerpts)),
        silent=_mean(map(statistics.silent_share, everything)),
        usual_rest=numbers.median(map(statistics.longest_rest, excerpts)),
        entropy_1=_mean(statistics.pitch_class_entropy(score, 1) for score in scores),
        entropy_4=_mean(statistics.pitch_class_entropy(score, 4) for score in scores),
        groove=_mean(map(statistics.groove_similarity, scores)),
        alike_1=_mean(statistics.bar_similarity(score, 1) for score in scores),
        alike_2=_mean(statistics.bar_similarity(score, 2) for score in scores),
        alike_4=_mean(statistics.bar_similarity(score, 4) for score in scores),
        alike_8=_mean(statistics.bar_similarity(score, 8) for score in scores),
        ends_on_tonic=_mean(map(statistics.ends_on_tonic, scores)),
        ends_in_triad=_mean(map(statistics.ends_in_triad, scores)),
        ends_together=_mean(map(statistics.ends_together, scores)),
        copied_bars=_mean(copied),
        **(_in_four_voices([grid_of_score(score) for score in scores]) if four else {}),
    )


def _mean(found: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None if all are."""
    values = [value for value in found if value is not None]
    return sum(values) / len(values) if values else None


def _in_four_voices(grids: list[Grid]) -> dict[str, Any]:
    onsets = sum(int(g.onset.sum()) for g in grids)
    frames = sum(g.pitch.shape[1] for g in grids)
    bars = sum(max(1, int(g.bars.max())) for g in grids)  # a pickup and the last bar make one bar together
    together = [np.concatenate([g.pitch[v] for g in grids]) for v in range(4)]

    def compass(of: Callable[..., Any]) -> tuple[int, ...]:
        return tuple(int(of(p[p >= 0], initial=-1 if of is np.max else 128)) for p in together)

    return {
        "notes_a_bar": tuple(sum(int(g.onset[v].sum()) for g in grids) / bars for v in range(4)),
        "lowest": compass(np.min),
        "highest": compass(np.max),
        "held": sum(map(four_voices.held_sixteenths, grids)) / (4 * frames),
        "fifths": 1000 * sum(four_voices.parallels(g, four_voices.FIFTH) for g in grids) / onsets,
        "octaves": 1000 * sum(four_voices.parallels(g, four_voices.OCTAVE) for g in grids) / onsets,
        "crossings": 1000 * sum(map(four_voices.crossings, grids)) / frames,
    }
