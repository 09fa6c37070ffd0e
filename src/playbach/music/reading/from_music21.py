"""Converts a music21 score to a symusic score as it sounds, like a MIDI export.

- Parts become tracks with their names and instruments; a part with two staves becomes two tracks. Tied notes are
  joined.
- Repeats, endings, da capo and dal segno are played. If they contradict each other, or if repeats are not wanted, the
  measures are played once, as written.
- A bar shorter than its meter gets its own meter, as pickups have everywhere in playbach; the two halves of a bar
  around a repeat sign are one bar.
- Grace notes, which have no length, and chord symbols are left out; a unison of two voices is one note.
- Dynamics are not read: all notes have the same velocity.

Knows neither XML nor files; imports music21 only if a score has repeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from copy import deepcopy
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from playbach.music.events import DEFAULT_VELOCITY, TICKS_PER_QUARTER
from playbach.music.reading.limits import DENOMINATORS, impossible_value
from playbach.system.errors import ScoreError

_MIN_QPM, _MAX_QPM = 1.0, 10_000.0
"""Tempos outside this range, in quarters a minute, are mistakes and are left out."""

_NOTES_WEIGHT = 1 << 20
"""Greater than any number of parts."""

_Value = TypeVar("_Value")
_Changes = list[tuple[int, _Value]]
"""The changes within one measure: ticks from its beginning, and the new value."""


class _WrittenNote(NamedTuple):
    """A note as written, in ticks from the beginning of its measure."""

    onset: int
    end: int
    pitch: int
    is_tied: bool
    """To the next note."""


def score_from_stream(
    stream: Any,
    *,
    repeats: bool = True,
    transpositions: Mapping[str, Sequence[int]] | None = None,
    drums: frozenset[str] = frozenset(),
) -> Score:
    """Convert a music21 score; each part becomes a track, in the same order.

    Args:
        stream: a `music21.stream.Score`.
        repeats: whether repeats are played.
        transpositions: for a part's id, by how many semitones each measure sounds higher than written.
        drums: the ids of the parts that are drums.

    Raises:
        ScoreError: a pitch or an onset is out of range.
    """
    transpositions = transpositions or {}
    parts = list(stream.parts)
    measures = [list(part.getElementsByClass("Measure")) for part in parts]
    lengths = _lengths(measures)
    order = _order(parts, measures) if repeats else list(range(len(lengths)))
    starts = list(accumulate((lengths[i] for i in order), initial=0))
    columns = [[part[i] for part in measures if i < len(part)] for i in range(len(lengths))]

    score = Score(TICKS_PER_QUARTER)
    for tick, (numerator, denominator) in _meters(order, lengths, _signatures(columns)):
        score.time_signatures.append(TimeSignature(tick, numerator, denominator))
    # Key signatures are written for the player: only a part that is not transposed shows the key of the music.
    untransposed = [
        own for part, own in zip(parts, measures) if not any(transpositions.get(_id(part), ()))
    ] or measures
    for tick, (sharps, minor) in _changes_as_played(
        [_keys(m) for m in untransposed[0]] if untransposed else [], order, starts
    ):
        score.key_signatures.append(KeySignature(tick, sharps, minor))
    for tick, qpm in _changes_as_played([_tempos(column) for column in columns], order, starts):
        score.tempos.append(Tempo(tick, qpm=qpm))
    for part, own in zip(parts, measures):
        name = _id(part)
        track = Track(str(part.partName or ""), _program(part), name in drums)
        shifts = [] if track.is_drum else transpositions.get(name, [])
        for onset, end, pitch in _play_notes(own, order, starts, shifts):
            if not 0 <= pitch <= 127:
                raise ScoreError(impossible_value("pitch", pitch))
            if end >= 1 << 31:
                raise ScoreError(impossible_value("onset", onset))
            track.notes.append(Note(onset, end - onset, pitch, DEFAULT_VELOCITY))
        score.tracks.append(track)
    return score


def _ticks(quarters: Any) -> int:
    return round(float(quarters) * TICKS_PER_QUARTER)


def _id(part: Any) -> str:
    """A part's id in the file. music21 makes a part of each staff: P1-Staff1, P1-Staff2."""
    return str(part.groups[0]).partition("-Staff")[0] if part.groups else ""


def _program(part: Any) -> int:
    programs = (i.midiProgram for i in part.getElementsByClass("Instrument"))
    return next((int(p) for p in programs if p is not None), 0)


# --------------------------------------------------------------------------------------- the order of the measures


