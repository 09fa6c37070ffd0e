"""MusicXML that playbach writes: our reader and music21 read the same music back, and the schema allows it."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import symusic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import sample_music
from helpers.made_up_scores import notes, rows_of, scores
from playbach.music import reading
from playbach.music.bars import Bars, meters_of
from playbach.music.notation.sheet import notate
from playbach.music.reading import musicxml as reader
from playbach.music.reading.limits import ReadingLimits
from playbach.rendering import write
from playbach.rendering.headings import heading_of
from playbach.rendering.musicxml import musicxml_bytes
from playbach.system.errors import ScoreError

MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
RECIPE = '{"foot": "playbach 0.2.0: playbach compose", "model": "bach-chorales", "options": {}, "seed": 7}'


def read_back(score: Any) -> Any:
    return reader.parse(musicxml_bytes(notate(score)), ReadingLimits()).score


def signatures(score: Any) -> list[tuple[int, ...]]:
    return [(k.time, k.key, k.tonality) for k in score.key_signatures]


def bars(score: Any, end: int, pickup: bool) -> list[object]:
    """The meters before a tick. Of a pickup only the length counts: 1/4 is 2/8."""
    meters = meters_of(score, 1)
    first = [Fraction(*meters[0][1:])] if pickup else []
    return [*first, *(meter for meter in meters[len(first) :] if meter[0] < end)]


def ends(score: Any) -> int:
    return max(n.end for track in score.tracks for n in track.notes)


# ------------------------------------------------------------------------------------------------------ read back


@MANY
@given(scores())
def test_our_reader_reads_the_same_notes_meters_tempos(score: Any) -> None:
    back, keys = read_back(score), [key for key in signatures(score) if key[0] < ends(score)]
    assert rows_of(back) == rows_of(score)
    end = ends(score)
    pickup = Bars(meters_of(score, 1)).pickup > 0
    assert bars(back, end, pickup) == bars(score, end, pickup)
    assert signatures(back) == [key for i, key in enumerate(keys) if i == 0 or key[1:] != keys[i - 1][1:]]
    assert [t.mspq for t in back.tempos] == [t.mspq for t in score.tempos]


@MANY
@given(st.lists(notes(8, is_line=True, low=45, high=80), min_size=4, max_size=4))
def test_four_singers_have_their_own_lines_again(lines: list[Any]) -> None:
    names = ("Soprano", "Alto", "Tenor", "Bass")
    score = sample_music.score([[row[:3] for row in line] for line in lines], programs=(52,) * 4, names=names)
    back = read_back(score)
    assert [t.name for t in back.tracks] == list(names)
    for before, after in zip(score.tracks, back.tracks):
        assert [(n.time, n.duration, n.pitch) for n in after.notes] == [
            (n.time, n.duration, n.pitch) for n in before.notes
        ]


def test_keys_and_meters_come_back() -> None:
    score = sample_music.band(3)
    score.key_signatures.append(symusic.KeySignature(0, -3, 1))
    score.key_signatures.append(symusic.KeySignature(480 + 2 * 1920, 2, 0))
    back = read_back(score)
    assert signatures(back) == [(0, -3, 1), (480 + 2 * 1920, 2, 0)]
    assert meters_of(back, 1) == meters_of(score, 1)


def test_a_key_is_estimated_where_there_is_none() -> None:
    for tonic, fifths in ((0, 0), (2, 2), (3, -3), (7, 1)):
        scale = [(i * 240, 240, 60 + tonic + step) for i, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0))]
        [key] = read_back(sample_music.score([scale])).key_signatures
        assert (key.key, key.tonality) == (fifths, 0)


@pytest.mark.parametrize(
    "make", [sample_music.line, sample_music.chorale, sample_music.piano, sample_music.band], ids=lambda f: f.__name__
)
def test_music21_reads_the_same_notes(make: Callable[[int], Any]) -> None:
    music21 = pytest.importorskip("music21")
    score = make(3)
    parsed = music21.converter.parseData(musicxml_bytes(notate(score)).decode(), format="musicxml")
    found = sorted((round(float(on) * 480), round(float(length) * 480), p) for on, length, p in sounding(parsed))
    pitched = [(n.time, n.duration, n.pitch) for t in score.tracks if not t.is_drum for n in t.notes]
    assert len(found) == len(pitched)
    for before, after in zip(sorted(pitched), found):
        assert before[2] == after[2] and abs(before[0] - after[0]) <= 1 and abs(before[1] - after[1]) <= 1


def sounding(parsed: Any) -> list[tuple[float, float, int]]:
    """(onset, duration, pitch) of all notes, in quarters, ties joined."""
    from music21 import note as m21

    found: list[tuple[float, float, int]] = []
    for part in parsed.parts:
        open_ties: dict[tuple[int, float], int] = {}
        rows = []
        for element in part.flatten().notes:
            for one in getattr(element, "notes", (element,)):
                if isinstance(one, m21.Note):
                    rows.append(
                        (element.offset, element.duration.quarterLength, one.pitch.midi, one.tie or element.tie)
                    )
        for onset, length, pitch, tie in sorted(rows, key=lambda row: row[0]):
            at = open_ties.pop((pitch, round(onset * 480)), None) if tie and tie.type != "start" else None
            if at is None:
                at = len(found)
                found.append((onset, length, pitch))
            else:
                found[at] = (found[at][0], onset + length - found[at][0], pitch)
            if tie and tie.type != "stop":
                open_ties[pitch, round((onset + length) * 480)] = at
    return found


def test_music21_reads_keys_meters_and_voices_of_a_chorale() -> None:
    music21 = pytest.importorskip("music21")
    score = sample_music.chorale(4, tonic=2)
    fifths = notate(score).measures[0].key.fifths
    parsed = music21.converter.parseData(musicxml_bytes(notate(score)).decode(), format="musicxml")
    assert len(parsed.parts) == 2
    for part in parsed.parts:
        measures = list(part.getElementsByClass("Measure"))
        assert [m.number for m in measures[:2]] == [0, 1]
        assert all(sorted(voice.id for voice in m.voices) == ["1", "2"] for m in measures)
        assert measures[0].keySignature.sharps == fifths and measures[0].timeSignature.ratioString == "4/4"
        stems = {(v.id, n.stemDirection) for m in measures for v in m.voices for n in v.notes if n.quarterLength < 4}
        assert stems == {("1", "up"), ("2", "down")}


# --------------------------------------------------------------------------------------------------------- schema


@lru_cache(maxsize=1)
def schema() -> Any:
    """MusicXML 4.0's schema, from the package `musicxml`. The schemas of XML and XLink, which it imports from
    the web, are left out: nothing that we write uses them."""
    xmlschema = pytest.importorskip("xmlschema")
    found = find_spec("musicxml")
    if found is None or found.origin is None:
        pytest.skip("the package musicxml is not installed")
    text = (Path(found.origin).parent / "generate_classes" / "musicxml_4_0.xsd").read_text(encoding="utf-8")
    return xmlschema.XMLSchema(re.sub(r'(<xs:import [^>]*) schemaLocation="[^"]*"', r"\1", text), validation="lax")


@pytest.mark.parametrize(
    "make", [sample_music.line, sample_music.chorale, sample_music.piano, sample_music.band], ids=lambda f: f.__name__
)
def test_the_schema_allows_it(make: Callable[[int], Any]) -> None:
    data = musicxml_bytes(notate(make(3)), heading_of(RECIPE))
    errors = [str(e.reason) for e in schema().iter_errors(ElementTree.fromstring(data))]
    assert not errors, errors[:3]


@FEW
@given(scores())
def test_the_schema_allows_any_score(score: Any) -> None:
    errors = [str(e.reason) for e in schema().iter_errors(ElementTree.fromstring(musicxml_bytes(notate(score))))]
    assert not errors, errors[:3]


def test_the_schema_check_can_fail() -> None:
    root = ElementTree.fromstring(musicxml_bytes(notate(sample_music.line(1))))
    note = next(root.iter("note"))
    note.append(note[0])  # a pitch after the type
    assert list(schema().iter_errors(root))


# ---------------------------------------------------------------------------------------------------------- files


def test_a_compressed_file_is_read_as_the_plain_one(tmp_path: Path) -> None:
    plain, packed = (write(sample_music.chorale(1), tmp_path / f"a{suffix}") for suffix in (".musicxml", ".mxl"))
    assert zipfile.ZipFile(packed).testzip() is None and packed.stat().st_size < plain.stat().st_size / 4
    assert rows_of(reading.read(packed)) == rows_of(reading.read(plain)) == rows_of(sample_music.chorale(1))


def test_the_heading_stands_in_the_file() -> None:
    root = ElementTree.fromstring(musicxml_bytes(notate(sample_music.line(1)), heading_of(RECIPE)))
    assert root.findtext("work/work-title") == "bach-chorales, seed 7"
    words = [c.text for c in root.iter("credit-words")]
    assert words[1] == "playbach 0.2.0: playbach compose"
    assert root.findtext("identification/miscellaneous/miscellaneous-field") == RECIPE


def test_too_many_bars_are_one_error() -> None:
    score = sample_music.score([[(0, 480, 60), (6000 * 1920, 480, 60)]])
    with pytest.raises(ScoreError, match="more than 5,000 bars"):
        notate(score)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("musescore3") is None, reason="MuseScore 3 is not installed")
@pytest.mark.parametrize("make", [sample_music.line, sample_music.chorale, sample_music.piano, sample_music.band])
def test_musescore_opens_it_and_exports_the_same_notes(
    make: Callable[[int], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = make(5)
    written = write(score, tmp_path / "in.musicxml")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    command = ["musescore3", "-o", str(tmp_path / "out.musicxml"), str(written)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    back = reading.read(tmp_path / "out.musicxml")

    def pitched(of: Any) -> list[tuple[int, int, int]]:
        return sorted({(n.time, n.duration, n.pitch) for t in of.tracks if not t.is_drum for n in t.notes})

    assert pitched(back) == pitched(score)
