"""Tempos of MusicXML: sounds, metronome marks and words."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from playbach.music.reading.musicxml.tempos import Tempos


def direction(content: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<direction>{content}</direction>")


def mark(content: str) -> str:
    return f"<direction-type><metronome>{content}</metronome></direction-type>"


def words(text: str) -> str:
    return f"<direction-type><words>{text}</words></direction-type>"


def quarter(per_minute: str) -> str:
    return mark(f"<beat-unit>quarter</beat-unit><per-minute>{per_minute}</per-minute>")


@pytest.mark.parametrize(
    ("content", "qpm"),
    [
        ('<sound tempo="72"/>', 72),
        (quarter("60") + '<sound tempo="72"/>', 72),
        (quarter("c. 72"), 72),
        (quarter("ca. 72"), 72),
        (quarter("72-80"), 76),
        (quarter("72–80"), 76),
        (quarter("(72)"), 72),
        (quarter("72,5"), 72.5),
        (quarter("M.M. = 66"), 66),
        (mark("<beat-unit>half</beat-unit><per-minute>60</per-minute>"), 120),
        (mark("<beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>60</per-minute>"), 90),
        (mark("<beat-unit>eighth</beat-unit><per-minute>120</per-minute>"), 60),
        (mark("<beat-unit>32nd</beat-unit><per-minute>320</per-minute>"), 40),
        (
            mark(
                "<beat-unit>half</beat-unit><beat-unit-tied><beat-unit>eighth</beat-unit></beat-unit-tied>"
                "<per-minute>40</per-minute>"
            ),
            100,
        ),
        (words("Allegro (♩ = 132)"), 132),
        (words("quarter = 90"), 90),
        (words("𝅘𝅥. = ca. 40"), 60),
    ],
)
def test_a_tempo_is_told(content: str, qpm: float) -> None:
    assert Tempos().read(direction(content)) == pytest.approx(qpm)


@pytest.mark.parametrize(
    "content",
    [
        words("Allegro"),
        words("a tempo"),
        words("rit."),
        quarter("fast"),
        '<sound tempo="0"/>',
        '<sound tempo="nonsense"/>',
        '<sound tempo="99999"/>',
        mark("<beat-unit>smallest</beat-unit><per-minute>60</per-minute>"),
        mark("<beat-unit>quarter</beat-unit><beat-unit>half</beat-unit>"),
    ],
)
def test_no_tempo_is_told(content: str) -> None:
    assert Tempos().read(direction(content)) is None


def test_note_values_refer_to_the_tempo_before() -> None:
    tempos = Tempos()
    tempos.read(direction(quarter("120")))
    dotted = mark("<beat-unit>quarter</beat-unit><beat-unit>quarter</beat-unit><beat-unit-dot/>")
    assert tempos.read(direction(dotted)) == 180
    note = "<metronome-note><metronome-type>{}</metronome-type></metronome-note>"
    relation = note.format("eighth") + "<metronome-relation>equals</metronome-relation>" + note.format("quarter")
    assert tempos.read(direction(mark(relation))) == 360


def test_words_go_back_to_earlier_tempos() -> None:
    tempos = Tempos()
    for qpm in (100, 60):
        tempos.read(direction(f'<sound tempo="{qpm}"/>'))
    assert tempos.read(direction(words("a tempo"))) is None  # it is in force
    assert tempos.read(direction(words("Tempo I"))) == 100
    assert tempos.read(direction(words("Tempo primo"))) is None
    assert tempos.read(direction(words("a tempo"))) == 60


def test_a_tempo_may_have_any_number_of_decimals() -> None:
    assert Tempos().read(direction('<sound tempo="40.9999898"/>')) == 40.9999898
