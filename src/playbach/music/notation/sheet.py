"""From a score to a sheet: its measures, with the voices of each part, spelled, tied, beamed and with accidentals.

`notate` makes a whole sheet. Its steps work bar by bar, once keys, parts and spelling are known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from symusic.core import ScoreTick as Score

from playbach.music.bars import Bars, meter_of_length, meters_of, span_of
from playbach.music.events import MAX_NUMERATOR, TICKS_PER_QUARTER
from playbach.music.notation.layout import (
    DRUM_PLACES,
    PlannedPart,
    PlannedVoice,
    TrackNotes,
    clef_of_each_bar,
    plan_parts,
)
from playbach.music.notation.model import (
    UNITS,
    UNITS_PER_TICK,
    Clef,
    Head,
    KeySignature,
    Measure,
    MeasureVoice,
    PartMeasure,
    Sheet,
    SpelledPitch,
    TempoMark,
    WrittenSymbol,
)
from playbach.music.notation.pulses import FINEST, Pulse, pulse_of
from playbach.music.notation.quantising import PlacedNote, beat_of, quantised
from playbach.music.notation.rhythm import Segment, write_segments
from playbach.music.notation.spelling import estimated_signature, signature_alter, spell
from playbach.music.notation.voices import slices
from playbach.music.scores import convert_resolution
from playbach.system.errors import ScoreError

MAX_ENGRAVED_BARS = 5000
_SHOWN_CHANGE = 0.15
"""Of a tempo: a smaller change is not written above the staff."""
_SHOWN_BARS = 2
"""A tempo that does not last this long is not written either."""
_UNKNOWN_DRUM = ("B", 4)

SpelledNotes = Mapping[tuple[int, int, int], SpelledPitch]
"""The names of notes, by track, onset and pitch."""


@dataclass(frozen=True, slots=True)
class SheetBar:
    """A bar, in ticks."""

    number: int
    begin: int
    end: int
    numerator: int
    denominator: int

    @property
    def pulse(self) -> Pulse:
        return pulse_of(self.numerator, self.denominator, self.length if self.number == 0 else 0)

    @property
    def length(self) -> int:
        """In units."""
        return (self.end - self.begin) * UNITS_PER_TICK

    @property
    def meter(self) -> tuple[int, int]:
        return self.numerator, self.denominator


def notate(score: Score) -> Sheet:
    """The score as it is written. Velocities are kept; controllers are not written.

    Raises:
        ScoreError: this is no score in ticks, it has no notes, or more than MAX_ENGRAVED_BARS bars.
    """
    score = convert_resolution(score)
    span = span_of(score)
    if span is None:
        raise ScoreError("the score has no notes, so there is nothing to engrave")
    bars = bars_of(meters_of(score, TICKS_PER_QUARTER // 32), span[1])
    tracks, remarks = _tracks(score, bars)
    keys = key_of_each_bar(score, tracks, bars)
    spelling = spelling_of(tracks, keys, bars)
    planned = plan_parts(tracks)
    columns = [_part_measures(part, bars, keys, spelling) for part in planned]
    tempos = _tempo_marks(score, bars)
    measures = tuple(
        Measure(
            number=bar.number,
            length=bar.length,
            beat=_beat(bar),
            parts=tuple(column[i] for column in columns),
            meter=bar.meter if i == 0 or bar.meter != bars[i - 1].meter else None,
            key=keys[i] if i == 0 or keys[i] != keys[i - 1] else None,
            tempos=tempos[i],
        )
        for i, bar in enumerate(bars)
    )
    return Sheet(tuple(p.part for p in planned), measures, remarks)


def bars_of(meters: tuple[tuple[int, int, int], ...], end: int) -> list[SheetBar]:
    """The bars up to a tick. The last one is shorter by the pickup, if nothing sounds there.

    A bar that a change of meter cuts short has its own meter.

    Raises:
        ScoreError: there are more than MAX_ENGRAVED_BARS bars.
    """
    bars = Bars(meters)
    found: list[SheetBar] = []
    for i, (begin, numerator, denominator) in enumerate(meters):
        length = TICKS_PER_QUARTER * 4 * numerator // denominator
        until = meters[i + 1][0] if i + 1 < len(meters) else end
        if (until - begin) // length + len(found) > MAX_ENGRAVED_BARS:
            raise ScoreError(f"the score has more than {MAX_ENGRAVED_BARS:,} bars, too many to engrave; split it")
        for tick in range(begin, until, length):
            if tick >= end:
                break
            close = tick + length if i + 1 == len(meters) else min(tick + length, until)
            meter = (numerator, denominator)
            if close - tick < length and (own := meter_of_length(close - tick))[0] <= MAX_NUMERATOR:
                meter = own
            found.append(SheetBar(bars.number(tick), tick, close, *meter))
    if bars.pickup and found[0].end == bars.pickup and len(found) > 1:
        found[0] = SheetBar(0, 0, bars.pickup, *meters[1][1:])
        last = found[-1]
        if len(found) > 2 and last.end - bars.pickup >= end and last.end - bars.pickup > last.begin:
            found[-1] = replace(last, end=last.end - bars.pickup)
    return found


def _beat(bar: SheetBar) -> int:
    pulse = pulse_of(bar.numerator, bar.denominator)
    beats = pulse.levels[pulse.beat]
    are_equal = all(b - a == beats[1] for a, b in pairwise(beats))
    return beats[1] if are_equal else 4 * UNITS // bar.denominator


# ---------------------------------------------------------------------------------------------- notes, keys, names


def _tracks(score: Score, bars: Sequence[SheetBar]) -> tuple[list[TrackNotes], tuple[str, ...]]:
    origins = [bar.begin for bar in bars]
    tracks, moved, total = [], 0, 0
    for number, track in enumerate(score.tracks):
        if not len(track.notes):
            continue
        table = track.notes.numpy()
        rows = sorted(
            zip(
                table["time"].tolist(),
                (table["time"] + table["duration"]).tolist(),
                table["pitch"].tolist(),
                table["velocity"].tolist(),
            )
        )
        if track.is_drum:
            rows = _lengthened(rows, origins)
        notes, count = quantised(rows, origins, number)
        if track.is_drum:
            notes = _as_one_voice(notes)
        moved, total = moved + count, total + len(rows)
        tracks.append(TrackNotes(track.name, track.program, track.is_drum, tuple(notes)))
    if not moved:
        return tracks, ()
    are = "note is" if moved == 1 else "notes are"
    return tracks, (f"{moved:,} of {total:,} {are} not quite in time, and written at the nearest place",)


def _lengthened(rows: Sequence[tuple[int, int, int, int]], origins: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Drums, which are struck and not held, to the next one or to the end of the beat."""
    onsets = sorted({row[0] for row in rows})
    following = dict(zip(onsets, onsets[1:]))
    result = []
    for begin, _, pitch, velocity in rows:
        _, beat_end = beat_of(begin, origins)
        result.append((begin, min(following.get(begin, beat_end), beat_end), pitch, velocity))
    return result


