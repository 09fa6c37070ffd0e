"""MIDI files contain the music and the comment, and each suffix has its writer."""

import subprocess
import sys
from pathlib import Path

import pytest
import symusic

from playbach.rendering import OUTPUTS, output_for
from playbach.rendering.midi import find_comment, write
from playbach.system.errors import UsageError


def a_score() -> symusic.Score:
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, 72.0))
    score.time_signatures.append(symusic.TimeSignature(0, 3, 4))
    for name, program, pitch in (("Soprano", 19, 67), ("Bass", 43, 40)):
        track = symusic.Track(name, program, False)
        for i in range(4):
            track.notes.append(symusic.Note(480 * i, 480, pitch + i, 60 + i))
        score.tracks.append(track)
    return score


def test_music_and_comment_can_be_read_back(tmp_path: Path) -> None:
    comment = '{"bundle": "ab12", "seed": 7, "options": {"temperature": 0.9}}'
    write(a_score(), tmp_path / "a.mid", comment=comment)
    back = symusic.Score(tmp_path / "a.mid")
    assert find_comment(back) == comment
    assert back.tracks == a_score().tracks
    assert [round(t.qpm) for t in back.tempos] == [72]
    assert [(m.numerator, m.denominator) for m in back.time_signatures] == [(3, 4)]


def test_the_same_comment_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    for name, comment in (("a", "x"), ("b", "x"), ("c", "y")):
        write(a_score(), tmp_path / f"{name}.mid", comment=comment)
    a, b, c = ((tmp_path / f"{name}.mid").read_bytes() for name in "abc")
    assert a == b != c


def test_writing_does_not_change_the_score(tmp_path: Path) -> None:
    score = a_score()
    write(score, tmp_path / "a.mid", comment="x")
    assert len(score.markers) == 0


def test_a_file_without_our_marker_has_no_comment(tmp_path: Path) -> None:
    score = a_score()
    score.markers.append(symusic.TextMeta(0, "Verse 1"))
    write(score, tmp_path / "a.mid")
    assert find_comment(symusic.Score(tmp_path / "a.mid")) is None


def test_our_marker_is_found_among_others(tmp_path: Path) -> None:
    score = a_score()
    score.markers.append(symusic.TextMeta(0, "Verse 1"))
    write(score, tmp_path / "a.mid", comment="x")
    assert find_comment(symusic.Score(tmp_path / "a.mid")) == "x"


@pytest.mark.parametrize("suffix", [".mid", ".midi", ".wav", ".flac", ".mp3", ".ogg", ".png", ".MID", ".Wav"])
def test_each_suffix_writes_a_file_at_exactly_the_path(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"piece{suffix}"
    output_for(path).load()(a_score(), path, comment="x")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_size > 100


@pytest.mark.parametrize(("name", "what"), [("a.xyz", "'.xyz'"), ("a", "without an extension")])
def test_an_unknown_suffix_is_an_error_that_lists_all(name: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        output_for(Path(name))
    message = str(caught.value)
    assert what in message and name in message and "\n" not in message
    assert all(suffix in message for output in OUTPUTS.values() for suffix in output.suffixes)


def test_finding_a_writer_imports_no_format() -> None:
    code = (
        "import sys; from pathlib import Path; from playbach.rendering import output_for; "
        "output_for(Path('a.png')); print(*({'PIL', 'soundfile'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
