"""Fingerprints: the same in every key, others for other music, and as many as a line has moves."""

from __future__ import annotations

import numpy as np
import symusic
from hypothesis import given
from hypothesis import strategies as st

from helpers import sample_music
from playbach.music.fingerprints import MOVES_OF_A_PART, MOVES_OF_TEXTURE, ScoreLine, lines_of
from playbach.music.scores import transpose

QUARTER = 480


def tune(pitches: list[int], quarters: int = 1) -> symusic.Score:
    length = quarters * QUARTER
    return sample_music.score([[(length * i, length, p) for i, p in enumerate(pitches)]])


def hashes(score: symusic.Score) -> list[list[int]]:
    return [line.hashes.tolist() for line in lines_of(score)]


@given(st.integers(0, 50), st.integers(-12, 12), st.sampled_from([sample_music.band, sample_music.chorale]))
def test_music_in_another_key_has_the_same_fingerprints(seed: int, semitones: int, make: object) -> None:
    score = make(seed)  # type: ignore[operator]
    assert hashes(transpose(score, semitones)) == hashes(score) != []


def test_each_part_has_a_line_and_the_whole_has_one() -> None:
    lines = lines_of(sample_music.chorale(0))
    assert [line.name for line in lines] == ["Soprano", "Alto", "Tenor", "Bass", "whole"]
    assert [line.moves for line in lines] == 4 * [MOVES_OF_A_PART] + [MOVES_OF_TEXTURE]
    assert [line.is_whole for line in lines] == 4 * [False] + [True]
    for line in lines:
        assert len(line.hashes) == len(line.bars) - line.moves


def test_a_single_line_is_its_own_whole() -> None:
    assert [line.name for line in lines_of(sample_music.line(0))] == ["Cello"]


def test_chords_on_one_track_are_a_line_and_a_whole() -> None:
    chords = [(QUARTER * i, QUARTER, 60 + p + i % 3) for i in range(8) for p in (0, 4, 7)]
    top = [(QUARTER * i, QUARTER, 67 + i % 3) for i in range(8)]
    both, alone = lines_of(sample_music.score([chords])), lines_of(sample_music.score([top]))
    assert [line.is_whole for line in both] == [False, True]
    assert both[0].hashes.tolist() == alone[0].hashes.tolist()


def test_a_part_too_short_for_a_fingerprint_and_drums_have_no_line() -> None:
    assert lines_of(tune([60, 62, 64])) == [] and lines_of(symusic.Score(480)) == []
    drums = tune([36, 38, 36, 38, 36])
    drums.tracks[0].is_drum = True
    assert lines_of(drums) == []


def test_another_pitch_and_another_rhythm_change_the_fingerprints_of_their_moves_only() -> None:
    pitches = [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65]
    (same,), (other,) = hashes(tune(pitches)), hashes(tune([*pitches[:6], 70, *pitches[7:]]))
    differing = [i for i, (a, b) in enumerate(zip(same, other)) if a != b]
    assert differing == [3, 4, 5, 6]  # those of the moves to and from the seventh note
    assert not set(same) & set(hashes(tune(pitches, quarters=2))[0])


def test_held_notes_belong_to_the_chords_and_unisons_count_once() -> None:
    moving = [(QUARTER * i, QUARTER, 72 + i) for i in range(4)]
    held, struck = [(0, 4 * QUARTER, 60)], [(QUARTER * i, QUARTER, 60) for i in range(4)]
    by_held, by_struck = (hashes(sample_music.score([moving, other]))[-1] for other in (held, struck))
    assert by_held == by_struck
    once, twice = ([moving, held], [moving, moving, held])
    assert hashes(sample_music.score(once))[-1] == hashes(sample_music.score(twice))[-1]


def test_bars_are_numbered_as_everywhere_and_a_line_is_cut_by_them() -> None:
    line = lines_of(sample_music.chorale(0))[0]
    assert line.bars[:3].tolist() == [0, 1, 1]
    part = line.between(2, 3)
    assert set(part.bars.tolist()) == {2, 3} and len(part.hashes) == len(part.bars) - part.moves
    begin = int(np.flatnonzero(line.bars == 2)[0])
    assert part.hashes.tolist() == line.hashes[begin : begin + len(part.hashes)].tolist()
    assert not len(line.between(90, 99).hashes) and isinstance(line.between(90, 99), ScoreLine)
