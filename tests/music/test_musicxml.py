"""MusicXML is read as it sounds; damaged and hostile files give a one-line error."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from helpers.sample_musicxml import DOCTYPE, FOUR_FOUR, four_voices, musicxml, mxl, note, part
from playbach.music.reading import Reader, ReadingLimits, Score, find_music, read
from playbach.system.errors import ScoreError

WHOLE = note(60, 16)


@pytest.fixture(scope="module")
def reader() -> Any:
    with Reader() as one:
        yield one


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    numbers = itertools.count()

    def write(data: bytes, name: str | None = None) -> Path:
        path = tmp_path / (name or f"{next(numbers):03}.musicxml")
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def read_parts(file: Callable[..., Path], reader: Reader) -> Callable[..., Score]:
    return lambda *parts: reader.read(file(musicxml(*parts)))


def notes(score: Score, track: int = 0) -> list[tuple[int, int, int]]:
    """Onset, duration and pitch, in this order."""
    return sorted((n.time, n.duration, n.pitch) for n in score.tracks[track].notes)


def onsets(score: Score, track: int = 0) -> list[tuple[int, int]]:
    return [(n.time // 120, n.pitch) for n in score.tracks[track].notes]


def meters(score: Score) -> list[tuple[int, int, int]]:
    return [(m.time, m.numerator, m.denominator) for m in score.time_signatures]


def fault(reader: Reader, path: Path) -> str:
    with pytest.raises(ScoreError) as caught:
        reader.read(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line.removeprefix(f"{path}: ")


# ----------------------------------------------------------------------------------------------------- what sounds


def test_parts_are_tracks(read_parts: Callable[..., Score]) -> None:
    oboe = (
        '<score-instrument id="I"><instrument-name>Oboe</instrument-name></score-instrument>'
        '<midi-instrument id="I"><midi-channel>1</midi-channel><midi-program>69</midi-program></midi-instrument>'
    )
    score = read_parts(part([WHOLE], "P1", "Oboe d'amore", oboe), part([note(48, 8) + note(50, 8)], "P2", "Käthchen"))
    assert [(t.name, t.program, t.is_drum) for t in score.tracks] == [
        ("Oboe d'amore", 68, False),
        ("Käthchen", 0, False),
    ]
    assert notes(score) == [(0, 1920, 60)]
    assert notes(score, 1) == [(0, 960, 48), (960, 960, 50)]
    assert {n.velocity for t in score.tracks for n in t.notes} == {80}


def test_chords_voices_and_staves(read_parts: Callable[..., Score]) -> None:
    chord = note(60, 8) + note(64, 8, before="<chord/>") + note(67, 8, before="<chord/>") + note(None, 8)
    second = "<backup><duration>16</duration></backup>" + note(55, 16, voice=2)
    third = "<backup><duration>16</duration></backup>" + note(48, 16, voice=3, staff=2)
    staves = FOUR_FOUR.replace("</attributes>", "<staves>2</staves></attributes>")
    score = read_parts(part([staves + chord + second + third]))
    assert [t.name for t in score.tracks] == ["Piano", "Piano"]
    assert notes(score) == [(0, 960, 60), (0, 960, 64), (0, 960, 67), (0, 1920, 55)]
    assert notes(score, 1) == [(0, 1920, 48)]


def test_two_voices_in_unison_are_one_note(read_parts: Callable[..., Score]) -> None:
    score = read_parts(part([WHOLE + "<backup><duration>16</duration></backup>" + note(60, 4, voice=2)]))
    assert notes(score) == [(0, 1920, 60)]


def test_tied_notes_are_one(read_parts: Callable[..., Score]) -> None:
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    score = read_parts(
        part([note(None, 12) + note(60, 4, start), note(60, 16, stop + start), note(60, 4, stop) + note(60, 4)])
    )
    assert notes(score) == [(1440, 480 + 1920 + 480, 60), (4320, 480, 60)]


def test_a_tie_in_a_chord_is_that_of_one_note(read_parts: Callable[..., Score]) -> None:
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    held = note(60, 16, start) + note(64, 16, before="<chord/>")
    score = read_parts(part([held, note(60, 8, stop) + note(64, 8, before="<chord/>")]))
    assert notes(score) == [(0, 1920, 64), (0, 2880, 60), (1920, 960, 64)]


def test_tuplets_are_exact(read_parts: Callable[..., Score]) -> None:
    thirds = FOUR_FOUR.replace("<divisions>4<", "<divisions>3<")
    triplet = "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification>"
    score = read_parts(part([thirds + "".join(note(60 + i, 1, triplet) for i in range(3)) + note(None, 9)]))
    assert notes(score) == [(0, 160, 60), (160, 160, 61), (320, 160, 62)]


@pytest.mark.parametrize(
    ("transpose", "sounds"),
    [
        ("<chromatic>-2</chromatic>", 58),  # a clarinet in B flat
        ("<diatonic>0</diatonic><chromatic>0</chromatic><octave-change>-1</octave-change>", 48),  # a guitar
        ("<chromatic>3</chromatic>", 63),
    ],
)
def test_pitches_are_transposed_to_those_that_sound(
    read_parts: Callable[..., Score], transpose: str, sounds: int
) -> None:
    attributes = FOUR_FOUR.replace("</attributes>", f"<transpose>{transpose}</transpose></attributes>")
    clarinet = (
        '<score-instrument id="I"><instrument-name>Clarinet</instrument-name></score-instrument>'
        '<midi-instrument id="I"><midi-program>72</midi-program></midi-instrument>'
    )
    score = read_parts(part([attributes + WHOLE, WHOLE], instrument=clarinet), part([WHOLE, WHOLE], "P2", "Oboe"))
    assert [n.pitch for n in score.tracks[0].notes] == [sounds, sounds]
    assert [n.pitch for n in score.tracks[1].notes] == [60, 60]


def test_a_clarinet_without_transposition_stays(read_parts: Callable[..., Score]) -> None:
    clarinet = (
        '<score-instrument id="I"><instrument-name>Clarinet</instrument-name></score-instrument>'
        '<midi-instrument id="I"><midi-program>72</midi-program></midi-instrument>'
    )
    assert notes(read_parts(part([WHOLE], instrument=clarinet))) == [(0, 1920, 60)]


def test_drums_have_the_pitches_of_general_midi(read_parts: Callable[..., Score]) -> None:
    kit = "".join(
        f'<midi-instrument id="{name}"><midi-channel>10</midi-channel>'
        f"<midi-unpitched>{number}</midi-unpitched></midi-instrument>"
        for name, number in (("kick", 37), ("hat", 43))
    )

    def hit(which: str) -> str:
        of = f'<instrument id="{which}"/>' if which else ""
        return (
            "<note><unpitched><display-step>E</display-step><display-octave>4</display-octave></unpitched>"
            f"<duration>4</duration>{of}<voice>1</voice></note>"
        )

    score = read_parts(
        part([hit("kick") + hit("hat") + hit("hat") + hit("")], "P1", "Drums", kit),
        part([hit("?") + note(None, 12)], "P2", "Tambourine"),
        part([WHOLE], "P3"),
    )
    assert [t.is_drum for t in score.tracks] == [True, True, False]
    assert [n.pitch for n in score.tracks[0].notes] == [36, 42, 42, 36]
    assert [n.pitch for n in score.tracks[1].notes] == [54]


def test_keys_tempos_and_meters(read_parts: Callable[..., Score]) -> None:
    first = (
        "<attributes><divisions>4</divisions><key><fifths>-3</fifths><mode>minor</mode></key>"
        "<time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
        '<direction><sound tempo="90"/></direction>'
    )
    second = (
        "<attributes><key><fifths>2</fifths></key><time><beats>6</beats><beat-type>8</beat-type></time></attributes>"
        '<direction><sound tempo="60.5"/></direction>'
    )
    score = read_parts(part([first + note(60, 12), note(60, 12), second + note(60, 12)]))
    assert meters(score) == [(0, 3, 4), (2880, 6, 8)]
    assert [(k.time, k.key, k.tonality) for k in score.key_signatures] == [(0, -3, 1), (2880, 2, 0)]
    assert [(t.time, round(t.qpm, 2)) for t in score.tempos] == [(0, 90), (2880, 60.5)]


def test_the_key_is_that_of_a_part_that_sounds_as_written(read_parts: Callable[..., Score]) -> None:
    def key(fifths: int, transpose: str = "") -> str:
        return FOUR_FOUR.replace("<time>", f"<key><fifths>{fifths}</fifths></key><time>").replace(
            "</attributes>", f"{transpose}</attributes>"
        )

    flat = "<transpose><chromatic>-2</chromatic></transpose>"
    score = read_parts(part([key(2, flat) + WHOLE], "P1", "Clarinet"), part([key(0) + WHOLE], "P2", "Piano"))
    assert [(k.time, k.key) for k in score.key_signatures] == [(0, 0)]


# ------------------------------------------------------------------------------------------------ bars and repeats

FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'
BACK = '<barline location="right"><repeat direction="backward"/></barline>'


def ending(number: str, kind: str, place: str, repeat: str = "") -> str:
    return f'<barline location="{place}"><ending number="{number}" type="{kind}"/>{repeat}</barline>'


def test_a_pickup_is_a_short_first_meter(read_parts: Callable[..., Score]) -> None:
    score = read_parts(part([note(67, 4), WHOLE, note(60, 12)]))
    assert meters(score) == [(0, 1, 4), (480, 4, 4)]
    assert onsets(score) == [(0, 67), (4, 60), (20, 60)]


def test_a_pickup_of_an_eighth(read_parts: Callable[..., Score]) -> None:
    assert meters(read_parts(part([note(67, 2), WHOLE, WHOLE]))) == [(0, 1, 8), (240, 4, 4)]


def test_a_short_bar_has_its_own_meter_and_two_halves_are_one(read_parts: Callable[..., Score]) -> None:
    short = read_parts(part([WHOLE, note(60, 8), WHOLE, WHOLE]))
    assert meters(short) == [(0, 4, 4), (1920, 2, 4), (2880, 4, 4)]
    halves = read_parts(part([WHOLE, note(60, 12), note(62, 4), WHOLE]))
    assert meters(halves) == [(0, 4, 4)]
    assert onsets(halves) == [(0, 60), (16, 60), (28, 62), (32, 60)]


def test_parts_stay_together_where_one_leaves_out_a_rest(read_parts: Callable[..., Score]) -> None:
    full = [WHOLE, WHOLE, WHOLE]
    score = read_parts(part(full, "P1"), part([WHOLE, note(62, 12), note(64, 16)], "P2"), part(full, "P3"))
    assert onsets(score, 1) == [(0, 60), (16, 62), (32, 64)]
    assert meters(score) == [(0, 4, 4)]


def test_a_bar_is_full_if_a_part_fills_it(read_parts: Callable[..., Score]) -> None:
    """Of four parts two are too short in the same bar, and one has only a rest there."""
    short = [note(62, 12), WHOLE]
    score = read_parts(
        part([WHOLE, WHOLE]), part([note(None, 16), WHOLE], "P2"), part(short, "P3"), part(short, "P4")
    )
    assert [onsets(score, i)[-1] for i in range(4)] == [(16, 60)] * 4
    assert meters(score) == [(0, 4, 4)]
    score = read_parts(part([WHOLE, WHOLE]), part(short, "P2"), part(short, "P3"))
    assert meters(score) == [(0, 3, 4), (1440, 4, 4)]  # most of the parts are short


def test_notes_that_both_say_that_they_are_tied_are_one(read_parts: Callable[..., Score]) -> None:
    """The chord's second note is written too short, as some programs do; without marks there is no tie."""
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    chord = note(60, 16) + note(64, 12, start, "<chord/>")
    [track] = read_parts(part([chord, note(64, 4, stop) + note(64, 4)])).tracks
    assert [(n.time, n.end) for n in track.notes if n.pitch == 64] == [(0, 2400), (2400, 2880)]
    [track] = read_parts(part([chord, note(64, 4) + note(64, 4)])).tracks
    assert (0, 1440, 64) in [(n.time, n.end, n.pitch) for n in track.notes]