def _as_one_voice(notes: Sequence[PlacedNote]) -> list[PlacedNote]:
    ends: dict[int, int] = {}
    onsets = sorted({n.begin for n in notes})
    following = dict(zip(onsets, onsets[1:]))
    for note in notes:
        end = min(note.end, following.get(note.begin, note.end))
        ends[note.begin] = max(ends.get(note.begin, 0), end)
    return [replace(note, end=ends[note.begin]) for note in notes]


def key_of_each_bar(score: Score, tracks: Sequence[TrackNotes], bars: Sequence[SheetBar]) -> list[KeySignature]:
    """The score's key signatures, each from the nearest bar line on; before the first one, the estimated key."""
    known = sorted((int(k.time), int(k.key), int(k.tonality)) for k in score.key_signatures)
    known = [(tick, fifths, minor) for tick, fifths, minor in known if -7 <= fifths <= 7 and tick < bars[-1].end]
    begins = [bar.begin for bar in bars]
    changes: dict[int, KeySignature] = {}
    for tick, fifths, minor in known:
        at = bisect_right(begins, tick) - 1
        nearest = at + (at + 1 < len(bars) and tick - begins[at] > bars[at].end - tick)
        changes[nearest] = KeySignature(fifths, "minor" if minor else "major")
    if 0 not in changes:
        until = bars[min(changes)].begin * UNITS_PER_TICK if changes else None
        changes[0] = estimated_signature(_weights(tracks, until))
    result: list[KeySignature] = []
    for i in range(len(bars)):
        result.append(changes.get(i) or result[-1])
    return result


