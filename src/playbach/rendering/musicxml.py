"""Writes a sheet as MusicXML 4.0, plain or compressed.

Source: https://www.w3.org/2021/06/musicxml40/; the order of the elements is that of its schema. Knows sheets, not how
they are made; the standard library writes the XML.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from math import gcd
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from symusic.core import ScoreTick as Score

from playbach.music.events import DEFAULT_VELOCITY
from playbach.music.notation.layout import CROSS_HEADS
from playbach.music.notation.model import (
    UNITS,
    VALUES,
    Clef,
    Head,
    Measure,
    MeasureVoice,
    Part,
    PartMeasure,
    Sheet,
    TempoMark,
    Tuplet,
    WrittenSymbol,
)
from playbach.music.notation.rhythm import value_of
from playbach.music.notation.sheet import notate
from playbach.rendering.headings import Heading, heading_of
from playbach.system.version import __version__

_DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)
_FORTE = 90
"""The velocity that dynamics in per cent refer to, by the standard."""
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_DRUM_CHANNEL = 10
_TENTHS_PER_STAFF, _STAFF_MM = 40, 7
_PAGE_MM = (210, 297)
_MARGIN_MM = 15
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles><rootfile full-path="score.musicxml" '
    'media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>\n'
)
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """Write a MusicXML file, compressed if its suffix is `.mxl`. The same score and comment give the same bytes.

    Raises:
        ScoreError: the score has no notes, or too many bars.
    """
    heading = heading_of(comment)
    data = musicxml_bytes(notate(score), heading)
    path.write_bytes(compressed(data, comment) if path.suffix.lower() == ".mxl" else data)


def musicxml_bytes(sheet: Sheet, heading: Heading | None = None) -> bytes:
    """The sheet as a MusicXML document in UTF-8."""
    root = score_element(sheet, heading or Heading())
    indent(root, " ")
    text = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{_DOCTYPE}\n{text}\n'.encode()


def compressed(data: bytes, comment: str = "") -> bytes:
    """A document as a compressed MusicXML file. The comment is the archive's."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype", _ZIP_TIME), "application/vnd.recordare.musicxml")
        for name, content in (("META-INF/container.xml", _CONTAINER.encode()), ("score.musicxml", data)):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
        archive.comment = comment.encode()[:65_535]
    return buffer.getvalue()


def score_element(sheet: Sheet, heading: Heading) -> Element:
    """The `score-partwise` element."""
    root = Element("score-partwise", version="4.0")
    if heading.title:
        _text(SubElement(root, "work"), "work-title", heading.title)
    identification = SubElement(root, "identification")
    if heading.foot:
        _text(identification, "rights", heading.foot)
    _text(SubElement(identification, "encoding"), "software", f"playbach {__version__}")
    if heading.comment:
        field = _text(SubElement(identification, "miscellaneous"), "miscellaneous-field", heading.comment)
        field.set("name", "playbach")
    _defaults(root)
    _credits(root, heading)
    _part_list(root, sheet.parts)
    divisions = _divisions(sheet)
    for number, part in enumerate(sheet.parts):
        element = SubElement(root, "part", id=_part_id(number))
        for at, measure in enumerate(sheet.measures):
            writer = _MeasureWriter(part, number, measure, divisions, is_first=at == 0)
            following = sheet.measures[at + 1].parts[number].clefs if at + 1 < len(sheet.measures) else None
            element.append(writer.element(following))
    return root


def _text(parent: Element, name: str, text: object) -> Element:
    child = SubElement(parent, name)
    child.text = str(text)
    return child


def _tenths(millimetres: float) -> str:
    return f"{millimetres * _TENTHS_PER_STAFF / _STAFF_MM:.0f}"


def _defaults(root: Element) -> None:
    defaults = SubElement(root, "defaults")
    scaling = SubElement(defaults, "scaling")
    _text(scaling, "millimeters", _STAFF_MM)
    _text(scaling, "tenths", _TENTHS_PER_STAFF)
    page = SubElement(defaults, "page-layout")
    _text(page, "page-height", _tenths(_PAGE_MM[1]))
    _text(page, "page-width", _tenths(_PAGE_MM[0]))
    margins = SubElement(page, "page-margins", type="both")
    for side in ("left", "right", "top", "bottom"):
        _text(margins, f"{side}-margin", _tenths(_MARGIN_MM))


def _credits(root: Element, heading: Heading) -> None:
    for kind, text, y, valign, size in (
        ("title", heading.title, _PAGE_MM[1] - _MARGIN_MM, "top", "20"),
        ("rights", heading.foot, _MARGIN_MM, "bottom", "8"),
    ):
        if text:
            credit = SubElement(root, "credit", page="1")
            _text(credit, "credit-type", kind)
            words = _text(credit, "credit-words", text)
            words.attrib |= {
                "default-x": _tenths(_PAGE_MM[0] / 2),
                "default-y": _tenths(y),
                "justify": "center",
                "valign": valign,
                "font-size": size,
            }


def _part_id(number: int) -> str:
    return f"P{number + 1}"


