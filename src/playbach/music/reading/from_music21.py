"""A music21 score to a symusic score, as it sounds: what a MIDI export would play, but for what no listener hears.

- Parts become tracks with their names and instruments, a part of two staves two tracks. Ties are joined.
- Repeats, endings, da capo and dal segno are played out; where they contradict each other, and where that is not
  wanted, the piece is played as it is written.
- A bar shorter than its meter gets a meter of its own, as a pickup has in all of playbach; the two halves of a bar
  around a repeat sign are one bar.
- Grace notes, which have no length, and chord symbols are left out; two voices in unison are one note.
- Dynamics are not read: every note has the velocity VELOCITY.

Knows neither XML nor files; imports music21 only where a score has repeats.
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

from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.reading.limits import DENOMINATORS, impossible
from playbach.system.errors import ScoreError

VELOCITY = 80
_TEMPOS = (1.0, 10_000.0)
"""In quarters a minute; what lies outside is a mistake."""

_MANY = 1 << 20
"""More than there are parts."""

T = TypeVar("T")
Changes = list[tuple[int, T]]
"""What changes within one measure: ticks from its beginning, and the new value."""


class _Written(NamedTuple):
    """A note as written, in ticks from the beginning of its measure."""

    onset: int
    end: int
    pitch: int
    tied: bool
    """To the next."""


def score_of(
    stream: Any,
    *,
    repeats: bool = True,
    transpositions: Mapping[str, Sequence[int]] | None = None,
    drums: frozenset[str] = frozenset(),
) -> Score:
    """A track for each of the parts, in their order.

    Args:
        repeats: play them out.
        transpositions: by how many semitones a part sounds higher than written: for each part's id, by measure.
        drums: the ids of the parts that are drums.

    Raises:
        ScoreError: a pitch or an onset that does not exist.
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
    # Keys are written for the player: only who plays what is written shows that of the music.
    plain = [own for part, own in zip(parts, measures) if not any(transpositions.get(_id(part), ()))] or measures
    for tick, (sharps, minor) in _played([_keys(m) for m in plain[0]] if plain else [], order, starts):
        score.key_signatures.append(KeySignature(tick, sharps, minor))
    for tick, qpm in _played([_tempos(column) for column in columns], order, starts):
        score.tempos.append(Tempo(tick, qpm=qpm))
    for part, own in zip(parts, measures):
        name = _id(part)
        track = Track(str(part.partName or ""), _program(part), name in drums)
        shifts = [] if track.is_drum else transpositions.get(name, [])
        for onset, end, pitch in _joined(own, order, starts, shifts):
            if not 0 <= pitch <= 127:
                raise ScoreError(impossible("pitch", pitch))
            if end >= 1 << 31:
                raise ScoreError(impossible("onset", onset))
            track.notes.append(Note(onset, end - onset, pitch, VELOCITY))
        score.tracks.append(track)
    return score


def _ticks(quarters: Any) -> int:
    return round(float(quarters) * TICKS_PER_QUARTER)


def _id(part: Any) -> str:
    """The id that the file gives a part; its staves become parts of their own, P1-Staff1 and so on."""
    return str(part.groups[0]).partition("-Staff")[0] if part.groups else ""


def _program(part: Any) -> int:
    programs = (i.midiProgram for i in part.getElementsByClass("Instrument"))
    return next((int(p) for p in programs if p is not None), 0)


# --------------------------------------------------------------------------------------------- the way of time


def _lengths(measures: Sequence[Sequence[Any]]) -> list[int]:
    """How long each measure is, in all parts alike, so that they stay together: as long as in most parts that have
    notes in it, where one has a note too many or leaves out a rest; the rest of a whole bar may have any length."""
    votes: list[Counter[int]] = [Counter() for _ in range(max((len(part) for part in measures), default=0))]
    for part in measures:
        begins = [_ticks(m.offset) for m in part]
        ends = [*begins[1:], begins[-1] + _ticks(part[-1].quarterLength)] if part else []
        for i, (measure, begin, end) in enumerate(zip(part, begins, ends)):
            votes[i][end - begin] += _MANY if any(v.notes for v in (measure, *measure.voices)) else 1
    return [max(lengths, key=lambda length: (lengths[length], length)) for lengths in votes]


