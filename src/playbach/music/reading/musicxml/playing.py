"""From what is written in a MusicXML score to a score as it sounds.

- Parts become tracks with their names and instruments. A part with two staves becomes two tracks, and a part whose
  players change their instruments a track for each. Singers who share a staff, each with a voice and an instrument of
  its own, have a track each too.
- Repeats, endings and jumps are played. Tied notes are one note; a unison of two voices is one note.
- Ornaments and grace notes are played out, or left out if that is asked for.
- The sustain pedal becomes MIDI's controller 64.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from symusic.core import ControlChangeTickList, NoteTickList
from symusic.core import KeySignatureTick as KeySignature
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TextMetaTick as TextMeta
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from playbach.music.events import FERMATA, MIDI_TEMPO, TICKS_PER_QUARTER
from playbach.music.reading.musicxml.document import Bar, Change, WrittenNote, WrittenPart
from playbach.music.reading.musicxml.notes import PartNote
from playbach.music.reading.musicxml.ornaments import count_ornaments, play_ornaments, without_ornaments
from playbach.music.reading.musicxml.timeline import (
    Visit,
    bar_lengths,
    first_at_each_tick,
    meters_of_bars,
    played_changes,
    played_meters,
    visits,
)
from playbach.music.reading.results import ReadFile
from playbach.system.errors import ScoreError, impossible_value

_LONGEST_GAP = 4 * TICKS_PER_QUARTER
"""Between two notes that both say that they are tied. They are apart where the length of a chord's second note is
wrong, and apart or overlap where the bar of one part is too short or too long."""


def play(
    parts: Sequence[WrittenPart],
    order: Sequence[tuple[int, int]],
    *,
    plain_ornaments: bool = False,
    max_notes: int = 500_000,
) -> ReadFile:
    """The score as it sounds.

    Args:
        order: the bars in the order in which they are played: (index, which time).
        plain_ornaments: whether ornaments and grace notes are left out.
        max_notes: the most notes of the score.

    Raises:
        ScoreError: it has too many notes, or lasts too long.
    """
    columns = _columns(parts)
    meters = meters_of_bars(columns)
    lengths = bar_lengths(columns, meters)
    played = visits(order, lengths)
    if played and played[-1].start + lengths[played[-1].bar] >= 1 << 31:
        raise impossible_value("onset", played[-1].start)
    score = Score(TICKS_PER_QUARTER)
    for tick, meter in played_meters(played, lengths, meters):
        score.time_signatures.append(TimeSignature(tick, *meter))
    for change in played_changes(_keys(parts), played):
        score.key_signatures.append(KeySignature(change.tick, *_pair(change)))
    tempos = list(played_changes([first_at_each_tick([b.tempos for b in column]) for column in columns], played))
    for change in tempos:
        score.tempos.append(Tempo(change.tick, qpm=_single(change)))
    for tick in sorted({v.start + tick for v in played for bar in columns[v.bar] for tick in bar.fermatas}):
        score.markers.append(TextMeta(tick, FERMATA))
    ornaments: Counter[str] = Counter()
    budget = max_notes
    for part in parts:
        notes = _part_notes(part, played, most=budget, plain=plain_ornaments)
        budget -= len(notes)
        ornaments.update(count_ornaments(notes))
        notes = without_ornaments(notes) if plain_ornaments else play_ornaments(notes, _tempo_at(tempos))
        for track in _tracks(part, notes, played):
            score.tracks.append(track)
    return ReadFile(score, ornaments=dict(ornaments))


def _columns(parts: Sequence[WrittenPart]) -> list[list[Bar]]:
    """For each bar, what each part that has it plays."""
    longest = max((len(part.bars) for part in parts), default=0)
    return [[part.bars[i] for part in parts if i < len(part.bars)] for i in range(longest)]


def _keys(parts: Sequence[WrittenPart]) -> list[list[Change]]:
    """The keys in each bar, of the first part that shows the key of the music.

    That is a part that is written as it sounds, if there is one: horns and trumpets are often written without a key.
    """
    with_keys = [part for part in parts if not part.is_drums and any(bar.keys for bar in part.bars)]
    untransposed = [part for part in with_keys if not part.is_transposed]
    return [bar.keys for part in (untransposed or with_keys)[:1] for bar in part.bars]


def _pair(change: Change) -> tuple[int, int]:
    assert isinstance(change.value, tuple)
    return change.value


def _single(change: Change) -> float:
    assert not isinstance(change.value, tuple)
    return change.value


def _tempo_at(tempos: Sequence[Change]) -> Callable[[int], float]:
    """The tempo at a tick, in quarters a minute."""
    ticks = np.array([change.tick for change in tempos], np.int64)
    values = [MIDI_TEMPO, *map(_single, tempos)]
    return lambda tick: values[int(np.searchsorted(ticks, tick, side="right"))]


# ------------------------------------------------------------------------------------------------------------- notes


def _part_notes(part: WrittenPart, played: Iterable[Visit], *, most: int, plain: bool) -> list[PartNote]:
    """The notes of a part in the order of playing, ties joined.

    Args:
        most: with more notes than this, ScoreError is raised.
        plain: whether ornaments will be left out, so that none of them strikes a tied note.
    """
    notes: list[PartNote] = []
    ties = _Ties()
    chords = 0
    for visit in played:
        bar = part.bars[visit.bar] if visit.bar < len(part.bars) else Bar()
        if len(notes) + len(bar.notes) > most:
            raise ScoreError(f"it has more than {most:,} notes with its repeats; leave it out or split it")
        for note in sorted(bar.notes, key=_onset):
            if note.passes is not None and visit.time not in note.passes:
                continue
            onset, end = visit.start + note.onset, visit.start + note.end
            index = ties.end(note, onset)
            if index is None or (not plain and _is_struck(note, notes[index])):
                index = len(notes)
                notes.append(_part_note(note, onset, end, chords + note.chord))
            else:
                notes[index] = _joined(notes[index], note, onset, end)
            if note.tied:
                ties.begin(note, end, index)
        chords += 1 + max((note.chord for note in bar.notes), default=0)
    return notes


class _Ties:
    """The notes that are tied to a note which is still to come."""

    def __init__(self) -> None:
        self._notes: dict[tuple[int, int, int, str], int] = {}  # (end, pitch, staff, instrument) -> index of the note
        self._latest: dict[tuple[int, int, str], int] = {}  # (pitch, staff, instrument) -> end of the latest of them

    def begin(self, note: WrittenNote, end: int, index: int) -> None:
        self._notes[end, note.pitch, note.staff, note.instrument] = index
        self._latest[note.pitch, note.staff, note.instrument] = end

    def end(self, note: WrittenNote, onset: int) -> int | None:
        """The index of the note that is tied to this one; None if none is.

        The note at the end of a tie is not always marked, and may be on another staff. If it is marked, its onset
        need not be quite at the end of the other.
        """
        ends = [onset]
        latest = self._latest.get((note.pitch, note.staff, note.instrument))
        if note.tied_from and latest is not None and abs(onset - latest) < _LONGEST_GAP:
            ends.append(latest)
        staves = (note.staff, 3 - note.staff)
        keys = [(end, note.pitch, staff, note.instrument) for end in ends for staff in staves]
        return next((self._notes.pop(key) for key in keys if key in self._notes), None)


def _is_struck(note: WrittenNote, before: PartNote) -> bool:
    """Whether a note at the end of a tie is struck all the same, since an ornament begins with it."""
    begins = any(o.place in ("", "start") and o.kind != "arpeggio" for o in note.ornaments)
    return begins and not before.ornaments


def _joined(before: PartNote, note: WrittenNote, onset: int, end: int) -> PartNote:
    """A note and the written note to which it is tied, with the end of an ornament that spans both."""
    return replace(
        before,
        end=max(before.end, end),
        ornaments=(*before.ornaments, *(o for o in note.ornaments if o.place in ("continue", "stop"))),
        after_graces=(*before.after_graces, *note.after_graces),
        tied=(*(before.tied or (before.end - before.onset,)), end - onset),
    )


def _onset(note: WrittenNote) -> int:
    return note.onset


def _part_note(note: WrittenNote, onset: int, end: int, chord: int) -> PartNote:
    return PartNote(
        onset,
        end,
        note.pitch,
        note.velocity,
        voice=note.voice,
        staff=note.staff,
        chord=chord,
        ornaments=note.ornaments,
        graces=note.graces,
        after_graces=note.after_graces,
        instrument=note.instrument,
    )


def _tracks(part: WrittenPart, notes: Sequence[PartNote], played: Sequence[Visit]) -> Iterator[Track]:
    """A track for each staff of a part and each instrument on it; empty ones for staves without notes."""
    default = part.instruments.program(None)
    singers = _singers(part, notes)
    found: dict[tuple[int, int, str], list[PartNote]] = {}
    for note in notes:
        singer = note.instrument if note.instrument in singers else ""
        found.setdefault((note.staff, part.instruments.program(note.instrument), singer), []).append(note)
    for staff in range(1, part.staves + 1):
        if not any(key[0] == staff for key in found):
            found[staff, default, ""] = []
    controls = _controls(part, played)
    order = list(singers)

    def place(item: tuple[tuple[int, int, str], list[PartNote]]) -> tuple[int, bool, int]:
        staff, program, singer = item[0]
        return staff, program != default, order.index(singer) if singer else 0

    for (_, program, singer), own in sorted(found.items(), key=place):
        track = Track(singers.get(singer, part.name), program, part.is_drums)
        track.notes = _note_list(own)
        track.controls = controls
        yield track


def _singers(part: WrittenPart, notes: Iterable[PartNote]) -> dict[str, str]:
    """The names of the instruments by their ids, if each voice of the part has one of its own that no other plays;
    in the part's order."""
    pairs = {(note.voice, note.instrument) for note in notes}
    voices, instruments = {voice for voice, _ in pairs}, {instrument for _, instrument in pairs}
    if part.is_drums or not len(pairs) == len(voices) == len(instruments) or len(pairs) < 2:
        return {}
    names = part.instruments.names or {}
    found = {instrument: name for instrument, name in names.items() if instrument in instruments and name}
    return found if len(set(found.values())) == len(instruments) else {}


