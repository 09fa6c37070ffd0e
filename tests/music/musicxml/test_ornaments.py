"""Ornaments are played as MuseScore 3.2.3 exports them. The expected notes come from its MIDI files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbach.music.reading.musicxml.notes import GraceNote, Ornament, PartNote, Scale
from playbach.music.reading.musicxml.ornaments import (
    count_ornaments,
    ornaments_of,
    play_ornaments,
    without_ornaments,
)

B4, C5, D5, E5 = 71, 72, 74, 76
Played = list[tuple[int, int, int]]


def ornaments(notations: str, step: str = "B", octave: int = 4, scale: Scale | None = None) -> tuple[Ornament, ...]:
    xml = (
        f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><notations>{notations}</notations></note>"
    )
    return ornaments_of(ElementTree.fromstring(xml), scale or Scale())


def on_b4(notations: str, ticks: int, **more: object) -> PartNote:
    return PartNote(0, ticks, B4, 80, ornaments=ornaments(f"<ornaments>{notations}</ornaments>"), **more)  # type: ignore[arg-type]


def grace(*pitches: int, slashed: bool = False) -> GraceNote:
    return GraceNote(pitches, ticks=240, slashed=slashed, velocity=80)


def played(notes: Sequence[PartNote], tempo: float = 120) -> Played:
    return [(note.onset, note.end, note.pitch) for note in play_ornaments(notes, lambda tick: tempo)]


def pitches(notes: Sequence[PartNote], tempo: float = 120) -> list[int]:
    return [pitch for _, _, pitch in played(notes, tempo)]


# ---------------------------------------------------------------------------------------------- trills and the like


@pytest.mark.parametrize(
    "ticks, tempo, notes, length",
    [
        (1920, 120, 32, 60),
        (720, 60, 12, 60),
        (480, 240, 8, 60),
        (480, 40, 16, 30),
        (480, 20, 32, 15),
        (480, 600, 6, 75),
        (240, 120, 4, 60),
        (120, 120, 4, 30),
        (60, 120, 4, 15),
        (30, 60, 4, 7),
        (60, 240, 1, 60),
        (30, 120, 1, 30),
    ],
)
def test_a_trill_alternates_in_32nds_or_as_fast_as_it_must(ticks: int, tempo: float, notes: int, length: int) -> None:
    trill = played([on_b4("<trill-mark/>", ticks)], tempo)
    assert len(trill) == notes
    assert [pitch for _, _, pitch in trill] == ([B4, C5] * notes)[:notes]
    assert trill[0] == (0, length, B4) and trill[-1][1] == ticks


def test_the_last_note_of_a_trill_takes_what_is_left() -> None:
    assert played([on_b4("<trill-mark/>", 320)]) == [(0, 60, B4), (60, 120, C5), (120, 180, B4), (180, 320, C5)]


@pytest.mark.parametrize(
    "mark, expected",
    [
        ("<turn/>", [(0, 60, 72), (60, 120, 71), (120, 180, 69), (180, 480, 71)]),
        ("<delayed-turn/>", [(0, 60, 72), (60, 120, 71), (120, 180, 69), (180, 480, 71)]),
        ("<inverted-turn/>", [(0, 60, 69), (60, 120, 71), (120, 180, 72), (180, 480, 71)]),
        ("<mordent/>", [(0, 60, 71), (60, 120, 69), (120, 480, 71)]),
        ("<inverted-mordent/>", [(0, 60, 71), (60, 120, 72), (120, 480, 71)]),
        ('<mordent long="yes"/>', [(0, 60, 72), (60, 120, 71), (120, 180, 69), (180, 480, 71)]),
        ('<inverted-mordent long="yes"/>', [(0, 60, 72), (60, 120, 71), (120, 180, 72), (180, 480, 71)]),
        (
            '<mordent long="yes" approach="below"/>',
            [(0, 80, 69), (80, 160, 71), (160, 240, 72), (240, 320, 71), (320, 400, 69), (400, 480, 71)],
        ),
        (
            '<inverted-mordent long="yes" approach="above"/>',
            [(0, 240, 72), (240, 320, 71), (320, 400, 72), (400, 480, 71)],
        ),
        (
            '<inverted-mordent long="yes" departure="below"/>',
            [(0, 60, 72), (60, 120, 71), (120, 180, 72), (180, 240, 71), (240, 300, 69), (300, 480, 71)],
        ),
        ("<schleifer/>", [(0, 60, 67), (60, 120, 69), (120, 480, 71)]),
    ],
)
def test_figures_on_a_quarter(mark: str, expected: Played) -> None:
    assert played([on_b4(mark, 480)]) == expected


def test_a_mordent_is_faster_on_a_short_note_and_missing_on_a_very_short_one() -> None:
    assert played([on_b4("<mordent/>", 120)]) == [(0, 40, 71), (40, 80, 69), (80, 120, 71)]
    assert played([on_b4("<mordent/>", 30)]) == [(0, 30, 71)]


@pytest.mark.parametrize(
    "scale, upper",
    [
        (Scale(), 65),
        (Scale(fifths=2), 66),
        (Scale(accidentals={7 * 4 + 3: 1}), 66),
        (Scale(accidentals={7 * 5 + 3: 1}), 65),
        (Scale(fifths=2, accidentals={7 * 4 + 3: 0}), 65),
        (Scale(transposition=-2), 63),
    ],
)
def test_neighbours_follow_the_key_the_bar_and_the_transposition(scale: Scale, upper: int) -> None:
    (trill,) = ornaments("<ornaments><trill-mark/></ornaments>", step="E", scale=scale)
    assert trill.neighbours[1] == upper


@pytest.mark.parametrize(
    "marks, below, above",
    [
        ("<trill-mark/><accidental-mark>sharp</accidental-mark>", 69, 73),
        ("<trill-mark/><wavy-line type='start'/><accidental-mark>flat</accidental-mark>", 69, 71),
        ("<mordent/><accidental-mark>sharp</accidental-mark>", 70, 72),
        ("<turn/><accidental-mark placement='below'>sharp</accidental-mark>", 70, 72),
        (
            "<turn/><accidental-mark placement='above'>sharp</accidental-mark>"
            "<accidental-mark placement='below'>flat</accidental-mark>",
            68,
            73,
        ),
    ],
)
def test_accidental_marks_alter_the_neighbour(marks: str, below: int, above: int) -> None:
    assert ornaments(f"<ornaments>{marks}</ornaments>")[0].neighbours == (below, above)


def test_all_notes_of_a_chord_have_the_ornament_of_one() -> None:
    (turn,) = ornaments("<ornaments><turn/></ornaments>", step="E", scale=Scale(fifths=-3, accidentals={30: 0}))
    chord = [PartNote(0, 480, 64, 80, ornaments=(turn,)), PartNote(0, 480, 67, 80)]
    assert pitches(chord) == [65, 68, 64, 67, 62, 65, 64, 67]


def test_a_wavy_line_trills_each_note_under_it() -> None:
    start = ornaments("<ornaments><trill-mark/><wavy-line type='start'/></ornaments>", step="E")
    stop = ornaments("<ornaments><wavy-line type='stop'/></ornaments>", step="A")
    line = [
        PartNote(0, 480, 64, 80, chord=0, ornaments=start),
        PartNote(480, 960, 67, 80, chord=1),
        PartNote(960, 1440, 69, 80, chord=2, ornaments=stop),
        PartNote(1440, 1920, 72, 80, chord=3),
    ]
    assert pitches(line) == [64, 65] * 4 + [67, 69] * 4 + [69, 71] * 4 + [72]
    other_voice = [*line, PartNote(480, 960, 48, 80, voice="2", chord=4)]
    assert len(play_ornaments(other_voice)) == 26
    assert count_ornaments(line) == {"trill": 1}


def test_a_wavy_line_that_never_stops_holds_for_its_note() -> None:
    start = ornaments("<ornaments><wavy-line type='start'/></ornaments>", step="E")
    line = [PartNote(0, 480, 64, 80, ornaments=start), PartNote(480, 960, 67, 80, chord=1)]
    assert pitches(line) == [64, 65] * 4 + [67]


# --------------------------------------------------------------------------------------------------- grace notes


@pytest.mark.parametrize("ticks, taken", [(1920, 960), (720, 480), (480, 240), (840, 480), (320, 160), (60, 30)])
def test_a_grace_note_takes_half_of_the_note_or_a_dotted_notes_value(ticks: int, taken: int) -> None:
    note = PartNote(0, ticks, C5, 80, graces=(grace(D5),))
    assert played([note]) == [(0, taken, D5), (taken, ticks, C5)]


@pytest.mark.parametrize("ticks, tempo, taken", [(480, 60, 31), (480, 120, 62), (480, 240, 124), (60, 120, 30)])
def test_a_slashed_grace_note_takes_65_milliseconds(ticks: int, tempo: float, taken: int) -> None:
    note = PartNote(0, ticks, C5, 80, graces=(grace(D5, slashed=True),))
    assert played([note], tempo) == [(0, taken, D5), (taken, ticks, C5)]


def test_several_grace_notes_share_alike() -> None:
    note = PartNote(0, 480, C5, 80, graces=(grace(D5, slashed=True), grace(E5, 79)))
    assert played([note]) == [(0, 120, D5), (120, 240, E5), (120, 240, 79), (240, 480, C5)]


def test_grace_notes_take_from_the_first_of_tied_notes_and_from_the_last() -> None:
    note = PartNote(0, 1440, C5, 80, graces=(grace(D5),), tied=(480, 960))
    assert played([note]) == [(0, 240, D5), (240, 1440, C5)]
    note = PartNote(0, 1440, C5, 80, after_graces=(grace(D5),), tied=(960, 480))
    assert played([note]) == [(0, 1200, C5), (1200, 1440, D5)]


def test_grace_notes_before_and_after_share_the_half() -> None:
    note = PartNote(0, 1920, C5, 80, graces=(grace(D5),), after_graces=(grace(B4), grace(C5)))
    assert played([note]) == [(0, 320, D5), (320, 1280, C5), (1280, 1600, B4), (1600, 1920, C5)]


def test_grace_notes_of_a_trill_have_its_speed() -> None:
    note = on_b4("<trill-mark/>", 960, graces=(grace(C5),))
    assert pitches([note]) == [C5, *[B4, C5] * 7]
    note = on_b4("<trill-mark/>", 960, after_graces=(grace(69), grace(B4)))
    assert pitches([note]) == [*[B4, C5] * 7, 69, B4]
    note = on_b4("<turn/>", 1920, after_graces=(grace(69), grace(B4)))
    assert played([note])[3:] == [(180, 1800, B4), (1800, 1860, 69), (1860, 1920, B4)]


# ------------------------------------------------------------------------------------- tremolos, arpeggios, slides


@pytest.mark.parametrize(
    "strokes, ticks, notes",
    [(1, 1920, 8), (2, 960, 8), (3, 720, 12), (3, 480, 8), (4, 480, 16), (1, 240, 2), (1, 160, 2), (2, 360, 6)],
)
def test_a_tremolo_repeats_the_note(strokes: int, ticks: int, notes: int) -> None:
    note = on_b4(f"<tremolo>{strokes}</tremolo>", ticks)
    assert played([note]) == [(i * ticks // notes, (i + 1) * ticks // notes, B4) for i in range(notes)]


@pytest.mark.parametrize(
    "strokes, ticks, notes", [(1, 480, 4), (3, 480, 16), (3, 960, 32), (3, 240, 8), (2, 720, 12)]
)
def test_a_tremolo_of_two_notes_alternates(strokes: int, ticks: int, notes: int) -> None:
    marks = [
        ornaments(f"<ornaments><tremolo type='{kind}'>{strokes}</tremolo></ornaments>") for kind in ("start", "stop")
    ]
    pair = [
        PartNote(0, ticks, 60, 80, chord=0, ornaments=marks[0]),
        PartNote(ticks, 2 * ticks, 64, 80, chord=1, ornaments=marks[1]),
        PartNote(ticks, 2 * ticks, 67, 80, chord=1, ornaments=marks[1]),
    ]
    length = 2 * ticks // notes
    assert played(pair) == [
        (i * length, (i + 1) * length, pitch) for i in range(notes) for pitch in ((60,), (64, 67))[i % 2]
    ]
    assert count_ornaments(pair) == {"tremolo": 1}


@pytest.mark.parametrize(
    "size, ticks, tempo, apart",
    [
        (3, 960, 120, 64),
        (3, 240, 120, 64),
        (3, 120, 120, 28),
        (6, 240, 120, 28),
        (12, 720, 120, 42),
        (3, 480, 60, 32),
        (3, 480, 240, 128),
    ],
)
def test_an_arpeggio_spreads_the_chord(size: int, ticks: int, tempo: float, apart: int) -> None:
    marks = ornaments("<arpeggiate/>")
    chord = [PartNote(0, ticks, 48 + 3 * i, 80, ornaments=marks) for i in range(size)]
    assert played(chord, tempo) == [(i * apart, ticks, 48 + 3 * i) for i in range(size)]
    downward = [replace(note, ornaments=ornaments("<arpeggiate direction='down'/>")) for note in chord]
    assert pitches(downward, tempo) == [note.pitch for note in reversed(chord)]
    assert count_ornaments(chord) == {"arpeggio": 1}


@pytest.mark.parametrize("kind", ["glissando", "slide"])
@pytest.mark.parametrize("first, last", [(60, 72), (72, 67), (60, 60)])
def test_a_glissando_takes_all_semitones(kind: str, first: int, last: int) -> None:
    start, stop = (ornaments(f"<{kind} type='{place}' number='2'/>") for place in ("start", "stop"))
    notes = [
        PartNote(0, 960, first, 80, chord=0, ornaments=start),
        PartNote(960, 1920, last, 80, chord=1, ornaments=stop),
    ]
    assert pitches(notes) == [*range(first, last, 1 if last > first else -1), last] + [last] * (first == last)
    assert count_ornaments(notes) == {kind: 1}


# --------------------------------------------------------------------------------------------- what is not played


@pytest.mark.parametrize(
    "notations",
    [
        "<articulations><staccato/><tenuto/><accent/></articulations>",
        "<non-arpeggiate type='bottom'/>",
        "<ornaments><tremolo>99</tremolo></ornaments>",
        "<ornaments><tremolo>0</tremolo></ornaments>",
        "<ornaments><accidental-mark>sharp</accidental-mark></ornaments>",
        "<fermata/>",
    ],
)
def test_other_notations_are_no_ornaments(notations: str) -> None:
    assert ornaments(notations) == ()


def test_an_unpitched_note_has_no_neighbours() -> None:
    xml = "<note><unpitched/><notations><ornaments><trill-mark/><tremolo>3</tremolo></ornaments></notations></note>"
    assert [o.kind for o in ornaments_of(ElementTree.fromstring(xml), Scale())] == ["tremolo"]


def test_ornaments_can_be_left_out_and_are_counted() -> None:
    notes = [
        on_b4("<trill-mark/>", 480, graces=(grace(C5), grace(D5, E5)), chord=0),
        on_b4("<turn/>", 480, after_graces=(grace(C5),), chord=1),
    ]
    assert count_ornaments(notes) == {"trill": 1, "turn": 1, "grace note": 3}
    assert without_ornaments(notes) == [PartNote(0, 480, B4, 80, chord=0), PartNote(0, 480, B4, 80, chord=1)]
    assert count_ornaments(play_ornaments(notes)) == count_ornaments(without_ornaments(notes)) == {}


# ------------------------------------------------------------------------------------------------- any part at all


@pytest.mark.parametrize("ticks", [0, 1, 2, 480, 10_000_000])
@pytest.mark.parametrize("tempo", [0.0, 1e-9, 1e9, float("nan"), float("inf")])
def test_hostile_notes_end_in_bounded_time(ticks: int, tempo: float) -> None:
    began = time.perf_counter()
    for mark in ("<trill-mark/>", "<turn/>", "<tremolo>8</tremolo>", "<wavy-line type='start'/>", ""):
        note = on_b4(mark, ticks, graces=(grace(C5),) * 100_000, after_graces=(grace(C5),) * 1000)
        result = play_ornaments([note], lambda tick: tempo)
        assert 1 <= len(result) <= 257 + 200
        assert all(0 <= n.onset < n.end <= ticks for n in result if ticks)
    assert time.perf_counter() - began < 5


def test_many_wavy_lines_take_linear_time() -> None:
    marks = "".join(f"<wavy-line type='{kind}' number='{n}'/>" for n in range(1, 17) for kind in ("stop", "start"))
    lines = ornaments(f"<ornaments>{marks}</ornaments>")
    notes = [PartNote(i, i + 1, B4, 80, chord=i, ornaments=lines) for i in range(5_000)]
    began = time.perf_counter()
    play_ornaments(notes)
    assert time.perf_counter() - began < 10


def test_a_note_with_100_000_marks_takes_no_time() -> None:
    began = time.perf_counter()
    assert len(ornaments("<ornaments>" + "<wavy-line type='start'/>" * 100_000 + "</ornaments>")) <= 32
    assert time.perf_counter() - began < 5


MARKS = [
    "",
    "<ornaments><trill-mark/></ornaments>",
    "<ornaments><turn/></ornaments>",
    "<ornaments><mordent long='yes' approach='below'/></ornaments>",
    "<ornaments><wavy-line type='start'/></ornaments>",
    "<ornaments><wavy-line type='stop'/></ornaments>",
    "<ornaments><tremolo>4</tremolo></ornaments>",
    "<ornaments><tremolo type='start'>3</tremolo></ornaments>",
    "<ornaments><tremolo type='stop'>3</tremolo></ornaments>",
    "<arpeggiate/>",
    "<arpeggiate direction='down'/>",
]
graces_st = st.lists(st.builds(grace, st.integers(60, 80), slashed=st.booleans()), max_size=5).map(tuple)


@st.composite
def part(draw: st.DrawFn) -> list[PartNote]:
    notes: list[PartNote] = []
    tick = 0
    for number in range(draw(st.integers(1, 6))):
        ticks = draw(st.sampled_from([1, 2, 7, 30, 60, 160, 240, 480, 720, 1920, 30_000]))
        before, after = draw(graces_st), draw(graces_st)
        tied = draw(st.sampled_from([(), (ticks, 5), (ticks, ticks)]))
        for pitch in sorted(draw(st.sets(st.integers(60, 75), min_size=1, max_size=4))):
            marks = ornaments(draw(st.sampled_from(MARKS)), step="CDEFGAB"[pitch % 7])
            notes.append(PartNote(tick, tick + ticks, pitch, 80, "1", 1, number, marks, before, after, tied))
            before = after = ()
        tick += ticks
    return notes


@settings(max_examples=300, deadline=None)
@given(notes=part(), tempo=st.floats(1, 1000))
def test_played_ornaments_stay_within_the_written_notes(notes: list[PartNote], tempo: float) -> None:
    result = play_ornaments(notes, lambda tick: tempo)
    assert all(not (note.ornaments or note.graces or note.after_graces) for note in result)
    assert result == sorted(result, key=lambda note: (note.onset, note.pitch))
    assert all(note.onset < note.end for note in result)
    assert min(note.onset for note in result) == 0
    assert max(note.end for note in result) == max(note.end for note in notes)
    assert len(result) <= sum(256 + len(note.graces) + len(note.after_graces) for note in notes)
    main = {note.pitch for note in notes} | {p for note in notes for o in note.ornaments for p in o.neighbours}
    near = {pitch + beside for pitch in main for beside in range(-4, 5)}
    graces = {p for note in notes for g in (*note.graces, *note.after_graces) for p in g.pitches}
    assert {note.pitch for note in result} <= near | graces


@settings(max_examples=50, deadline=None)
@given(notes=part())
def test_plain_notes_stay_as_they_are(notes: list[PartNote]) -> None:
    plain = without_ornaments(notes)
    assert play_ornaments(plain) == sorted(plain, key=lambda note: (note.onset, note.pitch))
    assert [(n.onset, n.end, n.pitch) for n in plain] == [(n.onset, n.end, n.pitch) for n in notes]
