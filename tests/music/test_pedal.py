"""Notes sound until the pedals let them go, as in the MIDI specification."""

import time

import numpy as np
import pytest
import symusic
from hypothesis import given
from hypothesis import strategies as st
from symusic.core import ControlChangeTickList, NoteTickList

from playbach.music.pedal import pedal_presses, sustain

Note = tuple[int, int, int]
Control = tuple[int, int, int]


def a_score(notes: list[Note], controls: list[Control], drums: bool = False) -> symusic.Score:
    """A score of one track. Notes are (start, duration, pitch), controls (tick, number, value)."""
    score = symusic.Score(480)
    track = symusic.Track("Piano", 0, drums)
    for start, duration, pitch in notes:
        track.notes.append(symusic.Note(start, duration, pitch, 80))
    for tick, number, value in controls:
        track.controls.append(symusic.ControlChange(tick, number, value))
    score.tracks.append(track)
    return score


def sounding(notes: list[Note], controls: list[Control], drums: bool = False) -> list[Note]:
    """The notes of the score as they sound."""
    return [(n.time, n.duration, n.pitch) for n in sustain(a_score(notes, controls, drums)).tracks[0].notes]


@pytest.mark.parametrize(
    ("controls", "duration"),
    [
        ([(0, 64, 127), (1920, 64, 0)], 1920),
        ([(0, 64, 64), (1920, 64, 63)], 1920),
        ([(0, 64, 63), (1920, 64, 0)], 120),
        ([(60, 64, 127), (1920, 64, 0)], 1920),
        ([(120, 64, 127), (1920, 64, 0)], 120),
        ([(0, 64, 127), (120, 64, 0)], 120),
        ([(0, 64, 127), (120, 64, 0), (120, 64, 127), (960, 64, 0)], 120),
        ([(0, 64, 127), (100, 64, 0), (110, 64, 127), (960, 64, 0)], 960),
        ([(0, 64, 127), (480, 64, 100), (960, 64, 0)], 960),
        ([(0, 64, 127)], 2400),
        ([(0, 64, 127), (3000, 64, 90)], 3000),
        ([(0, 64, 127), (960, 121, 0), (1920, 64, 0)], 960),
        ([(0, 64, 127), (960, 120, 0), (1920, 64, 0)], 960),
        ([(0, 64, 127), (960, 123, 0), (1920, 64, 0)], 1920),
        ([(1920, 64, 0), (0, 64, 127)], 1920),  # controllers out of order
    ],
)
def test_a_note_sounds_until_the_sustain_pedal_lifts(controls: list[Control], duration: int) -> None:
    assert sounding([(0, 120, 60), (1920, 480, 64)], controls)[0] == (0, duration, 60)


@pytest.mark.parametrize(
    ("controls", "durations"),
    [
        # Pressed while the first note sounds, and not yet the second.
        ([(60, 66, 127), (1920, 66, 0)], [1920, 120]),
        # Struck together with the pedal.
        ([(0, 66, 127), (1920, 66, 0)], [1920, 120]),
        # Pressed after the key was let go.
        ([(120, 66, 127), (1920, 66, 0)], [120, 120]),
        # A second press while it is down catches nothing more.
        ([(60, 66, 127), (500, 66, 127), (1920, 66, 0)], [1920, 120]),
        # It catches what only the sustain pedal holds.
        ([(0, 64, 127), (240, 66, 127), (300, 64, 0), (1920, 66, 0)], [1920, 120]),
        # The sustain pedal takes over what it caught.
        ([(60, 66, 127), (240, 64, 127), (300, 66, 0), (960, 64, 0)], [960, 480]),
        # They relieve each other twice.
        (
            [(60, 66, 127), (240, 64, 127), (300, 66, 0), (700, 66, 127), (750, 64, 0), (1500, 66, 0)],
            [1500, 1020],
        ),
    ],
)
def test_the_sostenuto_pedal_holds_only_the_notes_that_sound(controls: list[Control], durations: list[int]) -> None:
    got = sounding([(0, 120, 60), (480, 120, 64), (1920, 480, 72)], controls)
    assert [duration for _, duration, _ in got[:2]] == durations