def _instrument_id(part: int, instrument: int) -> str:
    return f"P{part + 1}-I{instrument + 1}"


def _part_list(root: Element, parts: Sequence[Part]) -> None:
    listed = SubElement(root, "part-list")
    choir = [i for i, part in enumerate(parts) if part.is_choir]
    for number, part in enumerate(parts):
        if choir and number == choir[0]:
            group = SubElement(listed, "part-group", type="start", number="1")
            _text(group, "group-symbol", "bracket")
            _text(group, "group-barline", "yes")
        element = SubElement(listed, "score-part", id=_part_id(number))
        _text(element, "part-name", part.name)
        for i, instrument in enumerate(part.instruments):
            named = SubElement(element, "score-instrument", id=_instrument_id(number, i))
            _text(named, "instrument-name", instrument.name)
        for i, instrument in enumerate(part.instruments):
            midi = SubElement(element, "midi-instrument", id=_instrument_id(number, i))
            if part.is_drums:
                _text(midi, "midi-channel", _DRUM_CHANNEL)
            _text(midi, "midi-program", instrument.program + 1)
            if instrument.drum is not None:
                _text(midi, "midi-unpitched", instrument.drum + 1)
        if choir and number == choir[-1]:
            SubElement(listed, "part-group", type="stop", number="1")


def _divisions(sheet: Sheet) -> int:
    """The divisions of a quarter, as few as all places need."""
    found = UNITS
    for measure in sheet.measures:
        found = gcd(found, measure.length)
        for mark in measure.tempos:
            found = gcd(found, mark.onset)
        for part in measure.parts:
            for voice in part.voices:
                for symbol in voice.symbols:
                    found = gcd(found, symbol.length, symbol.onset)
    return UNITS // found


