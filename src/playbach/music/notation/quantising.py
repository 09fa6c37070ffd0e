"""Puts the times of notes on places that can be written.

A beat whose notes begin and end on halves, thirds, fifths, sevenths and the like of it stays exactly as it is. Where
somebody played freely, onsets go to the grid that fits the beat best, and notes last until the next one begins if
nearly nothing is missing: what was played short or long is no rhythm.

Knows ticks and bars, not pitches or voices.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.notation.model import UNITS, UNITS_PER_TICK

_EXACT = (1, 2, 4, 3, 8, 6, 5, 7, 12, 9, 10, 16, 24)
"""Into how many parts a quarter may be divided, if all its notes are exactly there."""
_FREE = {1: 0.0, 2: 4.0, 3: 10.0, 4: 8.0, 6: 22.0, 8: 26.0}
"""The grids for what was played freely, and how many ticks nearer each note must be than with 1."""
_GAP_SHARE, _GAP_TICKS = 0.6, TICKS_PER_QUARTER // 4
"""A gap before the next onset is filled if it is shorter than this share of the note or than a 16th, or if the next
onset is within a quarter of the note's: what was played staccato is not written with rests."""
_SHORTEST = UNITS // 8
_END_PARTS = 4
"""The fewest parts of a beat on which a freely played note ends, where the beat is not in thirds."""
_ONSET_MOVED, _END_MOVED = UNITS // 96, UNITS // 8
"""A note that is moved by more is counted."""


@dataclass(frozen=True, slots=True)
class PlacedNote:
    """A note in units."""

    begin: int
    end: int
    pitch: int
    velocity: int
    track: int = 0


def quantised(
    notes: Sequence[tuple[int, int, int, int]], origins: Sequence[int], track: int = 0
) -> tuple[list[PlacedNote], int]:
    """The notes of one track in units, and how many of them were moved or changed in length.

    Args:
        notes: (begin, end, pitch, velocity) in ticks, in the order of their onsets.
        origins: the ticks at which bars begin; beats count from them.
    """
    edges: dict[tuple[int, int], list[int]] = {}  # by beat
    for begin, end, _, _ in notes:
        for tick in (begin, end):
            edges.setdefault(beat_of(tick, origins), []).append(tick)
    exact = {beat: found for beat, ticks in edges.items() if (found := _exact_places(ticks, beat)) is not None}
    free_onsets: dict[tuple[int, int], list[int]] = {}
    for begin, *_ in notes:
        if (beat := beat_of(begin, origins)) not in exact:
            free_onsets.setdefault(beat, []).append(begin)
    grids = {beat: _best_grid(ticks, beat) for beat, ticks in free_onsets.items()}
    onsets = sorted({_place(begin, origins, exact, grids) for begin, *_ in notes})
    result, moved = [], 0
    for begin, end, pitch, velocity in notes:
        start = _place(begin, origins, exact, grids)
        stop = _place(end, origins, exact, grids, least=_END_PARTS)
        is_free = beat_of(begin, origins) not in exact or beat_of(end, origins) not in exact
        if is_free:
            stop = _as_meant(start, stop, onsets)
        moved += is_free and (
            abs(start - begin * UNITS_PER_TICK) > _ONSET_MOVED or abs(stop - end * UNITS_PER_TICK) > _END_MOVED
        )
        result.append(PlacedNote(start, max(stop, start + 1), pitch, velocity, track))
    return _without_doubles(result), moved


def beat_of(tick: int, origins: Sequence[int]) -> tuple[int, int]:
    """The quarter in which a tick is: where it begins, and where it ends if a bar ends sooner."""
    at = max(0, bisect_right(origins, tick) - 1)
    begin = origins[at] + (tick - origins[at]) // TICKS_PER_QUARTER * TICKS_PER_QUARTER
    following = origins[at + 1] if at + 1 < len(origins) else begin + TICKS_PER_QUARTER
    return begin, min(begin + TICKS_PER_QUARTER, following)


def _exact_places(ticks: Sequence[int], beat: tuple[int, int]) -> dict[int, int] | None:
    """The place in units of each tick of a beat, if one division of it has them all."""
    for parts in _EXACT:
        places = {}
        for tick in ticks:
            number = round((tick - beat[0]) * parts / TICKS_PER_QUARTER)
            if round(number * TICKS_PER_QUARTER / parts) != tick - beat[0]:
                break
            places[tick] = beat[0] * UNITS_PER_TICK + number * UNITS // parts
        else:
            return places
    return None


def _best_grid(ticks: Sequence[int], beat: tuple[int, int]) -> int:
    def cost(parts: int) -> float:
        step = TICKS_PER_QUARTER / parts
        return sum(abs((t - beat[0]) - round((t - beat[0]) / step) * step) for t in ticks) / len(ticks) + _FREE[parts]

    crowded = min(_FREE, key=lambda parts: (-len({round((t - beat[0]) * parts / 480) for t in ticks}), parts))
    options = [parts for parts in _FREE if parts >= min(crowded, 4) or parts == 3 or len(ticks) == 1]
    return min(options or [crowded], key=cost)


def _place(
    tick: int,
    origins: Sequence[int],
    exact: dict[tuple[int, int], dict[int, int]],
    grids: dict[tuple[int, int], int],
    least: int = 1,
) -> int:
    beat = beat_of(tick, origins)
    if beat in exact:
        return exact[beat][tick]
    parts = grids.get(beat, 4)
    step = UNITS // (parts if parts % 3 == 0 else max(parts, least))
    units = (tick - beat[0]) * UNITS_PER_TICK
    return min(beat[0] * UNITS_PER_TICK + (units + step // 2) // step * step, beat[1] * UNITS_PER_TICK)


def _as_meant(start: int, stop: int, onsets: Sequence[int]) -> int:
    """Where a freely played note ends: where the next one begins, if that is near; at the least a 32nd long."""
    after = bisect_right(onsets, start)
    following = onsets[after] if after < len(onsets) else None
    if following is not None:
        gap, sixteenth = following - stop, _GAP_TICKS * UNITS_PER_TICK
        is_missing = gap <= max(sixteenth, int(_GAP_SHARE * (stop - start))) or following - start <= UNITS
        if -sixteenth <= gap and is_missing:
            return following
    return max(stop, start + _SHORTEST)


def _without_doubles(notes: Sequence[PlacedNote]) -> list[PlacedNote]:
    """Of notes with the same onset and pitch the longest; a note ends where its pitch is struck again."""
    longest: dict[tuple[int, int], PlacedNote] = {}
    for note in notes:
        before = longest.get((note.begin, note.pitch))
        if before is None or note.end > before.end:
            longest[note.begin, note.pitch] = note
    ordered = sorted(longest.values(), key=lambda n: (n.begin, n.pitch))
    result: list[PlacedNote] = []
    latest: dict[int, int] = {}
    for note in ordered:
        before_at = latest.get(note.pitch)
        if before_at is not None and result[before_at].end > note.begin:
            result[before_at] = replace(result[before_at], end=note.begin)
        latest[note.pitch] = len(result)
        result.append(note)
    return result