def _weights(tracks: Sequence[TrackNotes], until: int | None) -> list[float]:
    weights = [0.0] * 12
    for track in tracks:
        for note in track.notes if not track.is_drums else ():
            if until is None or note.begin < until:
                weights[note.pitch % 12] += (note.end - note.begin) / UNITS
    return weights


def spelling_of(
    tracks: Sequence[TrackNotes], keys: Sequence[KeySignature], bars: Sequence[SheetBar]
) -> dict[tuple[int, int, int], SpelledPitch]:
    """The names of all notes but drums."""
    notes = sorted((n for t in tracks if not t.is_drums for n in t.notes), key=lambda n: (n.begin, n.pitch))
    begins = [bar.begin * UNITS_PER_TICK for bar in bars]
    fifths = [keys[max(0, bisect_right(begins, n.begin) - 1)].fifths for n in notes]
    names = spell([n.pitch for n in notes], fifths)
    return {(n.track, n.begin, n.pitch): name for n, name in zip(notes, names)}


def _tempo_marks(score: Score, bars: Sequence[SheetBar]) -> list[tuple[TempoMark, ...]]:
    tempos = {int(t.time): float(t.qpm) for t in sorted(score.tempos, key=lambda t: t.time)}
    begins = [bar.begin for bar in bars]
    marks: list[list[TempoMark]] = [[] for _ in bars]
    ticks = [tick for tick in sorted(tempos) if tick < bars[-1].end]
    shown, before = 0.0, 0.0
    for tick, following in zip(ticks, [*ticks[1:], bars[-1].end]):
        qpm = tempos[tick]
        if qpm == before:
            continue
        at = bisect_right(begins, tick) - 1
        bar = bars[at]
        lasts = following - tick >= _SHOWN_BARS * (bar.end - bar.begin)
        is_shown = not shown or (lasts and abs(qpm - shown) > _SHOWN_CHANGE * shown)
        shown, before = (qpm if is_shown else shown), qpm
        marks[at].append(TempoMark((tick - bar.begin) * UNITS_PER_TICK, qpm, is_shown))
    return [tuple(own) for own in marks]


# ------------------------------------------------------------------------------------------------------- measures


def _part_measures(
    planned: PlannedPart, bars: Sequence[SheetBar], keys: Sequence[KeySignature], spelling: SpelledNotes
) -> list[PartMeasure]:
    sounding = [_by_bar(voice.notes, bars) for voice in planned.voices]
    clefs: list[list[Clef]] = []
    for staff, options in enumerate(planned.clefs, 1):
        own = [found for voice, found in zip(planned.voices, sounding) if voice.staff == staff]
        pitches = [[n.pitch for found in own for n in found[i]] for i in range(len(bars))]
        clefs.append(clef_of_each_bar(options, pitches))
    measures = []
    for i, bar in enumerate(bars):
        notes = [found[i] for found in sounding]
        voices = write_bar(planned.voices, notes, bar, spelling, keys[i].fifths)
        changed = tuple(own[i] if i == 0 or own[i] != own[i - 1] else None for own in clefs)
        measures.append(PartMeasure(voices, changed))
    return measures


def _by_bar(notes: Sequence[PlacedNote], bars: Sequence[SheetBar]) -> list[list[PlacedNote]]:
    """The notes that sound in each bar."""
    begins = [bar.begin * UNITS_PER_TICK for bar in bars]
    found: list[list[PlacedNote]] = [[] for _ in bars]
    for note in notes:
        at = max(0, bisect_right(begins, note.begin) - 1)
        while at < len(bars) and begins[at] < note.end:
            found[at].append(note)
            at += 1
    return found