def test_a_tied_note_may_overlap_the_next_bar(read_parts: Callable[..., Score]) -> None:
    """The second part has a note too many, so that the tie begins after the bar line."""
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    long = part([note(64, 12) + note(62, 8, start), note(62, 16, stop)], "P2")
    score = read_parts(part([WHOLE, WHOLE]), long, part([WHOLE, WHOLE], "P3"))
    assert [(n.time, n.end, n.pitch) for n in score.tracks[1].notes] == [(0, 1440, 64), (1440, 3840, 62)]


def test_a_chords_note_without_a_voice_has_that_of_its_chord(read_parts: Callable[..., Score]) -> None:
    """So grace notes, which wait in a voice, delay the whole chord."""
    upper, lower = note(60, 16, voice=2, before=""), note(64, 16, before="<chord/>").replace("<voice>1</voice>", "")
    grace = note(62, 0, voice=2, before="<grace/>")
    [track] = read_parts(part([grace + upper + lower])).tracks
    assert sorted((n.time, n.pitch) for n in track.notes) == [(0, 62), (960, 60), (960, 64)]


def test_grace_notes_at_the_end_of_a_slur_belong_to_the_note_before(read_parts: Callable[..., Score]) -> None:
    end = '<notations><slur type="stop"/></notations>'
    for slur, expected in (("", (960, 1440)), (end, (480, 960))):
        graces = note(65, 0, slur, before="<grace/>")
        [track] = read_parts(part([note(62, 8) + graces + note(64, 8)])).tracks
        onsets = {n.pitch: n.time for n in track.notes}
        assert (onsets[65], onsets[64]) == expected, slur


