"""The command `playbach export`, and its files in the commands that play models."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.members import with_ngrams
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles.exported import manifest_path
from playbach.cli.export import EXPORT_COLUMNS
from playbach.cli.main import main

TINY, EXPORTED = GOLDEN / "tiny.playbach", GOLDEN / "tiny-int8.tflite"


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    asked = ["export", str(TINY), "--format", "c", "--format", "onnx", "--steps", "200", "-o", str(tmp_path / "out")]
    assert main(asked) == 0
    printed = capsys.readouterr()
    head, onnx, c, empty, steps, remark = printed.out.splitlines()
    assert head.split() == " ".join(EXPORT_COLUMNS).split()
    assert onnx.split()[:2] == ["onnx", str(tmp_path / "out" / "tiny.onnx")]
    assert c.split()[:2] == ["c", str(tmp_path / "out" / "tiny-c")]
    assert empty == "" and steps.endswith("composed pieces") and "not of held-out music" in remark
    assert "the figures are NOT of held-out music" in printed.err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"tiny.onnx", "tiny.onnx.json", "tiny-c"}


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert main(["export", str(TINY), "--format", "onnx", "--steps", "200", "-o", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [written] = found["written"]
    assert written["path"] == str(tmp_path / "tiny.onnx") and written["check"]["top_1"] == 1.0


def test_n_grams_are_left_out_with_a_line_that_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    whole = with_ngrams(bundles.read(TINY))
    members = {name: data for name, data in whole.members.items() if name != bundles.MANIFEST}
    path = bundles.write(tmp_path / "mine.playbach", whole.manifest, members)
    asked = ["--format", "onnx", "--steps", "200", "-o", str(tmp_path / "out")]
    assert main(["export", str(path), *asked]) == 0
    [line] = [line for line in capsys.readouterr().err.splitlines() if "n-grams" in line]
    assert line.endswith("are left out, so the exported network plays alone")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["missing", "-o", "out"], 1, "missing: no such model"),
        ([str(TINY)], 2, "-o/--output"),
        ([str(TINY), "-o", "out", "--format", "gif"], 2, "format must be onnx, onnx-int8"),
        ([str(TINY), "-o", "out", "--format", "c", "--profile", "abacus"], 2, "esp32, not 'abacus'"),
        ([str(TINY), "-o", "out", "--steps", "1"], 2, "steps must be a whole number between 200 and"),
        ([str(TINY), "nowhere", "-o", "out"], 1, "nowhere"),
        ([str(TINY), "-o", "no/such/folder", "--format", "onnx"], 1, "its folder does not exist"),
        ([str(EXPORTED), "-o", "out"], 2, "a .tflite file can only be written as a C array: --format c"),
        ([str(EXPORTED), "-o", "out", "--format", "c", "--steps", "0"], 2, "do not apply to a .tflite file"),
        (["nothing.tflite", "-o", "out", "--format", "c"], 1, "nothing.tflite: cannot be read"),
        (["false.tflite", "-o", "out", "--format", "c"], 2, "false.tflite: not a TFLite file"),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str], status: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    Path("false.tflite").write_text("not a graph")
    assert main(["export", *arguments]) == status
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("playbach: ")]
    assert len(lines) == 1 and words in lines[0], printed.err
    assert printed.out == "" and not Path("out").exists()


def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    code = (
        "import sys; sys.modules['litert_torch'] = None; from playbach.cli.main import main; "
        f"sys.exit(main(['export', {str(TINY)!r}, '--format', 'tflite', '-o', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "playbach: exporting to TFLite needs the package 'litert_torch', which is not installed: "
        "pip install 'playbach[export]'"
    )


def test_without_litert_the_error_names_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ai_edge_litert'] = None; from playbach.cli.main import main; "
        f"sys.exit(main(['compose', {str(EXPORTED)!r}, '-o', {str(tmp_path / 'a.mid')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'playbach[litert]'" in done.stderr and done.stderr.count("\n") == 1


def test_an_exported_file_composes_the_same_piece_again_and_is_named_in_it(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    for name in ("a", "b"):
        arguments = ["compose", str(EXPORTED), "--seed", "5", "--bars", "4", "-o", str(tmp_path / f"{name}.mid")]
        assert main(arguments) == 0
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    assert b"tiny-int8.tflite" in (tmp_path / "a.mid").read_bytes()


@pytest.mark.parametrize(
    ("model", "runtime", "words"),
    [
        (
            TINY,
            "litert",
            "tiny: the runtime litert cannot play this file; export the model (playbach export MODEL",
        ),
        (
            EXPORTED,
            "onnx",
            "tiny-int8.tflite: the runtime onnx cannot play this file; give a .playbach or .onnx file",
        ),
        (TINY, "abacus", "runtime must be members, onnx or litert, not 'abacus'"),
    ],
)
def test_a_runtime_that_does_not_support_the_file_is_reported(
    model: Path, runtime: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compose", str(model), "--runtime", runtime, "-o", str(tmp_path / "a.mid")]) in (1, 2)
    printed = capsys.readouterr().err
    assert words in printed and printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_inspect_shows_the_check_of_an_exported_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(EXPORTED)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "exported format tflite-int8" in printed and "top 1 0.9" in printed and "Card" not in printed
    assert main(["inspect", str(EXPORTED), "--graph"]) == 1
    assert "this is an exported network, which has no" in capsys.readouterr().err


def test_exported_files_are_listed_with_the_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (EXPORTED, manifest_path(EXPORTED)):
        shutil.copy(path, tmp_path)
    (tmp_path / "alone.onnx").write_bytes(b"somebody else's")
    assert main(["models", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "tiny-int8.tflite" in printed and "alone" not in printed


def test_a_tflite_file_as_a_c_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    assert main(["export", str(EXPORTED), "--format", "c", "-o", str(tmp_path)]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert {p.name for p in folder.iterdir()} == {"model_data.c", "model_data.h", "manifest.json"}
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "model_data.h"\n'
        "int main(void) { return fwrite(pb_tiny_int8, 1, PB_TINY_INT8_BYTES, stdout) != sizeof pb_tiny_int8; }\n"
    )
    program = tmp_path / "main"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{folder}"]
    sources = [str(tmp_path / "main.c"), str(folder / "model_data.c")]
    subprocess.run([compiler, *flags, *sources, "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, check=True)
    assert done.stdout == EXPORTED.read_bytes()
