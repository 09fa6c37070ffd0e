"""Continuations: the places, what a predictor knows there, and the agreement with the piece or with others."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import sample_music
from helpers.paths import GOLDEN
from playbach.cli.main import build_parser, main
from playbach.encodings import ENCODINGS
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.options import NotesOptions
from playbach.evaluation import continuations
from playbach.evaluation.continuations import (
    CHOICES,
    COMPARED_STEPS,
    DRAWN,
    MAX_STEPS_BEFORE,
    MIN_STEPS_BEFORE,
    MOST_PROBABLE,
    ContinuationPlace,
    measure_agreement,
)
from playbach.evaluation.options import DEFAULT_PLACES
from playbach.evaluation.reports import NETWORK, NGRAM, ContinuationAgreement, EvaluationOptions, evaluate
from playbach.inference import composing
from playbach.inference.composing import Composer
from playbach.ngrams.ngram import NGram
from playbach.system.errors import UsageError

TINY = GOLDEN / "tiny.playbach"


@pytest.fixture(scope="module")
def composer() -> Composer:
    """A composer of four voices, whose steps alternate."""
    return composing.load(TINY)


@pytest.fixture(scope="module")
def pieces(composer: Composer) -> list[EncodedPiece]:
    return [composer.encoding.encode(sample_music.chorale(seed, bars=8)) for seed in range(3)]


@pytest.fixture(scope="module")
def baseline(composer: Composer, pieces: list[EncodedPiece]) -> NGram:
    return NGram.fit([[piece] for piece in pieces[1:]], composer.encoding)


@pytest.fixture(params=["chorale", "notes"])
def music(request: pytest.FixtureRequest) -> tuple[Encoding, list[EncodedPiece]]:
    """An encoding of one field, and one of three fields, each with pieces."""
    scores = [
        sample_music.chorale(s) if request.param == "chorale" else sample_music.line(s, bars=24) for s in range(3)
    ]
    options = NotesOptions(velocities=True) if request.param == "notes" else None
    encoding = ENCODINGS[request.param].load().fit(scores, options)
    return encoding, [encoding.encode(score) for score in scores]


class Knowing:
    """A runtime that always predicts the true next step of a piece, whatever the previous step was."""

    def __init__(self, encoding: Encoding, steps: np.ndarray) -> None:
        self._fields, self._steps = [len(f) for f in encoding.fields], steps
        self.told: list[np.ndarray] = []
        self.contexts: list[np.ndarray] = []

    def start(self, pieces: int | None = None) -> int:
        return 0

    def step(self, previous: np.ndarray, context: np.ndarray, state: int) -> tuple[list[np.ndarray], int]:
        self.told.append(previous[0].copy())
        self.contexts.append(context[0].copy())
        logits = [np.zeros((len(previous), size), np.float32) for size in self._fields]
        for field, scores in enumerate(logits):
            scores[:, self._steps[state, field]] = 50
        return logits, state + 1


# --------------------------------------------------------------------------------------------------------- places


@given(st.lists(st.integers(1, 3000), max_size=12), st.integers(1, 60), st.integers(0, 99))
def test_places_are_different_and_have_music_on_both_sides(lengths: list[int], most: int, seed: int) -> None:
    found = continuations.choose_places(lengths, most, np.random.default_rng(seed))
    room = [max(0, min(length - COMPARED_STEPS, MAX_STEPS_BEFORE) - MIN_STEPS_BEFORE + 1) for length in lengths]
    assert len(set(found)) == len(found) == min(most, sum(room))
    for place in found:
        assert MIN_STEPS_BEFORE <= place.at <= min(MAX_STEPS_BEFORE, lengths[place.piece] - COMPARED_STEPS)
    counts = np.bincount([p.piece for p in found], minlength=len(lengths)) if found else np.zeros(len(lengths))
    full = [i for i, free in enumerate(room) if counts[i] == free]
    others = [counts[i] for i in range(len(lengths)) if i not in full]
    assert not others or max(others) - min(others) <= 1  # spread evenly
    assert found == continuations.choose_places(lengths, most, np.random.default_rng(seed))


# ------------------------------------------------------------------------------------------------------- going on


def test_who_knows_the_piece_goes_on_as_it_does(music: tuple[Encoding, list[EncodedPiece]]) -> None:
    encoding, pieces = music
    places = [ContinuationPlace(0, 40), ContinuationPlace(0, 57)]
    said = continuations.continue_with_network(Knowing(encoding, pieces[0].steps), encoding, pieces, places)
    for choice in CHOICES:
        found = measure_agreement(said[choice], encoding, pieces, places)
        assert set(found.shares.values()) == {1.0}
        assert (found.places, found.pieces, found.elsewhere) == (2, 1, None)


def test_nothing_of_what_comes_is_known(composer: Composer, pieces: list[EncodedPiece], baseline: NGram) -> None:
    """If the music after the place changes, the predictions stay the same."""
    at = 50
    other = pieces[0].steps.copy(), pieces[0].context.copy()
    other[0][at:], other[1][at:] = 1, 1
    changed = replace(pieces[0], steps=other[0], context=other[1])
    place = ContinuationPlace(0, at)
    network = partial(continuations.continue_with_network, composer.runtime, composer.encoding)
    for predict in (lambda s: network(s, [place])[DRAWN],
                    lambda s: continuations.continue_with_ngram(baseline, s, [place])):  # fmt: skip
        assert np.array_equal(predict([pieces[0]]), predict([changed]))


def test_it_hears_the_piece_and_then_itself(music: tuple[Encoding, list[EncodedPiece]]) -> None:
    """The runtime predicts another piece. Up to the place it gets the steps of this one, then those that it chose."""
    at, (encoding, pieces) = 45, music
    runtime = Knowing(encoding, pieces[1].steps)
    [said] = continuations.continue_with_network(runtime, encoding, pieces, [ContinuationPlace(0, at)])[MOST_PROBABLE]
    told = np.stack(runtime.told[: at + COMPARED_STEPS])
    assert told[0].tolist() == [len(f) for f in encoding.fields]
    assert np.array_equal(told[1 : at + 1], pieces[0].steps[:at])
    assert np.array_equal(told[at + 1 :, 0], said[:-1])
    contexts = np.stack(runtime.contexts[: at + 1])
    true = pieces[0].context[: at + 1].copy()
    assert set(contexts[:, encoding.bars_left_column].tolist()) == {continuations.UNKNOWN_BARS_LEFT}
    true[:, encoding.bars_left_column] = continuations.UNKNOWN_BARS_LEFT
    assert np.array_equal(contexts, true)


def test_places_side_by_side_are_those_one_by_one(
    composer: Composer, pieces: list[EncodedPiece], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [ContinuationPlace(1, 60), ContinuationPlace(0, 40), ContinuationPlace(2, 41), ContinuationPlace(0, 70)]
    together = continuations.continue_with_network(composer.runtime, composer.encoding, pieces, places)
    monkeypatch.setattr(continuations, "PLACES_AT_ONCE", 1)
    alone = continuations.continue_with_network(composer.runtime, composer.encoding, pieces, places)
    for choice in CHOICES:
        assert np.array_equal(together[choice], alone[choice])
    assert not np.array_equal(together[DRAWN], together[MOST_PROBABLE])


def test_only_what_makes_sense_is_said(music: tuple[Encoding, list[EncodedPiece]]) -> None:
    """UNKNOWN is never chosen, even if it has the highest logit."""
    encoding, pieces = music
    runtime = Knowing(encoding, np.zeros_like(pieces[0].steps))
    said = continuations.continue_with_network(runtime, encoding, pieces, [ContinuationPlace(0, 40)])
    assert all((symbols > 0).all() for symbols in said.values())


def test_an_ngram_that_has_heard_goes_on_as_one_that_listened(
    composer: Composer, pieces: list[EncodedPiece], baseline: NGram
) -> None:
    at, model = 48, baseline
    heard = model.step_predictor(pieces[0].steps[:at], pieces[0].context[:at])
    listened = model.step_predictor()
    for step, context in zip(pieces[0].steps[:at], pieces[0].context[:at], strict=True):
        listened.predict(context)
        listened.feed(step)
    for one, other in zip(heard.predict(pieces[0].context[at]), listened.predict(pieces[0].context[at]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    [said] = continuations.continue_with_ngram(model, pieces, [ContinuationPlace(0, at)])
    decoder = composer.encoding.decoder(pieces[0].header)
    for step in pieces[0].steps[:at]:
        decoder.feed(step)
    for symbol in said:
        chances = listened.predict(decoder.context())
        assert symbol == np.where(decoder.valid_mask()[0], chances[0], -1).argmax()
        decoder.feed(np.array([symbol]))
        listened.feed([symbol])


# ------------------------------------------------------------------------------------------------------ comparing


def test_shares_by_hand(composer: Composer, pieces: list[EncodedPiece]) -> None:
    places = [ContinuationPlace(0, 40), ContinuationPlace(1, 50)]
    true = np.stack([pieces[p.piece].steps[p.at : p.at + COMPARED_STEPS, 0] for p in places])
    said = np.zeros_like(true)
    said[:, 0] = true[:, 0]
    said[0, 1:4] = true[0, 1:4]
    found = measure_agreement(said, composer.encoding, pieces, places)
    assert found.shares == {"1": 1.0, "2-4": 0.5, "5-8": 0.0, "9-16": 0.0, "17-40": 0.0, "1-40": 5 / 80}
    assert list(found.shares) == [f"{a}-{b}" if a < b else str(a) for a, b in continuations.DISTANCES]
    first, second = said[0] == true[1], said[1] == true[0]
    assert found.elsewhere is not None
    assert found.elsewhere["1"] == (first[0] + int(second[0])) / 2
    assert found.elsewhere["1-40"] == pytest.approx((first.mean() + second.mean()) / 2)


def test_voices_are_compared_with_the_same_voice(composer: Composer, pieces: list[EncodedPiece]) -> None:
    """If the other places are before steps of other voices, there is nothing to compare with."""
    encoding = composer.encoding
    column = [f.name for f in encoding.context].index(str(encoding.step_kind))
    turns = [piece.context[:, column] for piece in pieces]
    same = next(t for t in range(50, 60) if turns[1][t] == turns[0][50])
    other = next(t for t in range(50, 60) if turns[1][t] != turns[0][50])
    for at, found in ((same, True), (other, False)):
        places = [ContinuationPlace(0, 50), ContinuationPlace(1, at)]
        said = np.stack([pieces[p.piece].steps[p.at : p.at + COMPARED_STEPS, 0] for p in places])
        assert (measure_agreement(said, encoding, pieces, places).elsewhere is not None) == found


# ------------------------------------------------------------------------------------------------------- evaluate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's training music, and four pieces that it has not seen: a short one and three longer ones."""
    made = sample_music.folder(tmp_path_factory.mktemp("music") / "tiny", sample_music.chorale, count=12)
    for seed, bars in ((70, 3), (71, 6), (72, 6), (73, 6)):
        (made / f"new{seed}.mid").write_bytes(bytes(sample_music.chorale(seed, bars=bars).dumps_midi()))
    return made


