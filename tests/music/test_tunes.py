"""Which pieces share a tune: what is one and what is not, also when there are so many pieces that they are compared
bucket by bucket."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
import symusic

from helpers import sample_music
from playbach.music import tunes
from playbach.music.scores import transposed
from playbach.music.tunes import top_line, tune_groups


def from_pitches(pitches: Iterable[int], duration: int = 240) -> symusic.Score:
    return sample_music.score([[(i * duration, duration, p) for i, p in enumerate(pitches)]])


def one_tune(*scores: symusic.Score) -> bool:
    return len(set(tune_groups(scores))) == 1


def test_independent_melodies_stay_apart() -> None:
    assert tune_groups(sample_music.line(seed, 16) for seed in range(40)) == list(range(40))


def test_a_melody_transposed_is_the_same_tune() -> None:
    assert one_tune(sample_music.line(1), transposed(sample_music.line(1), 5), transposed(sample_music.line(1), -12))
    assert tune_groups([sample_music.line(1), sample_music.line(2), transposed(sample_music.line(1), 3)]) == [0, 1, 0]


def test_a_melody_in_another_rhythm_is_the_same_tune() -> None:
    melody = sample_music.melody(3)
    swung = sample_music.score([[(round(t * 1.5), d, p) for t, d, p in melody]])
    even = from_pitches(p for _, _, p in melody)
    assert one_tune(sample_music.score([melody]), swung, even)


def test_a_movement_split_over_other_tracks_is_the_same_tune() -> None:
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


def test_tunes_join_in_chains() -> None:
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


def test_melodies_in_repeated_notes_stay_apart() -> None:
    a, b = ([p for _, _, p in sample_music.melody(seed) for _ in range(9)] for seed in (14, 15))
    assert not one_tune(from_pitches(a), from_pitches(b))
    assert one_tune(from_pitches(a), from_pitches(a))


def test_very_short_pieces_are_one_tune_only_where_they_are_the_same() -> None:
    assert one_tune(from_pitches([60, 62, 64]), from_pitches([70, 72, 74]))
    assert not one_tune(from_pitches([60, 62, 64]), from_pitches([60, 62, 65]))
    assert tune_groups([]) == []


def test_a_tune_that_very_many_pieces_share_is_found() -> None:
    assert set(tune_groups(transposed(sample_music.line(1, 4), k % 12) for k in range(150))) == {0}


def test_the_top_line_is_the_skyline_of_the_highest_track_that_matters() -> None:
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


@pytest.mark.parametrize("held", [50, 1000, 1 << 20])
def test_buckets_in_files_find_the_same(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(tunes, "HELD", held)
    kinds = [random.Random(i).randrange(40) for i in range(160)]
    scores = [transposed(sample_music.line(kind, 6), i % 7) for i, kind in enumerate(kinds)]
    assert tunes.tune_groups(scores) == [kinds.index(kind) for kind in kinds]


def test_a_table_gives_back_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(tunes, "HELD", 100)
    rng = np.random.default_rng(1)
    given = rng.integers(0, 1 << 63, (1234, 2), np.uint64)
    given[::3, 0] = given[0, 0]
    with tunes._Table(2) as table:
        for part in np.array_split(given, 17):
            table.add(part)
        found = list(table.buckets())
    assert len(found) > 30
    assert sorted(map(tuple, np.concatenate(found).tolist())) == sorted(map(tuple, given.tolist()))
    firsts = [set(rows[:, 0].tolist()) for rows in found]
    assert sum(map(len, firsts)) == len(set().union(*firsts)), "rows of one first number come together"


def test_runs_are_each_once_and_tell_every_interval() -> None:
    scale = [60, 62, 64, 65, 67, 69, 71, 72, 74]
    line = [*scale, *scale, 0, 127]
    # Of twelve runs the scale's own two count for nothing, having only two intervals.
    assert len(tunes.runs_of(line)) == 10
    assert len(tunes.runs_of([*line, *line])) == 10 + 8
    assert tunes.runs_of([127, 0, 127]).tolist() != tunes.runs_of([0, 127, 0]).tolist()
    assert tunes.runs_of([]).tolist() == tunes.runs_of([5]).tolist()