def test_a_tied_note_takes_its_accidental_alone_over_the_bar_line(read_parts: Callable[..., Score]) -> None:
    """A trill in the second bar has the upper neighbour of the key, unless the accidental is written again."""
    tie, trill = '<tie type="{}"/>', "<notations><ornaments><trill-mark/></ornaments></notations>"
    flat = note(66, 16, tie.format("start")).replace("<step>F</step><alter>1", "<step>G</step><alter>-1")
    for written, upper in (("", 67), ("<accidental>flat</accidental>", 66)):
        held = note(66, 8, tie.format("stop") + written).replace("<step>F</step><alter>1", "<step>G</step><alter>-1")
        [track] = read_parts(part([flat, held + note(65, 8, trill)])).tracks
        assert {n.pitch for n in track.notes if n.time >= 2880} == {65, upper}


def test_the_rest_of_a_bar_may_have_any_length(read_parts: Callable[..., Score]) -> None:
    rests = [WHOLE, note(None, 8), WHOLE]
    score = read_parts(part([WHOLE] * 3, "P1"), part(rests, "P2"), part(rests, "P3"))
    assert onsets(score, 1) == [(0, 60), (32, 60)]
    assert meters(score) == [(0, 4, 4)]


def test_repeats_are_played(read_parts: Callable[..., Score]) -> None:
    measures = [note(60, 16), FORWARD + note(62, 16), note(64, 16) + BACK, note(65, 16)]
    score = read_parts(part(measures), part([note(48, 16)] * 4, "P2"))
    assert [p for _, p in onsets(score)] == [60, 62, 64, 62, 64, 65]
    assert onsets(score, 1) == [(16 * i, 48) for i in range(6)]  # by the other part's signs


