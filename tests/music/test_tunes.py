"""Which pieces share a tune, and which do not, in memory and with buckets in files."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import pytest
import symusic

from helpers import sample_music
from playbach.music import tunes
from playbach.music.scores import transpose
from playbach.music.tunes import top_line, tune_groups


def from_pitches(pitches: Iterable[int], duration: int = 240) -> symusic.Score:
    return sample_music.score([[(i * duration, duration, p) for i, p in enumerate(pitches)]])


def one_tune(*scores: symusic.Score) -> bool:
    return len(set(tune_groups(scores))) == 1


def test_independent_melodies_are_different_tunes() -> None:
    assert tune_groups(sample_music.line(seed, 16) for seed in range(40)) == list(range(40))


def test_a_melody_transposed_is_the_same_tune() -> None:
    assert one_tune(sample_music.line(1), transpose(sample_music.line(1), 5), transpose(sample_music.line(1), -12))
    assert tune_groups([sample_music.line(1), sample_music.line(2), transpose(sample_music.line(1), 3)]) == [0, 1, 0]


def test_a_melody_in_another_rhythm_is_the_same_tune() -> None:
    melody = sample_music.melody(3)
    swung = sample_music.score([[(round(t * 1.5), d, p) for t, d, p in melody]])
    even = from_pitches(p for _, _, p in melody)
    assert one_tune(sample_music.score([melody]), swung, even)


def test_a_movement_divided_into_other_tracks_is_the_same_tune() -> None:
    melody, bass = sample_music.melody(4, low=60), sample_music.melody(5, low=36)
    apart = sample_music.score([melody, bass])
    together = sample_music.score([sorted(melody + bass)])
    turned = sample_music.score([bass, melody], names=("left", "right"), programs=(1, 2))
    halves = sample_music.score([melody[:20], melody[20:]])
    assert one_tune(apart, together, turned, halves)


def test_an_excerpt_is_the_same_tune() -> None:
    long = sample_music.melody(6, bars=32)
    middle = [(t - long[40][0], d, p) for t, d, p in long[40:70]]
    assert one_tune(sample_music.score([long]), sample_music.score([middle]))


def test_a_tune_in_another_setting_is_the_same_tune() -> None:
    soprano = sample_music.chorale(1).tracks[0]
    voices = [[(n.time, n.duration, n.pitch) for n in t.notes] for t in sample_music.chorale(2).tracks]
    other = sample_music.score([[(n.time, n.duration, n.pitch) for n in soprano.notes], *voices[1:]])
    assert one_tune(sample_music.chorale(1), other)
    assert not one_tune(sample_music.chorale(1), sample_music.chorale(2))


# The sopranos of four chorales by Bach: two of "Jesu, meine Freude", two of "Was mein Gott will".
BWV_81_7 = [
    *(71, 71, 69, 67, 66, 64, 71, 73, 74, 71, 76, 75, 76, 79, 78, 78, 76, 71, 71, 69, 67, 66, 64, 71, 73, 74, 71, 76),
    *(75, 76, 79, 78, 78, 76, 71, 71, 72, 71, 69, 69, 67, 71, 73, 74, 71, 76, 74, 73, 73, 71, 71, 71, 69, 67, 66, 64),
]
BWV_64_8 = [
    *(71, 71, 69, 67, 66, 64, 71, 71, 73, 75, 76, 75, 76, 79, 78, 78, 76, 71, 71, 69, 67, 66, 64, 71, 71, 73, 75, 76),
    *(75, 76, 79, 78, 78, 76, 71, 71, 72, 71, 69, 67, 67, 71, 73, 74, 71, 76, 74, 73, 71, 71, 71, 69, 67, 66, 64),
]
BWV_65_7 = [
    *(64, 67, 69, 67, 72, 72, 71, 72, 72, 71, 69, 74, 72, 71, 72, 71, 69, 64, 67, 69, 67, 72, 72, 71, 72, 72, 71, 69),
    *(74, 72, 71, 72, 71, 69, 69, 69, 69, 71, 69, 71, 67, 67, 66, 67, 67, 69, 71, 72, 71, 69, 71, 64, 66, 67, 69, 67),
    *(72, 72, 71, 72, 72, 71, 69, 74, 72, 71, 72, 71, 69),
]
BWV_244_25 = [
    *(66, 67, 69, 71, 69, 74, 74, 73, 74, 74, 73, 71, 76, 74, 73, 73, 71, 66, 67, 69, 71, 69, 74, 74, 73, 74, 74, 73),
    *(71, 76, 74, 73, 73, 71, 71, 71, 71, 73, 71, 69, 69, 68, 69, 69, 71, 73, 74, 73, 71, 73, 66, 67, 69, 71, 69, 74),
    *(74, 73, 74, 74, 73, 71, 76, 74, 73, 73, 71),
]


def test_a_tune_that_bach_varied_is_the_same_tune() -> None:
    """The settings differ in key and ornaments. In each pair about a quarter of the runs are the same."""
    assert tune_groups(map(from_pitches, (BWV_81_7, BWV_65_7, BWV_64_8, BWV_244_25))) == [0, 1, 0, 1]


def numbered_runs(*spans: tuple[int, int]) -> tunes.Runs:
    """Runs made up for a test: the numbers of each span. Two pieces have a run in common if both have its number."""
    return np.concatenate([np.arange(*span) for span in spans]).astype(np.uint64)


@pytest.mark.parametrize("length", [100, 5000])
def test_a_quarter_of_the_shorter_pieces_runs_makes_one_tune_and_a_seventh_does_not(length: int) -> None:
    short = numbered_runs((0, 100))
    assert tunes.groups_from_runs([short, numbered_runs((75, 75 + length))]) == [0, 0]
    assert tunes.groups_from_runs([numbered_runs((75, 75 + length)), short]) == [0, 0]
    assert tunes.groups_from_runs([short, numbered_runs((86, 86 + length))]) == [0, 1]


def test_two_pieces_share_a_tune_even_if_other_pieces_have_some_of_its_runs() -> None:
    first, last = numbered_runs((0, 40)), numbered_runs((0, 12), (100, 128))
    between = [numbered_runs((i, i + 4), (200 + 100 * i, 236 + 100 * i)) for i in (1, 4, 8)]
    assert tunes.groups_from_runs([first, *between, last]) == [0, 1, 2, 3, 0]


def test_a_piece_with_two_tunes_joins_them_in_any_order() -> None:
    one, other, both = numbered_runs((0, 40)), numbered_runs((50, 90)), numbered_runs((20, 70))
    assert tunes.groups_from_runs([one, other, both]) == [0, 0, 0]
    assert tunes.groups_from_runs([other, both, one]) == [0, 0, 0]
    assert tunes.groups_from_runs([numbered_runs((900, 940)), both, one, other]) == [0, 1, 1, 1]


def test_two_tunes_are_joined_by_a_piece_that_has_both() -> None:
    a, b = sample_music.melody(7, 12), sample_music.melody(8, 12)
    both = from_pitches([p for _, _, p in a] + [p for _, _, p in b])
    assert tune_groups([sample_music.score([a]), sample_music.score([b]), sample_music.line(9)]) == [0, 1, 2]
    assert tune_groups([sample_music.score([a]), sample_music.score([b]), sample_music.line(9), both]) == [0, 0, 2, 0]


def test_a_quotation_does_not_make_one_tune_of_two_long_pieces() -> None:
    a, b = ([p for _, _, p in sample_music.melody(seed, 40)] for seed in (10, 11))
    assert not one_tune(from_pitches(a), from_pitches(b[:60] + a[60:75] + b[75:]))


@pytest.mark.parametrize(
    "common",
    [
        [60] * 30,  # repeated notes
        [60 + i for i in range(20)],  # the chromatic scale
        [48, 50, 52, 53, 55, 57, 59, 60, 62, 64, 65, 67, 69, 71, 72],  # the major scale
        [72, 71, 69, 67, 65, 64, 62, 60, 59, 57, 55, 53, 52, 50, 48],
        [60, 62] * 12,  # a trill
    ],
)
def test_scales_and_repeated_notes_do_not_join_pieces(common: list[int]) -> None:
    a, b = ([p for _, _, p in sample_music.melody(seed)] for seed in (12, 13))
    assert not one_tune(from_pitches(a + common), from_pitches(common + b))


def test_melodies_in_repeated_notes_are_different_tunes() -> None:
    a, b = ([p for _, _, p in sample_music.melody(seed) for _ in range(9)] for seed in (14, 15))
    assert not one_tune(from_pitches(a), from_pitches(b))
    assert one_tune(from_pitches(a), from_pitches(a))


def test_very_short_pieces_share_a_tune_only_if_their_intervals_are_equal() -> None:
    assert one_tune(from_pitches([60, 62, 64]), from_pitches([70, 72, 74]))
    assert not one_tune(from_pitches([60, 62, 64]), from_pitches([60, 62, 65]))
    assert tune_groups([]) == []


def test_a_tune_that_very_many_pieces_share_is_found() -> None:
    assert set(tune_groups(transpose(sample_music.line(1, 4), k % 12) for k in range(150))) == {0}


def test_the_top_line_has_the_top_notes_of_the_highest_track_with_enough_notes() -> None:
    low = [(i * 480, 480, 40 + i) for i in range(10)]
    high = [(i * 480, 480, 70 + i) for i in range(10)]
    assert top_line(sample_music.score([low, high])) == [p for _, _, p in high]
    assert top_line(sample_music.score([low, [(0, 480, 100)]])) == [p for _, _, p in low]  # one bell is no melody
    chords = sample_music.score([[*high, *((t, d, p - 12) for t, d, p in high)]])
    assert top_line(chords) == [p for _, _, p in high]
    under = sample_music.score([[(0, 960, 72), (480, 480, 60), (960, 480, 71), (1440, 480, 50)]])
    assert top_line(under) == [72, 71, 50]  # the 60 begins under a note that still sounds
    drums = sample_music.score([high])
    drums.tracks[0].is_drum = True
    assert top_line(drums) == []


@pytest.mark.parametrize("rows", [50, 1000, 1 << 20])
def test_buckets_in_files_give_the_same_groups(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(tunes, "ROWS_IN_MEMORY", rows)
    kinds = [random.Random(i).randrange(40) for i in range(160)]
    scores = [transpose(sample_music.line(kind, 6), i % 7) for i, kind in enumerate(kinds)]
    assert tunes.tune_groups(scores) == [kinds.index(kind) for kind in kinds]


def test_a_table_returns_all_rows_in_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunes, "ROWS_IN_MEMORY", 100)
    rng = np.random.default_rng(1)
    data = rng.integers(0, 1 << 63, (1234, 2), np.uint64)
    data[::3, 0] = data[0, 0]
    with tunes._Table(2) as table:
        for part in np.array_split(data, 17):
            table.add(part)
        found = list(table.buckets())
    assert len(found) > 30
    assert sorted(map(tuple, np.concatenate(found).tolist())) == sorted(map(tuple, data.tolist()))
    firsts = [set(rows[:, 0].tolist()) for rows in found]
    assert sum(map(len, firsts)) == len(set().union(*firsts)), "rows with the same first number are in one bucket"


def test_each_run_is_returned_once_and_no_interval_overflows() -> None:
    scale = [60, 62, 64, 65, 67, 69, 71, 72, 74]
    line = [*scale, *scale, 0, 127]
    # Two of the twelve runs are those of the scale, which has only two different intervals.
    assert len(tunes.interval_runs(line)) == 10
    assert len(tunes.interval_runs([*line, *line])) == 10 + 8
    assert tunes.interval_runs([127, 0, 127]).tolist() != tunes.interval_runs([0, 127, 0]).tolist()
    assert tunes.interval_runs([]).tolist() == tunes.interval_runs([5]).tolist()