def _lengths(measures: Sequence[Sequence[Any]]) -> list[int]:
    """The length of each measure in ticks, the same for all parts, so that they stay together.

    It is the most frequent length among the parts that have notes in the measure: a part may have a note too many or
    lack a rest, and a whole-bar rest may have any length.
    """
    votes: list[Counter[int]] = [Counter() for _ in range(max((len(part) for part in measures), default=0))]
    for part in measures:
        begins = [_ticks(m.offset) for m in part]
        ends = [*begins[1:], begins[-1] + _ticks(part[-1].quarterLength)] if part else []
        for i, (measure, begin, end) in enumerate(zip(part, begins, ends)):
            votes[i][end - begin] += _NOTES_WEIGHT if any(v.notes for v in (measure, *measure.voices)) else 1
    return [max(lengths, key=lambda length: (lengths[length], length)) for lengths in votes]


def _order(parts: Sequence[Any], measures: Sequence[Sequence[Any]]) -> list[int]:
    """The indices of the measures in the order in which they are played, by the first part that has repeats."""
    as_written = list(range(max((len(own) for own in measures), default=0)))
    for part, own in zip(parts, measures):
        brackets = list(part.getElementsByClass("RepeatBracket"))
        if brackets or any(_repeat_marks(m) for m in own):
            try:
                return [*_expand_repeats(own, brackets), *as_written[len(own) :]]
            except MemoryError:
                raise
            except Exception:  # music21 raises several kinds if repeats contradict each other
                return as_written
    return as_written


def _repeat_marks(measure: Any) -> list[Any]:
    bars = [b for b in (measure.leftBarline, measure.rightBarline) if b is not None and "Repeat" in b.classes]
    return [*bars, *measure.getElementsByClass("RepeatExpression")]


def _expand_repeats(measures: Sequence[Any], brackets: Iterable[Any]) -> list[int]:
    """The indices of the measures with repeats expanded by music21.

    It gets empty measures, since it copies them many times, and it renumbers them, so their groups hold the indices.
    """
    from music21.note import Rest
    from music21.repeat import Expander
    from music21.spanner import RepeatBracket
    from music21.stream import Measure, Part

    part, empty = Part(), {}
    for number, measure in enumerate(measures):
        copy = Measure([Rest()], number=number + 1)
        copy.groups.append(str(number))
        copy.leftBarline, copy.rightBarline = deepcopy(measure.leftBarline), deepcopy(measure.rightBarline)
        for mark in measure.getElementsByClass("RepeatExpression"):
            copy.insert(0, deepcopy(mark))
        empty[id(measure)] = copy
        part.append(copy)
    endings: set[int] = set()
    for bracket in brackets:
        spanned = [empty[id(m)] for m in bracket.getSpannedElements()]
        endings.update(int(copy.groups[0]) for copy in spanned)
        part.insert(0, RepeatBracket(spanned, number=bracket.number))
    _mark_beginnings([empty[id(m)] for m in measures], endings)
    return [int(m.groups[0]) for m in Expander(part).process().getElementsByClass(Measure)]


def _mark_beginnings(measures: Sequence[Any], endings: Set[int]) -> None:
    """Mark where each repeat without a start sign begins: after the repeat before it.

    music21 would go back to the beginning of the piece, and play four such repeats in a row eight times too often.
    """
    from music21.bar import Repeat

    begin, marked = 0, True
    for i, measure in enumerate(measures):
        if _is_repeat(measure.leftBarline, "start"):
            begin, marked = i, True
        elif i and i not in endings and (i - 1 in endings or _is_repeat(measures[i - 1].rightBarline, "end")):
            begin, marked = i, False
        if not marked and _is_repeat(measure.rightBarline, "end"):
            measures[begin].leftBarline, marked = Repeat(direction="start"), True


def _is_repeat(bar: Any, direction: str) -> bool:
    return bar is not None and "Repeat" in bar.classes and bar.direction == direction


def _with_values_at_start(changes: Sequence[_Changes[_Value]]) -> list[_Changes[_Value]]:
    """Each measure's changes, preceded by the value with which it begins, so that it can follow any other measure."""
    whole: list[_Changes[_Value]] = []
    now: _Changes[_Value] = []
    for own in changes:
        whole.append(own if own and own[0][0] == 0 else [*now, *own])
        now = [(0, own[-1][1])] if own else now
    return whole


def _changes_as_played(
    changes: Sequence[_Changes[_Value]], order: Sequence[int], starts: Sequence[int]
) -> Iterator[tuple[int, _Value]]:
    """The ticks and values of the changes, with the measures played in this order."""
    whole, last = _with_values_at_start(changes), None
    for i, start in zip(order, starts):
        for offset, value in whole[i] if i < len(whole) else ():
            if value != last:
                yield start + offset, value
            last = value


