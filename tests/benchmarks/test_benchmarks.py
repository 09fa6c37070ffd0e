"""The benchmarks: each script has help, and the code behind its figures is right on music small enough to count by
hand. Nothing is timed."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import sample_music
from helpers.paths import ROOT

FOLDER = ROOT / "benchmarks"
SCRIPTS = (
    "reading", "startup", "weight", "training_speed", "compose_quality", "jsb", "cello", "long_corpus", "article",
    "radio_load", "scaling", "fitting", "arm64", "small_machines", "agreement",
    "few_pieces", "borrowing", "harmonising", "rewriting", "listening_test", "duet", "first_visit",
    "frames",
)  # fmt: skip
sys.path.insert(0, str(FOLDER))

import _bench
import fitting
import long_corpus
import reading
import startup
import training_speed
import weight


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / f"{script}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


# ------------------------------------------------------------------------------------------------------ scripts


def test_every_script_is_known() -> None:
    assert sorted(p.stem for p in FOLDER.glob("[!_]*.py")) == sorted(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script: str, tmp_path: Path) -> None:
    py_compile.compile(str(FOLDER / f"{script}.py"), cfile=str(tmp_path / "compiled.pyc"), doraise=True)
    done = run(script, "--help")
    assert done.returncode == 0, done.stderr
    assert "--json" in done.stdout and "Claim" in done.stdout


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_scripts_are_short_and_name_no_local_paths(script: Path) -> None:
    text = script.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    assert not any(place in text for place in ("/home/", "/tmp/"))


def test_an_unknown_model_is_one_line() -> None:
    done = run("startup", "--model", "nothing-of-this-name")
    assert done.returncode == 1
    assert done.stderr.startswith("startup.py: nothing-of-this-name: no such model")
    assert done.stderr.count("\n") == 1


# -------------------------------------------------------------------------------------------------------- _bench


def test_summaries() -> None:
    assert _bench.summarise([3, 1, 2]) == _bench.Summary(2, 1, 3, 3)
    assert _bench.summarise([4, 1]).median == 2.5
    assert _bench.spread_cells(_bench.summarise([1.0, 2.0, 3.0]), 1) == ("2.0", "1.0–3.0, 3 runs")
    assert _bench.spread_cells(_bench.summarise([1234.5]), 0) == ("1,234", "1 run")


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles(share: float, expected: int) -> None:
    assert _bench.percentile(range(100, 0, -1), share) == expected


def test_measures_run_in_turn() -> None:
    order: list[str] = []
    found = _bench.run_alternating({"a": lambda: order.append("a") or 1, "b": lambda: order.append("b") or 2}, 3)
    assert order == ["a", "b"] * 3
    assert found == {"a": [1, 1, 1], "b": [2, 2, 2]}


def test_columns_are_aligned() -> None:
    table = _bench.Table(("what", "s"), (("a long name", "1"), ("b", "10.25")))
    assert _bench.align(table).splitlines() == [
        "what             s",
        "------------------",
        "a long name      1",
        "b            10.25",
    ]


def test_reports(capsys: pytest.CaptureFixture[str]) -> None:
    table = _bench.Table(("what", "s"), (("reading", "2.0"),), ("a note",))
    _bench.print_report("A title", table, {"seconds": _bench.summarise([2.0])}, ("numpy", "no-such-package"), True)
    data = json.loads(capsys.readouterr().out)
    assert data["title"] == "A title" and data["notes"] == ["a note"]
    assert data["seconds"] == {"median": 2.0, "low": 2.0, "high": 2.0, "runs": 1}
    assert data["machine"]["cpu"] and data["machine"]["cores"] >= 1
    assert data["machine"]["versions"]["no-such-package"] == "not installed"
    _bench.print_report("A title", table, {}, ("numpy",), False)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "A title" and "a note" in printed
    assert f"numpy {np.__version__}" in printed[-1]


@pytest.mark.parametrize("text", ["0", "-3", "two"])
def test_counts_begin_at_one(text: str) -> None:
    with pytest.raises(ValueError):
        _bench.count(text)


# ----------------------------------------------------------------------------------------------------- the others


def test_samples_are_spread_over_the_files() -> None:
    paths = [Path(str(i)) for i in range(10)]
    assert [p.name for p in reading.spread_evenly(paths, 5)] == ["0", "2", "4", "6", "8"]
    assert reading.spread_evenly(paths, 99) == paths


def test_both_sides_read_the_same_file(lines_folder: Path) -> None:
    paths, damaged = reading.readable_files(lines_folder, 3)
    assert len(paths) == 3 and damaged == 0
    found = reading.read_with_playbach(list(map(str, paths)))
    assert found["all"] == pytest.approx(sum(found[part] for part in reading.PARTS[:2]))
    assert found["steps"] == sum(sample_music.line(seed, 8, tonic=seed % 3).note_num() for seed in range(3))


def test_a_corpus_is_written_to_shards(lines_folder: Path) -> None:
    paths, _ = reading.readable_files(lines_folder, 12)
    found = reading.write_shards(list(map(str, paths)))
    assert found["encoding"] == "notes" and found["pieces"] == len(paths)
    assert found["in_all_keys"] > found["training_pieces"]
    assert found["all"] == pytest.approx(sum(found[stage] for stage in reading.STAGES[:-1]))


def test_commands_write_one_file_of_each_kind() -> None:
    made = startup.commands("model", 4)
    assert [c[-1] for c in made.values()][2:] == ["piece.mid", "piece.wav", "piece.png"]
    assert all(c[0] == sys.executable for c in made.values())


def test_weights_count_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "a").write_bytes(b"12345")
    os.link(tmp_path / "inside" / "a", tmp_path / "again")
    (tmp_path / "link").symlink_to(tmp_path / "inside" / "a")
    (tmp_path / "b").write_bytes(b"123")
    assert weight.folder_bytes(tmp_path) == 8
    assert weight.file_bytes([tmp_path / "b", tmp_path / "missing"]) == 3


def test_curves_are_read_at_some_points() -> None:
    found = training_speed.points([float(i) for i in range(1, 101)], number=4, over=10)
    assert [step for step, _ in found] == [1, 25, 50, 75, 100]
    assert found[0][1] == 1 and found[-1][1] == 95.5


def test_the_articles_network_has_its_size() -> None:
    pytest.importorskip("torch")
    for last_only, length in ((True, 1), (False, training_speed.WINDOW)):
        model, batch = training_speed.article_variant(training_speed.SYMBOLS, last_only)
        assert 1.18e6 < model.parameter_count() < 1.2e6
        assert batch.previous.shape[:2] == (training_speed.BATCH, training_speed.WINDOW)
        assert batch.target.shape == (training_speed.BATCH, length, 1)


def test_every_variant_takes_a_training_step() -> None:
    pytest.importorskip("torch")
    made = [training_speed.article_variant(16, last_only) for last_only in (True, False)]
    for model, batch in [*made, training_speed.default_variant(pieces=2)]:
        few = type(batch)(batch.previous[:2, :8], batch.context[:2, :8], batch.target[:2, :8])
        assert 0 < training_speed.Trainer(model, "float32", "cpu").step(few) < 10


# ---------------------------------------------------------------------------------------------------- long_corpus


def test_generated_pieces_are_all_different_and_one_in_fifty_is_damaged(tmp_path: Path) -> None:
    assert long_corpus.piece(3, bars=2) == long_corpus.piece(3, bars=2) != long_corpus.piece(4, bars=2)
    long_corpus.folder(tmp_path, 201, bars=2)
    files = sorted(tmp_path.rglob("*.mid"))
    assert len(files) == 201
    whole = [long_corpus.piece(i, bars=2) for i in range(201)]
    assert [i for i, file in enumerate(files) if file.read_bytes() != whole[i]] == [49, 99, 149, 199]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_a_small_folder_is_prepared_and_trained_on() -> None:
    pytest.importorskip("torch")
    done = run("long_corpus", "--files", "60", "--bars", "4", "--steps", "2", "--json")
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["sizes"]
    assert (found["files"], found["pieces"], found["left_out"]) == (60, 59, 1)
    assert found["sequences"] > 47
    assert all(seconds > 0 for seconds in found["seconds"].values())
    for stage in ("preparing", "learning"):
        assert found[stage]["all_mb"] >= found[stage]["own_mb"] > 30  # numpy alone takes that


# -------------------------------------------------------------------------------------------------------- fitting


def test_tunes_are_spread_evenly() -> None:
    paths = [Path(str(i)) for i in range(10)]
    assert [p.name for p in fitting.spread_evenly(paths, 4)] == ["0", "2", "5", "7"]
    assert fitting.spread_evenly(paths, 99) == paths


def test_every_case_can_be_trained_and_has_a_picture_in_the_documentation() -> None:
    pytest.importorskip("torch")
    from playbach.training.options import TrainOptions

    page = (FOLDER.parent / "docs" / "training.md").read_text("utf-8")
    for case in fitting.CASES:
        options = TrainOptions(model="transformer", network=case.network)
        assert options.network["dropout"] == case.changes.get("dropout", 0)
        assert f"](images/fit-{case.name}.png)" in page
        assert (FOLDER.parent / "docs" / "images" / f"fit-{case.name}.png").stat().st_size < 100_000


def test_without_transposition_each_piece_stays_in_its_key_and_the_vocabulary_is_the_same() -> None:
    from _own_key import OwnKey
    from playbach.encodings import ENCODINGS

    scores = [sample_music.line(seed, 8, tonic=seed % 3) for seed in range(3)]
    notes, own = ENCODINGS["notes"].load().fit(scores), OwnKey.fit(scores)
    assert own.fields == notes.fields and own.context == notes.context
    assert [list(own.transpositions(s)) for s in scores] == [[0]] * 3
    assert any(len(notes.transpositions(s)) > 1 for s in scores)
    assert own.manifest()["name"] == "own-key"
