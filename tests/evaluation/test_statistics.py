"""Statistics of scores, on music small enough to count by hand, and what holds for any music."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach.evaluation import statistics
from playbach.evaluation.statistics import distance
from playbach.music.scores import transpose
from playbach.music.sounding import BarLines, SoundingNotes, bars_of

BAR = 1920
CHORD = (48, 55, 64, 72)


def choir(*pitches: list[int], quarters: int = 1) -> symusic.Score:
    """A score of voices that strike a new note each time, -1 is a rest; each note lasts `quarters`."""
    length = 480 * quarters
    return sample_music.score([[(length * i, length, p) for i, p in enumerate(v) if p >= 0] for v in pitches])


def drummed(hits: list[int]) -> symusic.Score:
    """A score of drums alone, with hits at these quarters."""
    score = sample_music.score([[(480 * quarter, 240, 36) for quarter in hits]])
    score.tracks[0].is_drum = True
    return score


def repeated(bar: list[tuple[int, int, int]], times: int) -> symusic.Score:
    """A bar of notes (onset, duration, pitch) several times."""
    return sample_music.score([[(BAR * i + onset, length, p) for i in range(times) for onset, length, p in bar]])


def silence_of(score: symusic.Score) -> float:
    return statistics.longest_silence(SoundingNotes.of(score, drums=True))


NOTE = st.tuples(st.integers(0, 12 * 16 - 1), st.integers(1, 24), st.integers(12, 115)).map(
    lambda note: (note[0] * 120, note[1] * 120, note[2])
)
METERS = st.sampled_from([((0, 4, 4),), ((0, 3, 4),), ((0, 1, 4), (480, 4, 4)), ((0, 4, 4), (2 * BAR, 6, 8))])


@st.composite
def scores(draw: st.DrawFn) -> symusic.Score:
    """Up to three parts, the last of which may be drums, in several meters; any of them may be empty."""
    tracks = draw(st.lists(st.lists(NOTE, max_size=12), max_size=3))
    score = sample_music.score(tracks, meters=draw(METERS), programs=(0, 40, 42))
    if score.tracks:
        score.tracks[-1].is_drum = draw(st.booleans())
    return score


STATISTICS: dict[str, tuple[Callable[[symusic.Score], float | None], float, float]] = {
    "range": (lambda s: statistics.pitch_range(SoundingNotes.of(s)), 0, 127),
    "entropy of 1 bar": (lambda s: statistics.pitch_class_entropy(s, 1), 0, math.log2(12)),
    "entropy of 4 bars": (lambda s: statistics.pitch_class_entropy(s, 4), 0, math.log2(12)),
    "density": (statistics.notes_a_quarter, 0, math.inf),
    "polyphony": (statistics.polyphony, 1, 128),
    "parts in a bar": (statistics.parts_in_a_bar, 0, 3),
    "silence": (silence_of, 0, math.inf),
    "silent": (lambda s: statistics.silent_share(SoundingNotes.of(s, drums=True)), 0, 1),
    "rest": (lambda s: statistics.longest_rest(SoundingNotes.of(s, drums=True)), 0, math.inf),
    "repetition": (lambda s: statistics.longest_repetition(statistics.lines_of(SoundingNotes.of(s))), 0, math.inf),
    "repeated": (lambda s: statistics.repeated_share(statistics.lines_of(SoundingNotes.of(s))), 0, 1),
    "alike, 1 apart": (lambda s: statistics.bar_similarity(s, 1), 0, 1),
    "alike, 8 apart": (lambda s: statistics.bar_similarity(s, 8), 0, 1),
    "groove": (statistics.groove_similarity, 0, 1),
    "triad": (statistics.ends_in_triad, 0, 1),
    "tonic": (statistics.ends_on_tonic, 0, 1),
    "together": (statistics.ends_together, 0, 1),
}
"""Each statistic of one score, with its least and greatest value."""


# -------------------------------------------------------------------------------------------------- of any music


@pytest.mark.parametrize("name", STATISTICS)
@settings(max_examples=25)
@given(score=scores())
def test_a_statistic_keeps_its_range_in_every_key(name: str, score: symusic.Score) -> None:
    statistic, low, high = STATISTICS[name]
    found = statistic(score)
    assert found is None or low <= found <= high + 1e-9
    if name != "tonic":  # of keys that fit equally well the lowest is taken
        assert statistic(transpose(score, 5)) == (None if found is None else pytest.approx(found))


@given(score=scores())
def test_a_bar_hash_is_the_same_in_every_key(score: symusic.Score) -> None:
    assert list(bars_of(transpose(score, 5))) == list(bars_of(score))


@given(notes=st.lists(NOTE, min_size=1, max_size=8), times=st.integers(9, 12))
def test_bars_that_repeat_are_entirely_alike(notes: list[tuple[int, int, int]], times: int) -> None:
    score = repeated([(onset % BAR, 60, pitch) for onset, _, pitch in notes], times)
    assert all(statistics.bar_similarity(score, d) == 1 for d in (1, 2, 4, 8))
    assert statistics.groove_similarity(score) == 1
    assert len(set(bars_of(score))) <= 1
    assert statistics.pitch_class_entropy(score, 1) == pytest.approx(statistics.pitch_class_entropy(score, 4))


@given(score=scores(), bars=st.integers(1, 6))
def test_excerpts_are_as_long_as_they_say(score: symusic.Score, bars: int) -> None:
    found = statistics.excerpts(score, bars)
    whole = SoundingNotes.of(score)
    lines = BarLines.of(score)
    assert len(found) == max(1, (len(lines) - 1 + lines.first) // bars)
    assert all(len(part) <= len(whole) for part in found)
    if len(found) > 1:
        starts = lines.start[lines.full][::bars]
        assert all(part.end.max(initial=0) <= b - a for part, (a, b) in zip(found, pairwise(starts)))


@pytest.mark.parametrize("name", STATISTICS)
def test_music_with_nothing_in_it_has_no_statistics(name: str) -> None:
    statistic = STATISTICS[name][0]
    assert not statistic(sample_music.score([]))
    assert not statistic(sample_music.score([[], []]))


def test_of_drums_there_is_what_needs_no_pitch() -> None:
    drums = drummed([0, 1, 2, 3, 6])
    known = {name for name, (statistic, _, _) in STATISTICS.items() if statistic(drums)}
    assert known == {"density", "parts in a bar", "silence", "silent", "rest", "groove"}
    assert silence_of(drums) == 2.5


def test_one_bar_has_no_other_bar_to_be_like() -> None:
    bar = choir([60, 62, 64, 65])
    assert statistics.bar_similarity(bar, 1) is None and statistics.groove_similarity(bar) is None
    assert statistics.pitch_class_entropy(bar, 4) is None
    assert statistics.pitch_class_entropy(bar, 1) == 2


# ---------------------------------------------------------------------------------------------- repetition, silence


def test_repetitions_are_within_a_part() -> None:
    lines = statistics.lines_of(SoundingNotes.of(choir([72, 72, 72, 74, 72], [72, 67, 69, 69, 67])))
    assert statistics.longest_repetition(lines) == 3
    assert statistics.repeated_share(lines) == 3 / 8


def test_silences_and_rests_by_hand() -> None:
    piece = choir([72, -1, -1, 74], [60, 62, -1, 60])
    everything = SoundingNotes.of(piece)
    assert (statistics.longest_silence(everything), statistics.longest_rest(everything)) == (1, 2)
    assert statistics.silent_share(everything) == 1 / 4
    assert silence_of(sample_music.score([[(960, 480, 60), (1440, 480, 60), (3360, 480, 60)]])) == 3
    assert silence_of(sample_music.score([[(1920, 480, 60), (3360, 480, 60)]])) == 4  # before the first note


def test_a_silence_is_one_of_all_notes_that_sound() -> None:
    covered = sample_music.score([[(0, 1920, 60), (0, 480, 64), (1920, 480, 60)]])
    assert silence_of(covered) == 0


# ------------------------------------------------------------------------------------------------------- density


def test_density_by_hand() -> None:
    piece = choir([72, 74, 76, 72], [60, -1, 60, -1])
    assert statistics.notes_a_quarter(piece) == 1.5
    assert statistics.polyphony(piece) == 1.5
    assert statistics.parts_in_a_bar(choir([60] * 8, [48] * 4)) == 1.5
    assert statistics.pitch_range(SoundingNotes.of(piece)) == 16


def test_a_unison_is_one_pitch() -> None:
    assert statistics.polyphony(choir([60, 62], [60, 62])) == 1


# ------------------------------------------------------------------------------------------------------ bar by bar


def test_the_likeness_of_bars_by_hand() -> None:
    """Two of four notes are at the same place; six are in either bar."""
    assert statistics.bar_similarity(choir([60, 62, 64, 65, 72, 67, 64, 60]), 1) == 2 / 6
    assert statistics.bar_similarity(choir([60, 62, 64, 65, -1, -1, -1, -1, 60, 62, 64, 65]), 1) == 0
    assert statistics.bar_similarity(choir([60, 62, 64, 65, -1, -1, -1, -1, 60, 62, 64, 65]), 2) == 1


def test_the_likeness_of_rhythms_by_hand() -> None:
    """Of 64 places two have a note in one bar alone."""
    assert statistics.groove_similarity(choir([60, 62, 64, 65, 60, -1, 60, -1])) == 1 - 2 / 64
    assert statistics.groove_similarity(choir([60, 62, 64, 65, 48, 50, 52, 53])) == 1


def test_a_pickup_is_no_bar_to_compare() -> None:
    pickup = sample_music.score([[(480 * i, 480, 60) for i in range(9)]], meters=((0, 1, 4), (480, 4, 4)))
    assert statistics.bar_similarity(pickup, 1) == statistics.groove_similarity(pickup) == 1
    two = sample_music.score([[(0, 240, 60), (240, 240, 62), (480, 960, 60)]], meters=((0, 1, 4), (480, 4, 4)))
    assert statistics.pitch_class_entropy(two, 1) == 0


def test_entropy_by_hand() -> None:
    piece = choir([60, 60, 67, 67] + [62] * 4 + [64] * 4 + [65] * 4)
    assert statistics.pitch_class_entropy(piece, 1) == pytest.approx(1 / 4)
    assert statistics.pitch_class_entropy(piece, 4) == pytest.approx(3 * 1 / 4 * 2 + 2 * 1 / 8 * 3)


# ----------------------------------------------------------------------------------------------------- copied bars

MOVING = ([72, 74, 76, 77], [67, 67, 67, 67], [64, 62, 60, 60], [48, 50, 52, 53])


def test_a_bar_is_the_same_in_any_key_and_on_any_instruments() -> None:
    there = list(bars_of(choir(*MOVING)))
    together = sample_music.score([[n for part in MOVING for n in [(480 * i, 480, p) for i, p in enumerate(part)]]])
    other = choir(*([p + (i == 3) for i, p in enumerate(part)] for part in MOVING))
    assert len(there) == 1 and there == list(bars_of(together)) != list(bars_of(other))


def test_a_pickup_and_a_held_chord_are_nobodys() -> None:
    assert not list(bars_of(choir([60] * 4, [55] * 4, [52] * 4, [48] * 4)))
    parts = [[(480 * i, 480, p + i) for i in range(8)] for p in (72, 67, 64, 48)]
    pickup = sample_music.score(parts, meters=((0, 2, 4), (960, 4, 4)))
    assert len(list(bars_of(pickup))) == 2  # a full bar, and two quarters


def test_a_chord_that_stops_is_a_change() -> None:
    assert len(list(bars_of(sample_music.score([[(0, 480, 60), (BAR, BAR, 60)]])))) == 1


def test_a_note_held_over_a_bar_line_is_in_both_bars() -> None:
    held = sample_music.score([[(0, BAR + 960, 60), (BAR + 960, 960, 64), (2 * BAR, BAR, 60)]])
    struck = sample_music.score([[(0, 960, 60), (960, 960, 64), (BAR, BAR, 60)]])
    assert list(bars_of(held)) == list(bars_of(struck))


def test_a_rest_is_not_a_pitch() -> None:
    silent = tuple([-1 if i else p for i, p in enumerate(part)] if v == 3 else part for v, part in enumerate(MOVING))
    assert list(bars_of(choir(*silent))) != list(bars_of(choir(*MOVING)))


# ------------------------------------------------------------------------------------------------------- endings


@pytest.mark.parametrize(
    ("chord", "final"),
    [
        ([72, 67, 64, 48], True),  # C major
        ([72, 69, 64, 57], True),  # A minor
        ([72, 64, 60, 48], True),  # without its fifth
        ([67, 67, 60, 48], False),  # without its third
        ([71, 67, 65, 55], False),  # a seventh
        ([72, -1, 64, 48], True),  # one voice has ended
    ],
)
def test_final_triads(chord: list[int], final: bool) -> None:
    assert statistics.ends_in_triad(choir(*([60, pitch] for pitch in chord))) is final


def test_what_is_held_belongs_to_the_last_chord() -> None:
    assert statistics.last_chord(sample_music.score([[(0, BAR, 60), (480, 480, 65), (960, 960, 64)]])) == [60, 64]


@pytest.mark.parametrize(("last", "tonic"), [(48, True), (55, False)])
def test_endings_on_the_tonic(last: int, tonic: bool) -> None:
    """A scale in C, which ends on the bass's C or G."""
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    for shift in (0, 5):
        notes = [(480 * i, 480, p + shift) for i, p in enumerate([*scale, *scale[::-1], 64])]
        notes += [(480 * 16, 480, last + shift)]
        assert statistics.ends_on_tonic(sample_music.score([notes])) is tonic


