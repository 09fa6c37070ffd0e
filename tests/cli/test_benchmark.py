"""The command `playbach benchmark`: a table or JSON on stdout, messages on stderr, one line per error."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.paths import GOLDEN
from playbach.cli.benchmark import MODEL_COLUMNS
from playbach.cli.main import main

TINY = GOLDEN / "tiny.playbach"


def test_a_folder_gives_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(TINY, tmp_path / "good.playbach")
    (tmp_path / "bad.playbach").write_bytes(b"nothing")
    assert main(["benchmark", str(tmp_path), "--steps", "20", "--threads", "2"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == [word for name in MODEL_COLUMNS for word in name.split()]
    assert len(lines[1].split()) == len(MODEL_COLUMNS)
    assert lines[1].split()[:3] == ["good", "playbach", f"{TINY.stat().st_size / 1000:,.0f}"]
    assert lines[2] == ""
    assert "20 steps of the network on 2 threads" in printed.out
    skipped, measuring = printed.err.splitlines()
    assert skipped.startswith("left out: ") and "bad.playbach: not a playbach bundle" in skipped
    assert measuring == "Measuring good with onnx"


def test_json_output_imports_neither_torch_nor_other_training_packages() -> None:
    code = (
        "import sys; from playbach.cli.main import main; "
        f"assert main(['benchmark', {str(TINY)!r}, '--steps', '10', '--json']) == 0; "
        "print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["options"] == {"steps": 10, "threads": 1}
    [cost] = found["costs"]
    assert cost["runtime"] == "onnx" and cost["measured"]["steps_per_second"] > 0
    loaded = set(done.stderr.splitlines()[-1].split())
    assert not loaded & {"torch", "music21", "matplotlib", "tqdm", "safetensors", "onnx"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["missing"], 1, "missing: no such model"),
        (["."], 1, "no .playbach file and no exported model in this folder"),
        (["bach-chorales", "--steps", "0"], 2, "steps must be a whole number between 1 and 10,000,000, not 0"),
        (["bach-chorales", "--threads", "-1"], 2, "threads must be a whole number between 1 and 1,024, not -1"),
        (["bach-chorales", "--steps", "many"], 2, "--steps: must be a whole number, not 'many'"),
        ([], 2, "MODEL"),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str], status: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", *arguments]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("playbach: ") and printed.err.count("\n") == 1
    assert words in printed.err
