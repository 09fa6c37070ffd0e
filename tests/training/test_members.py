"""N-grams that play together with a network: also where there is too much music for all keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import playbach
from playbach.bundles import bundle as bundles
from playbach.bundles.exported import NGRAMS
from playbach.music.scores import nearest_keys
from playbach.training import members
from playbach.training.runs import Run

TINY = {"hidden": 12, "embedding": 4, "context_embedding": 4}


def train(folder: Path, into: Path, **options: object) -> Run:
    into.mkdir(exist_ok=True)
    return playbach.train(folder, into=into, network=TINY, epochs=1, dtype="float32", base="none", **options)


def steps_of(run: Run) -> int:
    return sum(len(run.trained.encoding.encode(piece.score)) for piece in run.trained.corpus.train)


def test_much_music_is_counted_in_the_nearest_keys(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = train(lines_folder, tmp_path / "all")
    assert every.trained.members and every.trained.ngrams
    monkeypatch.setattr(members, "MAX_COUNTED_STEPS", 2 * steps_of(every))
    two = train(lines_folder, tmp_path / "two")
    assert two.trained.members and two.trained.ngrams
    assert two.trained.members.test.bits_per_note < two.trained.alone.bits_per_note
    stored = json.loads(bundles.read(two.path).members[NGRAMS])
    assert stored["keys"] == 2
    assert playbach.load(two.path).compose(bars=2, seed=1).score.tracks


def test_no_n_gram_is_fitted_to_more_music_than_can_be_counted(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MAX_COUNTED_STEPS", 10)
    run = train(lines_folder, tmp_path)
    assert run.trained.members is None and run.trained.ngrams is None
    assert NGRAMS not in bundles.read(run.path).members


@pytest.mark.parametrize(
    ("shifts", "most", "expected"),
    [
        (range(-3, 5), 1, [0]),
        (range(-3, 5), 4, [-2, -1, 0, 1]),
        (range(-3, 5), 99, list(range(-3, 5))),
        (range(2), 9, [0, 1]),
    ],
)
def test_the_nearest_keys_are_those_around_the_own_one(shifts: range, most: int, expected: list[int]) -> None:
    assert nearest_keys(shifts, most) == expected
