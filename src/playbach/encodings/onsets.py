"""A score as a single sequence of chords and rests, as the `notes` encoding reads it.

Notes that begin together are one chord, and a silence is a rest. Knows the grid and its durations; knows nothing of
symbols or vocabularies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.encodings.options import NotesOptions
from playbach.music.arrays import Mask
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
REST_NUMBER, FIRST_SINGLE = 0, 1
"""The numbers of a rest and of the single note of pitch 0, in all pieces."""
SIMPLE_CHORDS: tuple[Chord, ...] = (REST_CHORD, *((pitch,) for pitch in range(128)))
"""The rest and all single notes, by their numbers."""
_UNITS = np.array([0, *NOTES_DURATIONS])
"""The length of each duration by its symbol, in units; 0 for UNKNOWN."""
_SHORTER = np.searchsorted(NOTES_DURATIONS, np.arange(NOTES_DURATIONS[-1] + 1), side="right")
"""The symbol of the longest duration up to each number of units."""


NOTES_AT_ONCE = 1 << 14
"""About the most notes and quarters of pieces that are read together: enough for numpy's cost for each call not to
matter; more would take memory."""


@dataclass(frozen=True, slots=True)
class Onsets:
    """T chords and rests in succession, without gaps: those of one piece, or of S pieces one after another."""

    chord: AnyInts
    """(T,): the chord of each, as an index into `chords`."""
    duration: AnyInts
    """(T,): its duration as a symbol, an index into NOTES_DURATIONS plus 1."""
    loudest: AnyInts
    """(T,): the velocity of its loudest note; -1 for a rest."""
    chords: tuple[Chord, ...]
    """SIMPLE_CHORDS, then each chord of several notes once."""
    pitches: AnyInts
    """(P,): the pitches of all chords in succession."""
    begins: tuple[int, ...] = (0,)
    """(S,): where each piece begins, as an index into the onsets."""
    begins_of_pitches: tuple[int, ...] = (0,)
    """(S,): where the pitches of each piece begin."""

    def __len__(self) -> int:
        return len(self.chord)

    def pieces(self) -> Iterator[Onsets]:
        """The onsets of each piece."""
        of_onsets = pairwise((*self.begins, len(self)))
        of_pitches = pairwise((*self.begins_of_pitches, len(self.pitches)))
        for (a, b), (low, high) in zip(of_onsets, of_pitches):
            columns = self.chord[a:b], self.duration[a:b], self.loudest[a:b]
            yield Onsets(*columns, self.chords, self.pitches[low:high])

    @property
    def units(self) -> AnyInts:
        """(T,): durations in units."""
        return _UNITS[self.duration]

    @property
    def times(self) -> AnyInts:
        """(T,): when each begins, in units since its piece began."""
        units = self.units
        times: AnyInts = units.cumsum() - units
        begins = np.array(self.begins)
        times -= np.repeat(times[begins], np.diff(begins, append=len(self)))
        return times

    def distinct(self, with_durations: bool) -> tuple[list[tuple[Chord, int]], AnyInts, AnyInts]:
        """What the onsets consist of.

        Args:
            with_durations: whether chords of different durations are different.

        Returns:
            D different chords, each with its duration in units or with 0, in the order in which they first occur; how
            often each occurs, (D,); which of them each onset is, (T,).
        """
        several = len(_UNITS) if with_durations else 1
        codes = self.chord * several + self.duration if with_durations else self.chord
        counts = np.bincount(codes)
        first = np.zeros(len(counts), np.int64)
        first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # the last value for a code is the one that stays
        found = np.flatnonzero(counts)
        found = found[np.argsort(first[found])]
        number = np.zeros(len(counts), np.int64)
        number[found] = np.arange(len(found))
        pairs = [(self.chords[code // several], int(_UNITS[code % several])) for code in found.tolist()]
        return pairs, counts[found], number[codes]

    def listed(self) -> list[tuple[int, Chord, int, int]]:
        """Each onset: time in units, the chord's pitches, duration in units, loudest velocity."""
        chords = (self.chords[number] for number in self.chord.tolist())
        return list(zip(self.times.tolist(), chords, self.units.tolist(), self.loudest.tolist()))


def in_batches(scores: Iterable[Score]) -> Iterator[list[Score]]:
    """The scores in groups with about NOTES_AT_ONCE notes and quarters; a longer one is alone."""
    batch: list[Score] = []
    size = 0
    for score in scores:
        added = 1 + int(score.note_num()) + max(0, int(score.end())) // TICKS_PER_QUARTER
        if batch and size + added > NOTES_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(score)
        size += added
    if batch:
        yield batch


