"""Teachers: they predict distributions, compose music of the encoding, and a student learns from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import playbach
from playbach.bundles import bundle as bundles
from playbach.bundles.network import BaseModel, read_base_model
from playbach.cli.main import main
from playbach.data.batches import TrainingSet
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.ngrams.ngram import NGramAverage
from playbach.system.errors import UsageError
from playbach.training import runs, teaching
from playbach.training.runs import Run
from playbach.training.teaching import Ensemble

pytestmark = pytest.mark.slow

TINY = {"hidden": 12, "embedding": 4, "context_embedding": 4}


def _train(folder: Path, into: Path, name: str, **options: object) -> Run:
    chosen = {"model": "lstm", "network": TINY, "epochs": 2, "dtype": "float32", "base": "none", **options}
    return playbach.train(folder, into=into, name=name, **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def taught(lines_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[BaseModel], Run]:
    """Two teachers, and the training of the first."""
    into = tmp_path_factory.mktemp("teachers")
    trained = [_train(lines_folder, into, f"teacher{i}", seed=0, learning_rate=0.002 + i / 1000) for i in range(2)]
    return [read_base_model(run.path) for run in trained], trained[0]


@pytest.fixture(scope="module")
def ensemble(taught: tuple[list[BaseModel], Run]) -> Ensemble:
    models, run = taught
    encoding, train = run.trained.encoding, run.trained.corpus.train
    pieces = [encoding.encode(piece.score) for piece in train]
    ngrams = NGramAverage.fit([[piece] for piece in pieces], encoding, members=2)
    return teaching.gather(models, encoding, ngrams, pieces[:2])


def test_they_predict_distributions(ensemble: Ensemble, taught: tuple[list[BaseModel], Run]) -> None:
    piece = ensemble.encoding.encode(taught[1].trained.corpus.valid[0].score)
    assert 0.1 <= ensemble.share <= 0.9
    for field, found in zip(ensemble.encoding.fields, ensemble.probabilities(piece), strict=True):
        assert found.shape == (len(piece), len(field))
        assert found.sum(axis=1) == pytest.approx(np.ones(len(piece)), abs=1e-4)


def test_the_networks_are_told_the_length_only_if_it_is_known(
    ensemble: Ensemble, taught: tuple[list[BaseModel], Run]
) -> None:
    piece = ensemble.encoding.encode(taught[1].trained.corpus.valid[0].score)
    known, unknown = (ensemble.of_networks(piece, length_known=is_known)[0] for is_known in (True, False))
    assert not np.allclose(known, unknown)
    piece.context[:, ensemble.encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    np.testing.assert_allclose(ensemble.of_networks(piece, length_known=True)[0], unknown)


def test_what_they_compose_is_music_of_the_encoding(
    ensemble: Ensemble, taught: tuple[list[BaseModel], Run], tmp_path: Path
) -> None:
    pieces = taught[1].trained.corpus.train
    made = teaching.prepare(
        ensemble, pieces, count=5, seed=3, folder=tmp_path, stop=lambda: False, progress=lambda work, total: work
    )
    assert made.encoded_count == 5 and made.soft is not None
    lengths = {len(ensemble.encoding.encode(piece.score)) for piece in pieces}
    for row in range(5):
        piece = made.shards.encoded_piece(row)
        assert 0 < len(piece) <= 4 * max(lengths)
        for known in (True, False):
            told = made.soft.window(row, 0, len(piece), length_known=known)
            expected = ensemble.mix(ensemble.of_networks(piece, length_known=known), ensemble.of_ngrams(piece), piece)
            np.testing.assert_allclose(told, np.concatenate(expected, axis=1), atol=2e-3)
    again = teaching.prepare(
        ensemble, pieces, count=5, seed=3, folder=tmp_path, stop=lambda: False, progress=lambda work, total: work
    )
    assert isinstance(again, TrainingSet) and again.encoded_count == 5


def test_a_student_learns_and_its_bundle_names_its_teachers(
    taught: tuple[list[BaseModel], Run], lines_folder: Path, tmp_path: Path
) -> None:
    models, _ = taught
    teachers = [model.path for model in models]
    student = _train(lines_folder, tmp_path, "student", teachers=teachers, composed=8)
    again = _train(lines_folder, tmp_path, "again", teachers=teachers, composed=8)
    assert student.trained.members is None  # what it has learnt, it plays alone
    lines = student.log.read_text("utf-8")
    assert "Teachers: 2 networks (" in lines and "they compose 8 pieces" in lines
    bundle = bundles.read(student.path)
    assert [t["name"] for t in bundle.manifest["provenance"]["teachers"]] == ["teacher0", "teacher1"]
    assert "--teacher teacher0 --teacher teacher1" in bundle.manifest["provenance"]["command"]
    assert "Learnt also what teacher0 and teacher1 and n-grams know together." in bundle.card
    for name, weights in student.trained.model.state_dict().items():
        assert torch.equal(weights, again.trained.model.state_dict()[name]), name


def test_an_interrupted_student_ends_as_if_it_had_not_been(
    taught: tuple[list[BaseModel], Run], lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, _ = taught
    whole = _train(lines_folder, tmp_path, "whole", teachers=[m.path for m in models], composed=6)

    def fail(*_: object) -> None:
        raise OSError("stopped after training")

    with monkeypatch.context() as broken:
        broken.setattr(runs.saving, "write_bundle", fail)
        with pytest.raises(OSError, match="stopped after training"):
            _train(lines_folder, tmp_path, "half", teachers=[m.path for m in models], composed=6)
    resumed = playbach.train(into=tmp_path, resume=tmp_path / "half.run")
    for name, weights in whole.trained.model.state_dict().items():
        assert torch.equal(weights, resumed.trained.model.state_dict()[name]), name
    assert [teacher.name for teacher in resumed.trained.teachers] == ["teacher0", "teacher1"]


def test_a_teacher_of_other_music_is_refused(
    taught: tuple[list[BaseModel], Run],
    bands_folder: Path,
    lines_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [teacher, _], _ = taught
    with pytest.raises(UsageError, match="teacher0 cannot teach: its vocabulary is not that of this music; train it"):
        _train(bands_folder, tmp_path, "student", teachers=[teacher.path])
    with pytest.raises(UsageError, match=r"teacher0 cannot teach: it was trained on \d of the \d pieces that are"):
        _train(lines_folder, tmp_path, "other", teachers=[teacher.path], seed=1)
    assert main(["train", "--resume", "--teacher", str(teacher.path)]) == 2
    assert "--teacher cannot be combined with --resume" in capsys.readouterr().err
