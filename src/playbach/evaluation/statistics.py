"""Statistics of any score, to compare composed pieces with a corpus.

docs/evaluation.md defines them. A *part* is a track with notes. Drums count where pitch does not matter: in silence,
density and rhythm. A statistic is None where a piece has nothing that it could be taken of. The distance between two
histograms of notes is the share of notes that would have to change (total variation): 0 for equal ones, 1 for ones
with nothing in common. Pitch classes count from the tonic of a piece's estimated key, since pieces may be composed in
any key. Knows scores; knows nothing of networks.

Sources: Wu and Yang, "The Jazz Transformer on the Front Line: Exploring the Shortcomings of AI-composed Music
through Quantitative Measures", ISMIR 2020 (pitch-class entropy, grooving similarity); Dong, Chen, McAuley and
Berg-Kirkpatrick, "MusPy: A Toolkit for Symbolic Music Generation", ISMIR 2020 (polyphony).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music import keys
from playbach.music.chords import is_triad
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.sounding import BarLines, SoundingNotes
from playbach.music.tunes import top_notes

GROOVE_UNIT = TICKS_PER_QUARTER // 16
"""The grid of the grooving similarity, in ticks: 64 places in a bar of 4/4, as published."""
SAME_TIME = TICKS_PER_QUARTER // 4
"""Parts whose last notes end less than this many ticks apart end together: a listener hears one ending."""
LAST_BARS = 2
"""The parts that play in this many last bars have to end together."""

Histogram = Mapping[int, float]
_Ints = npt.NDArray[np.int64]


def excerpts(score: Score, bars: int | None, drums: bool = False) -> list[SoundingNotes]:
    """The notes of a score, cut into excerpts of this many full bars; fewer bars at the end are left out. A score
    with fewer bars is one excerpt, and so is any score if `bars` is None."""
    notes, lines = SoundingNotes.of(score, drums), BarLines.of(score)
    starts = lines.start[lines.full]
    if bars is None or len(starts) - 1 < bars:
        return [notes]
    return [notes.between(int(a), int(b)) for a, b in pairwise(starts[::bars])]


# ------------------------------------------------------------------------------------------------------ pitches


def tonic(score: Score) -> int | None:
    """The pitch class of the tonic of the estimated key (`keys`); None if all pitch classes sound for as long."""
    notes = SoundingNotes.of(score)
    found = keys.estimate_key(np.bincount(notes.pitch % 12, weights=notes.duration, minlength=12))
    return None if found is None else found.tonic


def degrees(scores: Iterable[Score]) -> Histogram:
    """The share of notes on each semitone above the tonic."""
    counts: Counter[int] = Counter()
    for score in scores:
        counts.update(((SoundingNotes.of(score).pitch - (tonic(score) or 0)) % 12).tolist())
    return _shares(counts)


def pitch_range(notes: SoundingNotes) -> int | None:
    """From the lowest pitch to the highest, in semitones; 0 for a single pitch."""
    return int(np.ptp(notes.pitch)) if len(notes) else None


def pitch_class_entropy(score: Score, bars: int) -> float | None:
    """The entropy, in bits, of the pitch classes of the notes that begin in a run of this many bars: from 0 for one
    pitch class to log2 12 = 3.585. The mean over all such runs of full bars with notes (Wu and Yang 2020, H).
    None for a piece with fewer bars."""
    notes, lines = SoundingNotes.of(score), BarLines.of(score)
    counts = np.zeros((len(lines), 12))
    np.add.at(counts, (lines.index(notes.onset), notes.pitch % 12), 1)
    counts = counts[lines.full]
    if len(counts) < bars:
        return None
    runs = np.lib.stride_tricks.sliding_window_view(counts, bars, axis=0).sum(axis=-1)
    runs = runs[runs.sum(axis=1) > 0]
    if not len(runs):
        return None
    shares = runs / runs.sum(axis=1, keepdims=True)
    bits = -(shares * np.log2(shares, where=shares > 0, out=np.zeros_like(shares))).sum(axis=1)
    return float(bits.mean())


# ----------------------------------------------------------------------------------------------- time and density


def durations(scores: Iterable[Score]) -> Histogram:
    """The share of notes of each duration, in ticks."""
    counts: Counter[int] = Counter()
    for score in scores:
        counts.update(SoundingNotes.of(score).duration.tolist())
    return _shares(counts)


def notes_a_quarter(score: Score) -> float | None:
    """Notes, drums included, per quarter from the beginning of the piece to the end of its last note."""
    notes = SoundingNotes.of(score, drums=True)
    return TICKS_PER_QUARTER * len(notes) / int(notes.end.max()) if len(notes) else None


def polyphony(score: Score) -> float | None:
    """How many different pitches sound at once, at least 1: the mean over the time in which any sounds (MusPy)."""
    notes = SoundingNotes.of(score)
    spans = {pitch: _covered(notes.where(notes.pitch == pitch)) for pitch in np.unique(notes.pitch).tolist()}
    sounding = _length(_covered(notes))
    return sum(map(_length, spans.values())) / sounding if sounding else None


def parts_in_a_bar(score: Score) -> float | None:
    """How many parts, drums included, begin a note in a bar: the mean over all full bars, silent ones included."""
    notes, lines = SoundingNotes.of(score, drums=True), BarLines.of(score)
    playing = np.zeros((len(lines), len(score.tracks)), bool)
    playing[lines.index(notes.onset), notes.part] = True
    playing = playing[lines.full]
    return float(playing.sum(axis=1).mean()) if len(playing) else None


def longest_silence(notes: SoundingNotes) -> float:
    """The longest time before or between notes in which none sounds, in quarters."""
    return max((end - begin for begin, end in _gaps(notes)), default=0) / TICKS_PER_QUARTER


def silent_share(notes: SoundingNotes) -> float | None:
    """The share of the time, from the beginning of the piece to the end of the last note, in which none sounds."""
    if not len(notes) or not int(notes.end.max()):
        return None
    return sum(end - begin for begin, end in _gaps(notes)) / int(notes.end.max())


def longest_rest(notes: SoundingNotes) -> float:
    """The longest time in which a part is silent before or between its notes, in quarters."""
    return max(map(longest_silence, notes.by_part()), default=0.0)


def _covered(notes: SoundingNotes) -> tuple[_Ints, _Ints]:
    """The spans in which any of the notes sounds: begins (n,) and ends (n,) in ticks, apart from each other."""
    if not len(notes):
        return notes.onset, notes.end
    until = np.maximum.accumulate(notes.end)
    begins = np.concatenate([[True], notes.onset[1:] > until[:-1]])
    return notes.onset[begins], until[np.concatenate([begins[1:], [True]])]


def _length(spans: tuple[_Ints, _Ints]) -> int:
    return int((spans[1] - spans[0]).sum())


def _gaps(notes: SoundingNotes) -> Iterator[tuple[int, int]]:
    """Begin and end of each silence before and between the notes, in ticks."""
    begins, ends = _covered(notes)
    return ((a, b) for a, b in zip([0, *ends.tolist()], begins.tolist()) if b > a)


# ---------------------------------------------------------------------------------------------------- repetition


def lines_of(notes: SoundingNotes) -> list[list[int]]:
    """The pitches of each part's top notes."""
    return [top_notes({"time": p.onset, "duration": p.duration, "pitch": p.pitch}) for p in notes.by_part()]