def _note_list(notes: Iterable[PartNote]) -> NoteTickList:
    """Of notes with the same onset and pitch, the longest."""
    unique: dict[tuple[int, int], tuple[int, int]] = {}
    for note in notes:
        end, velocity = unique.get((note.onset, note.pitch), (0, 0))
        unique[note.onset, note.pitch] = max(end, note.end), max(velocity, note.velocity)
    rows = sorted((onset, end, pitch, velocity) for (onset, pitch), (end, velocity) in unique.items())
    table = np.array(rows, np.int64).reshape(-1, 4)
    return NoteTickList.from_numpy(
        table[:, 0].astype(np.int32),
        np.maximum(table[:, 1] - table[:, 0], 1).astype(np.int32),
        table[:, 2].astype(np.int8),
        table[:, 3].astype(np.int8),
    )


def _controls(part: WrittenPart, played: Iterable[Visit]) -> ControlChangeTickList:
    rows = [
        (visit.start + change.tick, *_pair(change))
        for visit in played
        if visit.bar < len(part.bars)
        for change in part.bars[visit.bar].controls
        if change.passes is None or visit.time in change.passes
    ]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return ControlChangeTickList.from_numpy(
        table[:, 0].astype(np.int32), table[:, 1].astype(np.uint8), table[:, 2].astype(np.uint8)
    )
