"""`playbach evaluate` as people use it: a table or JSON on stdout, talk on stderr, one line for every fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import playbach
from helpers import sample_music
from playbach.cli.main import main


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = main(["evaluate", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_table(chorales_bundle: Path, chorales_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(capsys, chorales_bundle, chorales_folder, "--samples", "1", "--bars", "2")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == f"{chorales_bundle.stem} on {chorales_folder}"
    for words in ("bits/note", "nats/sixteenth", "changes: share"):
        assert words in lines[2]
    test = next(line for line in lines if line.startswith("held-out test"))
    assert test.split()[2] == "network"
    assert any(line.split()[:1] == ["n-gram"] for line in lines)
    assert any(line.startswith("TRAINED ON") for line in lines)
    assert any(line.startswith("bars copied from training") for line in lines)
    assert "Measuring" in err and "Measuring" not in out


def test_json(lines_bundle: Path, lines_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, lines_bundle, lines_folder, "--json", "--side", "test")
    found = json.loads(out)
    assert status == 0
    assert found["encoding"] == "notes" and found["composed"] == {}
    assert [row["guesser"] for row in found["rows"]] == ["network", "n-gram", "commonest symbol"]
    again = playbach.evaluate(lines_bundle, lines_folder, side="test")
    assert found == json.loads(json.dumps(again.manifest()))


def test_no_columns_for_what_makes_no_sense(
    lines_bundle: Path, lines_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = told(capsys, lines_bundle, lines_folder, "--side", "valid", "--samples", "1", "--bars", "2")
    for words in ("nats/sixteenth", "changes", "parallel", "soprano"):
        assert words not in out
    assert "durations, distance from training" in out


@pytest.mark.parametrize(
    ("extra", "status", "words"),
    [
        (["--samples", "0"], 2, "samples must be at least 1, not 0"),
        (["--samples", "-2"], 2, "samples must be at least 1, not -2"),
        (["--bars", "4"], 2, "--bars and --no-rules go with --samples N"),
        (["--no-rules"], 2, "--bars and --no-rules go with --samples N"),
        (["--samples", "1", "--bars", "0"], 2, "bars must be"),
        (["--side", "both"], 2, "no side called 'both'"),
        (["--side", "unseen"], 1, "no piece of the side 'unseen'"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    chorales_bundle: Path, chorales_folder: Path, extra: list[str], status: int, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert told(capsys, chorales_bundle, chorales_folder, *extra)[0] == status
    main(["evaluate", str(chorales_bundle), str(chorales_folder), *extra])
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err and said.err.count("\n") == 1


def test_music_that_cannot_be_used(chorales_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for make in ("empty", "melody", "nothing"):
        folder = tmp_path / make
        if make != "nothing":
            folder.mkdir()
        if make == "melody":
            (folder / "a.mid").write_bytes(bytes(sample_music.line(1).dumps_midi()))
        status, out, err = told(capsys, chorales_bundle, folder)
        assert (status, out) == (1, "")
        assert err.splitlines()[-1].startswith(f"playbach: {folder}: ")


def test_what_is_no_model(chorales_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    piece = next(chorales_folder.glob("*.mid"))
    status, out, err = told(capsys, piece, chorales_folder)
    assert (status, out) == (1, "")
    assert "not a playbach bundle" in err and err.count("\n") == 1


def test_an_interruption_is_one_line(
    chorales_bundle: Path, chorales_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("playbach.evaluation.reports.heard", interrupted)
    status, out, err = told(capsys, chorales_bundle, chorales_folder)
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == "playbach: interrupted"


def test_it_imports_nothing_heavy(lines_bundle: Path, lines_folder: Path) -> None:
    code = (
        "import sys; from playbach.cli.main import main; "
        f"assert main(['evaluate', {str(lines_bundle)!r}, {str(lines_folder)!r}, '--samples', '1']) == 0; "
        "print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "numpy" in loaded
    assert not loaded & {"torch", "music21", "matplotlib", "tqdm", "safetensors", "onnx"}
