"""The layers of the package, and what composing and playing import.

The layers are stated in `pyproject.toml` and checked by import-linter (`lint-imports`). These tests run it, and show
that it catches every kind of import.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import playbach
from helpers.paths import GOLDEN, ROOT

SOURCE = Path(playbach.__file__).parent


def checked(root: Path) -> subprocess.CompletedProcess[str]:
    """The layers as checked by `lint-imports` in a copy of the package."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    environment = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package's modules, and of the contracts."""
    shutil.copytree(
        SOURCE, tmp_path / "playbach", ignore=lambda _, names: [n for n in names if n.endswith((".js", ".playbach"))]
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_hold(copied: Path) -> None:
    done = checked(copied)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("music/bars.py", "import playbach.encodings.base"),
        (
            "music/bars.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from playbach.training import loop",
        ),
        ("encodings/relations.py", "def late():\n    from playbach import inference"),
        ("ngrams/ppm.py", "import playbach.ngrams.ngram"),
        ("rendering/midi.py", "import torch"),
        ("helpers/__init__.py", "'a package that no layer names'"),
    ],
    ids=["import a.b.c", "for type checking alone", "in a function", "a circle", "torch", "no layer"],
)
def test_an_import_that_breaks_the_layers_is_caught(copied: Path, module: str, line: str) -> None:
    path = copied / "playbach" / module
    path.parent.mkdir(exist_ok=True)
    text = path.read_text("utf-8") if path.exists() else ""
    path.write_text(f"{text}\n{line}\n", "utf-8")
    done = checked(copied)
    assert done.returncode != 0, done.stdout


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def loaded_by(*lines: str) -> set[str]:
    code = "; ".join([*lines, "import sys", "print(*{m.partition('.')[0] for m in sys.modules})"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "music21", "matplotlib", "tqdm", "safetensors", "onnx"}


def test_composing_and_playing_import_nothing_heavy(tmp_path: Path) -> None:
    compose = "from playbach.cli.main import main"
    for name in ("a.mid", "a.wav", "a.png"):
        out = tmp_path / name
        loaded = loaded_by(compose, f"assert main(['compose', '--bars', '1', '-o', {str(out)!r}]) == 0")
        assert not loaded & HEAVY
        assert out.exists()


def test_help_imports_next_to_nothing() -> None:
    loaded = loaded_by("from playbach.cli.main import main", "import contextlib", "import io",
                       "x = contextlib.suppress(SystemExit)", "x.__enter__()", "import playbach")  # fmt: skip
    assert not loaded & (HEAVY | {"numpy", "symusic", "onnxruntime", "PIL", "asyncio", "zipfile"})


def test_playing_a_tflite_file_needs_neither_torch_nor_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    model = GOLDEN / "tiny-int8.tflite"
    compose = f"['compose', {str(model)!r}, '--runtime', 'litert', '--bars', '1', '-o', {str(tmp_path / 'a.mid')!r}]"
    loaded = loaded_by("from playbach.cli.main import main", f"assert main({compose}) == 0")
    assert "ai_edge_litert" in loaded
    assert not loaded & (HEAVY | {"onnxruntime", "tensorflow", "jax"})
    assert (tmp_path / "a.mid").exists()


def test_nothing_is_unpickled() -> None:
    for path in modules():
        assert "pickle" not in {alias.name for node in ast.walk(ast.parse(path.read_text("utf-8")))
                                if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}  # fmt: skip
