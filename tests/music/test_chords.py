"""Triads and parts of them."""

from __future__ import annotations

import pytest

from playbach.music.chords import is_part_of_triad, is_triad


@pytest.mark.parametrize(
    ("pitches", "triad", "part"),
    [
        ([48, 64, 67, 72], True, True),
        ([45, 60, 64], True, True),
        ([48, 63], True, True),
        ([52, 60, 67], True, False),  # in first inversion
        ([48, 55, 60], False, True),
        ([60], False, True),
        ([], False, True),
        ([48, 63, 64], False, False),
        ([48, 54, 60], False, False),
        ([48, 52, 58], False, False),
    ],
)
def test_triads_and_parts_of_them(pitches: list[int], triad: bool, part: bool) -> None:
    assert is_triad(pitches) == triad
    assert is_part_of_triad(pitches) == part


def test_a_triad_on_a_given_root() -> None:
    assert is_triad([60, 64, 79], root=48)
    assert not is_triad([60, 64, 79], root=52)
