"""What every output promises, over each entry of `OUTPUTS` and each of its suffixes."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import sample_music
from playbach.rendering import OUTPUTS, Output, output_for, outputs_text, write
from playbach.system.errors import PlaybachError, ScoreError

CASES = [(output, suffix) for output in OUTPUTS.values() for suffix in output.suffixes]
SUFFIXES = [suffix for output, suffix in CASES if not output.on_request]
IDS = [f"{output.name}{suffix}" for output, suffix in CASES]
COMMENT = '{"seed": 7}'


def test_no_suffix_belongs_to_two_outputs() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
    assert all(suffix in outputs_text() for suffix in SUFFIXES)


@pytest.mark.parametrize(("output", "suffix"), CASES, ids=IDS)
def test_a_suffix_writes_a_file_at_exactly_the_path(output: Output, suffix: str, tmp_path: Path) -> None:
    for name in (f"piece{suffix}", f"LOUD{suffix.upper()}"):
        path = tmp_path / name
        assert output_for(path, sheet=output.is_sheet) is output
        output.load()(sample_music.line(1), path, comment=COMMENT)
        assert path.stat().st_size > 100
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("output", "suffix"), CASES, ids=IDS)
def test_the_file_holds_the_comment_and_the_same_score_gives_the_same_bytes(
    output: Output, suffix: str, tmp_path: Path
) -> None:
    paths = [
        write(sample_music.line(1, bars=2), tmp_path / f"{name}{suffix}", comment=COMMENT, sheet=output.is_sheet)
        for name in "ab"
    ]
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert COMMENT.encode("ascii") in first


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_overwritten(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"piece{suffix}"
    path.write_text("mine")
    written = write(sample_music.line(1, bars=2), path)
    assert path.read_text() == "mine" and written != path and written.suffix == suffix


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_score_without_notes_is_written_or_refused_in_one_line(suffix: str, tmp_path: Path) -> None:
    try:
        path = write(sample_music.score([[]]), tmp_path / f"empty{suffix}")
    except ScoreError as error:
        assert "\n" not in str(error) and not list(tmp_path.iterdir())
    else:
        assert path.stat().st_size


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_folder_is_one_error(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(PlaybachError, match="missing"):
        write(sample_music.line(1, bars=2), tmp_path / "missing" / f"a{suffix}")
