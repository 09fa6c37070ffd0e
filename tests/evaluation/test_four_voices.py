"""Statistics of four voices, on music small enough to count by hand."""

from __future__ import annotations

import pytest

from helpers import sample_music
from playbach.evaluation import four_voices


def voices(*pitches: list[int]) -> four_voices.Grid:
    """A grid of voices that strike a new note each quarter; -1 is a rest."""
    parts = [[(4 * i, 4 * i + 4, p) for i, p in enumerate(part) if p >= 0] for part in pitches]
    return four_voices.grid_of(parts)


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
    assert four_voices.parallels(grid, four_voices.FIFTH) == fifths
    assert four_voices.parallels(grid, four_voices.OCTAVE) == octaves


def test_every_pair_of_voices_is_looked_at() -> None:
    assert four_voices.parallels(voices([67, 69], [64, 65], [60, 62], [48, 50]), four_voices.FIFTH) == 2
    assert four_voices.parallels(voices([67, 69], [64, 65], [60, 62], [48, 50]), four_voices.OCTAVE) == 1


def test_crossings_are_counted_in_sixteenths() -> None:
    assert four_voices.crossings(voices([60, 60], [62, 60])) == 4
    assert four_voices.crossings(voices([-1, 60], [62, 55])) == 0


def test_holds_are_what_does_not_begin() -> None:
    assert (
        four_voices.held_sixteenths(four_voices.grid_of([[(0, 4, 60), (6, 8, 60)]])) == 5
    )  # 3 of a note, 1 of the rest, 1 of a note


def test_a_score_becomes_a_grid() -> None:
    score = sample_music.chorale(0)
    grid = four_voices.grid_of_score(score)
    assert grid.pitch.shape == (4, 128)  # 30 beats, the last of them three long
    assert int(grid.onset.sum()) == score.note_num()
    assert grid.bars[3:5].tolist() == [0, 1] and grid.bars[-1] == 8
