"""What is said of the files of a corpus, in few lines."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from helpers import sample_music
from playbach.data.corpora import load_folder
from playbach.data.remarks import SHOWN_FILES, SHOWN_LINES, kind_of, remark_lines
from playbach.music.options import ReadingOptions


def test_a_file_has_one_line() -> None:
    remarks = [("a.mid", "3 notes have no end"), ("b.mid", "1 track is empty"), ("a.mid", "2 tempos are left out")]
    assert list(remark_lines(remarks)) == [
        "a.mid: 3 notes have no end; 2 tempos are left out",
        "b.mid: 1 track is empty",
    ]


def test_of_many_files_with_one_kind_of_remark_a_few_are_named() -> None:
    remarks = [(f"{i}.mid", f"{i + 2} notes have no end") for i in range(1000)]
    remarks += [("7.mid", "its meter is 1/4 all through")]
    assert list(remark_lines(remarks)) == [
        "0.mid: 2 notes have no end",
        "1.mid: 3 notes have no end",
        "2.mid: 4 notes have no end",
        "7.mid: its meter is 1/4 all through",
        "and 997 more files, such as 3.mid: 5 notes have no end",
    ]


def test_the_last_of_four_files_is_named_too() -> None:
    remarks = [(f"{i}.mid", "a track is empty") for i in range(SHOWN_FILES + 1)]
    assert list(remark_lines(remarks)) == [f"{i}.mid: a track is empty" for i in range(SHOWN_FILES + 1)]


@given(st.lists(st.tuples(st.integers(0, 300).map(str), st.integers(0, 200).map(lambda n: "x" * n)), max_size=400))
def test_the_lines_are_few_and_no_file_with_a_rare_remark_is_lost(remarks: list[tuple[str, str]]) -> None:
    lines = list(remark_lines(remarks))
    assert len(lines) <= 2 * SHOWN_LINES + 1
    if len({name for name, _ in remarks}) <= SHOWN_LINES:
        for name, remark in remarks[:SHOWN_FILES]:
            assert any(line.startswith(f"{name}: ") and remark in line for line in lines)


def test_remarks_that_differ_in_numbers_are_of_one_kind() -> None:
    assert kind_of("bar 112 (65/4) is split") == kind_of("bar 7 (175/4) is split")
    assert kind_of("1,200 notes have no end") != kind_of("1,200 notes are silent")


def test_a_corpus_says_what_it_changes_in_the_encoding_that_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(4):
        sample_music.piano(seed).dump_midi(folder / f"{seed}.mid")
    odd = sample_music.piano(9)
    odd.time_signatures.clear()
    meters = ((0, 4, 4), (3840, 20, 4), (13440, 4, 4))
    odd.time_signatures.extend(sample_music.score([[]], meters=meters).time_signatures)
    odd.dump_midi(folder / "odd.mid")
    lines: list[str] = []
    load_folder(folder, remark=lines.append)
    assert lines == ["odd.mid: bar 3 (20/4) is split into bars of 4/4"]
    lines.clear()
    load_folder(folder, encoding="notes", remark=lines.append)
    assert lines == []
    load_folder(folder, reading=ReadingOptions(meter="4/4"), remark=lines.append)
    assert lines == []
