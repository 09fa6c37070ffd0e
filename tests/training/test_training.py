"""Training runs on small generated music, from start to end: their files, their text, and every way to end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers import sample_music

torch = pytest.importorskip("torch")

import numpy as np

import playbach
from playbach.bundles import bundle as bundles
from playbach.bundles.fingerprints import read_index
from playbach.data import corpora
from playbach.data.batches import IGNORED, TrainingSet
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.evaluation import validation
from playbach.evaluation.validation import frequency_baseline, measure_network
from playbach.models import build
from playbach.models.base import Shape
from playbach.music import tunes
from playbach.system.errors import CorpusError, PlaybachError, UsageError
from playbach.training import loop
from playbach.training.checkpoints import RunState
from playbach.training.loop import Callbacks
from playbach.training.options import TrainOptions
from playbach.training.runs import Run

SMALL = {"hidden": 16, "layers": 1, "embedding": 8}
QUICK: dict[str, Any] = {"network": SMALL, "epochs": 1, "dtype": "float32"}  # `auto` would try two formats first


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def finished(chorales_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str]]:
    """A run with the number format of its choice, and the lines that it reported."""
    lines: list[str] = []
    network = {"hidden": 16}
    into = tmp_path_factory.mktemp("finished")
    return playbach.train(chorales_folder, into=into, report=lines.append, epochs=6, network=network), lines


def test_a_run_leaves_a_bundle_a_picture_and_a_log(finished: tuple[Run, list[str]]) -> None:
    run, lines = finished
    folder = run.path.parent
    assert files(folder) == [
        "chorales-lstm-chorale.jsonl",
        "chorales-lstm-chorale.log",
        "chorales-lstm-chorale.playbach",
        "chorales-lstm-chorale.png",
    ]
    assert run.path == folder / "chorales-lstm-chorale.playbach"
    assert run.log.read_text("utf-8").splitlines() == lines
    assert run.picture.read_bytes().startswith(b"\x89PNG")
    text = "\n".join(lines)
    assert "Chose the 'chorale' encoding for this music" in text
    improved = r"Epoch \d+: val accuracy .*bits per note improved from \d+\.\d{3} to \d+\.\d{3}, saved"
    assert re.search(improved, text)
    assert re.search(r"Trained 6 epochs in \d+ min \d+ s: all 6 epochs done", text)
    assert re.search(r"Held-out test music: accuracy 0\.\d{3}, \d+\.\d{3} bits per note \(the network alone", text)
    assert f"{run.trained.model.parameter_count():,} parameters" in text
    assert playbach.load(run.path).compose(bars=2, seed=1).score.note_num() > 0


def test_training_beats_guessing_by_frequency(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    network = {**SMALL, "dropout": 0.0}
    trained = loop.train(corpus, replace(options, epochs=40, network=network, learning_rate=0.01, averaging=0.9))
    assert trained.test.bits_per_note < 0.95 * trained.baseline.bits_per_note


def test_the_bundle_records_its_provenance(finished: tuple[Run, list[str]]) -> None:
    bundle = bundles.read(finished[0].path)
    manifest = bundle.manifest
    assert manifest["encoding"]["name"] == "chorale"
    assert manifest["provenance"]["options"]["seed"] == 0
    assert manifest["provenance"]["device"] == "cpu"
    assert manifest["provenance"]["dtype"] in ("float32", "bfloat16")
    assert {side for side, _ in manifest["pieces"].values()} == {"train", "valid", "test"}
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in manifest["pieces"])
    assert manifest["metrics"]["onnx_largest_logit_difference"] < 1e-3
    assert "| held-out test |" in bundle.card
    assert "| test, 5 n-grams averaged |" in bundle.card
    assert (
        0
        < manifest["metrics"]["ngram"]["bits_per_note"]
        < manifest["metrics"]["guessing_by_frequency"]["bits_per_note"]
    )
    command = manifest["provenance"]["command"]
    assert command.startswith(
        "playbach train chorales --from none --name chorales-lstm-chorale --encoding chorale --epochs 6 "
    )
    assert f"`{command}`" in bundle.card
    index = read_index(bundle)
    sides = [side for side, _ in manifest["pieces"].values()]
    assert index is not None and index.missing == 0
    assert index.index.pieces == {number for number, side in enumerate(sides) if side == "train"}
    assert index.floor.pieces == len(sides) - sides.count("train")
    assert "fingerprints of its training pieces" in bundle.card
    import safetensors.torch

    weights = safetensors.torch.load(bundle.members[bundles.WEIGHTS])
    assert sum(w.numel() for w in weights.values()) == manifest["architecture"]["parameters"]


def test_the_same_seed_trains_the_same_network(lines_folder: Path, tmp_path: Path, faster_saving: None) -> None:
    runs = [playbach.train(lines_folder, into=tmp_path, **{**QUICK, "epochs": 2}, seed=s) for s in (1, 1, 2)]
    weights = [run.path.read_bytes() for run in runs]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_nothing_is_overwritten(lines_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.log").write_text("precious")
    run = playbach.train(lines_folder, into=tmp_path, name="mine", **QUICK)
    assert run.path.name == "mine-2.playbach"
    assert (tmp_path / "mine.log").read_text() == "precious"
    assert files(tmp_path) == ["mine-2.jsonl", "mine-2.log", "mine-2.playbach", "mine-2.png", "mine.log"]


def test_damaged_files_are_named_and_left_out(tmp_path: Path, faster_saving: None) -> None:
    music = tmp_path / "music"
    sample_music.folder(music, sample_music.line)
    good = (music / "piece00.mid").read_bytes()
    (music / "truncated.mid").write_bytes(good[: len(good) // 2])
    (music / "empty.mid").write_bytes(b"")
    (music / "garbage.mid").write_bytes(bytes(range(256)) * 20)
    (music / "crashing.mid").write_bytes(bytes.fromhex("4d546864 00000006 0000 0001 01e0 4d54726b 00000004 6e9fb140"))
    (music / "huge.midi").write_bytes(b"MThd" + bytes(17 << 20))
    lines: list[str] = []
    playbach.train(music, into=tmp_path, report=lines.append, **QUICK)
    for name in ("truncated.mid", "empty.mid", "garbage.mid", "crashing.mid", "huge.midi"):
        assert sum(name in line for line in lines) == 1
    assert "5 of 15 files left out" in lines


def test_a_folder_that_is_too_small_leaves_no_files(tmp_path: Path) -> None:
    music = sample_music.folder(tmp_path / "music", sample_music.line, count=2)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(CorpusError, match="too little music"):
        playbach.train(music, into=out)
    assert files(out) == []


class Clock:
    """A clock that advances by ten seconds whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