def test_the_ngram_stands_beside_what_was_held_out(composer: Composer, folder: Path) -> None:
    found = evaluate(composer, folder, EvaluationOptions(side="unseen", continuations=5))
    who = [(row.group, row.guesser, row.choice) for row in found.continued]
    network = [("unseen", NETWORK, choice) for choice in CHOICES]
    assert who == [*network, ("unseen", NGRAM, MOST_PROBABLE)]
    assert {(row.agreement.places, row.agreement.pieces) for row in found.continued} == {(5, 3)}
    assert "1 of the 4 pieces (unseen) have fewer than 80 steps, too few for a continuation" in found.remarks
    told = json.loads(json.dumps(found.manifest()))["continued"][0]
    assert told["agreement"]["shares"] == found.continued[0].agreement.shares


def test_groups_are_kept_apart(composer: Composer, folder: Path, tmp_path: Path) -> None:
    """The figures of one group do not depend on the other groups."""
    alone: dict[str, list[ContinuationAgreement]] = {}
    for name in ("piece02.mid", "piece03.mid", "new71.mid", "new72.mid"):
        group = "train" if name.startswith("piece") else "unseen"
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / f"{int(name[-5]) * 7 % 5}.mid").write_bytes((folder / name).read_bytes())
    options = EvaluationOptions(continuations=4)
    for group in ("train", "unseen"):
        alone[group] = list(evaluate(composer, tmp_path / group, options).continued)
        assert {row.group for row in alone[group]} == {group}
    together = [row for row in evaluate(composer, tmp_path, options).continued if row.guesser == NETWORK]
    assert together == alone["unseen"] + alone["train"]
    assert evaluate(composer, tmp_path / "unseen").continued == ()


