"""The classes of relations: intervals, intervals modulo the octave, degrees of a key."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import sample_music
from helpers.names_of_symbols import related
from playbach.encodings import ENCODINGS
from playbach.encodings.relations import Relation, chord_classes, interval_classes


def test_each_interval_up_or_down_to_two_octaves_has_its_own_class() -> None:
    classes = interval_classes([None, 60, 62], [None, *range(128)])
    assert (classes[0] == 0).all() and (classes[:, 0] == 0).all()
    within = classes[1, 1 + 60 - 24 : 1 + 60 + 25].tolist()
    assert within == list(range(1, 50)), "trained networks know the classes by these numbers"
    assert set(classes[1, 1 : 1 + 60 - 24].tolist()) == {1}, "wider intervals count as two octaves"
    assert set(classes[1, 1 + 60 + 25 :].tolist()) == {49}
    assert classes[2, 3:].tolist() == classes[1, 1:-2].tolist(), "the same interval has the same class"


def test_each_interval_modulo_the_octave_has_its_own_class() -> None:
    classes = chord_classes([None, 60, 61], [None, *range(60, 84)])
    assert (classes[0] == 0).all() and (classes[:, 0] == 0).all()
    octave = classes[1, 1:13].tolist()
    assert octave == list(range(1, 13)), "trained networks know the classes by these numbers"
    assert classes[1, 13:].tolist() == octave
    assert classes[2, 2:].tolist() == classes[1, 1:-1].tolist()


def test_the_length_of_a_relation_is_its_number_of_classes() -> None:
    classes = chord_classes([None, 60], [None, *range(60, 72)])
    relation = Relation("any", 0, 0, classes, np.arange(13))
    assert len(relation) == len(np.unique(classes)) == 13


@pytest.mark.parametrize("name", ["chorale", "events"])
def test_a_degree_is_the_same_in_all_keys_of_a_mode(name: str) -> None:
    encoding = ENCODINGS[name].load().fit([sample_music.chorale(seed) for seed in range(4)])

    def degree(key: str, pitch: int) -> int:
        return related(encoding, "degree", key, str(pitch))

    for mode in ("major", "minor"):
        tonic = degree(f"C {mode}", 60)
        assert tonic == degree(f"D {mode}", 62) == degree(f"A {mode}", 57)
        assert tonic == degree(f"C {mode}", 48), "in every octave"
        assert degree(f"C {mode}", 67) == degree(f"D {mode}", 57) != tonic
    assert degree("C major", 60) != degree("C minor", 60)
    assert degree("nothing", 60) == 0
    for first, mode in ((1, "major"), (13, "minor")):
        degrees = [degree(f"G {mode}", pitch) for pitch in range(55, 67)]
        assert degrees == list(range(first, first + 12)), "trained networks know the classes by these numbers"
