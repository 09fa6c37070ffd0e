"""Training on given voices: what windows are told, and a network that learns it later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import playbach
from playbach.bundles.network import read_base_model
from playbach.data import corpora
from playbach.data.batches import IGNORED, TrainingSet
from playbach.encodings import ENCODINGS
from playbach.encodings.options import ChoraleOptions
from playbach.models.base import Shape
from playbach.system.errors import UsageError
from playbach.training.finetuning import finetune_options
from playbach.training.runs import Run

pytestmark = pytest.mark.slow

LSTM = {"hidden": 12, "embedding": 4, "context_embedding": 4}
VOICES = 4


@pytest.fixture(scope="module")
def data(chorales_folder: Path) -> TrainingSet:
    corpus, _ = corpora.open_corpus(chorales_folder, 0, "chorale")
    encoding = ENCODINGS["chorale"].load().fit([p.score for p in corpus.train], ChoraleOptions(given=True))
    return TrainingSet(corpus.train, encoding)


def told_voices(data: TrainingSet, context: np.ndarray) -> tuple[bool, ...]:
    """Which voices a window (T, C) is told of."""
    encoding = data._encoding
    columns = [encoding.features.column(f"next {voice}") for voice in ("soprano", "alto", "tenor", "bass")]
    return tuple(bool(context[:, column].any()) for column in columns)


def test_half_of_the_windows_are_told_of_some_voices(data: TrainingSet) -> None:
    found = []
    for epoch in range(60):
        for batch in data.epoch(epoch, 0, 64, 4):
            found += [told_voices(data, context) for context in batch.context]
    told = [voices for voices in found if any(voices)]
    assert len(told) / len(found) == pytest.approx(0.5, abs=0.06)
    assert sum(voices == (True, False, False, False) for voices in told) / len(told) > 0.5
    assert {sum(voices) for voices in told} == {1, 2, 3}, "at least one, and not all"
    assert all(sum(voices[v] for voices in told) > len(told) / 10 for v in range(VOICES))


def test_a_window_is_told_of_what_comes_after_it(data: TrainingSet) -> None:
    encoding, piece = data._encoding, next(data.originals())
    whole = encoding.tell(piece.steps, piece.context, [0, 3])
    row = int(data.shards.originals()[0])
    assert data._told(row, 5, 25, [0, 3]).tolist() == whole[5:25].tolist()


@pytest.mark.parametrize("size", [2, 3])
def test_processes_that_share_a_batch_draw_the_same_voices(data: TrainingSet, size: int) -> None:
    shares = [list(data.epoch(1, 5, 64, 4, share=(rank, size))) for rank in range(size)]
    for i, whole in enumerate(data.epoch(1, 5, 64, 4)):
        for n, (context, target) in enumerate(zip(whole.context, whole.target)):
            steps = int((target[:, 0] != IGNORED).sum())
            assert np.array_equal(shares[n % size][i].context[n // size][:steps], context[:steps])


def train(folder: Path, into: Path, name: str, **options: object) -> Run:
    chosen = {"model": "lstm", "network": LSTM, "epochs": 1, "dtype": "float32", **options}
    return playbach.train(folder, into=into, name=name, **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def free(chorales_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that is told nothing."""
    return train(chorales_folder, tmp_path_factory.mktemp("free"), "free", base="none")


def test_a_network_that_learns_it_later_predicts_at_first_as_before(free: Run) -> None:
    base, corpus = read_base_model(free.path), free.trained.corpus
    encoding = base.extend_encoding((p.score for p in corpus.train), ChoraleOptions(given=True))
    piece = encoding.encode(corpus.valid[0].score)
    old, new = base.load_network(Shape.of(base.encoding)).eval(), base.load_network(Shape.of(encoding)).eval()
    previous = torch.full((1, len(piece), 1), 5)
    told = encoding.tell(piece.steps, piece.context, [0])
    with torch.inference_mode():
        before = old(
            previous, torch.from_numpy(base.encoding.encode(corpus.valid[0].score).context.astype(int))[None]
        )
        for context in (piece.context, told):
            assert torch.allclose(new(previous, torch.from_numpy(context.astype(int))[None])[0], before[0], atol=1e-5)


def test_training_further_adds_given_voices_and_keeps_them(chorales_folder: Path, free: Run, tmp_path: Path) -> None:
    lines: list[str] = []
    options = {"network": {}, "report": lines.append}
    given = train(chorales_folder, tmp_path, "given", base=free.path, chorale=ChoraleOptions(given=True), **options)
    assert given.trained.encoding.tellable_voices == VOICES
    assert any(line.startswith("Epoch 1:") and "around a given tune" in line for line in lines)
    again = train(chorales_folder, tmp_path, "again", base=given.path, network={})
    assert again.trained.encoding.tellable_voices == VOICES
    setting = playbach.load(given.path, runtime="onnx").harmonise(_soprano(given), seed=1, drafts=2)
    assert len(setting.score.tracks) == VOICES


def _soprano(run: Run) -> object:
    score = run.trained.corpus.valid[0].score.copy()
    for track in score.tracks:
        if track.name != "Soprano":
            track.notes.clear()
    return score


def test_a_student_is_told_of_voices_though_its_teacher_is_not(
    chorales_folder: Path, free: Run, tmp_path: Path
) -> None:
    student = train(
        chorales_folder,
        tmp_path,
        "student",
        base="none",
        chorale=ChoraleOptions(given=True),
        teachers=[free.path],
        composed=4,
    )
    assert student.trained.encoding.tellable_voices == VOICES


def test_only_an_lstm_can_learn_it_later(chorales_bundle: Path) -> None:
    base = read_base_model(chorales_bundle)
    assert base.bundle.manifest["architecture"]["name"] == "transformer"
    encoding = base.extend_encoding(_scores(), ChoraleOptions(given=True))
    with pytest.raises(UsageError, match="only an lstm can learn to compose around given voices later"):
        base.load_network(Shape.of(encoding))


def _scores() -> list[object]:
    from helpers import sample_music

    return [sample_music.chorale(seed) for seed in range(3)]


def test_what_a_base_has_learnt_cannot_be_switched_off(chorales_folder: Path, free: Run, tmp_path: Path) -> None:
    given = train(chorales_folder, tmp_path, "given", base=free.path, network={}, chorale=ChoraleOptions(given=True))
    with pytest.raises(UsageError, match="given False contradicts --from"):
        finetune_options(read_base_model(given.path), {"chorale": {"given": False}})
