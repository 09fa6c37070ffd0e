"""A score as a single sequence of chords and rests, as the `notes` encoding reads it.

Notes that begin together are one chord, and a silence is a rest. Knows the grid and its durations; knows nothing of
symbols or vocabularies.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.encodings.options import NotesOptions
from playbach.music.bars import Header, meters_of, printable_name, quantise, tempo_of
from playbach.music.events import TICKS_PER_QUARTER, Track
from playbach.system.errors import ScoreError

AnyInts = npt.NDArray[Any]

NOTES_UNITS = 12
"""Grid units in a quarter note: sixteenths and triplets both fall on the grid."""
NOTES_GRID = TICKS_PER_QUARTER // NOTES_UNITS
"""Ticks in a unit."""
FIXED_DURATION = NOTES_UNITS // 2
"""The duration of every onset where durations are left out, in units."""
SHORTEST_REST = NOTES_UNITS // 4
NOTES_DURATIONS = (*range(1, 25), 30, 36, 42, 48, 60, 72, 84, 96)
"""All durations, in units. A note of another length becomes a shorter one and a rest."""
ONLY_DRUMS = "it has no notes other than drums"
"""Why the `notes` encoding cannot represent a score."""

Chord = tuple[int, ...]
"""Pitches or pitch classes, the lowest first; empty for a rest."""
REST_CHORD: Chord = ()
Onset = tuple[int, Chord, int, int]
"""Time in units, the chord's pitches, duration in units, the velocity of its loudest note (-1 for a rest)."""


def onsets_with(options: NotesOptions, score: Score) -> list[Onset]:
    """The chords and rests of a score, with these options. Raises ScoreError as `onsets_of` does."""
    return onsets_of(
        score,
        fixed=options.durations == "none",
        longest=longest_units(options),
        chordified=options.chordify,
    )


def notes_header(score: Score, options: NotesOptions) -> Header:
    """Meters, tempo, and a track with the name and instrument of the one that has the most notes.

    Raises:
        ScoreError: the score has no notes other than drums.
    """
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    if not tracks:
        raise ScoreError(ONLY_DRUMS)
    main = max(tracks, key=lambda t: len(t.notes))
    meters = meters_of(score, NOTES_GRID)
    if options.durations == "none":  # times are not kept, so changes of meter have no place
        meters = ((0, *meters[-1 if len(meters) == 1 else 1][1:]),)
    return Header(meters, tempo_of(score), (Track(printable_name(main.name), main.program),))


def onsets_of(
    score: Score, fixed: bool = False, longest: int = NOTES_DURATIONS[-1], chordified: bool = False
) -> list[Onset]:
    """The chords and rests of a score. Each ends where the next begins.

    Args:
        fixed: give every chord and rest the same duration.
        longest: the longest duration in units. A longer note is cut, and a rest follows it.
        chordified: make a new chord of all sounding notes wherever a note begins or ends, not only of new notes.

    Raises:
        ScoreError: the score has no notes other than drums.
    """
    times, durations, pitches, velocities = _all_notes(score)
    onsets = quantise(times, NOTES_GRID)
    ends = np.maximum(quantise(times + durations, NOTES_GRID), onsets + 1)
    off = (times + durations) % NOTES_GRID > 0
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
    # A silence shorter than a sixteenth after a note that ends off the grid is articulation, not a rest.
    off_grid = np.logical_or.reduceat(off[order], first)
    legato = (nexts - finals < SHORTEST_REST) & off_grid
    finals = np.where(legato | (finals > nexts), nexts, finals)
    bounds = [*first.tolist(), len(onsets)]
    notes = pitches.tolist()
    chords = [(notes[a],) if b - a == 1 else tuple(sorted(set(notes[a:b]))) for a, b in zip(bounds, bounds[1:])]
    spans = list(zip(begins.tolist(), finals.tolist(), nexts.tolist(), chords, loudest))
    return _fixed(spans) if fixed else _timed(spans, longest)


