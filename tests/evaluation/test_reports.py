"""Evaluating a model: groups by content, the same figures as in training, a baseline, composed pieces."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import sample_music
from helpers.comparing import nearly, plain
from playbach.data import corpora, split
from playbach.data.pieces import Corpus
from playbach.evaluation import reports
from playbach.evaluation.metrics import Figures, compute_figures
from playbach.evaluation.reports import (
    AVERAGED,
    COMMONEST,
    NETWORK,
    NGRAM,
    TOGETHER,
    Evaluation,
    EvaluationOptions,
    evaluate,
    predict_pieces,
)
from playbach.inference import composing
from playbach.inference.composing import Composer
from playbach.music.reading import read
from playbach.system.errors import CorpusError, UsageError


@pytest.fixture(scope="module")
def composer(chorales_bundle: Path) -> Composer:
    return composing.load(chorales_bundle)


@pytest.fixture(scope="module")
def found(composer: Composer, chorales_folder: Path) -> Evaluation:
    return evaluate(composer, chorales_folder, EvaluationOptions(samples=2, bars=2, no_rules=True))


def met(composer: Composer, side: str) -> list[str]:
    """The files on which the model was trained, validated or tested."""
    return [name for found, name in composer.bundle.manifest["pieces"].values() if found == side]


def part_of(folder: Path, into: Path, names: list[str]) -> Path:
    into.mkdir()
    for name in names:
        shutil.copy(folder / name, into / f"renamed {name}")
    return into


# --------------------------------------------------------------------------------------------------------- groups


def test_pieces_are_recognised_by_their_notes(composer: Composer, chorales_folder: Path, tmp_path: Path) -> None:
    test = met(composer, "test")
    folder = part_of(chorales_folder, tmp_path / "music", [*met(composer, "train"), *test])
    (folder / "new.mid").write_bytes(bytes(sample_music.chorale(99).dumps_midi()))
    rows = evaluate(composer, folder).rows
    pieces = {row.group: row.figures.pieces for row in rows}
    assert pieces == {"unseen": 1, "test": len(test), "train": len(met(composer, "train"))}
    assert [row.group for row in rows if row.guesser == NETWORK] == ["unseen", "test", "train"]


def test_a_baseline_stands_beside_what_was_held_out(found: Evaluation) -> None:
    guessers: dict[str, list[str]] = {}
    for row in found.rows:
        guessers.setdefault(row.group, []).append(row.guesser)
    assert guessers == {"test": [NETWORK, NGRAM, COMMONEST], "valid": [NETWORK, NGRAM, COMMONEST], "train": [NETWORK]}
    bits = {(row.group, row.guesser): row.figures.bits_per_note for row in found.rows}
    assert bits["test", NGRAM] < bits["test", COMMONEST]


def test_one_side_alone(composer: Composer, chorales_folder: Path, found: Evaluation) -> None:
    rows = evaluate(composer, chorales_folder, EvaluationOptions(side="valid")).rows
    assert plain(rows) == nearly([row for row in found.rows if row.group == "valid"])
    with pytest.raises(CorpusError, match=r"no piece of the side 'unseen', only 1 held-out test"):
        evaluate(composer, chorales_folder, EvaluationOptions(side="unseen"))


def test_what_was_trained_on_gives_no_honest_figure(
    composer: Composer, chorales_folder: Path, tmp_path: Path
) -> None:
    only = evaluate(composer, part_of(chorales_folder, tmp_path / "music", met(composer, "train")[:2]))
    assert [row.group for row in only.rows] == ["train"]
    assert only.remarks[0].startswith("NO HONEST FIGURES")


@pytest.fixture(scope="module")
def elsewhere(composer: Composer, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """An evaluation on music that the model does not know."""
    folder = tmp_path_factory.mktemp("elsewhere")
    sample_music.folder(folder / "music", lambda seed, bars, tonic: sample_music.chorale(seed + 50, bars), 2)
    return evaluate(composer, folder / "music")


def test_without_training_pieces_the_models_own_test_side_is_shown(composer: Composer, elsewhere: Evaluation) -> None:
    """With the n-gram that was fitted when the model was trained."""
    assert [(row.group, row.guesser) for row in elsewhere.rows] == [("unseen", NETWORK)]
    own = elsewhere.own_test
    assert own is not None and elsewhere.remarks == ()
    assert own.reason.startswith("this music has none of the 8 pieces that the model was trained on")
    assert own.source == "the model's own test side, measured at the end of its training"
    assert [(row.group, row.guesser) for row in own.rows] == [("test", g) for g in (NETWORK, NGRAM, COMMONEST)]
    told = composer.bundle.manifest["metrics"]
    for row, key in zip(own.rows, ("test", "ngram", "guessing_by_frequency"), strict=True):
        assert row.figures == Figures.from_manifest(told[key])


def test_where_an_ngram_is_fitted_the_models_own_test_side_is_not_shown(found: Evaluation) -> None:
    assert found.own_test is None


def test_what_a_model_was_trained_on_is_compared_with_no_ngram(
    composer: Composer, chorales_folder: Path, tmp_path: Path
) -> None:
    own = evaluate(composer, part_of(chorales_folder, tmp_path / "music", met(composer, "train")[:2])).own_test
    assert own is not None and "would only show how well it remembers them" in own.reason
    assert [row.guesser for row in own.rows] == [NETWORK, NGRAM, COMMONEST]


FIGURES = Figures(3, 40, 20, 0.5, 1.5, 3.0, 0.0).manifest()


@pytest.mark.parametrize(
    ("metrics", "guessers"),
    [
        ({"test": FIGURES, "ngram": FIGURES}, [NETWORK, NGRAM]),
        ({"test": FIGURES, "ngram": FIGURES, "ngrams": FIGURES}, [NETWORK, NGRAM, AVERAGED]),
        ({"test": FIGURES, "test_alone": FIGURES, "ngrams": FIGURES}, [TOGETHER, NETWORK, AVERAGED]),
        ({"test": FIGURES, "ngram": {**FIGURES, "accuracy": "good"}}, [NETWORK]),
        ({"test": FIGURES, "ngram": {**FIGURES, "bits_per_note": math.nan}}, [NETWORK]),
        ({"test": FIGURES, "ngram": {**FIGURES, "else": 3}}, [NETWORK]),
        ({"test": FIGURES, "ngram": [1]}, [NETWORK]),
        ({"test": FIGURES}, [NETWORK]),  # too many pieces for an n-gram
    ],
)
def test_the_ngram_of_a_manifest_is_called_what_it_is(metrics: dict, guessers: list[str]) -> None:
    own = reports.own_test({"metrics": metrics}, "why")
    assert [row.guesser for row in own.rows] == guessers
    assert all(row.figures == Figures.from_manifest(FIGURES) for row in own.rows)


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ({"provenance": {"unfinished": True}, "metrics": {"valid": FIGURES}}, "its training was not finished"),
        ({"metrics": {"ngram": FIGURES}}, "its file has none"),
        ({"metrics": [], "provenance": 3}, "its file has none"),
        ({}, "its file has none"),
    ],
)
def test_a_model_without_figures_says_so(manifest: dict, why: str) -> None:
    own = reports.own_test(manifest, "why")
    assert own.rows == () and own.source == f"there are no figures of the model's own test side: {why}"


def test_the_figures_of_an_export_are_those_of_what_was_exported() -> None:
    own = reports.own_test({"metrics": {"test": FIGURES}, "export": {}}, "why")
    assert own.source.endswith("at the end of its training, before it was exported")


def test_a_model_that_names_no_pieces_is_compared_with_no_ngram(
    composer: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_known", lambda composer: {})
    (tmp_path / "a.mid").write_bytes(bytes(sample_music.chorale(50).dumps_midi()))
    own = evaluate(composer, tmp_path).own_test
    assert own is not None and own.reason.startswith("the model does not say which pieces it was trained on")


def test_some_training_pieces_are_said_to_be_some(composer: Composer, chorales_folder: Path, tmp_path: Path) -> None:
    names = [*met(composer, "train")[:3], *met(composer, "test")]
    remarks = evaluate(composer, part_of(chorales_folder, tmp_path / "music", names)).remarks
    assert any("only 3 of the 8 pieces" in line for line in remarks)


def test_a_tune_that_was_trained_on_is_said(composer: Composer, chorales_folder: Path, tmp_path: Path) -> None:
    folder = part_of(chorales_folder, tmp_path / "music", met(composer, "train"))
    name = met(composer, "train")[0]
    again = read(chorales_folder / name)
    again.tracks[2].notes[0].pitch += 1  # another setting of its tune
    (folder / "again.mid").write_bytes(bytes(again.dumps_midi()))
    found = evaluate(composer, folder)
    assert [row.figures.pieces for row in found.rows if row.group == "unseen"] == [1, 1, 1]
    assert "1 of the 1 pieces (unseen) share a tune with a training piece" in found.remarks


def test_a_piece_in_two_files_counts_once(composer: Composer, tmp_path: Path) -> None:
    said: list[str] = []
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_bytes(bytes(sample_music.chorale(50).dumps_midi()))
    assert evaluate(composer, tmp_path, report=said.append).rows[0].figures.pieces == 1
    assert "left out: b.mid has the same notes as another piece" in said


def test_its_own_corpus_is_found_by_name_and_content(
    composer: Composer, chorales_folder: Path, found: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CorpusError, match=r"its corpus \(chorales\) is not a built-in one; give a folder"):
        evaluate(composer)
    pieces, _, _ = corpora.read_folder(chorales_folder, "chorale")
    by_name = {p.name: replace(p, name=str(-i)) for i, p in enumerate(pieces)}  # names must have no effect
    sides = {side: tuple(by_name[name] for name in met(composer, side)) for side in split.SIDES}
    monkeypatch.setattr(corpora, "BUILTIN", ("chorales",))
    monkeypatch.setattr(corpora, "load_builtin", lambda name, **_: Corpus(name, **sides))
    assert plain(evaluate(composer).rows) == nearly(found.rows)  # here the pieces are in another order
    # A user's folder with the name of a built-in corpus is not that corpus.
    others = {side: tuple(replace(p, digest="0") for p in pieces) for side, pieces in sides.items()}
    monkeypatch.setattr(corpora, "load_builtin", lambda name, **_: Corpus(name, **others))
    with pytest.raises(CorpusError, match="is not a built-in one"):
        evaluate(composer)


# -------------------------------------------------------------------------------------------------------- figures


def test_they_are_those_of_training(composer: Composer, found: Evaluation) -> None:
    """Torch over whole pieces and the exported step, one step after the other."""
    told = composer.bundle.manifest["metrics"]
    for side in ("test", "valid", "train"):
        [here] = [row.figures for row in found.rows if (row.group, row.guesser) == (side, NETWORK)]
        if side == "train" and told[side]["pieces"] < here.pieces:
            continue  # training measures a sample of them
        assert here.bits_per_note == pytest.approx(told[side]["bits_per_note"], abs=1e-3)
        assert here.accuracy == pytest.approx(told[side]["accuracy"], abs=2e-3)
        assert here.unknown == told[side]["unknown"]


def test_torch_measures_the_same(chorales_folder: Path, tmp_path: Path) -> None:
    """The same network, in memory and from its bundle: every figure of every group, including those of changes."""
    pytest.importorskip("torch")
    import playbach
    from playbach.evaluation.validation import measure_network

    network = {"hidden": 16, "layers": 1, "embedding": 8}
    run = playbach.train(chorales_folder, into=tmp_path, model="lstm", epochs=1, dtype="float32", network=network)
    encoding = run.trained.encoding
    together = evaluate(composing.load(run.path), chorales_folder, EvaluationOptions(side="test")).rows
    [here] = [row.figures.manifest() for row in together if row.guesser == NETWORK]
    assert run.trained.members is not None
    assert here["bits_per_note"] == pytest.approx(run.trained.test.bits_per_note, abs=1e-3)
    rows = evaluate(composing.load(run.path, "onnx"), chorales_folder).rows
    for group, pieces in (("train", run.trained.corpus.train), ("valid", run.trained.corpus.valid)):
        there = measure_network(run.trained.model, encoding, [encoding.encode(p.score) for p in pieces]).manifest()
        [here] = [row.figures.manifest() for row in rows if (row.group, row.guesser) == (group, NETWORK)]
        assert there.pop("heads") == here.pop("heads") == ()  # the steps of four voices alternate in one field
        assert there == pytest.approx(here, abs=1e-3)


def test_side_by_side_is_one_by_one(composer: Composer) -> None:
    sequences = [
        composer.encoding.encode(sample_music.chorale(seed, bars)) for seed, bars in ((1, 3), (2, 6), (3, 4))
    ]
    together = list(predict_pieces(composer.runtime, composer.encoding, sequences))
    for sequence, guessed in zip(sequences, together, strict=True):
        [alone] = predict_pieces(composer.runtime, composer.encoding, [sequence])
        assert guessed.nats == pytest.approx(alone.nats, abs=1e-4)
        assert guessed.nats.shape == (len(sequence), 1)
    assert compute_figures(together, sequences, composer.encoding).pieces == 3


def test_a_network_is_not_told_how_much_is_left(composer: Composer) -> None:
    sequence = composer.encoding.encode(sample_music.chorale(1))
    context = sequence.context.copy()
    context[:, composer.encoding.bars_left_column] = 0
    told, not_told = (
        next(predict_pieces(composer.runtime, composer.encoding, [s]))
        for s in (replace(sequence, context=context), sequence)
    )
    assert np.array_equal(told.nats, not_told.nats)


def test_keys_are_fewer_where_all_would_be_too_many(composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, encoding = [sample_music.chorale(0), sample_music.chorale(1, tonic=1)], composer.encoding
    every = reports._in_all_keys(scores, encoding)
    assert [len(keys) for keys in every] == [len(encoding.transpositions(s)) for s in scores]
    monkeypatch.setattr(reports, "MAX_NGRAM_STEPS", 1)
    one = reports._in_all_keys(scores, encoding)
    for keys, score in zip(one, scores, strict=True):
        assert len(keys) == 1
        assert np.array_equal(keys[0].steps, encoding.encode(score).steps)


# -------------------------------------------------------------------------------------------------------- samples


def test_composed_pieces_stand_beside_the_corpus(found: Evaluation, composer: Composer) -> None:
    columns = ["composed", "composed, no rules", "held-out test", "trained on"]
    assert list(found.composed) == columns
    assert [found.composed[c].pieces for c in columns] == [2, 2, 1, len(met(composer, "train"))]
    composed, trained = found.composed["composed"], found.composed["trained on"]
    assert composed.fifths == composed.octaves == 0  # the rules
    assert trained.degree_distance == 0 and trained.copied_bars is None
    assert composed.copied_bars is not None


def test_samples_are_the_pieces_of_their_seeds(composer: Composer) -> None:
    [first, second] = reports.compose_samples(composer, 2, 2, True, lambda line: None)
    for seed, piece in enumerate((first, second)):
        assert piece.score == composer.compose(seed=seed, bars=2, plain=True).score


def test_other_encodings_have_fewer_measures(lines_bundle: Path, lines_folder: Path) -> None:
    found = evaluate(composing.load(lines_bundle), lines_folder, EvaluationOptions(side="valid", samples=2, bars=2))
    assert not found.four_voices
    composed = found.composed["composed"]
    assert composed.fifths is None and composed.notes_a_bar is None
    assert composed.duration_distance is not None and composed.copied_bars is not None
    assert {row.guesser for row in found.rows} == {NETWORK, NGRAM, COMMONEST}


def test_it_is_json(found: Evaluation) -> None:
    told = json.loads(json.dumps(found.manifest()))
    assert told["model"] == found.model and told["bundle"] == found.bundle
    assert told["rows"][0]["figures"]["bits_per_note"] == found.rows[0].figures.bits_per_note
    assert told["composed"]["composed"]["pieces"] == 2


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"samples": 0}, "samples"),
        ({"samples": -3}, "samples"),
        ({"side": "left"}, "unseen, test, valid or train, not 'left'"),
        ({"bars": 0}, "bars"),
    ],
)
def test_options_that_make_no_sense(options: dict, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        EvaluationOptions(**options)
