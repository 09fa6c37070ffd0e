"""Splicing: composed bars take the place of others, and nothing else changes."""

from __future__ import annotations

import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach.inference.splicing import Splice, parse_bars, window_of
from playbach.music.events import Note
from playbach.system.errors import ScoreError, UsageError

BAR = 1920
Notes = list[tuple[int, int, int]]


def splice(tracks: list[Notes], first: int, last: int, *, single: bool = True, together: bool = False) -> Splice:
    score = sample_music.score(tracks)
    each = tuple((i,) for i in range(len(tracks)))
    parts = (tuple(range(len(tracks))),) if together else each
    return Splice(
        score=score,
        window=window_of(score, first, last),
        parts=parts,
        single_voices=single,
        keeps_velocities=True,
    )


def notes(score: symusic.Score, track: int = 0) -> Notes:
    return [(n.time, n.duration, n.pitch) for n in score.tracks[track].notes]


QUARTERS = [(i * 480, 480, 60 + i) for i in range(16)]


def test_only_the_bars_change() -> None:
    found = notes(splice([QUARTERS], 2, 3).with_notes([Note(BAR, 960, 50, 80), Note(2 * BAR, 960, 52, 80)]))
    assert found == [*QUARTERS[:4], (BAR, 960, 50), (2 * BAR, 960, 52), *QUARTERS[12:]]


def test_composed_notes_end_with_the_bars_and_are_as_loud_as_the_old_ones() -> None:
    score = splice([QUARTERS], 2, 2).with_notes([Note(BAR, 9999, 50, 3), Note(2 * BAR, 10, 51, 3)])
    assert notes(score)[4:6] == [(BAR, BAR, 50), QUARTERS[8]]
    assert score.tracks[0].notes[4].velocity == 90


def test_a_note_held_over_the_last_bar_line_is_kept_from_there_and_tied() -> None:
    line = [(0, BAR, 60), (BAR, BAR + 480, 67), (2 * BAR + 480, 480, 65)]
    assert notes(splice([line], 2, 2).with_notes([Note(BAR, BAR, 64, 80)])) == [
        (0, BAR, 60),
        (BAR, BAR, 64),
        (2 * BAR, 480, 67),
        (2 * BAR + 480, 480, 65),
    ]
    tied = notes(splice([line], 2, 2).with_notes([Note(BAR, 480, 64, 80), Note(BAR + 480, BAR - 480, 67, 80)]))
    assert tied[2] == (BAR + 480, BAR, 67), "one note leads over the bar line"


def test_a_note_held_over_the_first_bar_line_ends_there_unless_it_is_held_on() -> None:
    line = [(0, BAR + 480, 60), (BAR + 480, BAR, 62)]
    new = Note(BAR, 960, 50, 80)
    assert notes(splice([line], 2, 2).with_notes([new]))[:2] == [(0, BAR, 60), (BAR, 960, 50)]
    held = Note(0, BAR + 960, 60, 80)
    assert notes(splice([line], 2, 2).with_notes([held]))[0] == (0, BAR + 960, 60)
    chords = splice([line], 2, 2, single=False).with_notes([new])
    assert notes(chords)[0] == (0, BAR + 480, 60), "where notes ring on, it does too"


def test_notes_of_one_instrument_go_to_the_nearest_of_its_tracks() -> None:
    high, low = [(i * 480, 480, 80) for i in range(12)], [(i * 480, 480, 50) for i in range(12)]
    score = splice([high, low], 2, 2, together=True).with_notes(
        [Note(BAR, 480, 78, 80), Note(BAR, 480, 53, 80), Note(BAR + 480, 480, 55, 80), Note(BAR + 480, 480, 54, 80)]
    )
    inside = [[p for t, _, p in notes(score, i) if BAR <= t < 2 * BAR] for i in (0, 1)]
    assert inside == [[78, 54], [53, 55]], "a single voice that sounds takes no second note"


def test_the_pedal_is_lifted_in_the_bars() -> None:
    made = splice([QUARTERS], 2, 2)
    made.score.tracks[0].controls.append(symusic.ControlChange(0, 64, 127))
    made.score.tracks[0].controls.append(symusic.ControlChange(BAR + 100, 64, 0))
    made.score.tracks[0].controls.append(symusic.ControlChange(BAR + 200, 64, 100))
    controls = made.with_notes([Note(BAR, 960, 50, 80)]).tracks[0].controls
    assert [(c.time, c.value) for c in controls] == [(0, 127), (BAR, 0), (2 * BAR, 100)]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 16), min_size=4, max_size=40),
    bars=st.tuples(st.integers(1, 6), st.integers(0, 3)),
    single=st.booleans(),
)
def test_what_begins_outside_stays(lengths: list[int], bars: tuple[int, int], single: bool) -> None:
    line, tick = list[tuple[int, int, int]](), 0
    for i, length in enumerate(lengths):
        line.append((tick, length * 120, 50 + i % 30))
        tick += length * 120
    final = (tick - 1) // BAR + 1
    first = min(bars[0], final)
    made = splice([line], first, min(first + bars[1], final), single=single)
    begin, end = made.window.begin, made.window.end
    found = notes(made.with_notes([]))
    assert [n for n in found if n[0] > end] == [n for n in line if n[0] > end]
    assert [(t, p) for t, _, p in found if t < begin] == [(t, p) for t, _, p in line if t < begin]
    assert not [n for n in found if begin <= n[0] < end]


@pytest.mark.parametrize("text", ["", "x", "5-", "-5", "5-8-9", "8-5", "1000000000", "1,2"])
def test_other_texts_are_no_bars(text: str) -> None:
    with pytest.raises(UsageError, match="bars must"):
        parse_bars(text)


def test_bars_are_counted_from_the_first_full_one() -> None:
    assert parse_bars(" 5 - 8 ") == (5, 8) and parse_bars("0") == (0, 0)
    score = sample_music.score([QUARTERS], meters=((0, 1, 4), (480, 4, 4)))
    assert (window_of(score, 0, 0).begin, window_of(score, 0, 0).end) == (0, 480)
    assert window_of(score, 4, 4).reaches_end and not window_of(score, 3, 3).reaches_end
    with pytest.raises(ScoreError, match=r"has the bars 0 \(its pickup\) to 4, but bars 3 to 9"):
        window_of(score, 3, 9)
    with pytest.raises(ScoreError, match="has the bars 1 to 4, but bars 0 to 1"):
        window_of(sample_music.score([QUARTERS]), 0, 1)
    with pytest.raises(ScoreError, match="has no notes"):
        window_of(sample_music.score([[]]), 1, 1)
