"""The main tempo of a score."""

from __future__ import annotations

import pytest
import symusic

from helpers import sample_music
from playbach.music.bars import tempo_of


def score(*tempos: tuple[float, float], first: int = 0, quarters: int = 16) -> symusic.Score:
    """A piece of quarter notes with these tempos, each with the quarter at which it begins."""
    made = sample_music.score([[(t * 480, 480, 60) for t in range(first, first + quarters)]])
    made.tempos.clear()
    for quarter, qpm in tempos:
        made.tempos.append(symusic.Tempo(int(quarter * 480), qpm=qpm))
    return made


@pytest.mark.parametrize(
    ("tempos", "main"),
    [
        ([], 80),
        ([(0, 93)], 93),
        ([(0, 60), (12, 120)], 60),
        # Rubato: no tempo comes twice but the one of the last chord.
        ([*((i, 75 + (-1) ** i * (i % 5)) for i in range(14)), (14, 27)], 75),
        # Four bars at 40 take longer than eight at 100.
        ([(0, 100), (10, 40)], 40),
        # A fast run of ornaments has many ticks and takes little time.
        ([(0, 60), (7, 400)], 60),
        # The last of several tempos at one tick holds.
        ([(0, 90), (0, 120)], 120),
        # Until the first tempo, MIDI plays 120.
        ([(15, 60)], 120),
    ],
)
def test_the_main_tempo_is_the_median_by_time(tempos: list[tuple[float, float]], main: float) -> None:
    assert tempo_of(score(*tempos)) == pytest.approx(main, abs=1)


def test_only_the_time_between_the_first_and_the_last_note_counts() -> None:
    assert tempo_of(score((0, 20), (8, 100), (24, 30), first=8)) == pytest.approx(100, abs=0.01)


def test_a_score_without_notes_has_its_last_tempo() -> None:
    empty = symusic.Score(480)
    empty.tempos.append(symusic.Tempo(0, qpm=50))
    assert tempo_of(empty) == pytest.approx(50, abs=0.01)
