"""What the page writes as MusicXML: what Python writes of the same music; and the schema allows its chord names.

Vitest compares the page's writing with the files in web/test/notation/golden; here they are compared with Python's.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

from helpers.plain_music import GOLDEN, golden_files
from playbach.music.reading import musicxml as reader
from playbach.music.reading.limits import ReadingLimits

WITH_CHORDS = GOLDEN / "with-chords.xml"
"""Written by web/test/notation/musicxml.test.ts."""


def test_the_golden_files_are_what_python_writes() -> None:
    wrong = [name for name, text in golden_files().items() if _text(GOLDEN / name) != _current(text)]
    assert not wrong, "run python tests/helpers/plain_music.py, and vitest"


def _text(path: Path) -> str:
    return _current(path.read_text("utf-8")) if path.exists() else ""


def _current(text: str) -> str:
    return re.sub(r"<software>.*</software>", "", text)


def test_the_schema_allows_the_names_of_chords() -> None:
    xmlschema = pytest.importorskip("xmlschema")
    found = find_spec("musicxml")
    if found is None or found.origin is None:
        pytest.skip("the package musicxml is not installed")
    text = (Path(found.origin).parent / "generate_classes" / "musicxml_4_0.xsd").read_text(encoding="utf-8")
    text = re.sub(r'(<xs:import [^>]*) schemaLocation="[^"]*"', r"\1", text)
    root = ElementTree.fromstring(WITH_CHORDS.read_bytes())
    assert next(root.iter("harmony"), None) is not None
    errors = [str(e.reason) for e in xmlschema.XMLSchema(text, validation="lax").iter_errors(root)]
    assert not errors, errors[:3]


def test_python_reads_what_the_page_writes() -> None:
    read = [reader.parse(data, ReadingLimits()).score for data in (_plain(), WITH_CHORDS.read_bytes())]
    rows = [[[(n.time, n.duration, n.pitch) for n in track.notes] for track in score.tracks] for score in read]
    assert rows[0] == rows[1] and sum(map(len, rows[0])) > 20


def _plain() -> bytes:
    return (GOLDEN / "chorale.musicxml").read_bytes()
