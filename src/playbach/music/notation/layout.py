"""Chooses the parts of a page, their staves, the voices on each and their clefs.

- Four lines named as, or sung by, a choir are on two staves, two voices on each.
- A keyboard or a harp has two staves, on which its notes are divided between the hands; two tracks of one keyboard
  that follow each other are its hands already. Within the range of one clef, one staff is enough.
- Any other instrument has a staff, with its own clef or the one with the fewest ledger lines. Drums have a staff of
  their own kind.

All instruments are written as they sound, apart from octaves that their clefs show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from playbach.music.instruments import INSTRUMENT_NAMES
from playbach.music.notation.hands import mend_hands, split_hands
from playbach.music.notation.model import Clef, Instrument, Part
from playbach.music.notation.quantising import PlacedNote
from playbach.music.notation.voices import divide_voices

TREBLE_CLEF, BASS_CLEF, ALTO_CLEF, TENOR_CLEF = Clef("G", 2), Clef("F", 4), Clef("C", 3), Clef("C", 4)
TREBLE_8_CLEF, BASS_8_CLEF, TREBLE_HIGH_CLEF = Clef("G", 2, -1), Clef("F", 4, -1), Clef("G", 2, 1)
PERCUSSION_CLEF = Clef("percussion", 2)
_CENTRES = {"G2": 71, "F4": 50, "C3": 60, "C4": 57}
"""The pitch on the middle line."""
_KEYBOARDS = frozenset((*range(8), *range(16, 24), 46))
_WIDE = frozenset((*range(48, 55), *range(88, 104), 10, 11, 12, 15))
"""Ensembles, pads and bars: two staves where their range needs them."""
_CHOIR = frozenset((52, 53, 54))
_CHOIR_VOICES = ("soprano", "alto", "tenor", "bass")
_CLEFS: dict[int, tuple[Clef, ...]] = {
    **dict.fromkeys((40, 44, 45, 56, 59, 68, 69, 71, 73, 74, 75, 109, 110), (TREBLE_CLEF,)),
    **dict.fromkeys(range(24, 32), (TREBLE_8_CLEF,)),
    **dict.fromkeys((*range(32, 40), 43), (BASS_8_CLEF,)),
    41: (ALTO_CLEF, TREBLE_CLEF),
    **dict.fromkeys((42, 57, 70), (BASS_CLEF, TENOR_CLEF, TREBLE_CLEF)),
    **dict.fromkeys((47, 58), (BASS_CLEF,)),
    **dict.fromkeys((9, 72), (TREBLE_HIGH_CLEF,)),
}
"""By General MIDI's programs; of several the one with the fewest ledger lines, as it changes."""
_LEDGER_FREE, _LEDGER_STEP = 8, 3.5
"""Semitones from the middle line without a ledger line, and for each."""
_CHANGE_COST = 14.0
"""Ledger lines that a change of clef must save."""
_ONE_STAFF_LOW, _ONE_STAFF_HIGH = 55, 65
"""A keyboard above the first or below the second needs one staff."""


@dataclass(frozen=True, slots=True)
class PlannedVoice:
    """A voice from the beginning to the end."""

    number: int
    staff: int
    notes: tuple[PlacedNote, ...]
    stem: str = ""
    instrument: int = 0
    is_line: bool = False
    """A singer's line, whose rests are all written."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part with its voices and the clefs that each of its staves may have."""

    part: Part
    voices: tuple[PlannedVoice, ...]
    clefs: tuple[tuple[Clef, ...], ...]


@dataclass(frozen=True, slots=True)
class TrackNotes:
    """A track with notes."""

    name: str
    program: int
    is_drums: bool
    notes: tuple[PlacedNote, ...]


def plan_parts(tracks: Sequence[TrackNotes]) -> list[PlannedPart]:
    """The parts of a page, from its tracks in their order. Drums come as one part at the end."""
    drums = [t for t in tracks if t.is_drums]
    pitched = [t for t in tracks if not t.is_drums]
    planned = _choir(pitched) if _is_choir(pitched) else [_part(group) for group in _grouped(pitched)]
    return [*planned, *([_drum_part(drums)] if drums else [])]


def is_line(notes: Sequence[PlacedNote]) -> bool:
    """Whether no two notes sound at once."""
    return all(a.end <= b.begin for a, b in pairwise(notes))


