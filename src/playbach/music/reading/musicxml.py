"""The bytes of a MusicXML file, plain or compressed, to a score as it sounds, inside the worker, through music21.

Two dangers of XML are met before music21 sees anything: entities, which can grow without bounds or name other files,
are refused where they are declared, and a compressed file is not unpacked past its limit. And what music21 would not
tell us is read or mended here: cue notes, which drum a note is for, by how much a part is transposed. The rest is
`from_music21.py`. Loads music21 (extra `train`) only when told to.
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

from playbach.music.reading.from_music21 import score_of
from playbach.system.errors import MissingExtra, ScoreError

UNTOLD_DRUM = 38
"""The pitch of a drum of which the file does not say which it is: General MIDI's snare."""
_MOST_MEMBERS = 1000

Element = ElementTree.Element


# ------------------------------------------------------------------------------------------------- bytes to XML


def is_musicxml(data: bytes) -> bool:
    """Whether these bytes begin as XML or as a zip does; names deceive."""
    if data[:4] == b"PK\x03\x04" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16 has no other meaning here
        return True
    return data[:256].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def demand() -> None:
    """Raises ScoreError where music21 is not installed."""
    if find_spec("music21") is None:
        raise ScoreError(str(MissingExtra("reading MusicXML", "train", "music21")))


def load() -> None:
    """Load what `parse` needs, which takes a second or ten the first time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import music21.musicxml.xmlToM21  # noqa: F401


def parse(data: bytes, max_bytes: int) -> Score:
    """The score, unchecked. Raises ScoreError, or whatever music21 raises of a damaged file."""
    from music21.musicxml.xmlToM21 import MusicXMLImporter

    # music21's streams are circles, and a worker forked from a large process would wait too long to look for them.
    gc.collect()
    root = _tree(_unpacked(data, max_bytes))
    if root.tag == "score-timewise":
        raise ScoreError("MusicXML by time, not by part; export it as score-partwise")
    if root.tag != "score-partwise":
        raise ScoreError(f"XML, but not MusicXML (its root is {root.tag[:40]!r}); leave it out")
    _leave_out_cues(root)
    drums = _name_drums(root)
    transpositions = {part.get("id", ""): _transpositions(part) for part in root.iter("part")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importer = MusicXMLImporter()
        importer.xmlRootToScore(root, importer.stream)  # into this one: parts of two staves come nowhere else
        return score_of(importer.stream, transpositions=transpositions, drums=drums)


def _unpacked(data: bytes, max_bytes: int) -> bytes:
    """The score in a compressed file (.mxl), which its container names; anything else as it is."""
    if data[:2] != b"PK":
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if len(names) > _MOST_MEMBERS:
                raise ScoreError(f"holds {len(names):,} files, more than {_MOST_MEMBERS:,}; leave it out")
            named = []
            if "META-INF/container.xml" in names:
                container = _tree(_member(archive, "META-INF/container.xml", max_bytes))
                # Some write a namespace here and some none.
                named = [e.get("full-path", "") for e in container.iter() if e.tag.endswith("rootfile")]
            likely = [n for n in names if n.lower().endswith((".xml", ".musicxml")) and not n.startswith("META-INF")]
            for name in [*named, *likely]:
                if name in names:
                    return _member(archive, name, max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        said = " ".join(str(error).split())[:80]
        raise ScoreError(f"damaged: it cannot be unpacked ({said}); download or export it again") from None
    raise ScoreError("a zip file, but there is no MusicXML in it; leave it out")


def _member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    with archive.open(name) as file:
        data = file.read(max_bytes + 1)  # zipfile unpacks no more than it is asked for
    if len(data) > max_bytes:
        raise ScoreError(f"unpacks to more than {max_bytes:,} bytes; leave it out or split it")
    return data


def _tree(data: bytes) -> Element:
    def refuse(name: str, *_: Any) -> None:
        raise ScoreError(f"declares the XML entity {name[:40]!r}, as no music does; leave it out or export it again")

    guard = expat.ParserCreate()
    guard.EntityDeclHandler = refuse
    try:
        guard.Parse(data, True)
        return ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise ScoreError(f"damaged: not valid XML ({str(error)[:80]}); download or export it again") from None


# -------------------------------------------------------------------------------- what music21 would not tell us


def _leave_out_cues(root: Element) -> None:
    """Cue notes become rests: music21 does not tell them from others."""
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


def _name_drums(root: Element) -> frozenset[str]:
    """Each unpitched note becomes a note of the pitch that General MIDI plays its drum on, as music21 knows but one
    drum a part. Gives the ids of the parts that are drums."""
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
            _as_pitch(unpitched, known.get(which, known.get(None, UNTOLD_DRUM)))
    return frozenset(drums)


def _as_pitch(element: Element, pitch: int) -> None:
    step, sharp = _STEPS[pitch % 12]
    element.tag = "pitch"
    element[:] = []
    for name, value in (("step", step), ("alter", sharp), ("octave", pitch // 12 - 1)):
        ElementTree.SubElement(element, name).text = str(value)


_STEPS = tuple((step, sharp) for step in "CDEFGAB" for sharp in (0, 1) if sharp == 0 or step not in "EB")


def _transpositions(part: Element) -> list[int]:
    """By how many semitones what each measure of a part says sounds higher. Of music21's own two ways, one guesses
    by the instrument's name."""
    found, now = [], 0
    for measure in part.findall("measure"):
        for transpose in measure.findall("attributes/transpose"):
            now = _number(transpose, "chromatic") + 12 * _number(transpose, "octave-change")
        found.append(now)
    return found


def _number(element: Element, name: str) -> int:
    try:
        return round(float(element.findtext(name, "0")))
    except (ValueError, OverflowError):
        return 0
