"""From the bytes of a MusicXML file, plain or compressed, to its elements, safely.

Two dangers of XML are excluded: a file that declares entities, which can grow without bounds or refer to other files,
is rejected, and a compressed file is unpacked only up to a limit. Knows nothing of music.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from playbach.music.reading.limits import ReadingLimits
from playbach.system.errors import ScoreError

Element = ElementTree.Element

_MAX_MEMBERS = 1000


def is_musicxml(data: bytes) -> bool:
    """Whether the data begins like XML or a zip file. File names are not reliable."""
    if data[:4] == b"PK\x03\x04" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # the latter is UTF-16
        return True
    return data[:256].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def elements(data: bytes, max_bytes: int = ReadingLimits.max_bytes) -> Element:
    """The root element of a MusicXML file, which is a score-partwise.

    Args:
        max_bytes: the largest size of an unpacked file.

    Raises:
        ScoreError: the file is damaged, too large or not MusicXML.
    """
    root = _tree(_unpacked(data, max_bytes))
    if root.tag == "score-timewise":
        return _partwise(root)
    if root.tag != "score-partwise":
        raise ScoreError(f"this is XML but not MusicXML (its root element is {root.tag[:40]!r}); leave it out")
    return root


def _partwise(root: Element) -> Element:
    """A score that is written measure by measure, with the parts in each, as parts with measures."""
    parts: dict[str, Element] = {}
    turned = ElementTree.Element("score-partwise")
    turned.extend(child for child in root if child.tag != "measure")
    for measure in root.findall("measure"):
        for own in measure.findall("part"):
            name = own.get("id", "")
            if name not in parts:
                parts[name] = ElementTree.SubElement(turned, "part", {"id": name})
            ElementTree.SubElement(parts[name], "measure", dict(measure.attrib)).extend(own)
    return turned


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
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
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
