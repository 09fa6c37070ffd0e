"""The benchmarks that compare networks with n-grams: mixtures, folds, dynamic evaluation, drawn pieces."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from helpers import sample_music
from helpers.paths import ROOT

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "benchmarks"))

import _comparison
import _dynamic
import _ensemble
import _mixture
import cello
import few_pieces
import jsb

LINES = [[60, 62, 64, 65, 67, 65, 64, 62, 60], [67, 69, 71, 72, 71, 69, 67], [60, 64, 67, 72, 67, 64, 60]]


def music(lines: list[list[int]], **changes: Any) -> tuple[_ensemble.Music, Any]:
    options = cello.encoding_options()
    encoding = _ensemble.fit_encoding(options, [cello.score_of(line) for line in lines])
    symbols = encoding.fields[0].symbols
    made: dict[str, Any] = {"train": lines, "held_out": LINES[:1], "symbols": symbols, "folds": 3, **changes}
    return _ensemble.Music(score_of=cello.score_of, encoding=options, variants=cello.VARIANTS, **made), encoding


def mixed_piece(rng: np.random.Generator, right: float, steps: int = 200) -> _mixture.MixedPiece:
    """Two models over four symbols, of which the second gives the true symbol the probability `right`, and the first
    knows nothing."""
    true = rng.integers(4, size=steps)
    second = np.full((steps, 4), (1 - right) / 3)
    second[np.arange(steps), true] = right
    logs = np.log(np.stack([np.full((steps, 4), 0.25), second], axis=1))
    return _mixture.MixedPiece(logs, true, np.zeros(steps, int))


# ------------------------------------------------------------------------------------------------------- mixtures


@pytest.mark.parametrize("name", _mixture.KINDS)
def test_mixtures_are_distributions_that_trust_the_better_model(name: str) -> None:
    rng = np.random.default_rng(0)
    pieces = [mixed_piece(rng, 0.8) for _ in range(4)]
    mixture = _mixture.Mixture.fit(pieces[:3], name)
    mixed = mixture.mix(pieces[3])
    assert np.allclose(np.exp(mixed).sum(axis=1), 1, atol=1e-5)
    assert mixture.usual()[1] > 0.9 and (name.startswith("product") or mixture.usual()[0] < 0.1)
    assert -mixed[np.arange(200), pieces[3].steps].mean() < -np.log(0.78)


def test_fixed_weights_of_a_sum_have_the_least_cost() -> None:
    """Among all weights, by trying them."""
    rng = np.random.default_rng(1)
    logs = np.log(rng.dirichlet(np.ones(4), size=(300, 2)))
    piece = _mixture.MixedPiece(logs, rng.integers(4, size=300), np.zeros(300, int))
    own = np.exp(piece.own)
    tried = np.linspace(0.001, 0.999, 999)
    best = tried[np.argmin([-np.log(w * own[:, 0] + (1 - w) * own[:, 1]).mean() for w in tried])]
    assert _mixture.Mixture.fit([piece], "sum, fixed weights").usual()[0] == pytest.approx(best, abs=0.002)


def test_weights_follow_the_context() -> None:
    """In some pieces one model is right, in others the other one: what it did so far tells which."""
    rng = np.random.default_rng(2)
    pieces = [mixed_piece(rng, right) for right in (0.9, 0.02) * 4]
    costs = _mixture.compare(pieces)
    assert costs["sum, weights by context"] < costs["sum, fixed weights"] - 0.1
    assert costs["product, powers by context"] < costs["product, fixed powers"] - 0.1


def test_the_context_of_a_step_does_not_know_the_step() -> None:
    rng = np.random.default_rng(3)
    piece = mixed_piece(rng, 0.7, steps=20)
    changed = _mixture.MixedPiece(
        piece.logs, np.concatenate([piece.steps[:10], (piece.steps[10:] + 1) % 4]), piece.kinds
    )
    features = [_mixture._features(p, by_context=True) for p in (piece, changed)]
    assert np.array_equal(features[0][:11], features[1][:11])
    assert not np.array_equal(features[0][11:], features[1][11:])


# ---------------------------------------------------------------------------------------------------------- folds


def test_each_training_piece_is_in_one_fold() -> None:
    made, _ = music(LINES * 3)
    chosen = [made.chosen(fold) for fold in range(made.folds)]
    assert sorted(i for fold in chosen for i in fold) == list(range(9))
    assert made.side("fold", 1) == [made.train[i] for i in sorted(chosen[1])]
    assert music(LINES * 3, stop=(2, 4))[0].chosen(0) == {2, 4}


def test_names_of_results_depend_on_what_is_learnt() -> None:
    (made, _), (other, _) = music(LINES), music(LINES[:2] + [[60, 61, 62]])
    options = {"model": "lstm", "epochs": 1, "seed": 0}
    network = _ensemble.Network(music=made, options=options, fold=0)
    assert network.name == _ensemble.Network(music=music(LINES)[0], options=options, fold=0).name
    names = {
        network.name,
        _ensemble.Network(music=other, options=options, fold=0).name,
        _ensemble.Network(music=made, options={**options, "seed": 1}, fold=0).name,
        _ensemble.Network(music=made, options=options, fold=1).name,
        _ensemble.Network(music=made, options=options, fold=0, augment=("inversion",)).name,
        _ensemble.NGramPredictions(music=made, seed=0).name,
        _ensemble.NGramPredictions(music=made, seed=0, fold=0).name,
        _ensemble.NetworkPredictions(network=network, side="fold").name,
        _ensemble.NetworkPredictions(network=network, side="fold", rate=0.1).name,
    }
    assert len(names) == 9


def test_unknown_symbols_share_what_unknown_has() -> None:
    encoding = SimpleNamespace(fields=[SimpleNamespace(symbols=("?", "a", "b"))])
    logs = np.log(np.array([[0.2, 0.5, 0.3]]))
    found = _ensemble._by_symbols(logs, encoding, ("?", "b", "c", "a"))
    assert np.exp(found[0]).tolist() == pytest.approx([0.1, 0.3, 0.1, 0.5])


def test_augmented_pieces_keep_their_range() -> None:
    assert cello.retrograde(cello.retrograde(LINES[1])) == LINES[1]
    assert cello.inversion([60, 64, 67]) == [67, 63, 60]
    frames = [[72, 64, 57, 48], [74, 65, -1, 50], [72, 64, 57, 48]]
    assert jsb.retrograde(frames)[0] == frames[-1]
    turned = jsb.inversion(frames)
    assert turned == [[72, 63, 56, 48], [70, -1, 55, 46], [72, 63, 56, 48]]


@pytest.mark.slow
@pytest.mark.parametrize("related", [None, music(LINES)[0]], ids=["alone", "after related music"])
def test_a_comparison_has_all_rows(related: _ensemble.Music | None, tmp_path: Path) -> None:
    made, encoding = music(LINES * 2)
    args = Namespace(members=2, transformers=0, ngrams=2, epochs=1, jobs=1, dynamic=False, base=None)
    comparison = _comparison.Comparison(
        music=made,
        args=args,
        augment=("inversion",),
        transformer={},
        folder=tmp_path,
        encoding=encoding,
        related=related,
    )
    found = comparison.run()
    assert list(found.rows)[:4] == ["one LSTM", "2 networks averaged", "one n-gram", "2 n-grams averaged"]
    assert [len(of) for of in found.rows.values()][:4] == [2, 1, 2, 1]
    assert sum(_comparison.CHOSEN in name for name in found.rows) == 1
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert comparison.run().rows.keys() == found.rows.keys()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


# --------------------------------------------------------------------------------------------- dynamic evaluation


def test_learning_on_changes_what_follows_the_first_segment_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from playbach.models import build
    from playbach.models.base import Shape

    monkeypatch.setattr(_dynamic, "SEGMENT", 4)
    _, encoding = music(LINES)
    torch.manual_seed(0)
    model = build("lstm", Shape.of(encoding), {"hidden": 8, "embedding": 4, "context_embedding": 2}).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    sequence = encoding.encode(cello.score_of(LINES[0]))
    sizes = _dynamic.gradient_sizes(model, encoding, [sequence])
    plain = _dynamic.log_chances(model, encoding, sequence)
    learning = _dynamic.log_chances_learning(model, encoding, sequence, sizes, 0.01)
    assert plain.shape == learning.shape
    assert np.allclose(plain[:4], learning[:4], atol=1e-5) and not np.allclose(plain[4:], learning[4:], atol=1e-3)
    assert np.allclose(plain, _dynamic.log_chances_learning(model, encoding, sequence, sizes, 0.0), atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


# ------------------------------------------------------------------------------------------------------ few pieces


def test_smaller_draws_are_in_larger_ones() -> None:
    folder = few_pieces.Folder("notes", [], list(range(50)), None)
    assert few_pieces.draw(folder, 20, 1)[:5] == few_pieces.draw(folder, 5, 1) != few_pieces.draw(folder, 5, 2)
    assert sorted(few_pieces.draw(folder, 50, 0)) == folder.pool


def test_the_name_of_an_unknown_symbol_has_a_cost() -> None:
    from playbach.encodings import ENCODINGS

    kind = ENCODINGS["chorale"].load()
    scores = [sample_music.chorale(seed) for seed in range(3)]
    few, full = kind.fit(scores[:1]), kind.fit(scores)
    unknown = set(full.fields[0].symbols) - set(few.fields[0].symbols)
    [costs] = few_pieces.name_costs(few, full)
    assert costs[0] == pytest.approx(np.log(max(1, len(unknown)))) and not costs[1:].any()
    assert not few_pieces.name_costs(full, full)[0].any()


def test_bits_per_note_are_those_of_evaluate() -> None:
    from playbach.evaluation.metrics import compute_figures, predictions_of
    from playbach.ngrams.ngram import NGram

    _, encoding = music(LINES)
    sequences = [encoding.encode(cello.score_of(line)) for line in LINES]
    model = NGram.fit([[s] for s in sequences[:2]], encoding)
    expected = compute_figures([predictions_of(model, sequences[2])], sequences[2:], encoding).bits_per_note
    predicted = [model.probabilities(sequences[2])]
    assert few_pieces.bits_per_note(predicted, sequences[2:], None) == pytest.approx(expected)
