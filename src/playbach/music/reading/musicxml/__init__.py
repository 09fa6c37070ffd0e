"""Parses MusicXML, plain or compressed, in the worker: to a score as it sounds, with music21.

Two dangers of XML are excluded first: a file that declares entities, which can grow without bounds or refer to
other files, is rejected, and a compressed file is unpacked only up to a limit. What music21 does not report is read
from the XML: cue notes, which drum a note is for, transpositions. `from_music21.py` does the rest. music21 (extra
`train`) is imported only when it is needed.
"""

from __future__ import annotations

import gc
import io
import warnings
import zipfile
import zlib
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from symusic.core import ScoreTick as Score

from playbach.music.reading.from_music21 import score_from_stream
from playbach.system.errors import MissingExtra, ScoreError

DEFAULT_DRUM = 38
"""General MIDI's snare, for notes that name no drum."""
_MAX_MEMBERS = 1000

Element = ElementTree.Element


# ---------------------------------------------------------------------------------------------------- bytes to XML


def is_musicxml(data: bytes) -> bool:
    """Whether the data begins like XML or a zip file. File names are not reliable."""
    if data[:4] == b"PK\x03\x04" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # the latter is UTF-16
        return True
    return data[:256].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def require_music21() -> None:
    """Raise ScoreError if music21 is not installed."""
    if find_spec("music21") is None:
        raise ScoreError(str(MissingExtra("reading MusicXML", "train", "music21")))


def load_music21() -> None:
    """Import what `parse` needs, which takes 1 to 10 seconds the first time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import music21.musicxml.xmlToM21  # noqa: F401


def parse(data: bytes, max_bytes: int) -> Score:
    """The score, not validated. Raises ScoreError or any exception of music21."""
    from music21.musicxml.xmlToM21 import MusicXMLImporter

    # music21's streams contain reference cycles, and in a fork of a large process they would be collected too late.
    gc.collect()
    root = _tree(_unpacked(data, max_bytes))
    if root.tag == "score-timewise":
        raise ScoreError("this MusicXML is in measures, not in parts (score-timewise); export it as score-partwise")
    if root.tag != "score-partwise":
        raise ScoreError(f"this is XML but not MusicXML (its root element is {root.tag[:40]!r}); leave it out")
    _replace_cues(root)
    drums = _assign_drum_pitches(root)
    transpositions = {part.get("id", ""): _transpositions(part) for part in root.iter("part")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importer = MusicXMLImporter()
        importer.xmlRootToScore(root, importer.stream)  # only this stream gets the parts with two staves
        return score_from_stream(importer.stream, transpositions=transpositions, drums=drums)


def _unpacked(data: bytes, max_bytes: int) -> bytes:
    """The MusicXML in a compressed file (.mxl), whose container names it; other data as it is."""
    if data[:2] != b"PK":
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if len(names) > _MAX_MEMBERS:
                raise ScoreError(
                    f"the archive contains {len(names):,} files, but the limit is {_MAX_MEMBERS:,}; leave it out"
                )
            named = []
            if "META-INF/container.xml" in names:
                container = _tree(_member(archive, "META-INF/container.xml", max_bytes))
                # Some programs write a namespace here, others do not.
                named = [e.get("full-path", "") for e in container.iter() if e.tag.endswith("rootfile")]
            likely = [n for n in names if n.lower().endswith((".xml", ".musicxml")) and not n.startswith("META-INF")]
            for name in [*named, *likely]:
                if name in names:
                    return _member(archive, name, max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:80]
        raise ScoreError(f"the file is damaged: cannot unpack it ({reason}); download or export it again") from None
    raise ScoreError("this zip file contains no MusicXML; leave it out")


def _member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    with archive.open(name) as file:
        data = file.read(max_bytes + 1)  # zipfile unpacks no more than it is asked for
    if len(data) > max_bytes:
        raise ScoreError(f"it unpacks to more than {max_bytes:,} bytes; leave it out or split it")
    return data


def _tree(data: bytes) -> Element:
    def reject(name: str, *_: Any) -> None:
        raise ScoreError(
            f"it declares the XML entity {name[:40]!r}, which music does not need; leave it out or export it again"
        )

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = reject
    try:
        parser.Parse(data, True)
        return ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise ScoreError(
            f"the file is damaged: its XML is not valid ({str(error)[:80]}); download or export it again"
        ) from None


# ------------------------------------------------------------------------------------ what music21 does not report


def _replace_cues(root: Element) -> None:
    """Replace cue notes by rests: music21 does not distinguish them from other notes."""
    for measure in root.iter("measure"):
        for note in measure.findall("note"):
            if note.find("cue") is None:
                continue
            if note.find("chord") is not None or note.find("grace") is not None:
                measure.remove(note)
                continue
            for kind in ("pitch", "unpitched"):
                for element in note.findall(kind):
                    element.tag = "rest"
                    element[:] = []


def _assign_drum_pitches(root: Element) -> frozenset[str]:
    """Give each unpitched note the pitch of its drum in General MIDI, since music21 knows only one drum in a part.

    Returns:
        The ids of the parts that are drums.
    """
    drums = set()
    pitches: dict[str, dict[str | None, int]] = {}
    for described in root.iter("score-part"):
        part = described.get("id", "")
        pitches[part] = {}
        for instrument in described.findall("midi-instrument"):
            number = instrument.findtext("midi-unpitched", "").strip()
            if number.isdecimal() and 1 <= int(number[:4]) <= 128:  # MusicXML counts from 1
                pitches[part].setdefault(None, int(number) - 1)
                pitches[part][instrument.get("id")] = int(number) - 1
            if instrument.findtext("midi-channel", "").strip() == "10":
                drums.add(part)
    for part_element in root.iter("part"):
        part = part_element.get("id", "")
        known = pitches.get(part, {})
        for note in part_element.iter("note"):
            unpitched, instrument_element = note.find("unpitched"), note.find("instrument")
            if unpitched is None:
                continue
            drums.add(part)
            which = None if instrument_element is None else instrument_element.get("id")
            _as_pitch(unpitched, known.get(which, known.get(None, DEFAULT_DRUM)))
    return frozenset(drums)


def _as_pitch(element: Element, pitch: int) -> None:
    step, sharp = _STEPS[pitch % 12]
    element.tag = "pitch"
    element[:] = []
    for name, value in (("step", step), ("alter", sharp), ("octave", pitch // 12 - 1)):
        ElementTree.SubElement(element, name).text = str(value)


_STEPS = tuple((step, sharp) for step in "CDEFGAB" for sharp in (0, 1) if sharp == 0 or step not in "EB")


def _transpositions(part: Element) -> list[int]:
    """By how many semitones each measure of a part sounds higher than written. music21 would guess from the
    instrument's name."""
    semitones, now = [], 0
    for measure in part.findall("measure"):
        for transpose in measure.findall("attributes/transpose"):
            now = _number(transpose, "chromatic") + 12 * _number(transpose, "octave-change")
        semitones.append(now)
    return semitones


def _number(element: Element, name: str) -> int:
    try:
        return round(float(element.findtext(name, "0")))
    except (ValueError, OverflowError):
        return 0
