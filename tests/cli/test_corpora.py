"""The command `playbach corpora`, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import sample_music
from playbach.cli.main import main
from playbach.data import chorales
from playbach.data.builtin import CORPORA
from playbach.data.pieces import SIDES


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three chorales, one per side of the split."""
    monkeypatch.setenv("PLAYBACH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chorales, "sides", lambda: {side: [f"bwv{i}.mxl"] for i, side in enumerate(SIDES)})
    for i, side in enumerate(SIDES):
        folder = chorales.cache_folder() / side
        folder.mkdir(parents=True)
        (folder / f"bwv{i}.mid").write_bytes(bytes(sample_music.chorale(i).dumps_midi()))
    monkeypatch.setattr("playbach.data.builtin.piece_count", lambda name: 3)
    return chorales.cache_folder()


def test_the_list_as_text(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpora"]) == 0
    text = capsys.readouterr().out
    for name, corpus in CORPORA.items():
        assert f"{name}: 3 pieces\n" in text
        for words in (corpus.music, corpus.terms):
            assert words in " ".join(text.split())
    assert text.count("state  ready\n") == 1
    assert text.count("when first used") == len(CORPORA) - 1
    assert max(map(len, text.splitlines())) <= 80


def test_the_list_as_json_and_a_single_corpus(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpora", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["corpora"]
    assert [corpus["name"] for corpus in found] == list(CORPORA)
    assert [corpus["converted"] for corpus in found] == [True] + [False] * (len(CORPORA) - 1)
    assert found[0]["folder"] == str(cache)
    assert main(["corpora", "oneills-1850"]) == 0
    assert capsys.readouterr().out.startswith("oneills-1850: ")


@pytest.mark.parametrize("arguments", [["--export", "out"], ["--export", "out", "bach-chorales"]])
def test_export_prints_the_path(arguments: list[str], cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpora", *arguments]) == 0
    written = Path(capsys.readouterr().out.rstrip("\n"))
    assert written == Path("out/bach-chorales")
    assert sorted(p.name for p in written.iterdir()) == ["ABOUT.txt", "bwv0.mid", "bwv1.mid", "bwv2.mid"]
    assert (written / "bwv1.mid").read_bytes() == (cache / "valid" / "bwv1.mid").read_bytes()
    assert main(["corpora", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "bach-chorales", "path": "out/bach-chorales-2"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["mozart"], 2, "no built-in corpus called 'mozart'; choose one of: bach-chorales, "),
        (["--export", "file"], 1, "file: cannot be written: a file or folder has this name"),
        (["--export", "a/b"], 1, "a/b: cannot be written: its folder does not exist"),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str], status: int, words: str, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    assert main(["corpora", *arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"playbach: {words}")
    assert captured.err.count("\n") == 1