def _order(parts: Sequence[Any], measures: Sequence[Sequence[Any]]) -> list[int]:
    """The measures' numbers in the order in which they are played, by the first part that says of repeats."""
    as_written = list(range(max((len(own) for own in measures), default=0)))
    for part, own in zip(parts, measures):
        brackets = list(part.getElementsByClass("RepeatBracket"))
        if brackets or any(_marks(m) for m in own):
            try:
                return [*_expanded(own, brackets), *as_written[len(own) :]]
            except MemoryError:
                raise
            except Exception:  # music21 raises this and that where repeats contradict each other
                return as_written
    return as_written


def _marks(measure: Any) -> list[Any]:
    bars = [b for b in (measure.leftBarline, measure.rightBarline) if b is not None and "Repeat" in b.classes]
    return [*bars, *measure.getElementsByClass("RepeatExpression")]


def _expanded(measures: Sequence[Any], brackets: Iterable[Any]) -> list[int]:
    """music21 copies all measures over and over to play repeats out, so it gets bare ones, which are quick. Their
    groups tell which they are: it renumbers them."""
    from music21.note import Rest
    from music21.repeat import Expander
    from music21.spanner import RepeatBracket
    from music21.stream import Measure, Part

    bones, bare = Part(), {}
    for number, measure in enumerate(measures):
        bone = Measure([Rest()], number=number + 1)
        bone.groups.append(str(number))
        bone.leftBarline, bone.rightBarline = deepcopy(measure.leftBarline), deepcopy(measure.rightBarline)
        for mark in measure.getElementsByClass("RepeatExpression"):
            bone.insert(0, deepcopy(mark))
        bare[id(measure)] = bone
        bones.append(bone)
    endings: set[int] = set()
    for bracket in brackets:
        spanned = [bare[id(m)] for m in bracket.getSpannedElements()]
        endings.update(int(bone.groups[0]) for bone in spanned)
        bones.insert(0, RepeatBracket(spanned, number=bracket.number))
    _mark_beginnings([bare[id(m)] for m in measures], endings)
    return [int(m.groups[0]) for m in Expander(bones).process().getElementsByClass(Measure)]


def _mark_beginnings(measures: Sequence[Any], endings: Set[int]) -> None:
    """Where the beginning of a repeat is not marked, it is what follows the last repeat. music21 would go back to the
    beginning of the piece, and play four such parts in a row eight times too often."""
    from music21.bar import Repeat

    begin, marked = 0, True
    for i, measure in enumerate(measures):
        if _repeats(measure.leftBarline, "start"):
            begin, marked = i, True
        elif i and i not in endings and (i - 1 in endings or _repeats(measures[i - 1].rightBarline, "end")):
            begin, marked = i, False
        if not marked and _repeats(measure.rightBarline, "end"):
            measures[begin].leftBarline, marked = Repeat(direction="start"), True


def _repeats(bar: Any, direction: str) -> bool:
    return bar is not None and "Repeat" in bar.classes and bar.direction == direction


def _in_force(changes: Sequence[Changes[T]]) -> list[Changes[T]]:
    """Each measure's changes, with what it begins with at their head, so that it can be played after any other."""
    whole: list[Changes[T]] = []
    now: Changes[T] = []
    for own in changes:
        whole.append(own if own and own[0][0] == 0 else [*now, *own])
        now = [(0, own[-1][1])] if own else now
    return whole


def _played(changes: Sequence[Changes[T]], order: Sequence[int], starts: Sequence[int]) -> Iterator[tuple[int, T]]:
    """What changes, and when, as the measures are played in this order."""
    whole, last = _in_force(changes), None
    for i, start in zip(order, starts):
        for offset, value in whole[i] if i < len(whole) else ():
            if value != last:
                yield start + offset, value
            last = value


# ------------------------------------------------------------------------------------- what is said of measures