@pytest.mark.parametrize(
    ("parts", "together"),
    [
        ([[(0, BAR, 60)], [(960, 960, 48)]], True),  # released together
        ([[(0, 480, 62), (480, 480, 60)], [(480, 960, 48)]], True),  # begun together
        ([[(0, 480, 60)], [(480, 960, 48)]], False),
        ([[(0, 480, 60)], [(0, 480, 64), (4 * BAR, 480, 48)]], True),  # the other has ended long before
        ([[(0, BAR, 60)], [(960, 950, 48)]], True),  # nobody hears ten ticks
        ([[(0, BAR, 60)]], None),
    ],
)
def test_parts_that_end_together(parts: list[list[tuple[int, int, int]]], together: bool | None) -> None:
    assert statistics.ends_together(sample_music.score(parts)) is together


# ------------------------------------------------------------------------------------------------------ histograms


def test_distances_by_hand() -> None:
    assert distance({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}) == 0
    assert distance({1: 1.0}, {2: 1.0}) == 1
    assert distance({1: 0.5, 2: 0.5}, {1: 0.75, 3: 0.25}) == 0.5


def test_pitch_classes_are_counted_from_the_tonic() -> None:
    pieces = [sample_music.line(1, tonic=shift) for shift in (0, 4)]
    one, other = (statistics.degrees([piece]) for piece in pieces)
    assert one == other and sum(one.values()) == pytest.approx(1)
    assert statistics.degrees(pieces) == pytest.approx(one)


def test_durations_are_shares_of_notes() -> None:
    assert statistics.durations(
        [sample_music.score([[(0, 480, 60), (480, 480, 62), (960, 240, 64)]])]
    ) == pytest.approx({480: 2 / 3, 240: 1 / 3})


def test_drums_have_no_pitch() -> None:
    piece = sample_music.line(1)
    before = statistics.degrees([piece])
    piece.tracks.append(symusic.Track("drums", 0, True))
    piece.tracks[-1].notes.append(symusic.Note(0, 60, 37, 90))
    assert statistics.degrees([piece]) == before