def test_a_note_ends_where_its_pitch_begins_again() -> None:
    pedal = [(0, 64, 127), (1920, 64, 0)]
    notes = [(0, 120, 60), (480, 120, 60), (480, 120, 62)]
    assert sounding(notes, pedal) == [(0, 480, 60), (480, 1440, 60), (480, 1440, 62)]
    assert sounding([(0, 600, 60), (480, 60, 60)], pedal) == [(0, 600, 60), (480, 1440, 60)]


def test_drums_are_not_lengthened() -> None:
    assert sounding([(0, 120, 36)], [(0, 64, 127), (1920, 64, 0)], drums=True) == [(0, 120, 36)]


def test_each_track_has_its_own_pedal() -> None:
    score = a_score([(0, 120, 60)], [(0, 64, 127), (960, 64, 0)])
    score.tracks.append(a_score([(0, 120, 67)], []).tracks[0])
    assert [[n.duration for n in track.notes] for track in sustain(score).tracks] == [[960], [120]]


def test_the_score_and_its_controllers_stay_as_they_are() -> None:
    score = a_score([(0, 120, 60)], [(0, 64, 127), (0, 7, 90), (960, 64, 0)])
    before = score.copy()
    held = sustain(score)
    assert score == before
    assert held.tracks[0].controls == before.tracks[0].controls
    assert held.tracks[0].notes[0].velocity == 80


def test_presses_are_counted_without_repeats() -> None:
    controls = [(0, 64, 127), (10, 64, 100), (20, 64, 0), (30, 64, 64), (40, 121, 0), (50, 64, 127), (60, 66, 127)]
    assert pedal_presses(a_score([], controls)) == 3
    assert pedal_presses(a_score([], controls, drums=True)) == 0
    assert pedal_presses(a_score([(0, 10, 60)], [])) == 0


notes_lists = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.integers(60, 62)), max_size=12)
controls_lists = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([64, 66, 120, 121, 123, 7]), st.sampled_from([0, 63, 64, 127])),
    max_size=12,
)


@given(notes_lists, controls_lists)
def test_sustaining_twice_is_sustaining_once(notes: list[Note], controls: list[Control]) -> None:
    once = sustain(a_score(notes, controls))
    assert sustain(once) == once


@given(notes_lists, controls_lists)
def test_the_notes_are_those_of_a_pianist_who_presses_the_pedals(notes: list[Note], controls: list[Control]) -> None:
    ordered = sorted(controls, key=lambda control: control[0])
    last = max([s + d for s, d, _ in notes] + [tick for tick, *_ in controls], default=0)
    assert sounding(notes, controls) == [(s, _let_go(s, s + d, p, notes, ordered, last) - s, p) for s, d, p in notes]


def _let_go(start: int, end: int, pitch: int, notes: list[Note], controls: list[Control], last: int) -> int:
    """When one note falls silent, event by event."""
    again = min([s for s, _, p in notes if p == pitch and s > start], default=last)
    sustained = sostenuto = caught = False
    for tick, number, value in controls:
        if tick >= end:
            if not (sustained or caught):
                return end
            if tick > again:
                break
        if number == 64 or number == 121:
            sustained = number == 64 and value >= 64
        if number == 66 or number == 121:
            pressed = number == 66 and value >= 64
            caught = pressed and (caught or (not sostenuto and tick >= start))
            sostenuto = pressed
        if tick >= end and (number == 120 or not (sustained or caught)):
            return max(end, min(tick, again))
    return max(end, min(last, again)) if sustained or caught else end


def test_a_long_performance_takes_a_few_milliseconds() -> None:
    rng = np.random.default_rng(3)
    score = a_score([], [])
    onsets = np.sort(rng.integers(0, 1_000_000, 20_000)).astype(np.int32)
    durations, pitches = rng.integers(20, 400, 20_000), rng.integers(21, 109, 20_000)
    score.tracks[0].notes = NoteTickList.from_numpy(
        onsets, durations.astype(np.int32), pitches.astype(np.int8), np.full(20_000, 80, np.int8)
    )
    score.tracks[0].controls = ControlChangeTickList.from_numpy(
        np.arange(10_000, dtype=np.int32) * 100,
        np.full(10_000, 64, np.uint8),
        np.where(np.arange(10_000) % 2, 0, 127).astype(np.uint8),
    )
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        sustain(score)
        seconds.append(time.perf_counter() - begin)
    print(f"{min(seconds) * 1000:.1f} ms")
    assert min(seconds) < 0.1