def _is_choir(tracks: Sequence[TrackNotes]) -> bool:
    names = [t.name.strip().lower() for t in tracks]
    sung = all(t.program in _CHOIR for t in tracks)
    return len(tracks) == 4 and (tuple(names) == _CHOIR_VOICES or sung) and all(is_line(t.notes) for t in tracks)


def _choir(tracks: Sequence[TrackNotes]) -> list[PlannedPart]:
    planned = []
    for pair, clef in ((tracks[:2], TREBLE_CLEF), (tracks[2:], BASS_CLEF)):
        names = [_name(t) for t in pair]
        instruments = tuple(Instrument(name, t.program) for name, t in zip(names, pair))
        voices = tuple(
            PlannedVoice(i + 1, 1, t.notes, stem, i, is_line=True)
            for i, (t, stem) in enumerate(zip(pair, ("up", "down")))
        )
        part = Part(", ".join(dict.fromkeys(names)), instruments, is_choir=True)
        planned.append(PlannedPart(part, voices, ((clef,),)))
    return planned


def _grouped(tracks: Sequence[TrackNotes]) -> list[list[TrackNotes]]:
    """The tracks, with both hands of a keyboard together."""
    groups: list[list[TrackNotes]] = []
    runs: list[list[TrackNotes]] = []
    for track in tracks:
        if runs and track.program in _KEYBOARDS and runs[-1][0].program == track.program:
            runs[-1].append(track)
        else:
            runs.append([track])
    for run in runs:
        if len(run) == 2 and _mean(run[0]) > _mean(run[1]):
            groups.append(run)
        else:
            groups += [[track] for track in run]
    return groups


def _mean(track: TrackNotes) -> float:
    return sum(n.pitch for n in track.notes) / len(track.notes)


def _part(group: Sequence[TrackNotes]) -> PlannedPart:
    track = group[0]
    instruments = (Instrument(_name(track), track.program),)
    if len(group) == 2:
        return _grand(_common_name(group), instruments, *mend_hands(group[0].notes, group[1].notes))
    low, high = min(n.pitch for n in track.notes), max(n.pitch for n in track.notes)
    needs_two = low < _ONE_STAFF_LOW and high > _ONE_STAFF_HIGH
    alone = is_line(track.notes)
    if needs_two and (
        (track.program in _KEYBOARDS and not (alone and high - low <= 31))
        or (track.program in _WIDE and not alone and high - low > 31)
    ):
        right, left = split_hands(track.notes)
        if right and left:
            return _grand(_name(track), instruments, right, left)
    clefs = _CLEFS.get(track.program) or (_best_clef(track.notes),)
    return PlannedPart(Part(_name(track), instruments), _staff_voices(track.notes, 1), (clefs,))


def _grand(
    name: str, instruments: tuple[Instrument, ...], upper: Sequence[PlacedNote], lower: Sequence[PlacedNote]
) -> PlannedPart:
    voices = (*_staff_voices(upper, 1), *_staff_voices(lower, 2))
    return PlannedPart(
        Part(name, instruments, staves=2), voices, ((TREBLE_CLEF, BASS_CLEF), (BASS_CLEF, TREBLE_CLEF))
    )


def _staff_voices(notes: Sequence[PlacedNote], staff: int) -> tuple[PlannedVoice, ...]:
    upper, lower = divide_voices(notes)
    first = 4 * staff - 3
    if not lower:
        return (PlannedVoice(first, staff, tuple(upper)),)
    return (PlannedVoice(first, staff, tuple(upper), "up"), PlannedVoice(first + 1, staff, tuple(lower), "down"))


def _drum_part(tracks: Sequence[TrackNotes]) -> PlannedPart:
    notes = sorted((n for t in tracks for n in t.notes), key=lambda n: (n.begin, n.pitch))
    keys = sorted({n.pitch for n in notes})
    instruments = tuple(Instrument(DRUM_NAMES.get(key, f"Drum {key}"), tracks[0].program, key) for key in keys)
    part = Part(_name(tracks[0]) if tracks[0].name.strip() else "Drums", instruments, is_drums=True)
    return PlannedPart(part, (PlannedVoice(1, 1, tuple(notes), "up"),), ((PERCUSSION_CLEF,),))


