"""Trainings that are cut short, at any moment and by any means, and go on to the very same end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import sample_music
from helpers.paths import ROOT

torch = pytest.importorskip("torch")

import playbach
from playbach.cli.main import main
from playbach.data import shards
from playbach.system.errors import CorpusError, PlaybachError, UsageError
from playbach.training import plots, run_folders, runs, saving
from playbach.training.loop import Trained

SMALL = {"hidden": 32, "layers": 1, "embedding": 8}
QUICK: dict[str, Any] = {"model": "lstm", "network": SMALL, "epochs": 1}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Cut(Exception):
    """What ends a training in these tests, as a full memory or a bug would."""


WRITE, DRAW = saving.write, plots.draw


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles that are weights only, and pictures that are empty: making both takes longer than these trainings."""

    def write(stem: Path, trained: Trained, verdict: object) -> Path:
        path = stem.with_name(f"{stem.name}.playbach")
        path.write_bytes(saving.weights(trained.model))
        return path

    monkeypatch.setattr(saving, "write", write)
    monkeypatch.setattr(plots, "draw", lambda *_: None)


def cut(folder: Path, into: Path, monkeypatch: pytest.MonkeyPatch, after: int = 12, **options: object) -> Path:
    """The .run folder of a training that ended after so many steps, all of which were kept."""
    steps = 0

    def advance(self: object, loss: float) -> None:
        nonlocal steps
        steps += 1
        if steps == after:
            raise Cut

    chosen = {**QUICK, "epochs": 3, "window": 32, "batch": 2, **options}
    with monkeypatch.context() as patched:
        patched.setattr(runs, "SAVE_SECONDS", 0.0)
        patched.setattr(runs._RunHooks, "advance", advance)
        with pytest.raises(Cut):
            playbach.train(folder, into=into, **chosen)  # type: ignore[arg-type]
    [path] = into.glob("*.run")
    return path


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(
    ("threads", "moments"), [(1, ()), (2, ("in the middle of an epoch", "while an epoch is measured"))]
)
def test_killed_at_any_moment_it_ends_with_the_same_weights(
    lines_folder: Path, tmp_path: Path, threads: int, moments: tuple[str, ...]
) -> None:
    command = [
        sys.executable,
        str(ROOT / "tests" / "helpers" / "killed_runs.py"),
        str(lines_folder),
        str(tmp_path),
        str(threads),
        *moments,
    ]
    # Passive: threads that wait for each other in a loop take the processor from what else runs.
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    assert done.returncode == 0, done.stderr
    killed = done.stdout.splitlines()
    assert len(killed) == len(moments or range(11))
    assert all(line.endswith("['cut.run']") for line in killed)
    whole, mended = ((tmp_path / which / "cut.safetensors").read_bytes() for which in ("unbroken", "broken"))
    assert whole == mended
    assert files(tmp_path / "broken") == ["cut.jsonl", "cut.log", "cut.png", "cut.safetensors"], (
        "nothing is left lying about"
    )


