"""Statistics of scores, on music small enough to count by hand."""

from __future__ import annotations

import pytest
import symusic

from helpers import sample_music
from playbach.evaluation import statistics
from playbach.evaluation.statistics import Reference, bars_of, distance, measures_of
from playbach.system.errors import ScoreError


def voices(*pitches: list[int]) -> statistics.Grid:
    """A grid of voices that strike a new note each quarter; -1 is a rest."""
    parts = [[(4 * i, 4 * i + 4, p) for i, p in enumerate(part) if p >= 0] for part in pitches]
    return statistics.grid_of(parts)


def choir(*pitches: list[int], quarters: int = 1) -> symusic.Score:
    """The same as a score, soprano first; each note lasts `quarters`."""
    length = 480 * quarters
    parts = [[(length * i, length, p) for i, p in enumerate(part) if p >= 0] for part in pitches]
    return sample_music.score(parts, names=("Soprano", "Alto", "Tenor", "Bass"))


# ------------------------------------------------------------------------------------------------- in four voices


@pytest.mark.parametrize(
    ("upper", "lower", "fifths", "octaves"),
    [
        ([67, 69], [60, 62], 1, 0),  # G over C, then A over D
        ([79, 81], [60, 62], 1, 0),  # an octave further apart
        ([72, 74, 76], [60, 62, 64], 0, 2),
        ([60, 62], [60, 62], 0, 1),  # in unison
        ([67, 67], [60, 60], 0, 0),  # repeated notes
        ([67, 62], [60, 67], 0, 0),  # contrary motion
        ([67, 69], [60, 60], 0, 0),  # one voice stays
        ([67, 69], [60, 65], 0, 0),  # from a fifth to a third
        ([67, 71], [60, 65], 0, 0),  # to a tritone
        ([67, -1, 69], [60, -1, 62], 0, 0),  # a rest between
    ],
)
def test_parallels(upper: list[int], lower: list[int], fifths: int, octaves: int) -> None:
    grid = voices(upper, lower)
    assert statistics.parallels(grid, statistics.FIFTH) == fifths
    assert statistics.parallels(grid, statistics.OCTAVE) == octaves


def test_every_pair_of_voices_is_looked_at() -> None:
    assert statistics.parallels(voices([67, 69], [64, 65], [60, 62], [48, 50]), statistics.FIFTH) == 2
    assert statistics.parallels(voices([67, 69], [64, 65], [60, 62], [48, 50]), statistics.OCTAVE) == 1


def test_crossings_are_counted_in_sixteenths() -> None:
    assert statistics.crossings(voices([60, 60], [62, 60])) == 4
    assert statistics.crossings(voices([-1, 60], [62, 55])) == 0


def test_holds_are_what_does_not_begin() -> None:
    assert (
        statistics.held_sixteenths(statistics.grid_of([[(0, 4, 60), (6, 8, 60)]])) == 5
    )  # 3 of a note, 1 of the rest, 1 of a note


@pytest.mark.parametrize(
    ("chord", "sounds_final"),
    [
        ([72, 67, 64, 48], True),  # C major
        ([72, 69, 64, 57], True),  # A minor
        ([72, 64, 60, 48], True),  # without its fifth
        ([67, 67, 60, 48], False),  # without its third
        ([71, 67, 65, 55], False),  # a seventh
        ([72, -1, 64, 48], False),  # one voice has ended
    ],
)
def test_final_triads(chord: list[int], sounds_final: bool) -> None:
    assert statistics.ends_in_triad(voices(*([60, pitch] for pitch in chord))) is sounds_final


# ----------------------------------------------------------------------------------------------------- copied bars

MOVING = ([72, 74, 76, 77], [67, 67, 67, 67], [64, 62, 60, 60], [48, 50, 52, 53])


def test_a_bar_is_the_same_in_any_key() -> None:
    there = list(bars_of(voices(*MOVING)))
    higher = list(bars_of(voices(*([p + 3 for p in part] for part in MOVING))))
    other = list(bars_of(voices(*([p + (i == 3) for i, p in enumerate(part)] for part in MOVING))))
    assert len(there) == 1 and there == higher != other


