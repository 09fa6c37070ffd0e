"""benchmarks/article.py: its samples, times and table are right on music small enough to count by hand. A short
script replaces Keras."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from helpers.paths import ROOT

FOLDER = ROOT / "benchmarks"
sys.path.insert(0, str(FOLDER))

import _article_data
import _article_honest
import _article_leaky
import _article_playbach
import _article_process
from _article_data import WINDOW, LeakySplit


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / "article.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


# ------------------------------------------------------------------------------------------------------ samples


def test_windows_are_shuffled_and_then_split() -> None:
    pieces = [np.arange(60) % 7 * 2, np.arange(80) % 5 * 2 + 1]
    data = _article_data.leaky_split(pieces, seed=0)
    assert data.alphabet == 12
    assert [len(data.train), len(data.valid), len(data.test)] == [70, 20, 10]
    places = np.concatenate([data.train, data.valid, data.test])
    assert sorted(places) == list(range(WINDOW, 140))
    assert not np.array_equal(data.train, np.sort(data.train))
    for place, window in zip(data.test, data.windows(data.test), strict=True):
        assert np.array_equal(window, data.symbols[place - WINDOW : place])
    again, other = (_article_data.leaky_split(pieces, seed) for seed in (0, 1))
    assert np.array_equal(again.test, data.test) and not np.array_equal(other.test, data.test)


def test_few_samples_are_the_first_of_the_shuffled_ones() -> None:
    pieces = [np.arange(140) % 9]
    some, every = _article_data.leaky_split(pieces, 3, 50), _article_data.leaky_split(pieces, 3)
    assert [len(some.train), len(some.valid), len(some.test)] == [35, 10, 5]
    assert np.array_equal(some.train, every.train[:35])


def test_masks_mark_places_in_each_piece() -> None:
    first, second = _article_data.step_masks([[0] * 3, [0] * 4], np.array([6, 2, 3]))
    assert first.tolist() == [False, False, True]
    assert second.tolist() == [True, False, False, True]


def string(text: str, train: list[int], test: list[int]) -> LeakySplit:
    symbols = np.array([ord(c) - ord("a") for c in "z" * WINDOW + text])
    return LeakySplit(symbols, *(np.array(places) + WINDOW for places in (train, [], test)))  # type: ignore[arg-type]


def test_the_longest_known_run_is_looked_up() -> None:
    # After "b" comes "c" twice and "d" once, but after "ab" comes "d".
    data = string("abdxbcxbcxabd", train=[2, 5, 8], test=[12])
    assert _article_data.lookup_accuracy(data, data.train) == 1.0
    # Without that sample, what follows "b" most often is all that is known, and wrong.
    assert _article_data.lookup_accuracy(data, data.train[1:]) == 0.0


def test_overlap_counts_equal_ends() -> None:
    tune = "abcdefghijkl"  # ten symbols and a target: from place 10 on
    data = string(tune + tune, train=[11], test=[12 + 11, 12 + 9])
    assert _article_data.overlap(data, data.train) == 0.5


def test_windows_begin_before_the_piece() -> None:
    windows, notes = _article_honest.padded_windows([[60, 62], [62]], {60: 1, 62: 2})
    assert windows.shape == (3, WINDOW)
    assert windows[:, -2:].tolist() == [[0, 0], [0, 1], [0, 0]]
    assert windows[:, :-2].max() == 0
    assert notes.tolist() == [1, 2, 2]


# ---------------------------------------------------------------------------------------------------- playbach


@pytest.fixture(scope="module")
def lines(lines_folder: Path) -> tuple[list[str], list[object]]:
    return _article_data.read(lines_folder)


def test_each_training_target_is_learnt_once_an_epoch(lines: tuple[list[str], list[object]]) -> None:
    pytest.importorskip("torch")
    from playbach.data.batches import IGNORED

    encoding, sequences = _article_data.encode_pieces(lines[1])
    data = _article_data.leaky_split([s.steps[:, 0] for s in sequences], 0)
    learnt = _article_data.step_masks(sequences, data.train)
    for seed in range(3):
        targets = [
            batch.target[batch.target != IGNORED]
            for batch in _article_playbach.batches(encoding, sequences, learnt, np.random.default_rng(seed))
        ]
        wanted = np.concatenate([s.steps[:, 0][m] for s, m in zip(sequences, learnt)])
        assert sorted(np.concatenate(targets)) == sorted(wanted)


def test_the_ngram_knows_the_training_targets_and_the_piece_so_far_alone() -> None:
    """All symbols that occurred neither in training nor in the piece so far are equally probable."""
    from helpers import sample_music

    encoding, sequences = _article_data.encode_pieces([sample_music.line(seed) for seed in range(2)])
    symbols = np.concatenate([s.steps[:, 0] for s in sequences])
    begin = len(sequences[0])
    none_heard = _article_playbach.ngram_chances(encoding, sequences, np.arange(5), np.array([begin]))[0]
    assert none_heard.sum() == pytest.approx(1)
    rest = np.setdiff1d(np.arange(len(none_heard)), symbols[:5])
    assert np.ptp(none_heard[rest]) == pytest.approx(0)
    assert none_heard[symbols[:5]].min() > none_heard[rest].max()


def test_chances_at_places_are_those_of_the_piece_alone() -> None:
    torch = pytest.importorskip("torch")
    from _dynamic import log_chances
    from helpers import sample_music
    from playbach.models import build
    from playbach.models.base import Shape

    encoding, sequences = _article_data.encode_pieces([sample_music.line(seed, bars=6 - seed) for seed in range(3)])
    torch.manual_seed(0)
    model = build("transformer", Shape.of(encoding), {"width": 16, "layers": 1, "heads": 2, "memory": 8})
    places = np.array([3, len(sequences[0]) + 5, 0])
    found = _article_playbach.chances_at(model, encoding, sequences, places)
    expected = [log_chances(model, encoding, sequences[piece])[step] for piece, step in ((0, 3), (1, 5), (0, 0))]
    assert np.allclose(np.log(found), expected, atol=1e-4)


# ----------------------------------------------------------------------------------------------- when it is reached


def curve(*tests: float) -> list[dict[str, float]]:
    return [{"epoch": i, "valid": t, "test": t, "wall": 10.0 * i, "cpu": 20.0 * i} for i, t in enumerate(tests, 1)]


def test_an_accuracy_is_reached_at_the_first_epoch_that_has_it() -> None:
    side = _article_leaky.Side("a", [curve(0.1, 0.5, 0.4, 0.6), curve(0.5, 0.7), curve(0.2, 0.3, 0.9)])
    assert side.time_to_reach(0.5) == {"epoch": 2, "wall": 20, "cpu": 40}
    assert side.best() == 0.9 and side.selected_accuracy() == 0.7
    assert math.isinf(side.time_to_reach(0.95)["wall"])


def test_what_comes_before_the_first_epoch_counts() -> None:
    side = _article_leaky.Side("a", [curve(0.5)], more=(1.5, 2.5))
    assert side.time_to_reach(0.5) == {"epoch": 1, "wall": 11.5, "cpu": 22.5}


def test_the_kept_accuracy_is_chosen_by_the_samples_to_stop_on() -> None:
    lines = [{**line, "valid": 1 - line["test"]} for line in curve(0.3, 0.8)]
    assert _article_leaky.Side("a", [lines]).selected_accuracy() == 0.3


# ------------------------------------------------------------------------------------------------- Keras's process


def fake_python(folder: Path, *commands: str) -> str:
    path = folder / "python"
    path.write_text("\n".join(["#!/bin/sh", *commands, ""]), "utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_lines_come_from_the_process(tmp_path: Path) -> None:
    python = fake_python(tmp_path, """echo '{"epoch": 1}'""", "echo talk >&2", """echo '{"kept": 1}'""")
    assert list(_article_process.output_lines(python, "train")) == [{"epoch": 1}, {"kept": 1}]


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_its_failure_is_its_last_line(tmp_path: Path) -> None:
    python = fake_python(tmp_path, "echo first >&2", "echo the reason >&2", "exit 3")
    with pytest.raises(SystemExit, match="the reason"):
        list(_article_process.output_lines(python))
    with pytest.raises(SystemExit, match="ended with 4"):
        list(_article_process.output_lines(fake_python(tmp_path, "exit 4")))


def test_a_missing_python_is_an_error() -> None:
    with pytest.raises(SystemExit, match="--keras-python"):
        list(_article_process.output_lines("no-such-python"))


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_without_tensorflow_the_error_says_what_to_install() -> None:
    with pytest.raises(SystemExit, match=r"requirements-article\.txt"):
        list(_article_process.output_lines(sys.executable, "predict", "10", "1", "0"))


# ------------------------------------------------------------------------------------------------------ the whole


@pytest.mark.slow
def test_it_measures_without_keras_and_keeps_the_curve(lines_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    log = tmp_path / "curves.jsonl"
    log.write_text('{"before": true}\n', "utf-8")
    arguments = ["--part", "leaky", "--no-keras", "--epochs", "2", "--runs", "1", "--log", str(log), "--json"]
    done = run(str(lines_folder), *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["parts"]["leaky"]
    assert found["target"] == _article_leaky.ARTICLE
    assert set(found["sides"]) == {
        "playbach: n-gram", "playbach: network", "playbach: network and n-gram, half and half",
    }  # fmt: skip
    kept = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert kept[0] == {"before": True}
    assert [line["epoch"] for line in kept if line.get("side") == "playbach"] == [1, 2]


def test_bad_folders_are_one_line(tmp_path: Path) -> None:
    for arguments in ([str(tmp_path / "missing"), "--part", "leaky"], [str(tmp_path), "--part", "honest"]):
        done = run(*arguments, "--no-keras")
        assert done.returncode == 1
        assert done.stderr.startswith("article.py: ") and done.stderr.count("\n") == 1
