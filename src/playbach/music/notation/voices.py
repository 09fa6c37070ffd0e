"""Divides the notes of one staff into voices, and a voice into what sounds between its onsets and ends.

Notes that begin and end together are a chord. Where others sound across them, the staff has two voices: the higher
notes are the first one's, whose stems go up. What does not fit into two voices is tied: a voice can write anything,
since a note that sounds across another of its voice is written as several tied ones.

Knows times and pitches, no meters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from playbach.music.notation.quantising import PlacedNote

_SAME_VOICE_COST = 4.0
"""Of two chords of one voice that overlap without being one."""
_CROSSED_COST = 3.0
"""Of a lower chord in the upper voice."""
_ALONE_COST = 0.5
"""Of a chord in the second voice where nothing else sounds."""
_PASSES = 6


class _Chord:
    """Notes of one staff that begin and end together."""

    __slots__ = ("begin", "end", "notes", "over", "pitch", "voice")

    def __init__(self, notes: Sequence[PlacedNote]) -> None:
        self.notes = list(notes)
        self.begin, self.end = notes[0].begin, notes[0].end
        self.pitch = sum(n.pitch for n in notes) / len(notes)
        self.over: list[_Chord] = []
        self.voice = 0


def divide_voices(notes: Iterable[PlacedNote]) -> tuple[list[PlacedNote], list[PlacedNote]]:
    """The notes of the upper and of the lower voice; the lower one has none where one voice is enough."""
    groups: dict[tuple[int, int], list[PlacedNote]] = {}
    for note in sorted(notes, key=lambda n: (n.begin, n.end, n.pitch)):
        groups.setdefault((note.begin, note.end), []).append(note)
    chords = [_Chord(group) for group in groups.values()]
    _find_overlaps(chords)
    for chord in chords:
        higher = sum(chord.pitch > other.pitch for other in chord.over)
        chord.voice = int(2 * higher < len(chord.over))
    for _ in range(_PASSES):
        changed = False
        for chord in chords:
            if chord.over and _cost(chord, 1 - chord.voice) < _cost(chord, chord.voice):
                chord.voice, changed = 1 - chord.voice, True
        if not changed:
            break
    upper, lower = ([n for c in chords if c.voice == voice for n in c.notes] for voice in (0, 1))
    return upper, lower


def _find_overlaps(chords: Sequence[_Chord]) -> None:
    sounding: list[_Chord] = []
    for chord in chords:
        sounding = [other for other in sounding if other.end > chord.begin]
        for other in sounding:
            chord.over.append(other)
            other.over.append(chord)
        sounding.append(chord)


def _cost(chord: _Chord, voice: int) -> float:
    cost = _ALONE_COST * voice * (not any(other.voice != voice for other in chord.over))
    for other in chord.over:
        if other.voice == voice:
            cost += _SAME_VOICE_COST
        elif (chord.pitch - other.pitch) * (1 if voice == 0 else -1) < 0:
            cost += _CROSSED_COST
    return cost


def slices(notes: Sequence[PlacedNote], begin: int, end: int) -> list[tuple[int, int, tuple[PlacedNote, ...]]]:
    """What a voice sounds from one of its onsets or ends to the next, without gaps: (begin, end, notes from low to
    high). Where nothing sounds, there are no notes."""
    own = [n for n in notes if n.begin < end and n.end > begin]
    edges = sorted({begin, end, *(x for n in own for x in (n.begin, n.end) if begin < x < end)})
    result = []
    for low, high in zip(edges, edges[1:]):
        sounding = sorted((n for n in own if n.begin <= low and n.end >= high), key=lambda n: n.pitch)
        result.append((low, high, tuple(sounding)))
    return _join_rests(result)


def _join_rests(
    found: Iterable[tuple[int, int, tuple[PlacedNote, ...]]],
) -> list[tuple[int, int, tuple[PlacedNote, ...]]]:
    result: list[tuple[int, int, tuple[PlacedNote, ...]]] = []
    for begin, end, notes in found:
        if not notes and result and not result[-1][2]:
            result[-1] = (result[-1][0], end, ())
        else:
            result.append((begin, end, notes))
    return result
