"""The piano-roll picture: position and colour of every note, a bounded size, the same bytes each time."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import symusic
from numpy.typing import NDArray
from PIL import Image

from playbach.rendering import piano_roll
from playbach.rendering.canvas import COLOURS, PAPER
from playbach.rendering.piano_roll import _LEFT, _MIN_PLOT_WIDTH, draw, write
from playbach.system.errors import ScoreError

BLUE, ORANGE = (np.array(colour) for colour in COLOURS[:2])
Rows = list[tuple[int, int, int, int]]


def a_score(*tracks: Rows, meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),)) -> symusic.Score:
    score = symusic.Score(480)
    for meter in meters:
        score.time_signatures.append(symusic.TimeSignature(*meter))
    for i, notes in enumerate(tracks):
        track = symusic.Track(f"Voice {i + 1}", 0, False)
        for note in notes:
            track.notes.append(symusic.Note(*note))
        score.tracks.append(track)
    return score


def pixels(score: symusic.Score) -> NDArray[np.int64]:
    return np.asarray(draw(score)).astype(np.int64)


def where(picture: NDArray[np.int64], colour: NDArray[np.int64], tolerance: int = 12) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) around all pixels of that colour."""
    rows, columns = np.nonzero(np.abs(picture - colour).max(axis=2) <= tolerance)
    assert len(rows), "no pixel has this colour"
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_a_note_is_drawn_at_its_time_and_pitch() -> None:
    quarter = _MIN_PLOT_WIDTH / 4  # a single bar of 4/4
    left, _, right, _ = where(pixels(a_score([(0, 480, 60, 127)])), BLUE)
    late, _, end, _ = where(pixels(a_score([(960, 960, 60, 127)])), BLUE)
    assert left == pytest.approx(_LEFT + 1, abs=1.5)
    assert right - left == pytest.approx(quarter, abs=4)
    assert late - left == pytest.approx(2 * quarter, abs=1)
    assert end - late == pytest.approx(2 * quarter, abs=4)

    both = [(0, 480, 60, 127)], [(0, 480, 72, 127)]  # the second track an octave higher
    picture = pixels(a_score(*both))[70:]  # below the legend
    low, high = where(picture, BLUE), where(picture, ORANGE)
    height = low[3] - low[1] + 2
    assert low[1] - high[1] == pytest.approx(12 * height, rel=0.25)


def test_softer_notes_are_paler() -> None:
    def darkness(velocity: int) -> int:
        picture = pixels(a_score([(0, 1920, 60, velocity)]))
        _, _, _, row = where(pixels(a_score([(0, 1920, 60, 127)])), BLUE)
        return int(picture[row - 3, _LEFT + 100].sum())

    assert darkness(127) < darkness(80) < darkness(20) < sum(PAPER) - 100


def test_two_tracks_with_the_same_note_are_both_visible() -> None:
    picture = pixels(a_score([(0, 960, 60, 127)], [(0, 960, 60, 127)]))[70:]
    blue, orange = where(picture, BLUE), where(picture, ORANGE)
    assert blue[0] == orange[0] and blue[3] < orange[1]
    alone = where(pixels(a_score([(0, 960, 60, 127)], [(1900, 1, 60, 127)]))[70:], BLUE)
    assert alone[1] - 1 <= blue[1] and orange[3] <= alone[3] + 1  # together as high as one


def test_a_legend_is_drawn_for_two_tracks_but_not_for_one() -> None:
    one, two = draw(a_score([(0, 480, 60, 90)])), draw(a_score([(0, 480, 60, 90)], [(0, 480, 64, 90)]))
    assert two.height == one.height + piano_roll._LEGEND


def layout(score: symusic.Score) -> piano_roll.Layout:
    bars = piano_roll.Bars(piano_roll.meters_of(score, 1))
    return piano_roll._layout(piano_roll._notes(score), bars, 0)


def test_a_long_piece_wraps_at_bars_into_systems_of_similar_length() -> None:
    score = a_score([(120 * i, 120, 60 + i % 12, 90) for i in range(16 * 32)])
    systems = layout(score).systems
    assert 3 <= len(systems) <= piano_roll.MAX_SYSTEMS
    assert systems[0][0] == 0 and systems[-1][1] == 32 * 1920
    assert all(a[1] == b[0] and b[0] % 1920 == 0 for a, b in pairwise(systems))
    lengths = [end - start for start, end in systems]
    assert min(lengths) >= max(lengths) / 2


def test_a_pickup_belongs_to_the_first_system() -> None:
    notes = [(480 * i, 480, 60, 90) for i in range(1 + 4 * 24)]
    systems = layout(a_score(notes, meters=((0, 1, 4), (480, 4, 4)))).systems
    assert len(systems) > 1
    assert all(start % 1920 == 480 for start, _ in systems[1:])
    assert systems[0][1] == 480 + (systems[1][1] - systems[1][0])


def test_a_piece_with_changes_of_meter_or_only_a_pickup_is_complete() -> None:
    mixed = a_score([(0, 8000, 60, 90)], meters=((0, 4, 4), (1920, 7, 8), (1920 + 1680, 3, 4)))
    assert layout(mixed).systems[-1][1] >= 8000
    short = a_score([(0, 400, 60, 90)], meters=((0, 1, 4), (480, 4, 4)))
    assert layout(short).systems[0][0] == 0 and layout(short).is_complete


@pytest.mark.parametrize("notes", [5_000, 20_000])
def test_the_size_of_a_very_long_piece_is_bounded_and_the_picture_says_so(notes: int) -> None:
    score = a_score([(120 * i, 120, 30 + i % 60, 1 + i % 127) for i in range(notes)])
    picture = draw(score)
    assert picture.width <= 1700 and picture.height <= 9000
    assert not layout(score).is_complete
    remark = np.asarray(picture)[-piano_roll._REMARK - piano_roll._BOTTOM :]
    assert (remark.astype(int).sum(axis=2) < 600).any()


def test_all_pitches_drums_and_zero_lengths_can_be_drawn() -> None:
    score = a_score([(60 * i, i % 2, i, 100) for i in range(128)])
    score.tracks[0].is_drum = True
    assert draw(score).height < 1500


def test_drums_are_drawn_with_one_length() -> None:
    """Otherwise drums with very short notes would stretch the other tracks."""
    tune: Rows = [(t, 480, 60, 80) for t in range(0, 16 * 1920, 480)]
    hits, held = ([(t, d, 36, 80) for t in range(0, 16 * 1920, 240)] for d in (1, 240))
    scores = [a_score(tune, hits), a_score(tune, held)]
    for score in scores:
        score.tracks[1].is_drum = True
    assert np.array_equal(pixels(scores[0]), pixels(scores[1]))
    assert len(layout(scores[0]).systems) < len(layout(a_score(tune, hits)).systems)


def test_track_names_without_letters_are_left_out(tmp_path: Path) -> None:
    score = a_score([(0, 480, 60, 90)], [(0, 480, 64, 90)])
    score.tracks[0].name, score.tracks[1].name = "Cello", "------"
    write(score, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.info["Title"] == "Cello"


def test_the_file_has_comment_and_title_and_always_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write(a_score([(0, 480, 60, 90)]), tmp_path / f"{name}.png", comment='{"seed": 1}')
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.info["Comment"] == '{"seed": 1}'
        assert picture.info["Title"] == "Voice 1"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_empty_score_is_an_error() -> None:
    with pytest.raises(ScoreError, match="no notes"):
        draw(symusic.Score(480))
