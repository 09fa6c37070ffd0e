"""Meters that a program made up, and bars in another meter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import symusic
from hypothesis import given
from hypothesis import strategies as st

from helpers import sample_music
from playbach.music import reading
from playbach.music.bars import Bars, meters_of
from playbach.music.events import MAX_NUMERATOR, METER_DENOMINATORS
from playbach.music.meters import doubtful_meter, regroup
from playbach.music.options import ReadingOptions, meter_fraction
from playbach.system.errors import UsageError

Meters = tuple[tuple[int, int, int], ...]


def steady(bars: int) -> list[tuple[int, int, int]]:
    """Quarters, for a number of bars of 2/4."""
    return [(i * 480, 480, 60 + i % 5) for i in range(2 * bars)]


def syncopated(bars: int, every: int) -> list[tuple[int, int, int]]:
    """Two quarters a bar; in every so many bars the second one is anticipated and held over the bar line."""
    found: list[tuple[int, int, int]] = []
    for bar in range(bars):
        tick = bar * 960
        held = bar % every == 0
        found += [(tick, 480, 60), (tick + 720, 480, 64) if held else (tick + 480, 480, 62)]
    return found


@pytest.mark.parametrize(
    ("notes", "meters", "is_doubted"),
    [
        (steady(4), ((0, 1, 4),), True),
        (steady(2), ((0, 1, 4),), False),
        (steady(8), ((0, 1, 4), (1920, 2, 4)), False),
        (steady(8), ((0, 4, 4),), False),
        (steady(8), ((0, 2, 4),), False),
        (syncopated(20, every=1), ((0, 2, 4),), True),
        (syncopated(20, every=6), ((0, 2, 4),), False),
        (syncopated(20, every=1), ((0, 4, 4),), False),
        # Counted from the first bar line after a pickup.
        ([(t + 480, d, p) for t, d, p in syncopated(20, every=1)], ((0, 1, 4), (480, 2, 4)), True),
        ([(t + 480, d, p) for t, d, p in steady(20)], ((0, 1, 4), (480, 2, 4)), False),
    ],
)
def test_a_constant_meter_that_the_music_contradicts_is_doubted(
    notes: list[tuple[int, int, int]], meters: Meters, is_doubted: bool
) -> None:
    remark = doubtful_meter(sample_music.score([notes], meters=meters))
    assert (remark is not None) == is_doubted
    if remark is not None:
        assert f"its meter is {meters[-1][1]}/4 all through" in remark
        assert "--meter 4/4" in remark


def test_notes_that_the_pedal_holds_or_that_end_a_little_late_are_no_reason_to_doubt() -> None:
    late = sample_music.score([[(t, 520, p) for t, _, p in steady(20)]], meters=((0, 2, 4),))
    assert doubtful_meter(late) is None
    held = sample_music.score([[(t, 1440, p) for t, _, p in steady(20)]], meters=((0, 2, 4),))
    assert doubtful_meter(held) is not None
    held.tracks[0].controls.append(symusic.ControlChange(0, 64, 127))
    assert doubtful_meter(held) is None


def meters_in(score: symusic.Score) -> Meters:
    return meters_of(score, 1)


@pytest.mark.parametrize(
    ("meters", "meter", "regrouped"),
    [
        (((0, 1, 4),), "4/4", ((0, 4, 4),)),
        (((0, 2, 4), (1920, 3, 4)), "4/4", ((0, 4, 4),)),
        (((0, 1, 4), (480, 2, 4)), "4/4", ((0, 1, 4), (480, 4, 4))),
        (((0, 3, 8), (720, 4, 4), (2640, 6, 8)), "3/4", ((0, 3, 8), (720, 3, 4))),
        # A pickup of three quarters is a bar of 2/4 and a pickup of one.
        (((0, 3, 4), (1440, 4, 4)), "2/4", ((0, 1, 4), (480, 2, 4))),
        (((0, 2, 4), (960, 4, 4)), "2/4", ((0, 2, 4),)),
        ((), "6/8", ((0, 6, 8),)),
    ],
)
def test_bars_are_regrouped_from_the_first_bar_line(meters: Meters, meter: str, regrouped: Meters) -> None:
    before = sample_music.score([steady(8)], meters=meters)
    after = regroup(before, meter)
    assert meters_in(after) == regrouped
    assert meters_in(before) == (meters or ((0, 4, 4),))
    assert [tuple(n) for n in notes_of(after)] == [tuple(n) for n in notes_of(before)]


def notes_of(score: symusic.Score) -> list[tuple[int, int, int]]:
    return [(n.time, n.duration, n.pitch) for track in score.tracks for n in track.notes]


@given(
    pickup=st.tuples(st.integers(1, MAX_NUMERATOR), st.sampled_from(METER_DENOMINATORS)),
    meter=st.tuples(st.integers(1, MAX_NUMERATOR), st.sampled_from(METER_DENOMINATORS)),
)
def test_bar_lines_stay_where_the_first_one_is(pickup: tuple[int, int], meter: tuple[int, int]) -> None:
    first = 1920 * pickup[0] // pickup[1]
    length = 1920 * meter[0] // meter[1]
    score = sample_music.score([steady(8)], meters=((0, *pickup), (first, 255, 1)))
    name = f"{meter[0]}/{meter[1]}"
    bars = Bars(meters_in(regroup(score, name)))
    assert {bars.meter(0), bars.meter(first), bars.meter(10**6)} == {name}
    if first < min(length, 1920 * 255):
        assert bars.pickup == first
    if bars.pickup:
        assert bars.place(first) == 0


@pytest.mark.parametrize("text", ["4/4", "255/128", "1/1", "12/8"])
def test_a_meter_is_a_fraction(text: str) -> None:
    assert "/".join(map(str, meter_fraction(text))) == text
    assert ReadingOptions(meter=text).meter == text


@pytest.mark.parametrize("text", ["", "4", "4/", "/4", "4/4/4", "4-4", "0/4", "4/3", "256/4", "4/256", "-4/4", "٤/٤"])
def test_a_meter_that_is_none_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"^meter must be a fraction such as 4/4 or 6/8, .*, not "):
        ReadingOptions(meter=text)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[symusic.Score], Path]:
    def save(score: symusic.Score) -> Path:
        score.dump_midi(tmp_path / "piece.mid")
        return tmp_path / "piece.mid"

    return save


def test_reading_says_what_it_doubts_and_regroups_what_it_is_told_to(saved: Callable[[symusic.Score], Path]) -> None:
    path = saved(sample_music.score([steady(8)], meters=((0, 1, 4),)))
    doubted = reading.read_file(path)
    assert [r for r in doubted.remarks if "1/4 all through" in r]
    assert meters_in(doubted.score) == ((0, 1, 4),)
    told = reading.read_file(path, options=ReadingOptions(meter="4/4"))
    assert told.remarks == ()
    assert meters_in(told.score) == ((0, 4, 4),)
