"""The score in a browser: it shows what sounds, follows it, takes replaced bars, and can be downloaded."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
PIECE = "#model=bach-chorales&seed=11"
SHOWN = "() => document.querySelectorAll('#score .engraving > svg').length"
# The names of chords that touch, of all that stand on one line of music.
TOUCHING = """() => {
  const found = [...document.querySelectorAll("#score .chord")];
  const names = found.map((name) => [name.textContent, name.getBoundingClientRect()]);
  const touch = (a, b) => a.left < b.right + 1 && b.left < a.right + 1 && Math.abs(a.top - b.top) < a.height;
  const later = (i, box) => names.slice(i + 1).filter(([, other]) => touch(box, other));
  const pairs = names.flatMap(([a, box], i) => later(i, box).map(([b]) => [a, b]));
  return { count: names.length, pairs };
}"""
# The most bars that were drawn between two frames.
MOST_DRAWN = """() => {
  let drawn = 0;
  window.most = 0;
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) if (node.nodeName === "svg") drawn++;
  }).observe(document.getElementById("score"), { childList: true, subtree: true });
  const frame = () => {
    window.most = Math.max(window.most, drawn);
    drawn = 0;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
# Where the music stands, which moves to the left, and the mark of the beat that sounds.
PLACES = """() => [
  document.querySelector(".score-piece").getBoundingClientRect().left,
  document.querySelector(".sounding-beat").style.transform,
]"""
# How often each bar of the score has been drawn: a bar that is drawn again is another element.
COUNT_DRAWN = """() => {
  window.drawn = 0;
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) if (node.nodeName === "svg") window.drawn++;
  }).observe(document.getElementById("score"), { childList: true, subtree: true });
}"""


def open_score(listener: Open, fragment: str = PIECE, **options: Any) -> Any:
    page = listener(fragment, **options)
    page.page.click("#view-choice >> text=Score")
    page.play()
    page.until(lambda: page.page.evaluate(SHOWN) > 2, "bars in the score")
    return page


def words(page: Any) -> str:
    return str(page.page.text_content("#score > .visually-hidden") or "")


def test_the_score_follows_the_sound_on_a_phone(listener: Open) -> None:
    page = open_score(listener, viewport={"width": 360, "height": 740})
    assert page.page.is_hidden("#roll")
    page.until(lambda: "bar 2," in words(page), "the second bar in words")
    assert "Soprano: " in words(page) and "Chords: " in words(page)
    left, first = page.page.evaluate(PLACES)
    page.until(lambda: "bar 4," in words(page), "the fourth bar in words")
    later, mark = page.page.evaluate(PLACES)
    assert later < left - 50 and mark != first
    frame = page.page.locator("#score").bounding_box()
    playhead = page.page.locator(".score-playhead").bounding_box()
    assert frame["x"] < playhead["x"] < frame["x"] + frame["width"] <= 360
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert "Piece 1 · " in page.page.inner_text(".piece-mark")


def test_bars_are_engraved_once_and_replaced_bars_again(listener: Open) -> None:
    page = open_score(listener, PIECE + "&bars=32&tempo=200")
    page.until(lambda: page.page.evaluate(SHOWN) >= 12, "twelve bars in the score, whose key is settled")
    page.page.evaluate(COUNT_DRAWN)
    shown = page.page.evaluate(SHOWN)
    page.until(lambda: page.page.evaluate(SHOWN) >= shown + 2, "two more bars in the score")
    drawn = page.page.evaluate("window.drawn")
    assert drawn < shown, "only bars that are new are engraved"
    page.page.focus("#temperature")
    page.page.keyboard.press("End")
    heard = page.until(
        lambda: next((b for b in page.bars() if b["temperature"] == 2), None), "a bar at temperature 2"
    )
    page.until(lambda: page.page.evaluate("window.drawn") > drawn, "the replaced bars")
    page.until(lambda: f"bar {heard['bar']}," in words(page), "the replaced bar")


def test_a_frame_draws_one_bar_and_what_has_scrolled_away_is_released(listener: Open) -> None:
    page = listener(PIECE + "&bars=32&tempo=240", viewport={"width": 360, "height": 740})
    page.page.evaluate(MOST_DRAWN)
    page.page.click("#view-choice >> text=Score")
    page.play()
    page.until(lambda: "bar 14," in words(page), "the fourteenth bar")
    assert page.page.evaluate("window.most") == 1
    assert 3 <= page.page.evaluate(SHOWN) < 12
    scrolled = "document.getElementById('score').scrollLeft + document.querySelector('.score-track').scrollLeft"
    assert page.page.evaluate(scrolled) == 0, "the music is moved by a transform alone"


def test_somebody_can_look_back_by_dragging_and_by_keyboard(listener: Open) -> None:
    page = open_score(listener, PIECE + "&bars=32&tempo=200")
    page.until(lambda: "bar 10," in words(page), "the tenth bar")
    numbers = "() => [...document.querySelectorAll('#score .bar-number')].map((number) => Number(number.textContent))"
    earliest = min(page.page.evaluate(numbers))
    frame = page.page.locator("#score").bounding_box()
    y = frame["y"] + frame["height"] / 2
    for _ in range(3):
        page.page.mouse.move(frame["x"] + 20, y)
        page.page.mouse.down()
        page.page.mouse.move(frame["x"] + frame["width"] - 20, y, steps=8)
        page.page.mouse.up()
    found = page.until(lambda: (now := min(page.page.evaluate(numbers))) < max(2, earliest) and now, "earlier bars")
    assert found < 10
    page.page.focus("#score")
    before = page.page.evaluate(PLACES)[0]
    page.page.keyboard.press("ArrowRight")
    page.until(lambda: abs(page.page.evaluate(PLACES)[0] - before + 80) < 2, "a step to the right")
    page.until(lambda: page.page.evaluate(PLACES)[0] < before - 400, "the score, which follows again")


def test_the_mark_of_a_piece_makes_way_for_the_next(listener: Open) -> None:
    fragment = "#model=bach-chorales&seed=7&bars=4&tempo=200"
    page = open_score(listener, fragment, viewport={"width": 360, "height": 740})
    marks = """() => [...document.querySelectorAll('.score-head:not([hidden])')].map((head) => {
      const { left, right } = head.getBoundingClientRect();
      return [head.textContent, left, right];
    })"""
    seen = 0
    while "Piece 2, bar 3," not in words(page):
        found = sorted(page.page.evaluate(marks), key=lambda mark: float(mark[2]))
        seen += len(found) == 2
        assert all(one[2] <= other[1] for one, other in zip(found, found[1:]))
        page.page.wait_for_timeout(50)
    assert seen


@pytest.mark.parametrize("seed", [3, 11, 24])
def test_names_of_chords_never_touch(listener: Open, seed: int) -> None:
    fragment = f"#model=bach-chorales&seed={seed}&bars=24&tempo=240&temperature=1.5"
    page = open_score(listener, fragment, viewport={"width": 1440, "height": 900})
    seen = 0
    for bar in (3, 8, 13):
        page.until(lambda bar=bar: f"bar {bar}," in words(page), f"bar {bar}")  # type: ignore[misc]
        found = page.page.evaluate(TOUCHING)
        assert found["pairs"] == []
        seen += found["count"]
    assert seen > 40


def test_the_view_is_remembered_and_can_be_chosen_by_keyboard(listener: Open) -> None:
    page = listener()
    page.page.focus("input[value=roll]")
    page.page.keyboard.press("ArrowRight")
    assert page.page.is_visible("#score") and page.page.is_hidden("#roll")
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    assert page.page.is_visible("#score") and page.page.is_checked("input[value=score]")
    page.page.focus("input[value=score]")
    page.page.keyboard.press("ArrowLeft")
    assert page.page.is_visible("#roll") and page.page.is_hidden("#score")


def test_the_engraver_is_loaded_only_for_the_score(listener: Open) -> None:
    page = listener(PIECE)
    loaded: list[str] = []
    page.page.on("request", lambda request: loaded.append(request.url))
    page.play()
    assert not [url for url in loaded if "engraver" in url or "leland" in url]
    page.page.click("#view-choice >> text=Score")
    page.until(lambda: page.page.evaluate(SHOWN) > 0, "the score")
    assert [url for url in loaded if "engraver" in url] and [url for url in loaded if "leland" in url]


def test_the_score_is_downloaded_as_musicxml_and_pdf(listener: Open, tmp_path: Path) -> None:
    page = listener(PIECE + "&tempo=180")
    page.play()
    page.until(lambda: "bar 3 of" in page.page.inner_text("#position"), "the third bar")
    page.page.click("#download")
    with page.page.expect_download() as download:
        page.page.click("#download-musicxml")
    assert download.value.suggested_filename == "bach-chorales-11.musicxml"
    root = ElementTree.parse(download.value.path()).getroot()
    heard = [(int(bar["bar"]), len(bar["notes"])) for bar in page.bars() if bar["piece"] == 0]
    begun = [
        sum(
            1
            for note in measure.iter("note")
            if note.find("pitch") is not None and note.find("tie[@type='stop']") is None
        )
        for measure in root.findall("part")[0]
    ]
    assert len(root.findall("part")) == 2 and root.find(".//harmony") is not None
    assert 0 < begun[0] <= heard[0][1]
    if find_spec("verovio") is None or find_spec("typst") is None:
        pytest.skip("the extra `score` is not installed")
    page.page.click("#download")
    with page.page.expect_download() as download:
        page.page.click("#download-pdf")
    assert download.value.suggested_filename == "bach-chorales-11.pdf"
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")


def test_without_an_engraver_the_browser_prints_the_score(listener: Open) -> None:
    page = listener(PIECE)
    page.page.route("**/api/score.pdf", lambda route: route.fulfill(status=404, body="not found"))
    page.page.evaluate(
        "window.print = () => { window.printed = document.querySelectorAll('.printed-score svg').length; }"
    )
    page.play()
    page.until(lambda: "bar 2 of" in page.page.inner_text("#position"), "the second bar")
    page.page.click("#download")
    page.page.click("#download-pdf")
    assert page.until(lambda: page.page.evaluate("window.printed"), "the print dialog") >= 2
    page.page.emulate_media(media="print")
    assert page.page.is_visible(".printed-score") and page.page.is_hidden("main")
    page.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.page.locator(".printed-score").count() == 0
    page.faults[:] = [fault for fault in page.faults if "404" not in fault]


def test_why_the_server_makes_no_pdf_is_said_in_the_menu(listener: Open) -> None:
    page = listener(PIECE)
    # Another address of the server refuses the score.
    page.page.route("**/api/score.pdf", lambda route: route.continue_(url=f"{page.address}api/tune"))
    page.play()
    page.until(lambda: "bar 2 of" in page.page.inner_text("#position"), "the second bar")
    page.page.click("#download")
    page.page.click("#download-pdf")
    reason = "The header Content-Type must be application/octet-stream."
    page.until(lambda: reason in page.page.inner_text("#download-status"), "the reason")
    page.faults[:] = [fault for fault in page.faults if "status of 415" not in fault]


def test_the_menu_of_downloads_closes_by_escape(listener: Open) -> None:
    page = listener(PIECE)
    page.play()
    page.page.click("#download")
    assert page.page.evaluate("document.activeElement.id") == "download-midi"
    page.page.keyboard.press("Escape")
    assert page.page.is_hidden("#download-formats") and page.page.evaluate("document.activeElement.id") == "download"