def _all_notes(score: Score) -> tuple[AnyInts, ...]:
    """Onsets, durations, pitches and velocities of all notes other than drums, each (N,); times in ticks."""
    tracks = [t.notes.numpy() for t in score.tracks if len(t.notes) and not t.is_drum]
    if not tracks:
        raise ScoreError(ONLY_DRUMS)
    keys = ("time", "duration", "pitch", "velocity")
    return tuple(np.concatenate([t[key] for t in tracks]).astype(np.int64) for key in keys)


def _joined(onsets: AnyInts, ends: AnyInts, off: AnyInts) -> AnyInts:
    """The ends of notes (N,). Those off the grid move to the nearest onset if it is less than a sixteenth away.

    A note that ends a little early or late is merely articulated, and must not make a chord of its own.
    """
    begins = np.append(np.unique(onsets), np.iinfo(np.int64).max)
    index = np.searchsorted(begins, ends)
    before, after = begins[index - 1], begins[index]  # every end has an onset before it
    early, late = after - ends, ends - before
    to_after = off & (early < SHORTEST_REST) & (early <= late)
    to_before = off & (late < SHORTEST_REST) & (before > onsets) & ~to_after
    return np.where(to_after, after, np.where(to_before, before, ends))


def _slices(
    onsets: AnyInts, ends: AnyInts, pitches: AnyInts, velocities: AnyInts
) -> tuple[AnyInts, AnyInts, AnyInts, AnyInts]:
    """Notes (N,), cut wherever any of them begins or ends."""
    cuts = np.unique(np.concatenate([onsets, ends]))
    first, last = np.searchsorted(cuts, onsets), np.searchsorted(cuts, ends)
    parts = last - first
    note = np.repeat(np.arange(len(onsets)), parts)
    index = np.arange(len(note)) - np.repeat(parts.cumsum() - parts, parts) + first[note]
    return cuts[index], cuts[index + 1], pitches[note], velocities[note]


def _fixed(spans: list[tuple[int, int, int, Chord, int]]) -> list[Onset]:
    """Chords and rests, all with the fixed duration."""
    rest = (REST_CHORD, -1)
    chords: list[tuple[Chord, int]] = [rest] * (spans[0][0] // FIXED_DURATION)
    for _, final, following, chord, velocity in spans:
        chords.append((chord, velocity))
        if following > final:
            chords += [rest] * max(1, (following - final) // FIXED_DURATION)
    return [(i * FIXED_DURATION, chord, FIXED_DURATION, velocity) for i, (chord, velocity) in enumerate(chords)]


def _timed(spans: list[tuple[int, int, int, Chord, int]], longest: int) -> list[Onset]:
    durations = durations_to(longest)
    onsets: list[Onset] = _rests(0, spans[0][0], durations)
    for begin, final, following, chord, velocity in spans:
        units = final - begin
        if units not in DURATION_SYMBOLS or units > longest:
            units = max(d for d in durations if d <= units)
        onsets.append((begin, chord, units, velocity))
        if following > begin + units:
            onsets += _rests(begin + units, following, durations)
    return onsets


def longest_units(options: NotesOptions) -> int:
    """The longest duration, in units."""
    return durations_to(int(options.max_duration * NOTES_UNITS))[-1]


def durations_to(longest: int) -> tuple[int, ...]:
    """All durations up to the longest, in units."""
    return NOTES_DURATIONS[: bisect_right(NOTES_DURATIONS, longest)]


DURATION_SYMBOLS = {units: i for i, units in enumerate(NOTES_DURATIONS, 1)}
"""The symbol of each duration; 0 is UNKNOWN."""


def _rests(begin: int, end: int, durations: tuple[int, ...]) -> list[Onset]:
    rests: list[Onset] = []
    while begin < end:
        units = max(d for d in durations if d <= end - begin)
        rests.append((begin, REST_CHORD, units, -1))
        begin += units
    return rests


def longest_runs(chords: list[Chord]) -> tuple[int, int]:
    """The largest number of equal chords in succession, and that of rests; each at least 1."""
    chord_run = rest_run = run = 1
    for before, chord in zip(chords, chords[1:]):
        run = run + 1 if chord == before else 1
        if run > 1:
            chord_run, rest_run = (max(chord_run, run), rest_run) if chord else (chord_run, max(rest_run, run))
    return chord_run, rest_run