# ----------------------------------------------------------------------------------------- meters, keys and tempos


def _signatures(columns: Iterable[Sequence[Any]]) -> list[tuple[int, int]]:
    """The meter of each measure; 4/4 until the first time signature."""
    now, meters = (4, 4), []
    for column in columns:
        signatures = (s for m in column for s in m.getElementsByClass("TimeSignature"))
        now = next(((int(s.numerator), int(s.denominator)) for s in signatures), now)
        meters.append(now)
    return meters


def _meters(
    order: Sequence[int], lengths: Sequence[int], signatures: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, tuple[int, int]]]:
    """The ticks and values of the meter's changes. A bar that is not full gets its own meter, except the last one."""
    tick, last = 0, None
    bars = [(lengths[i], signatures[i]) for i in order if lengths[i]]
    while bars:
        length, signature = bars.pop(0)
        full = 4 * TICKS_PER_QUARTER * signature[0] // signature[1]
        while length < full and bars and bars[0][1] == signature and length + bars[0][0] <= full:
            length += bars.pop(0)[0]
        meter = (
            signature if length % full == 0 or (length < full and not bars) else _meter_of_length(length, signature)
        )
        if meter != last:
            yield tick, meter
        tick, last = tick + length, meter


def _meter_of_length(length: int, signature: tuple[int, int]) -> tuple[int, int]:
    """A meter for a bar of `length` ticks, in the signature's beats or the longest shorter ones that divide it; the
    signature itself if none do."""
    for denominator in DENOMINATORS:
        beat = 4 * TICKS_PER_QUARTER // denominator
        if denominator >= signature[1] and length % beat == 0 and length // beat <= 64:
            return length // beat, denominator
    return signature


def _keys(measure: Any) -> _Changes[tuple[int, int]]:
    """The number of sharps (flats below 0), and 1 for minor."""
    keys = ((k, _ticks(k.offset)) for k in measure.getElementsByClass("KeySignature"))
    return [
        (tick, (int(k.sharps), int(getattr(k, "mode", None) == "minor"))) for k, tick in keys if k.sharps is not None
    ]


def _tempos(column: Iterable[Any]) -> _Changes[float]:
    """Quarters a minute, of the first part that has a tempo at a tick."""
    tempos: dict[int, float] = {}
    for measure in column:
        for mark in measure.getElementsByClass("MetronomeMark"):
            qpm = mark.getQuarterBPM()
            if qpm is not None and _MIN_QPM <= qpm <= _MAX_QPM:
                tempos.setdefault(_ticks(mark.offset), float(qpm))
    return sorted(tempos.items())


# ----------------------------------------------------------------------------------------------------------- notes


def _play_notes(
    measures: Sequence[Any], order: Sequence[int], starts: Sequence[int], shifts: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Onset, end and pitch of each note that one part plays, in order; tied notes are one note."""
    written = [_written_notes(measure, shifts[i] if i < len(shifts) else 0) for i, measure in enumerate(measures)]
    sounding: dict[tuple[int, int], int] = {}  # (onset, pitch) -> end
    tied: dict[tuple[int, int], int] = {}  # (end, pitch) of a note tied to the next -> its onset
    for i, start in zip(order, starts):
        for note in written[i] if i < len(written) else ():
            onset, end = start + note.onset, start + note.end
            # The note at the end of a tie is not always marked.
            onset = tied.pop((onset, note.pitch), onset)
            sounding[onset, note.pitch] = max(end, sounding.get((onset, note.pitch), 0))
            if note.is_tied:
                tied[end, note.pitch] = onset
    return sorted((onset, end, pitch) for (onset, pitch), end in sounding.items())


def _written_notes(measure: Any, shift: int) -> list[_WrittenNote]:
    notes = []
    for voice in (measure, *measure.voices):
        for element in voice.notes:
            if "Harmony" in element.classes or element.duration.isGrace or not element.quarterLength:
                continue
            begin = voice.offset if voice is not measure else 0
            onset, end = _ticks(begin + element.offset), _ticks(begin + element.offset + element.quarterLength)
            for note in element.notes if element.isChord else (element,):
                if (pitch := getattr(note, "pitch", None)) is not None:
                    tied = note.tie is not None and note.tie.type in ("start", "continue")
                    notes.append(_WrittenNote(onset, max(end, onset + 1), round(pitch.ps) + shift, tied))
    return sorted(notes)