def longest_repetition(lines: Iterable[Iterable[int]]) -> int:
    """The largest number of notes of the same pitch in succession in one of the lines."""
    return max((len(list(run)) for line in lines for _, run in groupby(line)), default=0)


def repeated_share(lines: Iterable[Iterable[int]]) -> float | None:
    """The share of notes that have the pitch of the one before in their line; a line's first note does not count."""
    repeats = [a == b for line in lines for a, b in pairwise(line)]
    return sum(repeats) / len(repeats) if repeats else None


# --------------------------------------------------------------------------------------------------- bar by bar


def bar_similarity(score: Score, distance: int) -> float | None:
    """How alike bars at a distance of this many bars are, from 0 (no note in common) to 1 (all). Each note that
    begins in a bar is a pair (place in the bar, pitch class). This is the mean Jaccard index of two bars' sets of
    pairs, over all pairs of full bars of which one has notes. Drums do not count."""
    notes, lines = SoundingNotes.of(score), BarLines.of(score)
    bar = lines.index(notes.onset)
    place = notes.onset - lines.start[bar]
    width = 12 * (int(place.max()) + 1) if len(notes) else 1
    there = np.unique(bar * width + place * 12 + notes.pitch % 12)
    later = there[np.isin(there, there + distance * width)]  # those that are also in the bar before
    sizes = np.bincount(there // width, minlength=len(lines))[lines.full]
    shared = np.bincount(later // width, minlength=len(lines))[lines.full][distance:]
    union = sizes[distance:] + sizes[:-distance] - shared
    rated = union > 0
    return float((shared[rated] / union[rated]).mean()) if rated.any() else None


def groove_similarity(score: Score) -> float | None:
    """How alike the rhythms of two bars are: 1 less the share of the places of a bar, 64ths, at which only one of
    them begins a note; from 0 to 1, the mean over all pairs of full bars of the same length (Wu and Yang 2020, GS).
    Drums count. Sparse bars are always alike, so only the comparison with real music says anything."""
    notes, lines = SoundingNotes.of(score, drums=True), BarLines.of(score)
    lengths = np.diff(lines.start) // GROOVE_UNIT
    bar = lines.index(notes.onset)
    onsets = np.zeros((len(lines), int(lengths.max(initial=1))), bool)
    onsets[bar, np.minimum((notes.onset - lines.start[bar]) // GROOVE_UNIT, np.maximum(lengths[bar] - 1, 0))] = True
    onsets, lengths = onsets[lines.full], lengths[lines.full]
    alike, pairs = 0.0, 0
    for length in np.unique(lengths[lengths > 0]).tolist():
        same = onsets[lengths == length, :length]
        count = same.sum(axis=0)
        differing = int((count * (len(same) - count)).sum())
        of_length = len(same) * (len(same) - 1) // 2
        alike, pairs = alike + of_length - differing / length, pairs + of_length
    return alike / pairs if pairs else None


# -------------------------------------------------------------------------------------------------------- endings


def last_chord(score: Score) -> list[int]:
    """The pitches, the lowest first, that sound when the last note begins."""
    notes = SoundingNotes.of(score)
    if not len(notes):
        return []
    last = notes.onset[-1]
    return sorted(notes.pitch[(notes.onset == last) | (notes.end > last)].tolist())


def ends_on_tonic(score: Score) -> bool | None:
    """Whether the lowest pitch of the last chord is the tonic of the piece's estimated key."""
    chord = last_chord(score)
    return chord[0] % 12 == tonic(score) if chord else None


def ends_in_triad(score: Score) -> bool | None:
    """Whether the last chord is a major or minor triad, whose fifth may be missing."""
    chord = last_chord(score)
    return is_triad(chord) if chord else None


def ends_together(score: Score) -> bool | None:
    """Whether the parts that play in the last two bars begin their last notes at the same time, or end them less than
    a sixteenth apart. None for a piece with one part, and for one without notes other than drums."""
    notes, lines = SoundingNotes.of(score), BarLines.of(score)
    if notes.parts < 2:
        return None
    last = int(lines.index(notes.end.max(keepdims=True) - 1)[0])
    playing = list(notes.where(notes.end > lines.start[max(0, last + 1 - LAST_BARS)]).by_part())
    begins, ends = [int(part.onset.max()) for part in playing], [int(part.end.max()) for part in playing]
    return len(set(begins)) == 1 or max(ends) - min(ends) < SAME_TIME


# ----------------------------------------------------------------------------------------------------- histograms


def _shares(counts: Counter[int]) -> Histogram:
    total = max(1, sum(counts.values()))
    return {value: n / total for value, n in counts.items()}


def distance(a: Histogram, b: Histogram) -> float:
    """The total variation: half of the sum of all differences."""
    return sum(abs(a.get(value, 0.0) - b.get(value, 0.0)) for value in {*a, *b}) / 2
