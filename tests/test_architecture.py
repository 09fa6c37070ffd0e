"""The floors of the house: a module imports only from floors below its own, what plays never imports torch, and no
file grows too long without a reason."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import playbach

SOURCE = Path(playbach.__file__).parent

FLOORS: tuple[tuple[str, ...], ...] = (
    ("_version", "errors", "events", "silence"),
    ("files", "instruments", "keys"),
    ("scores", "spools", "exported"),
    ("encodings", "tunes", "conversions"),
    ("chorales", "bundle", "views"),
    ("builtin",),
    ("corpora", "outputs"),
    ("runtimes", "sampling", "performing", "pieces", "shards", "confidence", "figures", "measures"),
    ("ngram",),
    ("walking", "passages", "continuations", "integer"),
    ("composing", "inspecting"),
    ("models", "batches", "verdict", "live"),
    ("evaluation", "held_out", "benchmarking", "server"),
    ("checkpoints", "run_folders", "options", "finetuning", "distributed"),
    ("descent", "configs", "curves", "export"),
    ("following",),
    ("training",),
    ("plots", "bundling", "resuming"),
    ("runs",),
    ("playbach",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""From the ground up; modules of one floor don't know each other, except within one package."""


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def floor_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "playbach" if first == "__init__" else first


def imported(path: Path) -> set[str]:
    """The modules of our own that a file imports, in functions too, but not for type checking alone."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "playbach":
            below = (node.module or "").split(".")[1:2]
            names = [alias.name for alias in node.names]
            found |= set(below) or {name if (SOURCE / name).exists() or (SOURCE / f"{name}.py").exists()
                                    else "playbach" for name in names}  # fmt: skip
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_only_from_floors_below(path: Path) -> None:
    height = {name: i for i, floor in enumerate(FLOORS) for name in floor}
    own = floor_of(path)
    assert own in height, f"{own} has no floor in this test yet"
    for name in imported(path) - {own}:
        assert height[name] < height[own], f"{own} must not know {name}"


def loaded_by(*lines: str) -> set[str]:
    code = "; ".join([*lines, "import sys", "print(*{m.partition('.')[0] for m in sys.modules})"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


LONG = 400
"""Lines of a file that need no excuse."""
HEAVY = {"torch", "music21", "matplotlib", "tqdm", "safetensors", "onnx"}


def test_composing_and_playing_import_nothing_heavy(tmp_path: Path) -> None:
    compose = "from playbach.cli import main"
    for name in ("a.mid", "a.wav", "a.png"):
        out = tmp_path / name
        loaded = loaded_by(compose, f"assert main(['compose', '--bars', '1', '-o', {str(out)!r}]) == 0")
        assert not loaded & HEAVY
        assert out.exists()


def test_help_imports_next_to_nothing() -> None:
    loaded = loaded_by("from playbach.cli import main", "import contextlib", "import io",
                       "x = contextlib.suppress(SystemExit)", "x.__enter__()", "import playbach")  # fmt: skip
    assert not loaded & (HEAVY | {"numpy", "symusic", "onnxruntime", "PIL", "asyncio", "zipfile"})


def test_playing_a_tflite_file_needs_neither_torch_nor_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    model = Path(__file__).parent / "golden" / "tiny-int8.tflite"
    compose = f"['compose', {str(model)!r}, '--runtime', 'litert', '--bars', '1', '-o', {str(tmp_path / 'a.mid')!r}]"
    loaded = loaded_by("from playbach.cli import main", f"assert main({compose}) == 0")
    assert "ai_edge_litert" in loaded
    assert not loaded & (HEAVY | {"onnxruntime", "tensorflow", "jax"})
    assert (tmp_path / "a.mid").exists()


def test_a_long_file_says_why() -> None:
    for path in (*modules(), *Path(__file__).parent.rglob("*.py")):
        text = path.read_text("utf-8")
        if text.count("\n") > LONG:
            said = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
            assert f"Past {LONG} lines" in said, f"{path}: split it, or say on top why not"


def test_nothing_is_unpickled() -> None:
    for path in modules():
        assert "pickle" not in {alias.name for node in ast.walk(ast.parse(path.read_text("utf-8")))
                                if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}  # fmt: skip
