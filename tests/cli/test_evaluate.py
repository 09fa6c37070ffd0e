"""The command `playbach evaluate`: a table or JSON on stdout, messages on stderr, one line per error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import playbach
from helpers import sample_music
from playbach.cli.evaluate import _cells
from playbach.cli.main import main


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = main(["evaluate", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_table(chorales_bundle: Path, chorales_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = evaluate(capsys, chorales_bundle, chorales_folder, "--samples", "1", "--bars", "2")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == f"{chorales_bundle.stem} on {chorales_folder}"
    for words in ("bits/note", "nats/sixteenth", "changes: share"):
        assert words in lines[2]
    test = next(line for line in lines if line.startswith("held-out test"))
    assert test.split()[2] == "network"
    assert any(line.split()[:1] == ["n-gram"] for line in lines)
    assert any(line.startswith("TRAINED ON") for line in lines)
    for words in ("bars copied from training", "notes alike, bars 1 apart", "ends with a triad", "time in silence"):
        assert any(line.startswith(words) for line in lines)
    assert "Predicting" in err and "Predicting" not in out


def test_json(lines_bundle: Path, lines_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = evaluate(capsys, lines_bundle, lines_folder, "--json", "--side", "test")
    found = json.loads(out)
    assert status == 0
    assert found["encoding"] == "notes" and found["composed"] == {}
    assert [row["guesser"] for row in found["rows"]] == ["network", "n-gram", "commonest symbol"]
    again = playbach.evaluate(lines_bundle, lines_folder, side="test")
    assert found == json.loads(json.dumps(again.manifest()))


def test_music_without_an_ngram(chorales_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the table: why, and how the model compares with one on its own test side."""
    (tmp_path / "a.mid").write_bytes(bytes(sample_music.chorale(50).dumps_midi()))
    _, out, _ = evaluate(capsys, chorales_bundle, tmp_path)
    _, table, below = out.split("\n\n")
    why, source, head, *own = below.splitlines()
    assert table.splitlines()[1].startswith("unseen")
    assert why.startswith("No n-gram beside it: this music has none of the 8 pieces that the model was trained on")
    assert source == "The model's own test side, measured at the end of its training:"
    assert head.split() == table.splitlines()[0].split()
    assert [re.split("  +", line)[1] for line in own] == ["network", "n-gram", "commonest symbol"]
    _, out, _ = evaluate(capsys, chorales_bundle, tmp_path, "--json")
    own_test = json.loads(out)["own_test"]
    assert why.endswith(own_test["reason"])
    assert [row["guesser"] for row in own_test["rows"]] == ["network", "n-gram", "commonest symbol"]


def test_a_row_of_measures_has_equally_many_decimals() -> None:
    def shown(*values: float | tuple[float, ...] | None, share: bool = False) -> list[str]:
        return list(_cells(values, share))

    assert shown(3, 1234.0) == ["3", "1,234"]
    assert shown(1.0, 2.345, None) == ["1.00", "2.35", "–"]
    assert shown(0.0, 0.05) == ["0.000", "0.050"]
    assert shown((4, 3.5), (1, 2)) == ["4.00  3.50", "1.00  2.00"]
    assert shown(1, 0.123, share=True) == ["100.0%", "12.3%"]
    assert shown(-2, 0) == ["-2", "0"]


def test_columns_that_do_not_apply_are_omitted(
    lines_bundle: Path, lines_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = evaluate(capsys, lines_bundle, lines_folder, "--side", "valid", "--samples", "1", "--bars", "2")
    for words in ("nats/sixteenth", "changes", "parallel", "soprano"):
        assert words not in out
    assert "durations, distance from training" in out


@pytest.mark.parametrize(
    ("extra", "status", "words"),
    [
        (["--samples", "0"], 2, "samples must be a whole number of at least 1, not 0"),
        (["--samples", "-2"], 2, "samples must be a whole number of at least 1, not -2"),
        (["--bars", "4"], 2, "--bars and --no-rules need --samples N"),
        (["--no-rules"], 2, "--bars and --no-rules need --samples N"),
        (["--samples", "1", "--bars", "0"], 2, "bars must be"),
        (["--side", "both"], 2, "side must be unseen, test, valid or train, not 'both'"),
        (["--side", "unseen"], 1, "no piece of the side 'unseen'"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line(
    chorales_bundle: Path, chorales_folder: Path, extra: list[str], status: int, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert evaluate(capsys, chorales_bundle, chorales_folder, *extra)[0] == status
    main(["evaluate", str(chorales_bundle), str(chorales_folder), *extra])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err and printed.err.count("\n") == 1


def test_unusable_music_is_reported(
    chorales_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for make in ("empty", "melody", "nothing"):
        folder = tmp_path / make
        if make != "nothing":
            folder.mkdir()
        if make == "melody":
            (folder / "a.mid").write_bytes(bytes(sample_music.line(1).dumps_midi()))
        status, out, err = evaluate(capsys, chorales_bundle, folder)
        assert (status, out) == (1, "")
        assert err.splitlines()[-1].startswith(f"playbach: {folder}: ")


def test_a_file_that_is_not_a_model_is_reported(chorales_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    piece = next(chorales_folder.glob("*.mid"))
    status, out, err = evaluate(capsys, piece, chorales_folder)
    assert (status, out) == (1, "")
    assert "not a playbach bundle" in err and err.count("\n") == 1


def test_an_interruption_is_reported_in_one_line(
    chorales_bundle: Path, chorales_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("playbach.evaluation.reports.predict_pieces", interrupted)
    status, out, err = evaluate(capsys, chorales_bundle, chorales_folder)
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == "playbach: interrupted"


def test_it_imports_neither_torch_nor_other_training_packages(lines_bundle: Path, lines_folder: Path) -> None:
    code = (
        "import sys; from playbach.cli.main import main; "
        f"assert main(['evaluate', {str(lines_bundle)!r}, {str(lines_folder)!r}, '--samples', '1']) == 0; "
        "print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "numpy" in loaded
    assert not loaded & {"torch", "music21", "matplotlib", "tqdm", "safetensors", "onnx"}