def test_a_pickup_and_a_held_chord_are_nobodys() -> None:
    assert not list(bars_of(voices([60] * 4, [55] * 4, [52] * 4, [48] * 4)))
    parts = [[(4 * i, 4 * i + 4, p + i) for i in range(8)] for p in (72, 67, 64, 48)]
    pickup = statistics.grid_of(parts, ((0, 2, 4), (960, 4, 4)))
    assert [len(bar) for bar in bars_of(pickup)] == [4 * 16 + 1, 4 * 8 + 1]  # a full bar, and two quarters


def test_a_rest_is_not_a_pitch() -> None:
    silent = tuple([-1 if i else p for i, p in enumerate(part)] if v == 3 else part for v, part in enumerate(MOVING))
    assert list(bars_of(voices(*silent))) != list(bars_of(voices(*MOVING)))


def test_copies_are_counted() -> None:
    mine, same, other = choir(*MOVING), choir(*([p + 2 for p in part] for part in MOVING)), sample_music.chorale(3)
    assert measures_of([same], True, Reference.of([mine], True)).copied_bars == 1
    assert measures_of([other], True, Reference.of([mine], True)).copied_bars == 0
    assert measures_of([other], True).copied_bars is None


# --------------------------------------------------------------------------------------------------- in any score


def test_repetitions_and_silences() -> None:
    piece = choir([72, 72, 72, 74, 72], [67, 67, 69, 69, 67], [64, -1, -1, 64, 65], [48, 50, 48, 50, 48])
    found = measures_of([piece], True)
    assert found.longest_repetition == found.usual_repetition == 3
    assert found.longest_silence == found.usual_silence == 2
    line = sample_music.score([[(960, 480, 60), (1440, 480, 60), (3360, 480, 60)]])
    found = measures_of([line], False)
    assert (found.longest_repetition, found.longest_silence) == (3, 3)


def test_a_silence_is_one_of_all_notes_that_sound() -> None:
    covered = sample_music.score([[(0, 1920, 60), (0, 480, 64), (1920, 480, 60)]])
    assert measures_of([covered], False).longest_silence == 0


@pytest.mark.parametrize(("last", "tonic"), [(48, True), (55, False)])
def test_endings_on_the_tonic(last: int, tonic: bool) -> None:
    """A scale in C, which ends on the bass's C or G."""
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    for shift in (0, 5):
        notes = [(480 * i, 480, p + shift) for i, p in enumerate([*scale, *scale[::-1], 64])]
        notes += [(480 * 16, 480, last + shift)]
        assert statistics.ends_on_tonic(sample_music.score([notes])) is tonic


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


# ----------------------------------------------------------------------------------------------------- all at once


def test_a_score_becomes_a_grid() -> None:
    score = sample_music.chorale(0)
    grid = statistics.grid_of_score(score)
    assert grid.pitch.shape == (4, 128)  # 30 beats, the last of them three long
    assert int(grid.onset.sum()) == score.note_num()
    assert grid.bars[3:5].tolist() == [0, 1] and grid.bars[-1] == 8


def test_measures_of_a_known_piece() -> None:
    piece = choir([72, 74, 76, 72], [67, 67, 67, 67], [64, 62, 60, 64], [48, 50, 52, 48])
    found = measures_of([piece, piece], True)
    assert (found.pieces, found.notes) == (2, 32)
    assert found.notes_a_bar == (4, 4, 4, 4)
    assert found.highest == (76, 67, 64, 52) and found.lowest == (72, 67, 60, 48)
    assert found.held == 0.75
    assert found.longest_repetition == 4
    assert found.ends_in_triad == 1
    assert found.octaves == pytest.approx(1000 * 3 / 16)
    assert found.crossings == 0
    assert found.degree_distance is None


def test_a_piece_is_nearest_to_itself() -> None:
    mine, other = [sample_music.line(1)], [sample_music.line(2, bars=30)]
    reference = Reference.of(mine, False)
    same, far = measures_of(mine, False, reference), measures_of(other, False, reference)
    assert (same.degree_distance, same.duration_distance) == (0, 0)
    assert far.degree_distance and far.duration_distance
    assert same.notes_a_bar is None and same.copied_bars is None


def test_what_is_not_four_voices_is_refused() -> None:
    with pytest.raises(ScoreError, match="four voices"):
        measures_of([sample_music.line(1)], True)


def test_every_measure_has_words() -> None:
    assert list(statistics.MEASURE_LABELS) == list(statistics.Measures.__dataclass_fields__)
    assert set(statistics.PERCENTAGES) < set(statistics.MEASURE_LABELS)
