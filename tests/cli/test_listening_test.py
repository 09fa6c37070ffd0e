"""`playbach listening-test` and `playbach serve --listening-test`: files and one line per error."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.indexed import indexed
from helpers.made_up_pairs import listening_test, write_pairs
from playbach.bundles import bundle as bundles
from playbach.cli.main import main
from playbach.evaluation import listening_test as making
from playbach.server.blind_test import read_pairs


@pytest.fixture(scope="module")
def model(lines_bundle: Path, lines_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return indexed(lines_bundle, lines_folder, tmp_path_factory.mktemp("indexed"))


def test_the_file_is_written_and_can_be_served(
    model: Path,
    lines_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making._Originality, "copies", lambda self, score: None)
    path = tmp_path / "pairs.json"
    command = ["listening-test", model, lines_folder, "-o", path, "--pairs", 1, "--seed", 3, "--composer", "Anna"]
    for name in ("pairs.json", "pairs-2.json"):
        assert main(list(map(str, command))) == 0
        printed = capsys.readouterr()
        assert printed.out.strip() == str(tmp_path / name) and "seed: 3" in printed.err
    test = read_pairs(path)
    assert (len(test.pairs), test.composer, test.seed) == (1, "Anna", 3)
    known = bundles.known_pieces(bundles.read(model).manifest)
    held_out = {Path(entry[1]).stem for entry in known.values() if entry[0] == "test"}
    assert test.pairs[0].piece in held_out


def test_errors_are_one_line_and_leave_no_file(
    model: Path, lines_folder: Path, lines_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.json"
    for arguments, status, words in [
        ((model, lines_folder, "--pairs", 99), 1, "ask for fewer --pairs"),
        ((model, lines_folder, "--pairs", 101), 2, "between 1 and 100"),
        ((model,), 1, "give a folder"),
        ((lines_bundle, lines_folder), 1, "no index"),
        (("missing.playbach",), 1, "missing"),
    ]:
        assert main(["listening-test", *map(str, arguments), "-o", str(path)]) == status
        error = capsys.readouterr().err.strip().splitlines()
        assert words in error[-1]
    assert list(tmp_path.iterdir()) == []


def test_without_music21_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from playbach.data import conversions

    monkeypatch.setenv("PLAYBACH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(conversions, "find_spec", lambda name: None)
    assert main(["listening-test", "-o", str(tmp_path / "pairs.json")]) == 1
    assert "playbach[train]" in capsys.readouterr().err
    assert not (tmp_path / "pairs.json").exists()


def test_serving_refuses_what_it_cannot_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    pairs = write_pairs(tmp_path / "pairs.json", listening_test())
    (tmp_path / "diary.txt").write_text("today\n")
    for options, status, words in [
        (["--answers", tmp_path / "a.jsonl"], 2, "--answers needs --listening-test"),
        (["--listening-test", tmp_path / "none.json"], 1, "cannot be read"),
        (["--listening-test", tmp_path / "diary.txt"], 1, "not a file of pairs"),
        (["--listening-test", pairs, "--answers", tmp_path / "diary.txt"], 2, "no answers of a listening test"),
        (["--listening-test", pairs, "--answers", tmp_path / "no" / "a.jsonl"], 2, "cannot be written"),
    ]:
        assert main(["serve", "--port", "0", *map(str, options)]) == status
        assert words in capsys.readouterr().err
