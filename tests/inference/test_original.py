"""Original pieces: composed again until nothing is borrowed, the same for the same seed, without the prime."""

from __future__ import annotations

from pathlib import Path

import pytest
import symusic

import playbach
from helpers.indexed import indexed
from playbach.inference import composing
from playbach.inference.composing import Composer
from playbach.music.borrowing.floor import Borrowing
from playbach.system.errors import BundleError, UsageError

INDEXED = ("chorales", "lines", "bands")


@pytest.fixture(scope="module", params=INDEXED)
def composer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Composer:
    """A composer of each encoding whose bundle has an index."""
    bundle, folder = (request.getfixturevalue(f"{request.param}_{kind}") for kind in ("bundle", "folder"))
    return playbach.load(indexed(bundle, folder, tmp_path_factory.mktemp("indexed")))


def notes(score: symusic.Score) -> list[tuple[int, int, int, int]]:
    return [(i, n.time, n.duration, n.pitch) for i, t in enumerate(score.tracks) for n in t.notes]


class Draws:
    """Stands in for what pieces borrow: each next one as much as the list says, above the floor or not."""

    def __init__(self, excesses: list[float]) -> None:
        self.excesses, self.scores = excesses, list[symusic.Score]()

    def borrowing(self, score: symusic.Score, first_bar: int | None = None) -> object:
        excess = self.excesses[len(self.scores)]
        self.scores.append(score)
        return type("Known", (), {"excess": excess, "is_above": excess > 0})()


def with_draws(composer: Composer, excesses: list[float]) -> tuple[Composer, Draws]:
    draws, other = Draws(excesses), Composer(composer.bundle, composer.runtime)
    other.__dict__["training_index"] = draws
    return other, draws


def test_the_first_piece_that_is_original_is_taken(composer: Composer) -> None:
    other, draws = with_draws(composer, [2.0, 3.0, 0.0])
    piece = other.compose(seed=5, bars=3, original=True)
    assert piece.draws == 3 and len(draws.scores) == 3
    assert notes(piece.score) == notes(draws.scores[2])
    assert notes(draws.scores[0]) == notes(composer.compose(seed=5, bars=3).score)
    assert len({tuple(notes(score)) for score in draws.scores}) == 3


def test_if_none_is_original_the_one_that_borrows_the_least_is_taken(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composing, "MAX_DRAWS", 3)
    other, draws = with_draws(composer, [3.0, 1.5, 2.0])
    piece = other.compose(seed=5, bars=2, original=True)
    assert piece.draws == 3 and notes(piece.score) == notes(draws.scores[1])


def test_the_same_seed_makes_the_same_bytes(composer: Composer, tmp_path: Path) -> None:
    first, again = (
        with_draws(composer, [1.0, 0.0])[0].compose(seed=9, bars=3, original=True).write(tmp_path / f"{i}.mid")
        for i in range(2)
    )
    assert first.read_bytes() == again.read_bytes()


def test_an_original_piece_borrows_no_more_than_real_music(composer: Composer) -> None:
    index = composer.training_index
    assert index is not None
    for seed in range(3):
        piece = composer.compose(seed=seed, bars=4, original=True)
        assert piece.draws == composing.MAX_DRAWS or not index.borrowing(piece.score, piece.first_bar).is_above


def test_a_prime_does_not_count(composer: Composer) -> None:
    index = composer.training_index
    assert index is not None
    piece = composer.compose(seed=1, bars=2, prime="corpus", prime_bars=4)
    whole: Borrowing = index.borrowing(piece.score)
    assert piece.first_bar in (5, 6) and whole.copied >= 0.5  # the passage is a training piece's
    assert index.borrowing(piece.score, piece.first_bar).bars <= whole.bars - 4 < whole.bars
    assert composer.compose(seed=1, bars=2, prime="corpus", keep_prime=False).first_bar == 0
    own = composer.compose(seed=1, bars=2, prime=piece.score)
    assert own.first_bar >= piece.first_bar + 2


def test_without_an_index_nothing_can_be_original(chorales_bundle: Path) -> None:
    plain = playbach.load(chorales_bundle)
    assert plain.training_index is None
    with pytest.raises(BundleError, match="no index of its training pieces, which tells what is original"):
        plain.compose(bars=1, original=True)
    with pytest.raises(UsageError, match="original must be true or false"):
        plain.compose(bars=1, original=3)  # type: ignore[arg-type]
