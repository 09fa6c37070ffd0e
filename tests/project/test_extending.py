"""The worked examples of CONTRIBUTING.md: an output and an encoding, each added by one file and one entry.

They are added to a copy of the package, where the conformance tests and the commands must then know them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import playbach
from helpers import sample_music
from helpers.paths import GOLDEN, ROOT

PACKAGE = Path(playbach.__file__).parent
EXAMPLE = re.compile(
    r"```\ncp (?P<example>\S+) (?P<target>\S+)\n```.*?in `(?P<registry>\S+\.py)`.*?```\n(?P<entry>.*?)```", re.S
)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `src` of a copy of the package with both examples, made as CONTRIBUTING.md says."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(PACKAGE, root / "src" / "playbach", ignore=shutil.ignore_patterns("page", "__pycache__"))
    steps = list(EXAMPLE.finditer((ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert [step["registry"] for step in steps] == [
        "src/playbach/rendering/__init__.py",
        "src/playbach/encodings/__init__.py",
    ]
    for step in steps:
        shutil.copy(ROOT / step["example"], root / step["target"])
        registry = root / step["registry"]
        head, by_name, tail = registry.read_text("utf-8").partition("= by_name(\n")
        entries, end, rest = tail.partition("\n)\n")
        assert by_name and end
        registry.write_text(f"{head}{by_name}{entries}\n{step['entry']})\n{rest}", "utf-8")
    return root / "src"


def run(extended: Path, folder: Path, *arguments: str) -> str:
    """Run Python with the copy of the package, and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(extended), str(ROOT / "tests")])}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_the_conformance_tests_cover_them(extended: Path) -> None:
    tests = [str(ROOT / "tests" / "conformance" / f"test_{name}.py") for name in ("outputs", "encodings")]
    printed = run(extended, ROOT, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", "txt or pulse")
    assert int(re.findall(r"(\d+) passed", run_summary(printed))[0]) > 15


def run_summary(printed: str) -> str:
    return printed if "passed" in printed else f"{printed.count('.')} passed"


def test_the_help_lists_them(extended: Path, tmp_path: Path) -> None:
    assert ".txt (plain text)" in " ".join(run(extended, tmp_path, "-m", "playbach", "compose", "--help").split())
    assert "notes, chorale, events or pulse" in " ".join(
        run(extended, tmp_path, "-m", "playbach", "train", "--help").split()
    )


def test_the_output_writes_a_piece(extended: Path, tmp_path: Path) -> None:
    model = str(GOLDEN / "tiny.playbach")
    run(extended, tmp_path, "-m", "playbach", "compose", model, "--bars", "1", "--seed", "1", "-o", "piece.txt")
    comment, *notes = (tmp_path / "piece.txt").read_text("utf-8").splitlines()
    assert comment.startswith("# {") and len(notes) > 3
    assert all(re.fullmatch(r"\S+ [A-G]#?-?\d \S+", note) for note in notes)


@pytest.mark.slow
def test_a_network_of_the_encoding_trains_and_composes(extended: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    sample_music.folder(tmp_path / "lines", sample_music.line)
    sizes = ["--hidden", "8", "--embedding", "4", "--epochs", "1", "--dtype", "float32"]
    run(extended, tmp_path, "-m", "playbach", "train", "lines", "--encoding", "pulse", "--name", "toy", *sizes)
    run(extended, tmp_path, "-m", "playbach", "compose", "toy.playbach", "--bars", "2", "--seed", "1")
    assert (tmp_path / "piece.mid").stat().st_size > 50
