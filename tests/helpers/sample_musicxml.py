"""Builds small MusicXML files for the tests from text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="{}"/></rootfiles></container>'
)
FOUR_FOUR = "<attributes><divisions>4</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
STEPS = ["C", "C", "D", "D", "E", "F", "F", "G", "G", "A", "A", "B"]
SHARPS = (0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0)


def note(pitch: int | None, duration: int, extra: str = "", before: str = "", voice: int = 1, staff: int = 1) -> str:
    """A note, or a rest if `pitch` is None; `duration` is in sixteenths. `before` goes before the pitch, as <chord/>
    does, and `extra` after the duration."""
    kind = "<rest/>"
    if pitch is not None:
        alter = f"<alter>{SHARPS[pitch % 12]}</alter>" if SHARPS[pitch % 12] else ""
        kind = f"<pitch><step>{STEPS[pitch % 12]}</step>{alter}<octave>{pitch // 12 - 1}</octave></pitch>"
    long = f"<duration>{duration}</duration>" if duration else ""
    return f"<note>{before}{kind}{long}{extra}<voice>{voice}</voice><staff>{staff}</staff></note>"


def part(measures: Sequence[str], identity: str = "P1", name: str = "Piano", instrument: str = "") -> tuple[str, str]:
    """A part's entry in the part list, and its measures; the first one gets divisions and a meter if it has none."""
    first, *rest = measures
    first = first if "<attributes>" in first else FOUR_FOUR + first
    music = "".join(f'<measure number="{i}">{m}</measure>' for i, m in enumerate([first, *rest], 1))
    entry = f'<score-part id="{identity}"><part-name>{name}</part-name>{instrument}</score-part>'
    return entry, f'<part id="{identity}">{music}</part>'


def musicxml(*parts: tuple[str, str], doctype: str = DOCTYPE) -> bytes:
    entries, music = zip(*parts)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{doctype}<score-partwise version="4.0">'
        f"<part-list>{''.join(entries)}</part-list>{''.join(music)}</score-partwise>"
    ).encode()


def mxl(data: bytes, name: str = "score.xml", container: bool = True, **others: bytes) -> bytes:
    """A compressed MusicXML file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        if container:
            archive.writestr("META-INF/container.xml", CONTAINER.format(name))
        for other, content in others.items():
            archive.writestr(other, content)
        archive.writestr(name, data)
    return packed.getvalue()


def four_voices(bars: int = 4, shift: int = 0) -> bytes:
    """A short chorale in triads."""
    voices = []
    for identity, name, root in (("P1", "Soprano", 72), ("P2", "Alto", 67), ("P3", "Tenor", 64), ("P4", "Bass", 48)):
        walk = (0, 2, 4, 5, 7, 5, 4, 2)
        measures = [
            "".join(note(root + shift + walk[(bar + beat) % 8], 4) for beat in range(4)) for bar in range(bars)
        ]
        voices.append(part(measures, identity, name))
    return musicxml(*voices)