class _MeasureWriter:
    """Writes one measure of one part."""

    def __init__(self, part: Part, number: int, measure: Measure, divisions: int, *, is_first: bool) -> None:
        self._part, self._number, self._measure = part, number, measure
        self._divisions, self._is_first = divisions, is_first
        self._content: PartMeasure = measure.parts[number]

    def element(self, next_clefs: Sequence[Clef | None] | None) -> Element:
        """The measure. The clefs of the next one are written at its end, where they stand; None: there is no next."""
        measure = self._measure
        self._element = Element("measure", number=str(measure.number))
        if measure.is_pickup:
            self._element.set("implicit", "yes")
        self._attributes()
        marks = list(measure.tempos) if self._number == 0 else []
        closed: set[int] = set()
        for i, voice in enumerate(self._content.voices):
            if i:
                self._move("backup", measure.length)
            self._voice(voice, marks if i == 0 else [])
            # Verovio takes a clef from the end of a voice that has no gap there, and misplaces it elsewhere.
            clef = next_clefs[voice.staff - 1] if next_clefs and not voice.symbols[-1].hidden else None
            if clef is not None and voice.staff not in closed:
                self._clef(SubElement(self._element, "attributes"), voice.staff, clef)
                closed.add(voice.staff)
        if next_clefs is None:
            barline = SubElement(self._element, "barline", location="right")
            _text(barline, "bar-style", "light-heavy")
        return self._element

    def _duration(self, units: int) -> int:
        return units * self._divisions // UNITS

    def _move(self, name: str, units: int) -> Element:
        move = SubElement(self._element, name)
        _text(move, "duration", self._duration(units))
        return move

    def _attributes(self) -> None:
        measure = self._measure
        attributes = Element("attributes")
        if self._is_first:
            _text(attributes, "divisions", self._divisions)
        if measure.key is not None:
            key = SubElement(attributes, "key")
            _text(key, "fifths", 0 if self._part.is_drums else measure.key.fifths)
            _text(key, "mode", measure.key.mode)
        if measure.meter is not None:
            time = SubElement(attributes, "time")
            _text(time, "beats", measure.meter[0])
            _text(time, "beat-type", measure.meter[1])
        if self._is_first and self._part.staves > 1:
            _text(attributes, "staves", self._part.staves)
        if self._is_first:
            for staff, clef in enumerate(self._content.clefs, 1):
                self._clef(attributes, staff, clef)
        if len(attributes):
            self._element.append(attributes)

    def _clef(self, attributes: Element, staff: int, clef: Clef | None) -> None:
        if clef is None:
            return
        element = SubElement(attributes, "clef")
        if self._part.staves > 1:
            element.set("number", str(staff))
        _text(element, "sign", clef.sign)
        if clef.sign != "percussion":
            _text(element, "line", clef.line)
        if clef.octave:
            _text(element, "clef-octave-change", clef.octave)

    def _voice(self, voice: MeasureVoice, marks: list[TempoMark]) -> None:
        for symbol in voice.symbols:
            while marks and marks[0].onset < symbol.onset + symbol.length:
                self._tempo(marks.pop(0), symbol.onset)
            if symbol.hidden:
                gap = self._move("forward", symbol.length)
                _text(gap, "voice", voice.number)
                if self._part.staves > 1:
                    _text(gap, "staff", voice.staff)
                continue
            if not symbol.heads:
                self._note(voice, symbol, None, is_chord=False)
            for i, head in enumerate(symbol.heads):
                self._note(voice, symbol, head, is_chord=i > 0)

    def _tempo(self, mark: TempoMark, onset: int) -> None:
        offset = self._duration(mark.onset - onset)
        tempo = _tempo_text(mark.qpm)
        if not mark.shown:
            sound = SubElement(self._element, "sound", tempo=tempo)
            if offset:
                _text(sound, "offset", offset)
            return
        direction = SubElement(self._element, "direction", placement="above")
        metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
        found = value_of(self._measure.beat) or ("quarter", 0)
        _text(metronome, "beat-unit", found[0])
        for _ in range(found[1]):
            SubElement(metronome, "beat-unit-dot")
        beat = VALUES[found[0]] * 2 - (VALUES[found[0]] >> found[1])
        _text(metronome, "per-minute", f"{mark.qpm * UNITS / beat:.0f}")
        if offset:
            _text(direction, "offset", offset).set("sound", "yes")
        if self._part.staves > 1:
            _text(direction, "staff", 1)
        SubElement(direction, "sound", tempo=tempo)

    def _note(self, voice: MeasureVoice, symbol: WrittenSymbol, head: Head | None, *, is_chord: bool) -> None:
        note = SubElement(self._element, "note")
        if head is not None and head.velocity != DEFAULT_VELOCITY:
            note.set("dynamics", f"{100 * head.velocity / _FORTE:.2f}")
        if is_chord:
            SubElement(note, "chord")
        if head is None:
            rest = SubElement(note, "rest")
            if symbol.whole_measure:
                rest.set("measure", "yes")
        else:
            self._pitch(note, head)
        _text(note, "duration", self._duration(symbol.length))
        for kind in _ties(head):
            SubElement(note, "tie", type=kind)
        if head is not None and len(self._part.instruments) > 1:
            SubElement(note, "instrument", id=_instrument_id(self._number, self._instrument(voice, head)))
        _text(note, "voice", voice.number)
        if not symbol.whole_measure:
            _text(note, "type", symbol.value)
        for _ in range(symbol.dots):
            SubElement(note, "dot")
        if head is not None and head.accidental:
            _text(note, "accidental", _ACCIDENTALS[head.spelled.alter])
        if symbol.tuplet is not None:
            self._time_modification(note, symbol.tuplet)
        if voice.stem and head is not None and VALUES[symbol.value] < VALUES["whole"]:
            _text(note, "stem", voice.stem)
        if head is not None and head.drum in CROSS_HEADS:
            _text(note, "notehead", "x")
        if self._part.staves > 1:
            _text(note, "staff", voice.staff)
        if not is_chord:
            for number, beam in enumerate(symbol.beams, 1):
                _text(note, "beam", beam).set("number", str(number))
        self._notations(note, symbol, head, is_chord)

    def _pitch(self, note: Element, head: Head) -> None:
        if head.drum is not None:
            place = SubElement(note, "unpitched")
            _text(place, "display-step", head.spelled.step)
            _text(place, "display-octave", head.spelled.octave)
            return
        pitch = SubElement(note, "pitch")
        _text(pitch, "step", head.spelled.step)
        if head.spelled.alter:
            _text(pitch, "alter", head.spelled.alter)
        _text(pitch, "octave", head.spelled.octave)

    def _instrument(self, voice: MeasureVoice, head: Head) -> int:
        if head.drum is None:
            return voice.instrument
        return [instrument.drum for instrument in self._part.instruments].index(head.drum)

    def _time_modification(self, note: Element, tuplet: Tuplet) -> None:
        element = SubElement(note, "time-modification")
        _text(element, "actual-notes", tuplet.actual)
        _text(element, "normal-notes", tuplet.normal)
        _text(element, "normal-type", tuplet.unit)

    def _notations(self, note: Element, symbol: WrittenSymbol, head: Head | None, is_chord: bool) -> None:
        notations = Element("notations")
        for kind in _ties(head):
            SubElement(notations, "tied", type=kind)
        tuplet = symbol.tuplet
        if tuplet is not None and not is_chord:
            for kind in [*(["start"] if tuplet.begins else []), *(["stop"] if tuplet.ends else [])]:
                element = SubElement(notations, "tuplet", type=kind, number="1")
                if kind == "start":
                    element.set("bracket", "no" if symbol.beams else "yes")
        if len(notations):
            note.append(notations)


def _tempo_text(qpm: float) -> str:
    """A tempo with as many digits as MIDI's microseconds need."""
    texts = (f"{qpm:.{decimals}f}" for decimals in range(9))
    return next((t for t in texts if float(t) and round(6e7 / float(t)) == round(6e7 / qpm)), f"{qpm:.9f}")


def _ties(head: Head | None) -> Iterator[str]:
    """The ends of ties at a head, in the order in which they are written."""
    if head is not None and head.tied_from:
        yield "stop"
    if head is not None and head.tied_to:
        yield "start"
