"""Scores that hypothesis makes up: any meters, keys, instruments and tuplets, on places that can be written."""

from __future__ import annotations

from typing import Any

import symusic
from hypothesis import strategies as st

METERS = (
    (4, 4),
    (3, 4),
    (2, 4),
    (6, 8),
    (9, 8),
    (12, 8),
    (2, 2),
    (3, 2),
    (5, 4),
    (7, 8),
    (3, 8),
    (5, 8),
    (4, 2),
    (1, 4),
)
PARTS_OF_A_QUARTER = (1, 2, 2, 4, 4, 3, 8, 6, 5, 7, 12)
QUARTER = 480

Note = tuple[int, int, int, int]
"""(onset, duration, pitch, velocity)."""


@st.composite
def notes(
    draw: st.DrawFn,
    quarters: int,
    *,
    start: int = 0,
    divisions: tuple[int, ...] = PARTS_OF_A_QUARTER,
    is_line: bool = False,
    low: int = 30,
    high: int = 96,
) -> list[Note]:
    """Notes in these divisions of the quarters after `start`; no pitch is struck while it sounds."""
    places = [0, start] if start else [0]
    for quarter in range(quarters):
        parts = draw(st.sampled_from(divisions))
        places += [start + quarter * QUARTER + round(QUARTER * i / parts) for i in range(1, parts + 1)]
    found: list[Note] = []
    free: dict[int, int] = {}
    silent_until = 0
    for i in sorted(draw(st.sets(st.integers(0, len(places) - 2), min_size=1, max_size=14))):
        onset, end = places[i], places[min(i + draw(st.integers(1, 9)), len(places) - 1)]
        for pitch in draw(st.sets(st.integers(low, high), min_size=1, max_size=1 if is_line else 3)):
            if free.get(pitch, 0) <= onset and not (is_line and silent_until > onset):
                found.append((onset, end - onset, pitch, draw(st.sampled_from((80, 64, 100)))))
                free[pitch] = silent_until = end
    return found


@st.composite
def scores(draw: st.DrawFn) -> symusic.Score:
    """A score with up to three instruments, perhaps with drums, a pickup, a change of meter, and keys."""
    score = symusic.Score(QUARTER)
    score.tempos.append(symusic.Tempo(0, qpm=draw(st.integers(40, 200))))
    meter = draw(st.sampled_from(METERS))
    bar = 4 * QUARTER * meter[0] // meter[1]
    pickup = draw(st.sampled_from((0, 0, 240, 480)))
    if 0 < pickup < bar:
        score.time_signatures.append(symusic.TimeSignature(0, *((1, 4) if pickup == QUARTER else (1, 8))))
    else:
        pickup = 0
    score.time_signatures.append(symusic.TimeSignature(pickup, *meter))
    bars = [bar]
    if draw(st.booleans()):
        other = draw(st.sampled_from([m for m in METERS if m != meter]))
        bars.append(4 * QUARTER * other[0] // other[1])
        score.time_signatures.append(symusic.TimeSignature(pickup + 2 * bar, *other))
    for tick in (0, *draw(st.sampled_from(((), (pickup + bar,))))):
        score.key_signatures.append(symusic.KeySignature(tick, draw(st.integers(-6, 6)), draw(st.integers(0, 1))))
    programs = draw(st.lists(st.sampled_from((0, 40, 41, 42, 43, 24, 73, 52)), min_size=1, max_size=3, unique=True))
    # Tuplets of quarters only where bar lines are on quarters.
    divisions = PARTS_OF_A_QUARTER if all(length % QUARTER == 0 for length in bars) else (1, 2, 4)
    for program in programs:
        add_track(score, draw(notes(draw(st.integers(2, 10)), start=pickup, divisions=divisions)), program)
    if draw(st.integers(0, 3)) == 0:
        add_track(score, draw(notes(4, start=pickup, divisions=divisions, low=35, high=59)), 0, drums=True)
    return score


def add_track(score: Any, rows: list[Note], program: int, *, name: str = "", drums: bool = False) -> None:
    track = symusic.Track(name or f"Part {program}", program, drums)
    for row in rows:
        track.notes.append(symusic.Note(*row))
    score.tracks.append(track)


def rows_of(score: Any) -> dict[tuple[int, bool], list[Note]]:
    """The notes of each instrument; of drums, which are struck and not held, without their durations."""
    found: dict[tuple[int, bool], list[Note]] = {}
    for track in score.tracks:
        own = found.setdefault((track.program, track.is_drum), [])
        own += [(n.time, 0 if track.is_drum else n.duration, n.pitch, n.velocity) for n in track.notes]
    return {key: sorted(own) for key, own in found.items()}