def test_endings_and_a_repeat_without_beginning(read_parts: Callable[..., Score]) -> None:
    first = ending("1", "start", "left") + note(62, 16)
    last = ending("1", "stop", "right", '<repeat direction="backward"/>')
    second = ending("2", "start", "left") + note(64, 16) + ending("2", "stop", "right")
    assert [p for _, p in onsets(read_parts(part([WHOLE, first + last, second])))] == [60, 62, 60, 64]


def test_a_repeat_without_beginning_goes_back_to_the_last_one(read_parts: Callable[..., Score]) -> None:
    two = [note(60, 16), note(62, 16) + BACK, note(64, 16), note(65, 16) + BACK]
    assert [p for _, p in onsets(read_parts(part(two)))] == [60, 62, 60, 62, 64, 65, 64, 65]
    many = [note(60 + i, 16) + BACK for i in range(10)]
    assert [p for _, p in onsets(read_parts(part(many)))] == [60 + i // 2 for i in range(20)]


def test_a_repeat_without_beginning_goes_back_to_the_last_endings(read_parts: Callable[..., Score]) -> None:
    first = ending("1", "start", "left") + note(62, 16)
    last = ending("1", "stop", "right", '<repeat direction="backward"/>')
    second = ending("2", "start", "left") + note(64, 16) + ending("2", "stop", "right")
    score = read_parts(part([WHOLE, first + last, second, note(65, 16), note(67, 16) + BACK, note(69, 16)]))
    assert [p for _, p in onsets(score)] == [60, 62, 60, 64, 65, 67, 65, 67, 69]


def test_da_capo_al_fine(read_parts: Callable[..., Score]) -> None:
    fine = "<direction><direction-type><words>Fine</words></direction-type></direction>"
    back = "<direction><direction-type><words>D.C. al Fine</words></direction-type></direction>"
    score = read_parts(part([note(60, 16), note(62, 16) + fine, note(64, 16) + back]))
    assert [p for _, p in onsets(score)] == [60, 62, 64, 60, 62]


def test_a_repeat_restores_meter_and_tempo(read_parts: Callable[..., Score]) -> None:
    three = "<attributes><time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
    faster = '<direction><sound tempo="120"/></direction>'
    slow = '<direction><sound tempo="60"/></direction>'
    score = read_parts(part([FOUR_FOUR + slow + WHOLE, three + faster + note(62, 12) + BACK, note(64, 12)]))
    assert meters(score) == [(0, 4, 4), (1920, 3, 4), (3360, 4, 4), (5280, 3, 4)]
    assert [(t.time, round(t.qpm)) for t in score.tempos] == [(0, 60), (1920, 120), (3360, 60), (5280, 120)]


def test_a_repeat_restores_the_tempo_of_an_earlier_measure(read_parts: Callable[..., Score]) -> None:
    def at(qpm: int) -> str:
        return f'<direction><sound tempo="{qpm}"/></direction>'

    score = read_parts(part([FOUR_FOUR + at(60) + WHOLE, FORWARD + WHOLE, at(120) + WHOLE + BACK]))
    assert [(t.time // 1920, round(t.qpm)) for t in score.tempos] == [(0, 60), (2, 120), (3, 60), (4, 120)]


def test_repeats_that_contradict_each_other_are_not_played(read_parts: Callable[..., Score]) -> None:
    score = read_parts(part([note(60, 16), FORWARD + note(62, 16), FORWARD + note(64, 16), note(65, 16)]))
    assert [p for _, p in onsets(score)] == [60, 62, 64, 65]


def test_notes_for_one_pass_only(read_parts: Callable[..., Score]) -> None:
    first, second = (note(p, 8).replace("<note", f'<note time-only="{n}"') for n, p in ((1, 62), (2, 64)))
    bar = FORWARD + note(60, 8) + first + "<backup><duration>8</duration></backup>" + second + BACK
    assert onsets(read_parts(part([bar]))) == [(0, 60), (8, 62), (16, 60), (24, 64)]


def test_a_tie_goes_into_each_ending(read_parts: Callable[..., Score]) -> None:
    held = note(60, 16, '<tie type="start"/>')
    first = (
        ending("1", "start", "left") + note(60, 16) + ending("1", "stop", "right", '<repeat direction="backward"/>')
    )
    second = ending("2", "start", "left") + note(60, 8) + note(62, 8) + ending("2", "stop", "right")
    score = read_parts(part([held, first, second]))
    assert notes(score) == [(0, 3840, 60), (3840, 2880, 60), (6720, 960, 62)]


# ----------------------------------------------------------------------------------- what is easily read wrongly


def attributes(text: str) -> str:
    return f"<attributes>{text}</attributes>"


def test_a_part_alone_has_its_sounding_key(read_parts: Callable[..., Score]) -> None:
    def keys(fifths: int, transpose: str) -> list[int]:
        key = FOUR_FOUR.replace("<time>", f"<key><fifths>{fifths}</fifths></key><time>")
        score = read_parts(
            part([key.replace("</attributes>", f"<transpose>{transpose}</transpose></attributes>") + WHOLE])
        )
        return [k.key for k in score.key_signatures]

    assert keys(2, "<chromatic>-2</chromatic>") == [0]  # a trumpet in B flat
    assert keys(2, "<diatonic>-1</diatonic><chromatic>-2</chromatic>") == [0]
    assert keys(1, "<diatonic>-4</diatonic><chromatic>-7</chromatic>") == [0]  # a horn in F
    assert keys(-3, "<chromatic>3</chromatic>") == [-6]
    assert keys(6, "<diatonic>1</diatonic><chromatic>2</chromatic>") == [-4]  # eight sharps are four flats
    assert keys(-2, "<chromatic>0</chromatic><octave-change>-1</octave-change>") == [-2]
    assert keys(8, "<chromatic>0</chromatic>") == [-4]  # G sharp major sounds like A flat major


def test_one_staff_is_transposed(read_parts: Callable[..., Score]) -> None:
    staves = FOUR_FOUR.replace(
        "</attributes>", '<staves>2</staves><transpose number="2"><chromatic>-12</chromatic></transpose></attributes>'
    )
    low = "<backup><duration>16</duration></backup>" + note(60, 16, voice=2, staff=2)
    score = read_parts(part([staves + note(72, 16) + low]))
    assert [[n.pitch for n in track.notes] for track in score.tracks] == [[72], [48]]


def test_a_transposition_changes_within_a_bar(read_parts: Callable[..., Score]) -> None:
    change = attributes("<transpose><chromatic>-3</chromatic></transpose>")
    score = read_parts(part([FOUR_FOUR + note(60, 8) + change + note(60, 8), WHOLE]))
    assert [n.pitch for n in score.tracks[0].notes] == [60, 57, 57]


def test_a_key_changes_within_a_bar(read_parts: Callable[..., Score]) -> None:
    key = attributes("<key><fifths>3</fifths></key>")
    score = read_parts(part([FOUR_FOUR + note(60, 8) + key + note(60, 8), WHOLE]))
    assert [(k.time, k.key) for k in score.key_signatures] == [(960, 3)]


def test_divisions_may_come_late_and_change(read_parts: Callable[..., Score]) -> None:
    time = attributes("<time><beats>4</beats><beat-type>4</beat-type></time>")
    back = "<backup><duration>16</duration></backup>"
    late = attributes("<divisions>4</divisions>")
    score = read_parts(part([time + note(60, 8) + note(62, 8) + back + late + note(48, 16, voice=2), WHOLE]))
    assert notes(score) == [(0, 960, 60), (0, 1920, 48), (960, 960, 62), (1920, 1920, 60)]
    change = FOUR_FOUR + note(60, 8) + attributes("<divisions>2</divisions>") + note(62, 4)
    assert notes(read_parts(part([change]))) == [(0, 960, 60), (960, 960, 62)]


def test_a_direction_may_stand_within_a_chord(read_parts: Callable[..., Score]) -> None:
    words = "<direction><direction-type><words>dolce</words></direction-type></direction>"
    third = note(64, 8, before="<chord/>")
    score = read_parts(part([note(60, 8) + words + third + note(67, 8)]))
    assert notes(score) == [(0, 960, 60), (0, 960, 64), (960, 960, 67)]
    assert meters(score) == [(0, 4, 4)]


def test_the_notes_of_a_chord_have_their_own_lengths(read_parts: Callable[..., Score]) -> None:
    score = read_parts(part([note(60, 8) + note(64, 4, before="<chord/>") + note(67, 8)]))
    assert notes(score) == [(0, 480, 64), (0, 960, 60), (960, 960, 67)]


@pytest.mark.parametrize(
    ("time", "meter"),
    [
        ("<beats>3+2</beats><beat-type>8</beat-type>", (5, 8)),
        ("<beats>2</beats><beat-type>4</beat-type><beats>3</beats><beat-type>8</beat-type>", (7, 8)),
        ("<beats>65</beats><beat-type>4</beat-type>", (65, 4)),
        ("<beats>3</beats><beat-type>128</beat-type>", (3, 128)),
        ("<senza-misura/>", (4, 4)),
    ],
)
def test_meters_of_every_kind(read_parts: Callable[..., Score], time: str, meter: tuple[int, int]) -> None:
    length = 128 * meter[0] // meter[1]
    divisions = attributes(f"<divisions>32</divisions><time>{time}</time>")
    score = read_parts(part([divisions + note(60, length), note(60, length)]))
    assert meters(score) == [(0, *meter)]


def test_dynamics_are_velocities(read_parts: Callable[..., Score]) -> None:
    def mark(name: str) -> str:
        return f"<direction><direction-type><dynamics><{name}/></dynamics></direction-type></direction>"

    sound = '<direction><sound dynamics="100"/></direction>'
    own = note(60, 4).replace("<note>", '<note dynamics="50">')
    score = read_parts(part([mark("pp") + note(60, 4) + mark("f") + note(60, 4) + sound + note(60, 4) + own]))
    assert [n.velocity for n in score.tracks[0].notes] == [36, 96, 90, 45]


def test_grace_notes_belong_to_the_note_after_or_before(read_parts: Callable[..., Score]) -> None:
    def grace(pitch: int, extra: str = "") -> str:
        return note(pitch, 0, "<type>16th</type>" + extra, before="<grace/>")

    slur = '<notations><slur type="stop"/></notations>'
    before = read_parts(part([note(60, 8) + grace(72) + note(62, 8)]))
    after = read_parts(part([note(60, 8) + grace(72, slur) + note(62, 8)]))
    last = read_parts(part([note(60, 8) + note(62, 8) + grace(72)]))
    assert [n[2] for n in notes(before)] == [n[2] for n in notes(after)] == [60, 72, 62]
    assert [n for n in notes(before) if n[2] == 60] == [(0, 960, 60)]
    assert [n for n in notes(after) if n[2] == 62] == [(960, 960, 62)]
    assert [n[2] for n in notes(last)] == [60, 62, 72]


def test_the_pedal_is_a_controller(read_parts: Callable[..., Score]) -> None:
    def pedal(kind: str) -> str:
        return f'<direction><direction-type><pedal type="{kind}"/></direction-type></direction>'

    score = read_parts(
        part([pedal("start") + note(60, 4) + pedal("change") + note(62, 8) + pedal("stop") + note(64, 4)])
    )
    assert [(c.time, c.number, c.value) for c in score.tracks[0].controls] == [
        (0, 64, 127),
        (480, 64, 0),
        (481, 64, 127),
        (1440, 64, 0),
    ]


def test_bars_that_repeat_the_bars_before_them(read_parts: Callable[..., Score]) -> None:
    def again(kind: str, bars: str = "") -> str:
        mark = f'<measure-style><measure-repeat type="{kind}">{bars}</measure-repeat></measure-style>'
        return attributes(mark)

    bars = [note(60, 16), note(62, 16), again("start", "2") + note(None, 16), note(None, 16), again("stop") + WHOLE]
    assert [p for _, p in onsets(read_parts(part(bars)))] == [60, 62, 60, 62, 60]


def test_a_score_by_measures_is_the_same_music(file: Callable[..., Path], reader: Reader) -> None:
    data = four_voices()
    root = ElementTree.fromstring(data)
    turned = ElementTree.Element("score-timewise")
    turned.append(root[0])
    for measures in zip(*(p.findall("measure") for p in root.findall("part"))):
        measure = ElementTree.SubElement(turned, "measure", dict(measures[0].attrib))
        for one, own in zip(root.findall("part"), measures):
            ElementTree.SubElement(measure, "part", dict(one.attrib)).extend(own)
    assert reader.read(file(ElementTree.tostring(turned))) == reader.read(file(data))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<time><beats>0</beats><beat-type>4</beat-type></time>", "1 meter that makes no sense is left out"),
        ("<time><beats>4</beats><beat-type>3</beat-type></time>", "1 meter that makes no sense is left out"),
        ("<time><beats>x</beats><beat-type>4</beat-type></time>", "1 meter that makes no sense is left out"),
        ("<key><fifths>99</fifths></key>", "1 key that makes no sense is left out"),
        ("<key><fifths/></key>", "1 key that makes no sense is left out"),
        (
            "<transpose><chromatic>-2</chromatic><octave-change>x</octave-change></transpose>",
            "1 transposition that makes no sense is left out",
        ),
        ("<staves>1, 2</staves>", ""),
        ('<measure-style><measure-repeat type="start">3,3</measure-repeat></measure-style>', ""),
    ],
)
def test_an_odd_attribute_costs_only_itself(file: Callable[..., Path], reader: Reader, text: str, line: str) -> None:
    read = reader.read_file(file(musicxml(part([FOUR_FOUR + attributes(text) + WHOLE, WHOLE]))))
    assert notes(read.score) == [(0, 1920, 60), (1920, 1920, 60)]
    assert read.remarks == ((line,) if line else ())


def test_of_two_tempos_at_one_tick_the_last_holds(read_parts: Callable[..., Score]) -> None:
    sounds = "".join(f'<direction><sound tempo="{qpm}"/></direction>' for qpm in (60, 90))
    assert [(t.time, round(t.qpm)) for t in read_parts(part([FOUR_FOUR + sounds + WHOLE])).tempos] == [(0, 90)]


def test_what_is_not_played_is_said(file: Callable[..., Path], reader: Reader) -> None:
    symbol = "<harmony><root><root-step>G</root-step></root><kind>major</kind></harmony>"
    cues = note(72, 8, before="<cue/>") + note(76, 8, before="<cue/><chord/>")
    read = reader.read_file(file(musicxml(part([symbol + note(60, 8) + cues, symbol + WHOLE]))))
    assert notes(read.score) == [(0, 960, 60), (1920, 1920, 60)]
    assert read.remarks == ("2 chord symbols are left out", "2 cue notes are left out")


# -------------------------------------------------------------------------------------------------------- the file


def test_the_same_music_in_every_file_format(file: Callable[..., Path], reader: Reader) -> None:
    data = four_voices()
    score = reader.read(file(data))
    assert score.note_num() == 64
    wide = data.decode().replace("UTF-8", "UTF-16").encode("utf-16")
    packed = {"a.mxl": mxl(data), "b.mxl": mxl(data, "x/y.musicxml", other=b"?"), "c.mxl": mxl(data, container=False)}
    for name, content in {"d.xml": data, "e.mid": b"\xef\xbb\xbf" + data, "f.xml": wide, **packed}.items():
        assert reader.read(file(content, name)) == score, name


def test_files_are_found_by_their_suffix(tmp_path: Path) -> None:
    for name in ("a.musicxml", "b.XML", "c.mxl", "d.mid", "e.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in find_music(tmp_path)] == ["a.musicxml", "b.XML", "c.mxl", "d.mid"]


def test_reading_never_loads_music21(file: Callable[..., Path]) -> None:
    code = (
        f"import sys, playbach; playbach.read({str(file(four_voices()))!r}); "
        "assert not {'music21', 'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------------------------------------- damaged or hostile

LAUGHS = DOCTYPE[:-1] + ' [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = DOCTYPE[:-1] + ' [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
PARAMETER = DOCTYPE[:-1] + ' [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]>'
MUSIC = four_voices()

DAMAGED = {
    "entities": (
        musicxml(part([WHOLE], name="&b;"), doctype=LAUGHS),
        "it declares the XML entity 'a', which music does not need",
    ),
    "an external entity": (musicxml(part([WHOLE], name="&x;"), doctype=OUTSIDE), "it declares the XML entity 'x'"),
    "a parameter entity": (musicxml(part([WHOLE]), doctype=PARAMETER), "it declares the XML entity 'x'"),
    "an undeclared entity": (
        musicxml(part([WHOLE], name="&y;")),
        "the file is damaged: its XML is not valid (undefined entity",
    ),
    "cut": (MUSIC[: len(MUSIC) // 2], "the file is damaged: its XML is not valid ("),
    "other XML": (
        b"<project><part/></project>",
        "this is XML but not MusicXML (its root element is 'project'); leave it out",
    ),
    "nothing by time": (b"<score-timewise/>", "it contains no notes"),
    "nothing in it": (b'<score-partwise version="4.0"/>', "it contains no notes"),
    "rests": (musicxml(part([note(None, 16)])), "it contains no notes"),
    "no divisions": (MUSIC.replace(b"<divisions>4<", b"<divisions>0<"), "the file is damaged ("),
    "a word for a number": (MUSIC.replace(b"<duration>4<", b"<duration>long<", 1), "the file is damaged ("),
    "pitch 255": (MUSIC.replace(b"<octave>5<", b"<octave>20<"), "the file is damaged (pitch "),
    "a foreign encoding": (
        MUSIC.replace(b"UTF-8", b"klingon"),
        "the file is damaged: its XML is not valid (unknown encoding",
    ),
    "cut zip": (mxl(MUSIC)[:-60], "the file is damaged: cannot unpack it"),
    "empty zip": (mxl(b"", "a.txt", container=False), "this zip file contains no MusicXML"),
    "another zip": (mxl(b"text", "a.txt", container=False), "this zip file contains no MusicXML"),
    "a zip of many": (
        mxl(MUSIC, **{str(i): b"" for i in range(1000)}),
        "the archive contains 1,002 files, but the limit is 1,000; leave it out",
    ),
    "a bomb": (mxl(b"<score-partwise>" + b" " * (17 << 20)), "it unpacks to more than 16,777,216 bytes"),
    "a container bomb": (
        mxl(MUSIC, container=False, **{"META-INF/container.xml": b" " * (17 << 20)}),
        "it unpacks to more than 16,777,216 bytes",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_gives_a_one_line_error(file: Callable[..., Path], reader: Reader, name: str) -> None:
    data, message = DAMAGED[name]
    assert fault(reader, file(data)).startswith(message)


def test_a_very_deep_tree_gives_a_one_line_error(file: Callable[..., Path], reader: Reader) -> None:
    deep = b"<score-partwise>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</score-partwise>"
    assert isinstance(fault(reader, file(deep)), str)
    assert reader.read(file(MUSIC)).note_num() == 64


def test_endless_repeats_are_bounded(file: Callable[..., Path], reader: Reader) -> None:
    back = BACK.replace("<repeat", '<repeat times="1000000000"')
    read = reader.read_file(file(musicxml(part([WHOLE, WHOLE + back]))))
    assert read.score.note_num() <= 20_000
    assert len(read.remarks) == 1


def test_too_many_notes_give_a_one_line_error(file: Callable[..., Path]) -> None:
    back = BACK.replace("<repeat", '<repeat times="100"')
    with Reader(ReadingLimits(max_notes=100)) as own:
        line = fault(own, file(musicxml(part([WHOLE, WHOLE + back]))))
    assert line == "it has more than 100 notes with its repeats; leave it out or split it"


# ------------------------------------------------------------------------------------ against music21's own export


@pytest.mark.parametrize("name", ["bwv269.mxl", "bwv10.7.mxl", "bwv1.6.mxl"])
def test_a_chorale_is_what_music21_exports_as_midi(tmp_path: Path, reader: Reader, name: str) -> None:
    pytest.importorskip("music21", reason="compares with music21, of the extra 'train'")
    from music21 import converter, corpus

    path = corpus.getWork(f"bach/{name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter.parse(path, forceSource=True, storePickle=False).write("midi", tmp_path / "theirs.mid")
    ours, theirs = reader.read(path), read(tmp_path / "theirs.mid")
    assert [notes(ours, i) for i in range(len(ours.tracks))] == [
        sorted((n.time, n.duration, n.pitch) for n in track.notes) for track in theirs.tracks if len(track.notes)
    ]
