"""Which instrument plays a MusicXML part."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from playbach.music.instruments import INSTRUMENT_NAMES
from playbach.music.reading.musicxml.instruments import Instruments, program_by_name


def part(content: str) -> Instruments:
    return Instruments.of_part(ElementTree.fromstring(f"<score-part>{content}</score-part>"))


def played(content: str) -> str:
    return INSTRUMENT_NAMES[part(content).program(None)]


def test_what_the_file_says_of_midi_counts_first() -> None:
    instrument = (
        '<score-instrument id="I"><instrument-name>Oboe</instrument-name>'
        "<instrument-sound>strings.violin</instrument-sound></score-instrument>"
    )
    assert played("<part-name>Flute</part-name>" + instrument) == "Violin"
    midi = '<midi-instrument id="I"><midi-program>72</midi-program></midi-instrument>'
    assert played("<part-name>Flute</part-name>" + instrument + midi) == "Clarinet"
    for nonsense in ("0", "129", "x", "-3"):
        assert played(instrument + midi.replace("72", nonsense)) == "Violin"


@pytest.mark.parametrize(
    ("sound", "name"),
    [
        ("keyboard.piano.grand", "Acoustic Grand Piano"),
        ("wind.flutes.flute.alto", "Flute"),
        ("wind.flutes.recorder.soprano", "Recorder"),
        ("brass.trumpet.bflat", "Trumpet"),
        ("wind.reed.clarinet.bass", "Clarinet"),
        ("wind.reed.saxophone.tenor", "Tenor Sax"),
        ("strings.viol.bass", "Cello"),
        ("pluck.harp", "Orchestral Harp"),
        ("voice.mezzo-soprano", "Choir Aahs"),
        ("drum.timpani", "Timpani"),
        ("keyboard.organ.pipe", "Church Organ"),
        ("brass.something-new", "Brass Section"),
    ],
)
def test_standard_sounds(sound: str, name: str) -> None:
    assert played(f'<score-instrument id="I"><instrument-sound>{sound}</instrument-sound></score-instrument>') == name


@pytest.mark.parametrize(
    ("names", "instrument"),
    [
        ("Vln. I|Violine 2|Violini II|Geige|1er Violon|Vlns.", "Violin"),
        ("Viola|Vla.|Bratsche|Viole", "Viola"),
        ("Vc.|Violoncello|Cello|Celli|Basso continuo", "Cello"),
        ("Kontrabass|Double Bass|Contrabasso|Contrebasse", "Contrabass"),
        ("Klarinette in B|Clarinetto|B♭ Clarinet|Cl.", "Clarinet"),
        ("Corni in F|Horn in F 1|Hörner|Cors|Hn.", "French Horn"),
        ("Corno inglese|Cor anglais|Englischhorn|English Horn", "English Horn"),
        ("Flauto|Flöte|Flûte|Fl. 2", "Flute"),
        ("Fagott|Bassoon|Basson|Fagotti", "Bassoon"),
        ("Trompete in C|Tromba|Tpt.|Trompette", "Trumpet"),
        ("Posaune|Trombone|Tbn.", "Trombone"),
        ("Pauken|Timpani", "Timpani"),
        ("Cembalo|Clavecin|Harpsichord", "Harpsichord"),
        ("Soprano|Tenor|Alto|Chor|Voice|Canto", "Choir Aahs"),
        ("Alto Sax|Saxophone", "Alto Sax"),
        ("Bass Guitar|Electric Bass", "Electric Bass (finger)"),
    ],
)
def test_names_in_several_languages(names: str, instrument: str) -> None:
    for name in names.split("|"):
        assert played(f"<part-name>{name}</part-name>") == instrument, name


def test_a_name_is_read_beside_its_companions() -> None:
    voices = ("Soprano", "Alto", "Tenor", "Bass")
    assert {INSTRUMENT_NAMES[program_by_name(v, voices) or 0] for v in voices} == {"Choir Aahs"}
    assert INSTRUMENT_NAMES[program_by_name("Bass", ("Guitar", "Bass")) or 0] == "Acoustic Bass"
    assert INSTRUMENT_NAMES[program_by_name("Alto", ("Violon", "Alto", "Violoncelle")) or 0] == "Viola"


def test_an_unknown_name_is_a_piano() -> None:
    assert program_by_name("Part 1") is None
    assert program_by_name("") is None
    assert played("<part-name>MusicXML Part</part-name>") == "Acoustic Grand Piano"


def test_a_part_with_several_instruments() -> None:
    found = part(
        "<part-name>Woodwind</part-name>"
        '<score-instrument id="A"><instrument-name>Flute</instrument-name></score-instrument>'
        '<score-instrument id="B"><instrument-name>Oboe</instrument-name></score-instrument>'
    )
    assert [INSTRUMENT_NAMES[found.program(name)] for name in ("A", "B", None, "C")] == [
        "Flute",
        "Oboe",
        "Flute",
        "Flute",
    ]


def test_drums_by_number_and_by_name() -> None:
    kit = part(
        "<part-name>Drums</part-name>"
        '<score-instrument id="K"><instrument-name>Bass Drum</instrument-name></score-instrument>'
        '<score-instrument id="H"><instrument-name>Closed Hi-Hat</instrument-name></score-instrument>'
        '<midi-instrument id="H"><midi-channel>10</midi-channel><midi-unpitched>45</midi-unpitched></midi-instrument>'
    )
    assert kit.is_drums
    assert (kit.drum("K"), kit.drum("H")) == (36, 44)
    assert part("<part-name>Triangle</part-name>").drum(None) == 81
    assert part("<part-name>Percussion</part-name>").drum("?") == 38
