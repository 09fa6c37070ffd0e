"""A score as one line of onsets: what begins together is a chord, what is silent a rest. The `notes` encoding's view.

Knows the grid and its durations; knows nothing of symbols or vocabularies.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music.bars import quantise
from playbach.music.events import TICKS_PER_QUARTER
from playbach.system.errors import ScoreError

Ints = npt.NDArray[Any]

UNITS = 12
"""Grid units to a quarter: sixteenths and triplets both fall on it."""
GRID = TICKS_PER_QUARTER // UNITS
FIXED = UNITS // 2
"""The duration of everything where durations are left out."""
SHORTEST_REST = UNITS // 4
DURATIONS = (*range(1, 25), 30, 36, 42, 48, 60, 72, 84, 96)
"""The durations there are, in units; what falls between is a shorter note and a rest."""
Chord = tuple[int, ...]
"""Pitches (or pitch classes), rising; empty is a rest."""
REST: Chord = ()
Onset = tuple[int, Chord, int, int]
"""Time and duration in units, the chord's real pitches, its loudest velocity."""


def onsets_of(
    score: Score, fixed: bool = False, longest: int = DURATIONS[-1], chordified: bool = False
) -> list[Onset]:
    """Chords and rests, without gap or overlap: each ends where the next begins.

    Args:
        fixed: gives all one duration.
        longest: in units; what lasts longer is cut to this, and a rest follows.
        chordified: a chord is all that sounds, struck anew wherever a note begins or ends, not only what begins.

    Raises:
        ScoreError: there are no notes, or none but drums.
    """
    tracks = [t.notes.numpy() for t in score.tracks if len(t.notes) and not t.is_drum]
    if not tracks:
        raise ScoreError("it has no notes but drums")
    times, durations, pitches, velocities = (
        np.concatenate([t[key] for t in tracks]).astype(np.int64) for key in ("time", "duration", "pitch", "velocity")
    )
    onsets = quantise(times, GRID)
    ends = np.maximum(quantise(times + durations, GRID), onsets + 1)
    off = (times + durations) % GRID > 0
    if chordified:
        onsets, ends, pitches, velocities = _slices(onsets, _joined(onsets, ends, off), pitches, velocities)
        off = np.zeros(len(onsets), bool)
    order = np.lexsort((pitches, onsets))
    onsets, ends, pitches, velocities = onsets[order], ends[order], pitches[order], velocities[order]
    first = np.flatnonzero(np.diff(onsets, prepend=-1))
    begins = onsets[first]
    finals = np.maximum.reduceat(ends, first)
    loudest = np.maximum.reduceat(velocities, first).tolist()
    nexts = np.append(begins[1:], finals[-1])
    # A silence shorter than a sixteenth before which a note ends off the grid is articulation, not a rest.
    off_grid = np.logical_or.reduceat(off[order], first)
    legato = (nexts - finals < SHORTEST_REST) & off_grid
    finals = np.where(legato | (finals > nexts), nexts, finals)
    bounds = [*first.tolist(), len(onsets)]
    notes = pitches.tolist()
    chords = [(notes[a],) if b - a == 1 else tuple(sorted(set(notes[a:b]))) for a, b in zip(bounds, bounds[1:])]
    spans = list(zip(begins.tolist(), finals.tolist(), nexts.tolist(), chords, loudest))
    return _fixed(spans) if fixed else _timed(spans, longest)


def _joined(onsets: Ints, ends: Ints, off: Ints) -> Ints:
    """The ends of notes (N,), those off the grid moved to the nearest onset if it is less than a sixteenth away: what
    is a little early or late there is articulation, and not a chord of its own."""
    begins = np.append(np.unique(onsets), np.iinfo(np.int64).max)
    index = np.searchsorted(begins, ends)
    before, after = begins[index - 1], begins[index]  # every end has an onset before it
    early, late = after - ends, ends - before
    to_after = off & (early < SHORTEST_REST) & (early <= late)
    to_before = off & (late < SHORTEST_REST) & (before > onsets) & ~to_after
    return np.where(to_after, after, np.where(to_before, before, ends))


def _slices(onsets: Ints, ends: Ints, pitches: Ints, velocities: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Notes (N,) cut wherever one begins or ends."""
    cuts = np.unique(np.concatenate([onsets, ends]))
    first, last = np.searchsorted(cuts, onsets), np.searchsorted(cuts, ends)
    parts = last - first
    note = np.repeat(np.arange(len(onsets)), parts)
    index = np.arange(len(note)) - np.repeat(parts.cumsum() - parts, parts) + first[note]
    return cuts[index], cuts[index + 1], pitches[note], velocities[note]


def _fixed(spans: list[tuple[int, int, int, Chord, int]]) -> list[Onset]:
    """Each chord, and each rest between two, with the one duration that there is."""
    rest = (REST, -1)
    chords: list[tuple[Chord, int]] = [rest] * (spans[0][0] // FIXED)
    for _, final, following, chord, velocity in spans:
        chords.append((chord, velocity))
        if following > final:
            chords += [rest] * max(1, (following - final) // FIXED)
    return [(i * FIXED, chord, FIXED, velocity) for i, (chord, velocity) in enumerate(chords)]


def _timed(spans: list[tuple[int, int, int, Chord, int]], longest: int) -> list[Onset]:
    there = durations_to(longest)
    onsets: list[Onset] = _rests(0, spans[0][0], there)
    for begin, final, following, chord, velocity in spans:
        units = final - begin
        if units not in DURATION_INDEX or units > longest:
            units = max(d for d in there if d <= units)
        onsets.append((begin, chord, units, velocity))
        if following > begin + units:
            onsets += _rests(begin + units, following, there)
    return onsets


def durations_to(longest: int) -> tuple[int, ...]:
    """The durations there are, up to one, in units."""
    return DURATIONS[: bisect_right(DURATIONS, longest)]


DURATION_INDEX = {units: i for i, units in enumerate(DURATIONS, 1)}


def _rests(begin: int, end: int, there: tuple[int, ...]) -> list[Onset]:
    rests: list[Onset] = []
    while begin < end:
        units = max(d for d in there if d <= end - begin)
        rests.append((begin, REST, units, -1))
        begin += units
    return rests


def longest_runs(chords: list[Chord]) -> tuple[int, int]:
    """The most equal chords, and the most rests, in succession; each at least 1."""
    chord_run = rest_run = run = 1
    for before, chord in zip(chords, chords[1:]):
        run = run + 1 if chord == before else 1
        if run > 1:
            chord_run, rest_run = (max(chord_run, run), rest_run) if chord else (chord_run, max(rest_run, run))
    return chord_run, rest_run