def _signatures(columns: Iterable[Sequence[Any]]) -> list[tuple[int, int]]:
    """The meter of each measure; 4/4 until one is told."""
    now, found = (4, 4), []
    for column in columns:
        told = (s for m in column for s in m.getElementsByClass("TimeSignature"))
        now = next(((int(s.numerator), int(s.denominator)) for s in told), now)
        found.append(now)
    return found


def _meters(
    order: Sequence[int], lengths: Sequence[int], signatures: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, tuple[int, int]]]:
    """The changes of meter, with a meter of its own for each bar that is no full one, but for the last."""
    tick, last = 0, None
    bars = [(lengths[i], signatures[i]) for i in order if lengths[i]]
    while bars:
        length, signature = bars.pop(0)
        full = 4 * TICKS_PER_QUARTER * signature[0] // signature[1]
        while length < full and bars and bars[0][1] == signature and length + bars[0][0] <= full:
            length += bars.pop(0)[0]
        meter = signature if length % full == 0 or (length < full and not bars) else _meter(length, signature)
        if meter != last:
            yield tick, meter
        tick, last = tick + length, meter


def _meter(length: int, signature: tuple[int, int]) -> tuple[int, int]:
    """A meter for a bar so long, in the signature's beats or the largest below that divide it; else its signature."""
    for denominator in DENOMINATORS:
        beat = 4 * TICKS_PER_QUARTER // denominator
        if denominator >= signature[1] and length % beat == 0 and length // beat <= 64:
            return length // beat, denominator
    return signature


def _keys(measure: Any) -> Changes[tuple[int, int]]:
    """Sharps (flats below 0), and 1 for minor."""
    keys = ((k, _ticks(k.offset)) for k in measure.getElementsByClass("KeySignature"))
    return [
        (tick, (int(k.sharps), int(getattr(k, "mode", None) == "minor"))) for k, tick in keys if k.sharps is not None
    ]


def _tempos(column: Iterable[Any]) -> Changes[float]:
    """In quarters a minute, as the first part that tells one says."""
    found: dict[int, float] = {}
    for measure in column:
        for mark in measure.getElementsByClass("MetronomeMark"):
            qpm = mark.getQuarterBPM()
            if qpm is not None and _TEMPOS[0] <= qpm <= _TEMPOS[1]:
                found.setdefault(_ticks(mark.offset), float(qpm))
    return sorted(found.items())


# -------------------------------------------------------------------------------------------------------- notes


def _joined(
    measures: Sequence[Any], order: Sequence[int], starts: Sequence[int], shifts: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Onset, end and pitch of all that one part plays, in order; tied notes are one."""
    written = [_notes(measure, shifts[i] if i < len(shifts) else 0) for i, measure in enumerate(measures)]
    sounding: dict[tuple[int, int], int] = {}  # (onset, pitch) -> end
    tied: dict[tuple[int, int], int] = {}  # (end, pitch) of a note that is to go on -> its onset
    for i, start in zip(order, starts):
        for note in written[i] if i < len(written) else ():
            onset, end = start + note.onset, start + note.end
            # What a tie leads to is not always marked as its end.
            onset = tied.pop((onset, note.pitch), onset)
            sounding[onset, note.pitch] = max(end, sounding.get((onset, note.pitch), 0))
            if note.tied:
                tied[end, note.pitch] = onset
    return sorted((onset, end, pitch) for (onset, pitch), end in sounding.items())


def _notes(measure: Any, shift: int) -> list[_Written]:
    found = []
    for voice in (measure, *measure.voices):
        for element in voice.notes:
            if "Harmony" in element.classes or element.duration.isGrace or not element.quarterLength:
                continue
            begin = voice.offset if voice is not measure else 0
            onset, end = _ticks(begin + element.offset), _ticks(begin + element.offset + element.quarterLength)
            for note in element.notes if element.isChord else (element,):
                if (pitch := getattr(note, "pitch", None)) is not None:
                    tied = note.tie is not None and note.tie.type in ("start", "continue")
                    found.append(_Written(onset, max(end, onset + 1), round(pitch.ps) + shift, tied))
    return sorted(found)