def write_bar(
    planned: Sequence[PlannedVoice],
    notes: Sequence[Sequence[PlacedNote]],
    bar: SheetBar,
    spelling: SpelledNotes,
    fifths: int,
) -> tuple[MeasureVoice, ...]:
    """One bar of a part.

    Args:
        planned: the part's voices.
        notes: what sounds in this bar in each of them.
        fifths: the key signature.
    """
    staves = sorted({voice.staff for voice in planned})
    voices: list[MeasureVoice] = []
    for staff in staves:
        own = [(v, n) for v, n in zip(planned, notes) if v.staff == staff]
        present = [(v, n) for v, n in own if n or v.is_line] or own[:1]
        written = [_write_voice(v, n, bar, spelling, present) for v, n in present]
        voices += with_accidentals(written, fifths)
    return tuple(voices)


def _write_voice(
    voice: PlannedVoice,
    notes: Sequence[PlacedNote],
    bar: SheetBar,
    spelling: SpelledNotes,
    present: Sequence[tuple[PlannedVoice, Sequence[PlacedNote]]],
) -> MeasureVoice:
    begin, end = bar.begin * UNITS_PER_TICK, bar.end * UNITS_PER_TICK
    stem = voice.stem if len(present) > 1 or voice.is_line else ""
    if not notes and not bar.pulse.offset:
        rest = WrittenSymbol(0, end - begin, "whole", whole_measure=True)
        return MeasureVoice(voice.number, voice.staff, (rest,), stem, voice.instrument)
    segments = [
        Segment(low - begin, high - begin, tuple(_head(n, low, high, spelling) for n in sounding))
        for low, high, sounding in slices(notes, begin, end)
    ]
    symbols = write_segments(segments, bar.pulse)
    if not voice.is_line and len(present) > 1:
        others = [n for v, own in present if v is not voice for n in own]
        symbols = _without_needless_rests(symbols, others, begin, voice is present[0][0])
    return MeasureVoice(voice.number, voice.staff, symbols, stem, voice.instrument)


def _head(note: PlacedNote, begin: int, end: int, spelling: SpelledNotes) -> Head:
    name = spelling.get((note.track, note.begin, note.pitch))
    ties = (note.begin < begin, note.end > end)
    if name is None:
        step, octave = DRUM_PLACES.get(note.pitch, _UNKNOWN_DRUM)
        return Head(SpelledPitch(step, 0, octave), note.velocity, *ties, drum=note.pitch)
    return Head(name, note.velocity, *ties)


def _without_needless_rests(
    symbols: Sequence[WrittenSymbol], others: Sequence[PlacedNote], begin: int, is_first: bool
) -> tuple[WrittenSymbol, ...]:
    """Hide the rests of a second voice, and those of the first while the second sounds."""

    def is_needless(symbol: WrittenSymbol) -> bool:
        if symbol.heads or symbol.tuplet:
            return False
        low, high = begin + symbol.onset, begin + symbol.onset + symbol.length
        covered = sum(max(0, min(n.end, high) - max(n.begin, low)) for n in others) >= symbol.length
        return covered or not is_first

    return tuple(replace(s, hidden=True) if is_needless(s) else s for s in symbols)


def with_accidentals(voices: Sequence[MeasureVoice], fifths: int) -> list[MeasureVoice]:
    """Voices of one staff in one bar, with the accidentals that the key and the notes before do not give."""
    order = sorted((symbol.onset, v, s) for v, voice in enumerate(voices) for s, symbol in enumerate(voice.symbols))
    now: dict[tuple[str, int], int] = {}
    written = [list(voice.symbols) for voice in voices]
    for _, v, s in order:
        heads = []
        for head in written[v][s].heads:
            name = head.spelled
            if head.drum is not None or head.tied_from:
                heads.append(head)
                continue
            expected = now.get((name.step, name.octave), signature_alter(name.step, fifths))
            heads.append(replace(head, accidental=name.alter != expected))
            now[name.step, name.octave] = name.alter
        written[v][s] = replace(written[v][s], heads=tuple(heads))
    return [replace(voice, symbols=tuple(own)) for voice, own in zip(voices, written)]


assert FINEST % UNITS_PER_TICK == 0  # bar lines, which are on 64ths, are on units that values can end on