def onsets_with(options: NotesOptions, scores: Sequence[Score]) -> Onsets:
    """The chords and rests of scores, with these options. Raises ScoreError as `onsets_of` does."""
    return onsets_of(
        scores,
        fixed=options.durations == "none",
        longest=longest_units(options),
        chordified=options.chordify,
    )


def notes_header(score: Score, options: NotesOptions) -> Header:
    """Meters, tempo, and a track with the name and instrument of the one that has the most notes.

    Raises:
        ScoreError: the score has no notes other than drums.
    """
    main = score.tracks[main_track(score)]
    meters = meters_of(score, NOTES_GRID)
    if options.durations == "none":  # times are not kept, so changes of meter have no place
        meters = ((0, *meters[-1 if len(meters) == 1 else 1][1:]),)
    return Header(meters, tempo_of(score), (Track(printable_name(main.name), main.program),))


def main_track(score: Score) -> int:
    """The index of the track that has the most notes other than drums. Raises ScoreError if there are none."""
    main, most = None, 0
    for i, track in enumerate(score.tracks):
        if (notes := len(track.notes)) > most and not track.is_drum:
            main, most = i, notes
    if main is None:
        raise ScoreError(ONLY_DRUMS)
    return main


def onsets_of(
    scores: Sequence[Score], fixed: bool = False, longest: int = NOTES_DURATIONS[-1], chordified: bool = False
) -> Onsets:
    """The chords and rests of scores, at least one. Each ends where the next begins.

    Args:
        fixed: give every chord and rest the same duration.
        longest: the longest duration in units. A longer note is cut, and a rest follows it.
        chordified: make a new chord of all sounding notes wherever a note begins or ends, not only of new notes.

    Raises:
        ScoreError: a score has no notes other than drums.
    """
    times, durations, pitches, velocities, piece = _all_notes(scores)
    ends = times + durations
    off = ends // NOTES_GRID * NOTES_GRID != ends  # faster than `%`
    # All pieces lie on one axis of time, far enough apart that no note of one is near another.
    apart = int(ends.max()) // NOTES_GRID + 2 * NOTES_UNITS
    onsets = quantise(times, NOTES_GRID)
    ends = np.maximum(quantise(ends, NOTES_GRID), onsets + 1) + piece * apart
    onsets += piece * apart
    if chordified:
        onsets, ends, pitches, velocities = _slices(onsets, _joined(onsets, ends, off), pitches, velocities)
        off = np.zeros(len(onsets), bool)
    order = np.argsort(onsets * 256 + pitches)
    onsets, ends, pitches = onsets[order], ends[order], pitches[order]
    is_first = _changes(onsets)
    first = np.flatnonzero(is_first)
    begins = onsets[first]
    opening = np.flatnonzero(_changes(begins // apart))  # the first chord of each piece
    finals = np.maximum.reduceat(ends, first)
    nexts = np.append(begins[1:], finals[-1])
    nexts[opening[1:] - 1] = finals[opening[1:] - 1]
    # A silence shorter than a sixteenth after a note that ends off the grid is articulation, not a rest.
    legato = (nexts - finals < SHORTEST_REST) & np.logical_or.reduceat(off[order], first)
    finals = np.where(legato, nexts, np.minimum(finals, nexts))
    # The silence before the first chord follows an empty span.
    start = np.arange(len(scores)) * apart
    finals, nexts = np.insert(finals, opening, start), np.insert(nexts, opening, begins[opening])
    begins = np.insert(begins, opening, start)
    places, lengths = _fixed(begins, finals, nexts) if fixed else _timed(begins, finals, nexts, longest)
    is_new = is_first | _changes(pitches)  # a pitch sounds once in a chord
    first_pitch = np.flatnonzero(is_first[is_new])
    numbers, chords = _numbered(pitches[is_new], first_pitch)
    chord, loudest = np.full(len(lengths), REST_NUMBER), np.full(len(lengths), -1)
    sounding = places[finals > begins]
    chord[sounding], loudest[sounding] = numbers, np.maximum.reduceat(velocities[order], first)
    return Onsets(
        chord,
        lengths,
        loudest,
        chords,
        pitches[is_new],
        begins=tuple(places[opening + np.arange(len(scores))].tolist()),
        begins_of_pitches=tuple(first_pitch[opening].tolist()),
    )


def _changes(values: AnyInts) -> Mask:
    """Whether each value (n,), n of at least 1, differs from the one before; the first one does."""
    changes = np.ones(len(values), bool)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _all_notes(scores: Sequence[Score]) -> tuple[AnyInts, ...]:
    """Onsets, durations, pitches and velocities of all notes other than drums, and the index of each note's score.

    Each is (N,); times are in ticks.
    """
    tracks: list[Mapping[str, AnyInts]] = []
    sizes = []
    for score in scores:
        found = [notes.numpy() for t in score.tracks if len(notes := t.notes) and not t.is_drum]
        if not found:
            raise ScoreError(ONLY_DRUMS)
        tracks += found
        sizes.append(sum(len(t["time"]) for t in found))
    keys = ("time", "duration", "pitch", "velocity")
    columns = (np.concatenate([t[key] for t in tracks], dtype=np.int64) for key in keys)
    return (*columns, np.repeat(np.arange(len(scores)), sizes))


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


def _numbered(pitches: AnyInts, first: AnyInts) -> tuple[AnyInts, tuple[Chord, ...]]:
    """The numbers of the chords that begin at these indices (n,) of all pitches (P,), and the chords by number."""
    sizes = np.diff(first, append=len(pitches))
    numbers = pitches[first] + FIRST_SINGLE
    several = (sizes > 1) | (numbers < FIRST_SINGLE)
    notes, ends = pitches[np.repeat(several, sizes)].tolist(), sizes[several].cumsum().tolist()
    chords = [tuple(notes[a:b]) for a, b in pairwise([0, *ends])]
    number_of = {chord: number for number, chord in enumerate(dict.fromkeys(chords), len(SIMPLE_CHORDS))}
    numbers[several] = [number_of[chord] for chord in chords]
    return numbers, (*SIMPLE_CHORDS, *number_of)


def _fixed(begins: AnyInts, finals: AnyInts, nexts: AnyInts) -> tuple[AnyInts, AnyInts]:
    """The onsets for spans (n,), all with the fixed duration. Arguments and result are those of `_timed`.

    A chord that ends before the next one begins is followed by at least one rest.
    """
    sounds, silences = finals > begins, nexts - finals
    rests = np.where(silences > 0, np.maximum(sounds, silences // FIXED_DURATION), 0)
    ends = (sounds + rests).cumsum()
    return ends - sounds - rests, np.full(ends[-1], DURATION_SYMBOLS[FIXED_DURATION])


def _timed(begins: AnyInts, finals: AnyInts, nexts: AnyInts, longest: int) -> tuple[AnyInts, AnyInts]:
    """The onsets for spans, each a chord, unless it is empty, and the silence after it.

    A chord gets the longest duration that is not too long for it. Rests fill what is left, the longest first: some
    rests of the longest duration, and at most two others, since all remainders up to the longest step between two
    durations are durations.

    Args:
        begins: (n,): when each span begins.
        finals: (n,): when its chord ends.
        nexts: (n,): when its silence ends.

    Returns:
        Where each span begins among all T onsets, (n,), and the durations of these onsets as symbols, (T,).
    """
    durations = durations_to(longest)
    chords = _SHORTER[np.minimum(finals - begins, durations[-1])]
    left = nexts - begins - _UNITS[chords]
    whole = left // durations[-1]
    left -= whole * durations[-1]
    second = _SHORTER[left]
    third = _SHORTER[left - _UNITS[second]]
    sounds = chords > 0
    counts = sounds + whole + (second > 0) + (third > 0)
    places = counts.cumsum() - counts
    lengths = np.full(counts.sum(), len(durations))
    ends = places + sounds + whole
    for symbols, at in ((chords, places), (second, ends), (third, ends + 1)):
        lengths[at[symbols > 0]] = symbols[symbols > 0]
    return places, lengths


def longest_units(options: NotesOptions) -> int:
    """The longest duration, in units."""
    return durations_to(int(options.max_duration * NOTES_UNITS))[-1]


def durations_to(longest: int) -> tuple[int, ...]:
    """All durations up to the longest, in units."""
    return NOTES_DURATIONS[: bisect_right(NOTES_DURATIONS, longest)]


DURATION_SYMBOLS = {units: i for i, units in enumerate(NOTES_DURATIONS, 1)}
"""The symbol of each duration; 0 is UNKNOWN."""


def longest_runs(onsets: Onsets, kinds: AnyInts | None = None) -> tuple[int, int]:
    """The largest number of equal chords in succession in a piece, and that of rests; each at least 1.

    Args:
        kinds: a number for each of the onsets' chords, the same for those that count as equal, and REST_NUMBER only
            for the rest; None: all are different.
    """
    chord = onsets.chord if kinds is None else kinds[onsets.chord]
    changes = _changes(chord)
    changes[list(onsets.begins)] = True
    first = np.flatnonzero(changes)
    runs, rests = np.diff(first, append=len(chord)), chord[first] == REST_NUMBER
    return int(runs[~rests].max(initial=1)), int(runs[rests].max(initial=1))
