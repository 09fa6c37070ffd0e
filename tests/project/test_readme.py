"""The README tells the truth: its snippets run, and its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from helpers import sample_music
from helpers.paths import ROOT
from playbach.cli.main import main

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.M | re.S)
SNIPPETS = [code for language, code in BLOCKS if language == "python"]
TUNE = [(0, 480, 67), (480, 480, 69), (960, 960, 71), (1920, 960, 67)]
COMMANDS = [
    line.split("#")[0].strip()
    for language, code in BLOCKS
    for line in code.splitlines()
    if not language and line.startswith("playbach ")
]


def test_there_are_snippets_and_commands() -> None:
    assert len(SNIPPETS) >= 3
    assert len(COMMANDS) >= 8


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines_folder: Path, chorales_folder: Path) -> Path:
    """A folder with only the files that the README mentions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-midi-folder").symlink_to(lines_folder)
    (tmp_path / "mine.mid").write_bytes((chorales_folder / "piece00.mid").read_bytes())
    (tmp_path / "tune.mid").write_bytes(bytes(sample_music.score([TUNE]).dumps_midi()))
    return tmp_path


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_runs(number: int, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    if "playbach.train" in SNIPPETS[number]:
        pytest.importorskip("torch")
    exec("import playbach\n" + SNIPPETS[number], names)
    assert capsys.readouterr().out.strip()


ALONE = [
    c
    for c in COMMANDS
    if c.startswith(("playbach compose", "playbach harmonise")) and "my-midi" not in c and "small/" not in c
]
"""The commands that need no other command before them."""


@pytest.mark.parametrize("command", ALONE)
def test_a_command_to_compose_runs(command: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(command)[1:]) == 0
    paths = capsys.readouterr().out.splitlines()
    for path in paths[:1] if "--confidence" in command else paths:  # a table follows it there
        assert Path(path).stat().st_size > 100


def test_the_commands_that_look_inside_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", "--bars", "2"]) == 0
    looking = [c for c in COMMANDS if c.startswith(("playbach inspect", "playbach models", "playbach corpora"))]
    assert len(looking) == 6
    for command in looking:
        capsys.readouterr()
        assert main(shlex.split(command)[1:]) == 0
        assert capsys.readouterr().out.strip()


def test_the_commands_to_train_and_play_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    for command in (c for c in COMMANDS if "my-midi-folder" in c):
        few = ["--epochs", "2", "--hidden", "16", "--dtype", "float32"] if " train " in command else []
        assert main([*shlex.split(command)[1:], *few]) == 0
    assert sorted(p.name for p in here.glob("my-midi-folder-lstm-notes.*")) == [
        f"my-midi-folder-lstm-notes.{ending}" for ending in ("jsonl", "log", "playbach", "png")
    ]
    assert (here / "mine.wav").exists()


@pytest.mark.slow
def test_the_commands_for_small_machines_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("litert_torch")
    small = [c for c in COMMANDS if c.endswith("small") or "small/" in c]
    assert [c.split()[1] for c in small] == ["export", "benchmark", "compose"]
    for command in small:
        assert main(shlex.split(command)[1:]) == 0
    said = capsys.readouterr().out
    assert said.count("tflite-int16x8") == 2 and "for a microcontroller" in said
    assert (here / "piece.mid").exists()


def test_what_the_documents_point_to_is_there() -> None:
    root = ROOT
    for page in (root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md"))):
        text = page.read_text("utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for script in re.findall(r"benchmarks/\w+\.py", text):
            assert (root / script).exists(), f"{page.name}: {script}"