def test_a_resumed_run_is_one_run(lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(lines_folder, tmp_path, monkeypatch)
    said: list[str] = []
    run = playbach.train(lines_folder, into=tmp_path, resume=True, report=said.append)
    assert said[0] == "Resumed in epoch 2, after 11 steps"
    log = run.log.read_text("utf-8")
    assert log.index("Corpus lines") < log.index("Epoch 1:") < log.index("Resumed") < log.index("Epoch 2:")
    assert [e.number for e in run.trained.history] == [1, 2, 3]
    assert log.count("Epoch 1:") == log.count("Epoch 2:") == 1
    assert files(tmp_path) == [
        "lines-lstm-notes.jsonl",
        "lines-lstm-notes.log",
        "lines-lstm-notes.playbach",
        "lines-lstm-notes.png",
    ]


def test_what_was_written_before_the_end_is_not_written_twice(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Cut

    monkeypatch.setattr(saving, "write", WRITE)
    with monkeypatch.context() as patched:
        patched.setattr(plots, "draw", fail)
        with pytest.raises(Cut):
            playbach.train(lines_folder, into=tmp_path, name="x", **QUICK)
    assert files(tmp_path) == ["x.playbach", "x.run"]
    before = (tmp_path / "x.playbach").read_bytes()
    monkeypatch.setattr(plots, "draw", DRAW)
    run = playbach.train(into=tmp_path, resume=tmp_path / "x.run")
    assert run.path.read_bytes() == before
    assert files(tmp_path) == ["x.jsonl", "x.log", "x.playbach", "x.png"]


def test_only_what_ends_a_run_may_change(lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cut(lines_folder, tmp_path, monkeypatch, seed=4)
    for options, said in (
        ({"seed": 5}, "seed 5 is given, but .*was begun with 4"),
        ({"network": {"hidden": 64}}, "hidden 64 is given, but .*was begun with 32"),
        ({"network": {"dropout": 0.5}}, "dropout 0.5 is given, but .*was begun with its default"),
        ({"encoding": "chorale"}, "encoding chorale is given, but .*was begun with notes"),
    ):
        with pytest.raises(UsageError, match=said):
            playbach.train(into=tmp_path, resume=path, **options)  # type: ignore[arg-type]
    run = playbach.train(into=tmp_path, resume=path, epochs=5, patience=9, seed=4, network={"hidden": 32})
    assert len(run.trained.history) == 5
    assert run.trained.options.patience == 9


def test_other_music_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music = sample_music.folder(tmp_path / "music", sample_music.line)
    path = cut(music, tmp_path, monkeypatch)
    extra = music / "extra.mid"
    extra.write_bytes(bytes(sample_music.line(77).dumps_midi()))
    with pytest.raises(CorpusError, match=r"music has changed .*\(1 pieces are new and 0 are missing\)"):
        playbach.train(into=tmp_path, resume=path)
    extra.unlink()
    (music / "piece03.mid").rename(music / "piece99.mid")
    with pytest.raises(CorpusError, match="files have other names"):
        playbach.train(into=tmp_path, resume=path)
    (music / "piece99.mid").rename(music / "piece03.mid")
    moved = music.rename(tmp_path / "moved")
    assert playbach.train(moved, into=tmp_path, resume=path).path.exists()


def test_an_unfinished_run_is_told_and_not_passed_over(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cut(lines_folder, tmp_path, monkeypatch)
    with pytest.raises(PlaybachError, match=r"cut short; go on with it by playbach train --resume .*\.run"):
        playbach.train(lines_folder, into=tmp_path, **QUICK)
    run = playbach.train(lines_folder, into=tmp_path, name="other", **QUICK)
    assert run.path.name == "other.playbach"
    assert path.is_dir()


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_state_is_one_line(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    path = cut(lines_folder, tmp_path, monkeypatch)
    state = path / runs.STATE
    state.write_bytes(state.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(PlaybachError, match=r"state\.safetensors: the state of this run is damaged.* begin anew"):
        playbach.train(into=tmp_path, resume=path)
    assert state.exists()


@pytest.mark.parametrize("damage", ["[]", "{", "{}"])
def test_a_damaged_description_is_one_line(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = cut(lines_folder, tmp_path, monkeypatch)
    (path / run_folders.DESCRIPTION).write_text(damage)
    with pytest.raises(PlaybachError, match=r"not an unfinished training|another version"):
        playbach.train(into=tmp_path, resume=path)
    (path / run_folders.DESCRIPTION).write_text(json.dumps({"format": run_folders.FORMAT, "options": {}}))
    with pytest.raises(PlaybachError, match=r"run\.json: damaged"):
        playbach.train(into=tmp_path, resume=path)


def test_giving_up_leaves_nothing(lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second Ctrl-C, and a network that diverges, which would diverge again."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs._RunHooks, "advance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            playbach.train(lines_folder, into=tmp_path, **QUICK)
    assert files(tmp_path) == []
    with pytest.raises(PlaybachError, match="diverged"):
        playbach.train(
            lines_folder, into=tmp_path, **{**QUICK, "epochs": 8}, learning_rate=1e30, clip=1e30, dtype="float32"
        )
    assert files(tmp_path) == []


def test_a_stop_while_the_music_is_encoded_keeps_what_is_done(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(runs._RunHooks, "stop", lambda self: True)
        with pytest.raises(PlaybachError, match=r"stopped while the music was encoded.*--resume"):
            playbach.train(lines_folder, into=tmp_path, name="x", **QUICK)
    encoded: list[str] = []
    make = shards._make
    monkeypatch.setattr(shards, "_make", lambda *given: encoded.append(given[1].path.name) or make(*given))
    playbach.train(into=tmp_path, resume=True)
    assert encoded == ["valid-00000.json", "test-00000.json"], "the training pieces were encoded already"
    assert files(tmp_path) == ["x.jsonl", "x.log", "x.playbach", "x.png"]


# ------------------------------------------------------------------------------------------- on the command line


@pytest.fixture
def two_runs(lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with `music`, and two unfinished runs of it."""
    music = tmp_path / "music"
    music.symlink_to(lines_folder)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        cut(music, tmp_path / name, monkeypatch, name=name).rename(tmp_path / f"{name}.run")
        (tmp_path / name).rmdir()
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_the_run_that_is_meant(two_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def says(*arguments: str) -> str:
        status = main(["train", *arguments])
        said = capsys.readouterr()
        assert status == (0 if said.out else 2), said.err
        return said.out or said.err

    assert "2 unfinished trainings; name one: --resume a.run or --resume b.run" in says("--resume")
    assert "2 unfinished trainings of music; name one" in says("music", "--resume")
    assert "no such folder" in says("--resume", "c.run")
    assert "no such folder" in says("music", "--resume", "--name", "c")
    assert "not an unfinished training" in says("music", "--resume", "music")
    (two_runs / "elsewhere").mkdir()
    assert "no unfinished training of elsewhere" in says("--resume", "elsewhere")
    assert "seed 1 is given" in says("--resume", "a.run", "--seed", "1")
    assert says("--resume", "--name", "b") == "b.playbach\n"
    assert says("--resume", "music") == "a.playbach\n"
    assert "no unfinished training in" in says("--resume")