def _name(track: TrackNotes) -> str:
    name = " ".join(track.name.split())
    if any(map(str.isalnum, name)):
        return name
    return "Drums" if track.is_drums else INSTRUMENT_NAMES[track.program]


def _common_name(group: Sequence[TrackNotes]) -> str:
    """The name of both hands' instrument: what their names have in common, if that is a word."""
    first, second = (_name(t) for t in group)
    common = [a for a, b in zip(first.split(), second.split()) if a == b]
    if common and all(a == b for a, b in zip(first.split(), common)):
        return " ".join(common)
    return INSTRUMENT_NAMES[group[0].program]


# ---------------------------------------------------------------------------------------------------------- clefs


def clef_of_each_bar(options: Sequence[Clef], bars: Sequence[Sequence[int]]) -> list[Clef]:
    """The clef of each bar of a staff: the fewest ledger lines, with few changes.

    Args:
        options: the clefs that it may have, the usual one first.
        bars: the pitches in each bar.
    """
    if len(options) == 1:
        return [options[0]] * len(bars)
    total = [_CHANGE_COST / 2 * (i > 0) for i in range(len(options))]
    back: list[list[int]] = []
    for pitches in bars:
        cheapest = min(range(len(options)), key=lambda i: total[i])
        came = [i if total[i] <= total[cheapest] + _CHANGE_COST else cheapest for i in range(len(options))]
        total = [
            min(total[i], total[cheapest] + _CHANGE_COST) + ledger_lines(clef, pitches)
            for i, clef in enumerate(options)
        ]
        back.append(came)
    at = min(range(len(options)), key=lambda i: total[i])
    chosen = []
    for came in reversed(back):
        chosen.append(options[at])
        at = came[at]
    return chosen[::-1]


def ledger_lines(clef: Clef, pitches: Sequence[int]) -> float:
    """About how many ledger lines these pitches need."""
    centre = _CENTRES[f"{clef.sign}{clef.line}"] + 12 * clef.octave
    return sum(max(0, abs(p - centre) - _LEDGER_FREE) / _LEDGER_STEP for p in pitches)


def _best_clef(notes: Sequence[PlacedNote]) -> Clef:
    pitches = [n.pitch for n in notes]
    return min((TREBLE_CLEF, BASS_CLEF), key=lambda clef: ledger_lines(clef, pitches))


# ---------------------------------------------------------------------------------------------------------- drums

DRUM_NAMES = {
    35: "Acoustic Bass Drum",
    36: "Bass Drum",
    37: "Side Stick",
    38: "Snare",
    39: "Hand Clap",
    40: "Electric Snare",
    41: "Low Floor Tom",
    42: "Closed Hi-Hat",
    43: "High Floor Tom",
    44: "Pedal Hi-Hat",
    45: "Low Tom",
    46: "Open Hi-Hat",
    47: "Low-Mid Tom",
    48: "High-Mid Tom",
    49: "Crash Cymbal",
    50: "High Tom",
    51: "Ride Cymbal",
    52: "China Cymbal",
    53: "Ride Bell",
    54: "Tambourine",
    55: "Splash Cymbal",
    56: "Cowbell",
    57: "Crash Cymbal 2",
    59: "Ride Cymbal 2",
}
"""General MIDI's percussion keys."""
DRUM_PLACES = {
    35: ("E", 4),
    36: ("F", 4),
    37: ("C", 5),
    38: ("C", 5),
    40: ("C", 5),
    41: ("G", 4),
    43: ("A", 4),
    45: ("B", 4),
    47: ("D", 5),
    48: ("E", 5),
    50: ("F", 5),
    42: ("G", 5),
    46: ("G", 5),
    44: ("D", 4),
    49: ("A", 5),
    57: ("B", 5),
    51: ("F", 5),
    59: ("F", 5),
    53: ("F", 5),
    52: ("B", 5),
    55: ("B", 5),
    54: ("B", 4),
    56: ("E", 5),
}
"""Where each drum stands on its staff, as in a treble clef (Norman Weinberg, "Guidelines for Drumset Notation",
Percussive Notes 32, 1994)."""
CROSS_HEADS = frozenset((37, 39, 42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59))
"""Cymbals and what is struck on rims, whose heads are crosses."""
