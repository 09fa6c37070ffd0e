"""Parts, staves, clefs, voices and the names of pitches."""

from __future__ import annotations

import pytest
import symusic

from helpers import sample_music
from playbach.music.notation.layout import ALTO_CLEF, BASS_CLEF, TREBLE_CLEF, Clef, clef_of_each_bar
from playbach.music.notation.model import Sheet
from playbach.music.notation.sheet import notate
from playbach.music.notation.spelling import spell


def names(sheet: Sheet) -> str:
    """The pitches of the first voice, as in `F#4`; `F` once more in a bar has no sign, so `!` marks written signs."""
    symbols = [s for m in sheet.measures for s in m.parts[0].voices[0].symbols]
    heads = [head for symbol in symbols for head in symbol.heads]
    signs = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
    return " ".join(f"{h.spelled.step}{signs[h.spelled.alter]}{'!' * h.accidental}" for h in heads)


def in_key(pitches: list[int], fifths: int, minor: int) -> Sheet:
    score = sample_music.score([[(i * 480, 480, pitch) for i, pitch in enumerate(pitches)]], programs=(40,))
    score.key_signatures.append(symusic.KeySignature(0, fifths, minor))
    return notate(score)


@pytest.mark.parametrize(
    ("pitches", "fifths", "minor", "expected"),
    [
        ([69, 71, 72, 74, 76, 77, 80, 81], 0, 1, "A B C D E F G#! A"),
        ([60, 62, 63, 65, 67, 68, 71, 72], -3, 1, "C D Eb F G Ab B! C"),
        ([66, 68, 70, 71, 73, 75, 77, 78], 6, 0, "F# G# A# B C# D# E# F#"),
        ([67, 66, 67, 66, 67, 65, 64, 65], 0, 0, "G F#! G F# G F E F"),
    ],
)
def test_pitches_are_spelled_by_the_key(pitches: list[int], fifths: int, minor: int, expected: str) -> None:
    assert names(in_key(pitches, fifths, minor)) == expected


def test_every_name_is_its_pitch_in_every_key() -> None:
    for fifths in range(-7, 8):
        assert [n.pitch for n in spell(list(range(128)), [fifths] * 128)] == list(range(128))


def test_a_chorale_has_two_staves_with_stems_by_voice() -> None:
    sheet = notate(sample_music.chorale(1))
    assert [p.name for p in sheet.parts] == ["Soprano, Alto", "Tenor, Bass"]
    for part, clef in zip(sheet.measures[0].parts, (TREBLE_CLEF, BASS_CLEF)):
        assert part.clefs == (clef,)
        assert [(v.number, v.stem) for v in part.voices] == [(1, "up"), (2, "down")]


def test_instruments_have_their_staves_and_clefs() -> None:
    piano = [(0, 1920, 36), (0, 1920, 48), (0, 960, 72), (0, 960, 76), (960, 960, 74)]
    line = [(0, 1920, 62)]
    score = sample_music.score([piano, line, line, [(0, 1920, 40)], line], programs=(0, 40, 41, 43, 25))
    sheet = notate(score)
    assert [part.staves for part in sheet.parts] == [2, 1, 1, 1, 1]
    clefs = [part.clefs for part in sheet.measures[0].parts]
    assert clefs == [
        (TREBLE_CLEF, BASS_CLEF),
        (TREBLE_CLEF,),
        (ALTO_CLEF,),
        (Clef("F", 4, -1),),
        (Clef("G", 2, -1),),
    ]
    left = [v for v in sheet.measures[0].parts[0].voices if v.staff == 2]
    assert [[h.spelled.pitch for h in s.heads] for v in left for s in v.symbols] == [[36, 48]]


def test_both_hands_on_one_track_are_divided_again() -> None:
    both = [(bar * 1920, 960, pitch) for bar in range(2, 6) for pitch in (40, 47, 71, 76)]
    right, left = [(0, 960, 72), *both], [(0, 960, 43)]
    sheet = notate(sample_music.score([right, left]))
    for measure in sheet.measures[3:6]:
        staves = [[h.spelled.pitch for s in v.symbols for h in s.heads] for v in measure.parts[0].voices]
        assert staves == [[71, 76], [40, 47]]


def test_a_clef_changes_for_many_ledger_lines_only() -> None:
    low, high, one = [40] * 4, [84] * 8, [64]
    options = (BASS_CLEF, TREBLE_CLEF)
    assert clef_of_each_bar(options, [low, one, low]) == [BASS_CLEF] * 3
    assert clef_of_each_bar(options, [low, high, high, low]) == [BASS_CLEF, TREBLE_CLEF, TREBLE_CLEF, BASS_CLEF]


def test_two_voices_stand_where_notes_overlap_and_one_elsewhere() -> None:
    tune = [(0, 480, 72), (480, 480, 74), (960, 960, 76), (0, 1920, 65), (1920, 1920, 72)]
    sheet = notate(sample_music.score([tune], programs=(40,)))
    assert [[v.stem for v in m.parts[0].voices] for m in sheet.measures] == [["up", "down"], [""]]


def test_what_was_played_freely_is_written_in_quarters_and_said() -> None:
    played = [(i * 480 + (7, -9, 12, 3)[i % 4] * (i > 0), 431, 60 + i) for i in range(16)]
    sheet = notate(sample_music.score([played]))
    assert {s.value for m in sheet.measures for s in m.parts[0].voices[0].symbols} == {"quarter"}
    [remark] = sheet.remarks
    assert "of 16 notes are not quite in time" in remark
