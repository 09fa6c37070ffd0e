"""Training runs that are interrupted at any moment and in any way, and end exactly the same after a resume."""

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
pytestmark = pytest.mark.usefixtures("faster_saving")

import playbach
from playbach.cli.main import main
from playbach.data import shards
from playbach.system.errors import CorpusError, PlaybachError, UsageError
from playbach.training import plots, run_folders, runs, saving

SMALL = {"hidden": 32, "layers": 1, "embedding": 8}
QUICK: dict[str, Any] = {"model": "lstm", "network": SMALL, "epochs": 1, "dtype": "float32"}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Crash(Exception):
    """Ends a training in these tests, as a bug or full memory would."""


WRITE_BUNDLE, DRAW_CURVES = saving.write_bundle, plots.draw_curves


def interrupted_run(
    folder: Path, into: Path, monkeypatch: pytest.MonkeyPatch, after: int = 12, **options: object
) -> Path:
    """The .run folder of a training that crashed after a number of steps and had saved each."""
    steps = 0

    def on_step(self: object, loss: float) -> None:
        nonlocal steps
        steps += 1
        if steps == after:
            raise Crash

    chosen = {**QUICK, "epochs": 3, "window": 32, "batch": 2, **options}
    with monkeypatch.context() as patched:
        patched.setattr(runs, "SAVE_INTERVAL_SECONDS", 0.0)
        patched.setattr(runs._RunCallbacks, "on_step", on_step)
        with pytest.raises(Crash):
            playbach.train(folder, into=into, **chosen)  # type: ignore[arg-type]
    [path] = into.glob("*.run")
    return path


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("threads", "moments"), [(1, ()), (2, ("in the middle of an epoch", "while an epoch is measured"))]
)
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(
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
    # Passive: threads that wait in a loop would take the processor from other programs.
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    assert done.returncode == 0, done.stderr
    killed = done.stdout.splitlines()
    assert len(killed) == len(moments or range(11))
    assert all(line.endswith("['cut.run']") for line in killed)
    whole, mended = ((tmp_path / which / "cut.safetensors").read_bytes() for which in ("unbroken", "broken"))
    assert whole == mended
    assert files(tmp_path / "broken") == ["cut.jsonl", "cut.log", "cut.png", "cut.safetensors"], (
        "no other files are left"
    )


def test_the_log_of_a_resumed_run_has_each_line_once(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_run(lines_folder, tmp_path, monkeypatch)
    lines: list[str] = []
    run = playbach.train(lines_folder, into=tmp_path, resume=True, report=lines.append)
    assert lines[0] == "Resumed in epoch 2, after 11 steps"
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


def test_a_bundle_that_is_already_written_is_not_written_again(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(saving, "write_bundle", WRITE_BUNDLE)
    with monkeypatch.context() as patched:
        patched.setattr(plots, "draw_curves", fail)
        with pytest.raises(Crash):
            playbach.train(lines_folder, into=tmp_path, name="x", **QUICK)
    assert files(tmp_path) == ["x.playbach", "x.run"]
    before = (tmp_path / "x.playbach").read_bytes()
    monkeypatch.setattr(plots, "draw_curves", DRAW_CURVES)
    run = playbach.train(into=tmp_path, resume=tmp_path / "x.run")
    assert run.path.read_bytes() == before
    assert files(tmp_path) == ["x.jsonl", "x.log", "x.playbach", "x.png"]


def test_only_options_that_end_a_run_may_change(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted_run(lines_folder, tmp_path, monkeypatch, seed=4)
    for options, message in (
        ({"seed": 5}, "seed cannot change from 4 to 5"),
        ({"network": {"hidden": 64}}, "hidden cannot change from 32 to 64"),
        ({"network": {"dropout": 0.5}}, "dropout cannot change from its default to 0.5"),
        ({"encoding": "chorale"}, "encoding cannot change from notes to chorale"),
    ):
        with pytest.raises(UsageError, match=message):
            playbach.train(into=tmp_path, resume=path, **options)  # type: ignore[arg-type]
    run = playbach.train(into=tmp_path, resume=path, epochs=5, patience=9, seed=4, network={"hidden": 32})
    assert len(run.trained.history) == 5
    assert run.trained.options.patience == 9


def test_a_run_is_not_resumed_with_other_music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music = sample_music.folder(tmp_path / "music", sample_music.line)
    path = interrupted_run(music, tmp_path, monkeypatch)
    extra = music / "extra.mid"
    extra.write_bytes(bytes(sample_music.line(77).dumps_midi()))
    with pytest.raises(CorpusError, match=r"music has changed .*\(pieces added: 1, missing: 0\)"):
        playbach.train(into=tmp_path, resume=path)
    extra.unlink()
    (music / "piece03.mid").rename(music / "piece99.mid")
    with pytest.raises(CorpusError, match="files were renamed"):
        playbach.train(into=tmp_path, resume=path)
    (music / "piece99.mid").rename(music / "piece03.mid")
    moved = music.rename(tmp_path / "moved")
    assert playbach.train(moved, into=tmp_path, resume=path).path.exists()


def test_an_unfinished_run_of_the_same_name_is_reported(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted_run(lines_folder, tmp_path, monkeypatch)
    with pytest.raises(
        PlaybachError, match=r"unfinished training has this name; resume it with `playbach train --resume .*\.run`"
    ):
        playbach.train(lines_folder, into=tmp_path, **QUICK)
    run = playbach.train(lines_folder, into=tmp_path, name="other", **QUICK)
    assert run.path.name == "other.playbach"
    assert path.is_dir()


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_state_is_reported_in_one_line(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    path = interrupted_run(lines_folder, tmp_path, monkeypatch)
    state = path / runs.STATE_FILE
    state.write_bytes(state.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(PlaybachError, match=r"state\.safetensors: the saved state is damaged.* train again"):
        playbach.train(into=tmp_path, resume=path)
    assert state.exists()


@pytest.mark.parametrize("damage", ["[]", "{", "{}"])
def test_a_damaged_description_is_reported_in_one_line(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = interrupted_run(lines_folder, tmp_path, monkeypatch)
    (path / run_folders.DESCRIPTION_FILE).write_text(damage)
    with pytest.raises(PlaybachError, match=r"not the folder of an unfinished training|another version"):
        playbach.train(into=tmp_path, resume=path)
    (path / run_folders.DESCRIPTION_FILE).write_text(json.dumps({"format": run_folders.RUN_FORMAT, "options": {}}))
    with pytest.raises(PlaybachError, match=r"run\.json: damaged"):
        playbach.train(into=tmp_path, resume=path)


def test_a_second_ctrl_c_or_divergence_leaves_no_files(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that diverged would diverge again if it were resumed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs._RunCallbacks, "on_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            playbach.train(lines_folder, into=tmp_path, **QUICK)
    assert files(tmp_path) == []
    with pytest.raises(PlaybachError, match="diverged"):
        playbach.train(lines_folder, into=tmp_path, **{**QUICK, "epochs": 8}, learning_rate=1e30, clip=1e30)
    assert files(tmp_path) == []


def test_a_stop_during_encoding_keeps_the_finished_shards(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(runs._RunCallbacks, "should_stop", lambda self: True)
        with pytest.raises(PlaybachError, match=r"stopped while encoding the music.*--resume"):
            playbach.train(lines_folder, into=tmp_path, name="x", **QUICK)
    encoded: list[str] = []
    make = shards._make
    monkeypatch.setattr(shards, "_make", lambda *args: encoded.append(args[1].path.name) or make(*args))
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
        interrupted_run(music, tmp_path / name, monkeypatch, name=name).rename(tmp_path / f"{name}.run")
        (tmp_path / name).rmdir()
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_resume_finds_the_run_or_asks_which_one(two_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def output_of(*arguments: str) -> str:
        status = main(["train", *arguments])
        captured = capsys.readouterr()
        assert status == (0 if captured.out else 2), captured.err
        return captured.out or captured.err

    assert "2 unfinished trainings; choose one: --resume a.run or --resume b.run" in output_of("--resume")
    assert "2 unfinished trainings of music; choose one" in output_of("music", "--resume")
    assert "no such folder" in output_of("--resume", "c.run")
    assert "no such folder" in output_of("music", "--resume", "--name", "c")
    assert "not the folder of an unfinished training" in output_of("music", "--resume", "music")
    (two_runs / "elsewhere").mkdir()
    assert "no unfinished training of elsewhere" in output_of("--resume", "elsewhere")
    assert "seed cannot change from" in output_of("--resume", "a.run", "--seed", "1")
    assert output_of("--resume", "--name", "b") == "b.playbach\n"
    assert output_of("--resume", "music") == "a.playbach\n"
    assert "no unfinished training in" in output_of("--resume")