def test_the_number_of_places_may_be_left_out() -> None:
    arguments = build_parser().parse_args(["evaluate", "MODEL", "--continuations"])
    assert arguments.continuations == DEFAULT_PLACES


def test_a_table(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("new71.mid", "new72.mid"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert main(["evaluate", str(TINY), str(tmp_path), "--continuations", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    [first] = [i for i, line in enumerate(lines) if line.startswith("Continuations:")]
    assert lines[first + 1].split() == ["places", "1", "2–4", "5–8", "9–16", "17–40", "1–40"]
    assert lines[first + 2].split()[:5] == ["unseen", "network,", "most", "probable", "7"]
    assert lines[first + 3].split()[:5] == ["…", "compared", "with", "other", "pieces"]
    assert lines[first + 4].split()[:2] == ["network,", "drawn"]


def test_nothing_is_said_where_every_piece_is_short(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mid").write_bytes((folder / "new70.mid").read_bytes())
    assert main(["evaluate", str(TINY), str(tmp_path), "--continuations", "3"]) == 0
    out = capsys.readouterr().out
    assert "Continuations:" not in out
    assert "1 of the 1 pieces (unseen) have fewer than 80 steps, too few for a continuation" in out


@pytest.mark.parametrize("number", [0, -1, "many", 1.5])
def test_numbers_that_make_no_sense(number: object) -> None:
    with pytest.raises(UsageError, match="continuations must be a whole number of at least 1"):
        EvaluationOptions(continuations=number)  # type: ignore[arg-type]
