"""The folder of a run: complete or absent, used by one process at a time, never replacing other files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from playbach.system.errors import PlaybachError, UsageError
from playbach.training import run_folders
from playbach.training.run_folders import DESCRIPTION_FILE, LOCK_FILE, create, reopen, unfinished_runs

ENDINGS = (".playbach", ".png", ".log")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_appears_complete_and_is_removed(tmp_path: Path) -> None:
    run = create(tmp_path, "x", ENDINGS, {"seed": 7})
    assert run.path == tmp_path / "x.run"
    assert run.stem == tmp_path / "x"
    assert files(run.path) == sorted([DESCRIPTION_FILE, LOCK_FILE])
    assert [(path, what["seed"]) for path, what in unfinished_runs(tmp_path)] == [(run.path, 7)]
    (run.path / "more").mkdir()
    run.remove()
    assert files(tmp_path) == []


@pytest.mark.parametrize("ending", [*ENDINGS, ".run"])
def test_a_name_in_use_is_left_alone(tmp_path: Path, ending: str) -> None:
    other = tmp_path / f"x{ending}"
    other.write_text("precious") if ending != ".run" else other.mkdir()
    run = create(tmp_path, "x", ENDINGS, {})
    assert run.path.name == "x-2.run"
    run.remove()
    assert other.exists()


def test_an_unfinished_run_of_the_same_name_is_reported(tmp_path: Path) -> None:
    create(tmp_path, "x", ENDINGS, {}).release()
    with pytest.raises(PlaybachError, match=r"unfinished training has this name; .*--resume .*x\.run"):
        create(tmp_path, "x", ENDINGS, {})
    (tmp_path / "y.log").touch()
    create(tmp_path, "y", ENDINGS, {}).release()
    with pytest.raises(PlaybachError, match=r"y-2\.run"):
        create(tmp_path, "y", ENDINGS, {})


def test_an_interrupted_removal_is_completed(tmp_path: Path) -> None:
    run = create(tmp_path, "x", ENDINGS, {})
    (run.path / DESCRIPTION_FILE).unlink()
    (run.path / "state").write_text("old")
    run.release()
    run = create(tmp_path, "x", ENDINGS, {})
    assert run.path.name == "x.run"
    assert files(run.path) == sorted([DESCRIPTION_FILE, LOCK_FILE])
    run.remove()


def test_reopening_removes_half_written_files(tmp_path: Path) -> None:
    run = create(tmp_path, "x", ENDINGS, {"seed": 7})
    (run.path / ".playbach-0123456789ab.safetensors").write_text("half")
    (run.path / "state.safetensors").write_text("whole")
    run.release()
    again = reopen(run.path)
    assert again.description["seed"] == 7
    assert files(again.path) == sorted([DESCRIPTION_FILE, LOCK_FILE, "state.safetensors"])
    again.remove()


def test_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys; from pathlib import Path; from playbach.training.run_folders import create; "
        f"run = create(Path({str(tmp_path)!r}), 'x', (), {{}}); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        monkeypatch.setattr(run_folders, "LOCK_WAIT_SECONDS", 0.1)
        with pytest.raises(PlaybachError, match="another process is training in this folder"):
            reopen(tmp_path / "x.run")
        second = create(tmp_path, "x", (), {})
        assert second.path.name == "x-2.run", "a run that is training keeps its name"
        second.remove()
        other.kill()
        other.wait()
    reopen(tmp_path / "x.run").remove()


def test_reopening_waits_for_the_lock_of_a_dying_process(tmp_path: Path) -> None:
    import threading

    run = create(tmp_path, "x", ENDINGS, {})
    threading.Timer(0.3, run.release).start()
    reopen(run.path).remove()


def test_a_folder_that_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        reopen(tmp_path / "x.run")
    with pytest.raises(UsageError, match="not the folder of an unfinished training"):
        reopen(tmp_path)
    (tmp_path / DESCRIPTION_FILE).write_text('{"format": 99}')
    with pytest.raises(PlaybachError, match="another version"):
        reopen(tmp_path)
    with pytest.raises(PlaybachError, match="cannot be made"):
        create(tmp_path / "missing", "x", ENDINGS, {})
