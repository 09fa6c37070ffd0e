"""Estimated keys, in all twelve transpositions, and their names."""

from __future__ import annotations

import numpy as np
import pytest

from playbach.music import keys

MAJOR_SCALE, HARMONIC_MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize(("mode", "scale"), [("major", MAJOR_SCALE), ("minor", HARMONIC_MINOR)])
def test_a_scale_with_its_triad_is_in_its_key(tonic: int, mode: str, scale: tuple[int, ...]) -> None:
    weights = np.zeros(12)
    for degree, step in enumerate(scale):
        weights[(tonic + step) % 12] = 3 if degree in (0, 2, 4) else 1
    key = keys.estimate_key(weights)
    assert key is not None
    assert (key.tonic, key.mode) == (tonic, mode)
    assert 0.5 < key.score <= 1
    tonic_again, mode_again, score = key
    assert (tonic_again, mode_again, score) == (tonic, mode, key.score)


@pytest.mark.parametrize("weights", [np.zeros(12), np.full(12, 7.0)])
def test_equal_weights_have_no_key(weights: np.ndarray) -> None:
    assert keys.estimate_key(weights) is None


@pytest.mark.parametrize("weights", [np.ones(11), np.full(12, np.nan), -np.ones(12)])
def test_weights_must_be_twelve_finite_numbers_of_0_or_more(weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match="12 weights"):
        keys.estimate_key(weights)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_one_wrong_weight_is_refused(wrong: float) -> None:
    weights = np.arange(12.0)
    weights[5] = wrong
    with pytest.raises(ValueError, match="12 weights"):
        keys.estimate_key(weights)


def test_profiles_are_shares() -> None:
    for profile in keys.KEY_PROFILES.values():
        assert sum(profile) == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize(
    ("fifths", "minor", "name"),
    [(0, False, "C major"), (0, True, "A minor"), (-3, False, "Eb major"), (-3, True, "C minor"),
     (6, False, "F# major"), (4, True, "C# minor"), (-7, False, "Cb major"), (7, True, "A# minor"),
     (-7, True, "Ab minor"), (-1, False, "F major"), (-2, True, "G minor")],
)  # fmt: skip
def test_names_of_key_signatures(fifths: int, minor: bool, name: str) -> None:
    assert keys.name_from_signature(fifths, minor) == name


@pytest.mark.parametrize(
    ("minor", "names"),
    [(False, "Cb Gb Db Ab Eb Bb F C G D A E B F# C#"), (True, "Ab Eb Bb F C G D A E B F# C# G# D# A#")],
)
def test_the_names_of_all_key_signatures_follow_the_circle_of_fifths(minor: bool, names: str) -> None:
    found = [keys.name_from_signature(fifths, minor) for fifths in range(-7, 8)]
    assert found == [f"{name} {'minor' if minor else 'major'}" for name in names.split()]


def test_a_key_has_a_name() -> None:
    assert keys.Key(3, "major", 0.9).name == "Eb major"
    assert keys.Key(8, "minor", 0.9).name == "G# minor"


def test_the_likeliest_key_is_the_estimated_one() -> None:
    weights = np.random.default_rng(0).integers(0, 200, (500, 12))
    found = [keys.KEY_NAMES[i] for i in keys.likeliest_keys(weights)]
    estimated = [keys.estimate_key(row) for row in weights]
    same = [name == key.name for name, key in zip(found, estimated, strict=True) if key]
    assert sum(same) >= 0.99 * len(same)  # if two are equal except for rounding, either is right
    assert keys.likeliest_keys(np.zeros(12, np.int64)) == 0
