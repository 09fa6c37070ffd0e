"""Reads MusicXML, plain or compressed, into a score as it sounds, like the MIDI export of a notation program.

`archive.py` makes elements of bytes, `document.py` bars of elements, `order.py` says in which order they are played,
`playing.py` makes the score, and `ornaments.py` plays the ornaments. The standard library parses the XML. It runs in
the worker, which limits time and memory. Knows nothing of files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from playbach.music.reading.limits import ReadingLimits
from playbach.music.reading.musicxml.archive import Element, elements, is_musicxml
from playbach.music.reading.musicxml.document import WrittenPart, read_part
from playbach.music.reading.musicxml.order import played_order
from playbach.music.reading.musicxml.playing import play
from playbach.music.reading.results import ReadFile

__all__ = ["elements", "is_musicxml", "parse", "parse_elements"]


def parse(
    data: bytes,
    limits: ReadingLimits | None = None,
    *,
    plain_ornaments: bool = False,
    repeats: bool = True,
) -> ReadFile:
    """The music of a MusicXML file; its score is not validated.

    Args:
        plain_ornaments: whether ornaments and grace notes are left out.
        repeats: whether repeats and jumps are played.

    Raises:
        ScoreError: the file is damaged, too large or not MusicXML.
    """
    limits = limits or ReadingLimits()
    root = elements(data, limits.max_bytes)
    return parse_elements(root, limits, plain_ornaments=plain_ornaments, repeats=repeats)


def parse_elements(
    root: Element,
    limits: ReadingLimits | None = None,
    *,
    plain_ornaments: bool = False,
    repeats: bool = True,
) -> ReadFile:
    """The same for the elements of a file, a `score-partwise`."""
    limits = limits or ReadingLimits()
    parts = root.findall("part")
    described = {part.get("id", ""): part for part in root.iterfind("part-list/score-part")}
    names = tuple(part.findtext("part-name", "") for part in described.values())
    written = [read_part(part, described.get(part.get("id", ""), Element("score-part")), names) for part in parts]
    if repeats:
        order = played_order([part.findall("measure") for part in parts])
        bars, remarks = order.bars, order.remarks
    else:
        bars = tuple((i, 1) for i in range(max((len(part.bars) for part in written), default=0)))
        remarks = ()
    read = play(written, bars, plain_ornaments=plain_ornaments, max_notes=limits.max_notes)
    return replace(read, remarks=(*remarks, *_counted(written)))


def _counted(parts: Iterable[WrittenPart]) -> Iterator[str]:
    """A remark for each kind of thing that is left out or changed."""
    counts: Counter[tuple[str, str]] = Counter()
    for part in parts:
        counts.update(part.counts)
    for (one, several), number in counts.items():
        if number:
            yield f"{number:,} {one if number == 1 else several}"
