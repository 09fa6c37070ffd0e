"""Pages of sheet music: SVG, PDF and PNG, their numbers and names, and what goes wrong in one line."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from helpers import sample_music
from playbach.music.notation.sheet import notate
from playbach.rendering import engraving, output_for, write, write_files
from playbach.rendering.headings import heading_of
from playbach.rendering.musicxml import musicxml_bytes
from playbach.system.errors import MissingExtra, PlaybachError, ScoreError, UsageError

pytest.importorskip("verovio")
pytest.importorskip("typst")
FOOT = "playbach 0.2.0: playbach compose bach-chorales --seed 7"
COMMENT = f'{{"foot": "{FOOT}", "model": "bach-chorales", "options": {{"bars": 16}}, "seed": 7, "version": "0.2.0"}}'


def texts(svg: bytes) -> str:
    root = ElementTree.fromstring(svg)
    return " ".join("".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text"))


def test_a_page_has_title_tempo_and_foot_and_needs_no_music_font() -> None:
    [page] = engraving.engrave(
        musicxml_bytes(notate(sample_music.chorale(1)), heading_of(COMMENT)), "svg", heading_of(COMMENT)
    )
    words = " ".join(texts(page).split())
    assert "bach-chorales, seed 7" in words and "= 80" in words
    assert FOOT in words
    assert b"Leipzig" not in page and b"font-face" not in page


def test_several_pages_have_numbers_and_a_pdf_has_all(tmp_path: Path) -> None:
    score = sample_music.band(1, bars=40)
    pages = write_files(score, tmp_path / "piece.svg")
    assert [p.name for p in pages] == [f"piece-{i}.svg" for i in range(1, len(pages) + 1)] and len(pages) > 1
    [pdf] = write_files(score, tmp_path / "piece.pdf")
    assert pdf.read_bytes().count(b"/Type/Page\n") + pdf.read_bytes().count(b"/Type/Page/") >= len(pages)
    assert write(sample_music.line(1), tmp_path / "one.svg").name == "one.svg"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in (*pages, pdf, tmp_path / "one.svg"))


def test_a_png_is_a_page_only_on_request(tmp_path: Path) -> None:
    roll, page = (write(sample_music.line(1), tmp_path / "a.png", sheet=sheet) for sheet in (False, True))
    width, height = Image.open(BytesIO(page.read_bytes())).size
    assert abs(height / width - 297 / 210) < 0.01
    assert Image.open(BytesIO(roll.read_bytes())).size != (width, height)
    with pytest.raises(
        UsageError, match=r"cannot write sheet music in files ending in '\.mid'; use one of \.musicxml"
    ):
        output_for(Path("a.mid"), sheet=True)


def test_a_crash_of_verovio_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engraving, "_pages", lambda *_: os.abort())
    with pytest.raises(ScoreError, match=r"crashes \(SIGABRT\).*write \.musicxml"):
        write(sample_music.line(1), tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())


def test_what_verovio_refuses_and_what_takes_too_long_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ScoreError, match="verovio cannot engrave this score") as caught:
        engraving.engrave(b"<nonsense/>", "svg")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(engraving, "_SECONDS", 0.0)
    monkeypatch.setattr(engraving, "_SECONDS_PER_MEGABYTE", 0.0)
    with pytest.raises(ScoreError, match="takes longer than 0 s"):
        engraving.engrave(musicxml_bytes(notate(sample_music.line(1))), "svg")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engraving, "find_spec", lambda name: None if name == "typst" else name)
    engraving.check_installed("svg")
    with pytest.raises(MissingExtra, match=r"'typst', which is not installed: pip install 'playbach\[score\]'"):
        engraving.check_installed("pdf")


def test_without_notes_or_a_folder_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="no notes, so there is nothing to engrave"):
        write(sample_music.score([[]]), tmp_path / "a.pdf")
    with pytest.raises(PlaybachError, match="its folder does not exist"):
        write(sample_music.line(1), tmp_path / "none" / "a.pdf")


def test_what_is_no_recipe_has_no_heading() -> None:
    assert heading_of("no json").title == heading_of("[1]").foot == ""
