"""The command `playbach harmonise`: paths on stdout, messages on stderr, one line per error."""

from __future__ import annotations

from pathlib import Path

import pytest
import symusic

from helpers import sample_music
from playbach.cli.main import main


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    line = [(0, 480, 67), (480, 480, 69), (960, 960, 71), (1920, 960, 67)]
    path = tmp_path / "tune.mid"
    path.write_bytes(bytes(sample_music.score([line]).dumps_midi()))
    return path


def harmonise(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    try:
        status = main(["harmonise", *map(str, arguments)])
    except SystemExit as end:
        status = int(end.code or 0)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_several_settings_of_a_tune(tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "hymn.mid"
    status, out, err = harmonise(capsys, tune, "-o", output, "--count", "2", "--seed", "5", "--drafts", "2")
    assert (status, err) == (0, "seed 5\nseed 6\n")
    paths = [Path(line) for line in out.splitlines()]
    assert [path.name for path in paths] == ["hymn.mid", "hymn-2.mid"]
    first, second = (symusic.Score(path) for path in paths)
    assert [n.pitch for n in first.tracks[0].notes] == [67, 69, 71, 67]
    assert [n.pitch for n in first.tracks[3].notes] != [n.pitch for n in second.tracks[3].notes]


def test_a_remark_names_the_file(tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = harmonise(
        capsys, tune, "--voice", "bass", "--seed", "5", "--drafts", "1", "-o", tmp_path / "a.mid"
    )
    assert status == 0
    assert "tune.mid: moved" in err.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 1, "missing.mid: no such file; check the name"),
        (("--voice", "baritone"), 2, "unknown voice 'baritone'"),
        (("--count", "0"), 2, "--count must be at least 1, not 0"),
        (("--drafts", "0"), 2, "drafts must be"),
        (("--temperature", "-1"), 2, "temperature must be"),
        (("-o", "hymn.xyz"), 2, "hymn.xyz"),
        (("--soundfont", "a.sf2"), 2, "--soundfont applies only to audio files"),
    ],
)
def test_errors_are_one_line(
    tune: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, words: str
) -> None:
    file = tune if arguments else tune.with_name("missing.mid")
    found, out, err = harmonise(capsys, file, *arguments)
    assert (found, out) == (status, "")
    assert words in err.splitlines()[-1]


def test_a_score_that_cannot_be_set_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chords.mid"
    path.write_bytes(bytes(sample_music.score([[(0, 480, 60), (0, 480, 64)]]).dumps_midi()))
    status, _, err = harmonise(capsys, path)
    assert status == 1
    assert err.endswith("chords.mid: bar 1: the soprano has two notes at once; give a single voice\n")