def load_corpus(folder: Path) -> tuple[corpora.Corpus, TrainOptions]:
    corpus, encoding = corpora.load_folder(folder)
    return corpus, TrainOptions(encoding=encoding, network=SMALL, window=32, batch=4, dtype="float32")


def test_max_minutes_only_ends_training(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    untimed = loop.train(corpus, replace(options, epochs=2))
    timed = loop.train(corpus, replace(options, epochs=50, patience=1000, max_minutes=20), clock=Clock())
    assert timed.stop_reason == "time limit of 20 minutes reached"
    assert 1 <= len(timed.history) < 50
    assert timed.history[0].valid == untimed.history[0].valid, "the clock affects only the end"


def test_a_time_limit_that_is_too_short_still_gives_a_network(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    trained = loop.train(corpus, replace(options, max_minutes=0.001), clock=Clock())
    assert len(trained.history) == 1


class StopAfter(Callbacks):
    def __init__(self, steps: int) -> None:
        self.steps, self.saved = steps, []

    def on_step(self, loss: float) -> None:
        self.steps -= 1

    def save(self, state: RunState, point: str) -> None:
        self.saved.append(state.best)

    def should_stop(self) -> bool:
        return self.steps <= 0


def test_a_stop_by_hand_keeps_the_best_weights(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    callbacks = StopAfter(30)
    trained = loop.train(corpus, options, callbacks=callbacks)
    assert trained.stop_reason == "stopped by hand"
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(tensor, callbacks.saved[-1][name].half().float()), "rounded as a bundle stores them"


def test_training_stops_on_a_plateau_with_the_best_weights(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    trained = loop.train(corpus, replace(options, epochs=400, patience=3, learning_rate=0.02))
    assert trained.stop_reason == "no improvement for 3 epochs"
    valid = [corpora.Piece(p.name, p.score, p.digest) for p in corpus.valid]
    again = measure_network(trained.model, trained.encoding, [trained.encoding.encode(p.score) for p in valid])
    assert again.bits_per_note == pytest.approx(trained.best.valid.bits_per_note, rel=1e-3)
    assert trained.best.saved
    assert len(trained.history) == trained.best.number + 3


def test_divergence_is_reported_in_one_line(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    with pytest.raises(PlaybachError, match=r"diverged.*learning-rate"):
        loop.train(corpus, replace(options, learning_rate=1e30, clip=1e30, epochs=8))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_windows_of_an_epoch_contain_every_step_once(lines_folder: Path, seed: int) -> None:
    corpus, options = load_corpus(lines_folder)
    encoding = loop.fit_encoding(corpus, options)
    data = TrainingSet(corpus.train, encoding)
    batches = list(data.epoch(1, seed, 32, 4))
    assert sum(int((b.target[..., 0] != IGNORED).sum()) for b in batches) == data.steps
    for batch in batches:
        known = batch.target[:, :, 0] != IGNORED
        # Within a window, the target at a position is the previous step of the next position.
        both = known[:, 1:]
        same = batch.previous[:, 1:][both] == batch.target[:, :-1][both]
        assert same.mean() > 0.97  # a rare symbol may be replaced in one window and not in another
    starts = sum(int((b.previous[:, 0, 0] == len(encoding.fields[0])).sum()) for b in batches)
    assert starts == len(corpus.train)
    left = np.concatenate([b.context[:, 0, encoding.bars_left_column] for b in batches])
    assert 0 < (left == UNKNOWN_BARS_LEFT).mean() < 1
    again = list(data.epoch(1, seed, 32, 4))
    assert all(np.array_equal(a.target, b.target) for a, b in zip(batches, again, strict=True))
    assert any(
        a.target.shape != b.target.shape or not np.array_equal(a.target, b.target)
        for a, b in zip(batches, data.epoch(2, seed, 32, 4), strict=False)
    )


def test_held_out_pieces_are_never_trained_on(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    encoding = loop.fit_encoding(corpus, options)
    shifted = {tuple(np.diff(tunes.top_line(p.score)).tolist()) for p in (*corpus.valid, *corpus.test)}
    for piece in corpus.train:
        assert tuple(np.diff(tunes.top_line(piece.score)).tolist()) not in shifted
    assert TrainingSet(corpus.train, encoding).steps == sum(len(encoding.encode(p.score)) for p in corpus.train)


def test_measuring_does_not_depend_on_padding(lines_folder: Path) -> None:
    corpus, options = load_corpus(lines_folder)
    trained = loop.train(corpus, replace(options, epochs=1))
    sequences = [trained.encoding.encode(sample_music.line(seed, bars)) for seed, bars in ((1, 3), (2, 9), (3, 6))]
    together = measure_network(trained.model, trained.encoding, sequences)
    alone = [measure_network(trained.model, trained.encoding, [s]) for s in sequences]
    bits = sum(f.bits_per_note * f.notes for f in alone) / sum(f.notes for f in alone)
    assert together.bits_per_note == pytest.approx(bits, rel=1e-5)
    assert together.steps == sum(map(len, sequences))
    guess = frequency_baseline(trained.encoding, sequences, sequences)
    assert guess.bits_per_symbol <= np.log2(max(len(f) for f in trained.encoding.fields))


@pytest.mark.parametrize("most", [0, 1 << 27])
def test_measuring_in_parts_or_step_by_step_gives_the_same_figures(
    lines_folder: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    corpus, options = load_corpus(lines_folder)
    encoding = loop.fit_encoding(corpus, options)
    model = build(options.model, Shape.of(encoding), options.network)
    sequences = [encoding.encode(sample_music.line(seed, bars)) for seed, bars in ((1, 3), (2, 9), (3, 6))]
    whole = measure_network(model, encoding, sequences)
    monkeypatch.setattr(validation, "LOGITS_AT_ONCE", 7 * max(map(len, encoding.fields)))
    monkeypatch.setattr(validation, "LOGITS_AT_MOST", most)
    parts = measure_network(model, encoding, sequences)
    assert [h.bits for h in parts.heads] == pytest.approx([h.bits for h in whole.heads], rel=1e-5)
    figures, expected = parts.manifest(), whole.manifest()
    del figures["heads"], expected["heads"]
    assert figures == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"encoding": "midi"}, "encoding must be notes, chorale or events, not 'midi'"),
        ({"model": "gpt"}, "model must be lstm, .*, not 'gpt'"),
        ({"device": "tpu"}, "no device called 'tpu'"),
        ({"epochs": 0}, "epochs"),
        ({"max_minutes": -1}, "max-minutes"),
        ({"learning_rate": 0}, "learning-rate"),
        ({"network": {"width": 3}}, "no option 'width'.*hidden"),
        ({"network": {"hidden": 0}}, "hidden"),
        ({"dtype": "float8"}, "dtype"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"max_minutes": float("inf")}, "max-minutes"),
        ({"clip": float("nan")}, "clip"),
        ({"epochs": 2.5}, "epochs"),
        ({"name": "a/b"}, "must be printable, without folders"),
    ],
)
def test_the_message_names_an_invalid_option(
    lines_folder: Path, tmp_path: Path, options: dict[str, object], word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        playbach.train(lines_folder, into=tmp_path, **options)  # type: ignore[arg-type]
    assert files(tmp_path) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has cuda")
def test_the_message_names_a_missing_device(lines_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no device 'cuda'; it has: cpu"):
        playbach.train(lines_folder, into=tmp_path, device="cuda")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_on_the_command_line_keeps_the_best_weights(lines_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "playbach", "train", str(lines_folder), "--epochs", "100000", "--hidden", "16",
               "--patience", "100000", "--dtype", "float32", "--name", "cut"]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    seen = threading.Event()

    def read_stderr() -> None:
        for line in process.stderr:  # type: ignore[union-attr]
            lines.append(line)
            if line.startswith("Epoch 2"):
                seen.set()

    thread = threading.Thread(target=read_stderr)
    thread.start()
    assert seen.wait(120), lines
    assert files(tmp_path) == ["cut.run"]
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(120) == 0, lines
    thread.join()
    assert process.stdout is not None
    assert process.stdout.read() == "cut.playbach\n"
    process.stdout.close()
    process.stderr.close()
    assert files(tmp_path) == ["cut.jsonl", "cut.log", "cut.playbach", "cut.png"]
    assert any("stopped by hand" in line for line in lines)
    manifest = bundles.read(tmp_path / "cut.playbach").manifest
    assert manifest["provenance"]["stopped"] == "stopped by hand"
    assert json.dumps(manifest)


def test_a_file_name_that_is_not_utf8_is_accepted(tmp_path: Path) -> None:
    music = sample_music.folder(tmp_path / "music", sample_music.line, count=5)
    (music / "piece00.mid").rename(os.fsdecode(os.fsencode(music) + b"/caf\xe9.mid"))
    run = playbach.train(music, into=tmp_path, **QUICK)
    names = {name for _, name in bundles.read(run.path).manifest["pieces"].values()}
    assert any("caf" in name for name in names)
    assert all(name.isprintable() for name in names)


def test_a_missing_package_is_reported_before_training(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playbach.training import runs

    monkeypatch.setattr(runs, "find_spec", lambda name: None if name == "matplotlib" else object())
    with pytest.raises(PlaybachError, match=r"matplotlib.*playbach\[train\]"):
        playbach.train(lines_folder, into=tmp_path)
    assert files(tmp_path) == []
