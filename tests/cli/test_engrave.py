"""`playbach engrave`, and `playbach compose` with sheet music."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from helpers import sample_music
from playbach.cli.main import main
from playbach.music import reading
from playbach.rendering import write


def notes_of(path: Path) -> list[tuple[int, int, int]]:
    return sorted((n.time, n.duration, n.pitch) for t in reading.read(path).tracks for n in t.notes)


def test_a_midi_file_becomes_musicxml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tune = write(sample_music.chorale(2), tmp_path / "tune.mid")
    assert main(["engrave", str(tune), "-o", str(tmp_path / "tune.mxl")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'tune.mxl'}\n"
    assert notes_of(tmp_path / "tune.mxl") == notes_of(tune)


def test_the_title_is_the_files_name_or_a_given_one(tmp_path: Path) -> None:
    tune = write(sample_music.line(2), tmp_path / "a_tune.mid")
    for more, title in (([], "a tune"), (["--title", "A Tune"], "A Tune")):
        out = tmp_path / f"{title}.musicxml"
        assert main(["engrave", str(tune), "-o", str(out), *more]) == 0
        assert ElementTree.parse(out).findtext("work/work-title") == title


@pytest.mark.parametrize(
    ("output", "message"), [("a.mid", "cannot write sheet music"), ("none/a.mxl", "its folder does not exist")]
)
def test_a_bad_output_is_one_line(
    output: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = write(sample_music.line(2), tmp_path / "tune.mid")
    assert main(["engrave", str(tune), "-o", str(tmp_path / output)]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_composing_writes_the_unperformed_score(tmp_path: Path) -> None:
    played, plain = (["compose", "--seed", "3", "--bars", "4", *more] for more in ([], ["--plain"]))
    assert main([*played, "-o", str(tmp_path / "a.musicxml")]) == 0
    assert main([*plain, "-o", str(tmp_path / "b.musicxml")]) == 0
    a, b = (reading.read(tmp_path / f"{name}.musicxml") for name in "ab")
    assert a.tempos == b.tempos and a.tracks == b.tracks
