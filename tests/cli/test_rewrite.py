"""The command `playbach rewrite`: paths on stdout, messages on stderr, one line per error."""

from __future__ import annotations

from pathlib import Path

import pytest
import symusic

from helpers import sample_music
from playbach.cli.main import main


@pytest.fixture
def piece(tmp_path: Path) -> Path:
    path = tmp_path / "piece.mid"
    path.write_bytes(bytes(sample_music.chorale(1, bars=4).dumps_midi()))
    return path


def rewrite(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    try:
        status = main(["rewrite", *map(str, arguments)])
    except SystemExit as end:
        status = int(end.code or 0)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_two_versions_of_a_bar(piece: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new.musicxml"
    status, out, err = rewrite(
        capsys, piece, "--bars", "2-3", "-o", output, "--count", "2", "--seed", "5", "--drafts", "2"
    )
    assert (status, err) == (0, "seed 5\nseed 6\n")
    assert [Path(line).name for line in out.splitlines()] == ["new.musicxml", "new-2.musicxml"]
    assert "playbach rewrite THE-SAME-FILE --model bach-chorales --seed 5 --bars 2-3 --drafts 2" in output.read_text()


def test_one_voice_is_rewritten(piece: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--bars", "2-3", "--voices", "tenor", "--seed", "1", "--drafts", "2", "-o", tmp_path / "a.mid")
    assert rewrite(capsys, piece, *arguments)[0] == 0
    old, new = ([[n.pitch for n in t.notes] for t in symusic.Score(p).tracks] for p in (piece, tmp_path / "a.mid"))
    same = [a == b for a, b in zip(old, new)]
    assert same == [True, True, False, True]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "the following arguments are required: --bars"),
        (("--bars", "3-2"), 2, "bars must not end before they begin, as 3-2 does"),
        (("--bars", "2-9"), 1, "piece.mid: has the bars"),
        (("--bars", "2", "--voices", "basso"), 2, "unknown voice 'basso'"),
        (("--bars", "2", "--drafts", "0"), 2, "drafts must be"),
        (("--bars", "2", "--count", "0"), 2, "--count must be at least 1"),
        (("--bars", "2", "--model", "none"), 1, "none"),
    ],
)
def test_errors_are_one_line(
    piece: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, words: str
) -> None:
    found, out, err = rewrite(capsys, piece, *arguments)
    assert (found, out) == (status, "")
    assert words in err.splitlines()[-1]
