"""Writes a music21 score as elements of MusicXML, for files in formats that only music21 reads (ABC, Humdrum).

music21's own export first makes notation of the score, which moves notes of bars that are not full. Here each note
keeps its place. Chord symbols are left out. Knows music21's streams without importing music21.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element, SubElement

_DIVISIONS = 10_080
"""Of a quarter; it has all that music is divided by."""


def elements_of(score: Any) -> Element:
    """The score as a `score-partwise`, with sounding pitches.

    Args:
        score: a `music21.stream.Score`.
    """
    root = Element("score-partwise")
    listed = SubElement(root, "part-list")
    for number, part in enumerate(score.parts):
        name = f"P{number}"
        described = SubElement(listed, "score-part", {"id": name})
        SubElement(described, "part-name").text = str(part.partName or "")
        own = SubElement(root, "part", {"id": name})
        measures = list(part.getElementsByClass("Measure"))
        ends = [*(measure.offset for measure in measures[1:]), None]
        for measure, end in zip(measures, ends):
            length = measure.quarterLength if end is None else end - measure.offset
            own.append(_measure(measure, length, part.getElementsByClass("RepeatBracket")))
    first = root.find("part/measure")
    if first is not None:
        divisions = Element("attributes")
        SubElement(divisions, "divisions").text = str(_DIVISIONS)
        for measure in root.iterfind("part/measure[1]"):
            measure.insert(0, divisions)
    return root


def _measure(measure: Any, length: Any, brackets: Iterable[Any]) -> Element:
    element = Element("measure", {"number": str(measure.number)})
    attributes = SubElement(element, "attributes")
    for key in measure.getElementsByClass("KeySignature"):
        written = SubElement(attributes, "key")
        SubElement(written, "fifths").text = str(key.sharps)
        SubElement(written, "mode").text = str(getattr(key, "mode", ""))
    for time in measure.getElementsByClass("TimeSignature"):
        written = SubElement(attributes, "time")
        SubElement(written, "beats").text = str(time.numerator)
        SubElement(written, "beat-type").text = str(time.denominator)
    endings = [bracket for bracket in brackets if measure in bracket.getSpannedElements()]
    _barline(element, measure.leftBarline, "left", [b for b in endings if b.isFirst(measure)])
    for mark in measure.getElementsByClass("MetronomeMark"):
        if mark.getQuarterBPM() is not None:
            SubElement(SubElement(element, "direction"), "sound", {"tempo": str(mark.getQuarterBPM())})
    element.extend(_notes(measure, length))
    for mark in measure.getElementsByClass("RepeatExpression"):
        words = SubElement(SubElement(SubElement(element, "direction"), "direction-type"), "words")
        words.text = str(mark.getTextExpression().content if mark.getTextExpression() else mark.name)
    _barline(element, measure.rightBarline, "right", [b for b in endings if b.isLast(measure)])
    return element


def _barline(element: Element, bar: Any, location: str, endings: Iterable[Any]) -> None:
    barline = Element("barline", {"location": location})
    for bracket in endings:
        kind = "start" if location == "left" else "stop"
        SubElement(barline, "ending", {"number": str(bracket.number), "type": kind})
    if bar is not None and "Repeat" in bar.classes:
        direction = {"start": "forward", "end": "backward"}.get(bar.direction, "")
        repeat = SubElement(barline, "repeat", {"direction": direction})
        if bar.times is not None:
            repeat.set("times", str(bar.times))
    if len(barline):
        element.append(barline)


def _notes(measure: Any, length: Any) -> Iterator[Element]:
    """The notes of all voices, each at its place, and a gap to the end of the measure."""
    at = Fraction(0)
    for number, voice in enumerate((measure, *measure.voices), 1):
        begin = Fraction(0) if voice is measure else Fraction(voice.offset)
        for note in voice.notes:
            if "Harmony" in note.classes or note.duration.isGrace or not note.quarterLength:
                continue
            yield from _move(at, begin + Fraction(note.offset))
            at = begin + Fraction(note.offset) + Fraction(note.quarterLength)
            for i, single in enumerate(note.notes if note.isChord else (note,)):
                if getattr(single, "pitch", None) is not None:
                    yield _note(single, Fraction(note.quarterLength), number, in_chord=i > 0)
    yield from _move(at, Fraction(length))


def _move(here: Fraction, there: Fraction) -> Iterator[Element]:
    if there != here:
        move = Element("forward" if there > here else "backup")
        SubElement(move, "duration").text = str(abs(there - here) * _DIVISIONS)
        yield move


def _note(note: Any, quarters: Fraction, voice: int, in_chord: bool) -> Element:
    element = Element("note")
    if in_chord:
        SubElement(element, "chord")
    pitch = SubElement(element, "pitch")
    SubElement(pitch, "step").text = note.pitch.step
    SubElement(pitch, "alter").text = str(note.pitch.alter)
    SubElement(pitch, "octave").text = str(note.pitch.implicitOctave)
    SubElement(element, "duration").text = str(quarters * _DIVISIONS)
    if note.tie is not None and note.tie.type in ("start", "continue"):
        SubElement(element, "tie", {"type": "start"})
    SubElement(element, "voice").text = str(voice)
    return element
