"""Tests of what the page does for phones and for people, and of its accessibility, with axe-core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helpers.paths import ROOT

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LANDSCAPE = {"viewport": {"width": 740, "height": 360}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
COLOURED = """id => {
  const canvas = document.getElementById(id);
  const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let coloured = 0;
  for (let i = 0; i < all.length; i += 4) {
    if (Math.max(all[i], all[i + 1], all[i + 2]) - Math.min(all[i], all[i + 1], all[i + 2]) > 25) coloured++;
  }
  return coloured;
}"""


def test_a_strip_stays_while_one_turns_knobs(listener: Open) -> None:
    page = listener(**PHONE)
    page.play()
    assert not page.page.is_visible("#strip")
    page.page.locator("#seed").scroll_into_view_if_needed()
    page.page.wait_for_selector("#strip:visible")
    page.until(lambda: page.page.inner_text("#strip-position").startswith("Bar 1 of"), "the bar")
    page.until(lambda: page.page.evaluate(COLOURED, "strip-roll") > 300, "its roll")
    picture = "document.getElementById('strip-roll').toDataURL()"
    first = page.page.evaluate(picture)
    page.until(lambda: page.page.evaluate(picture) != first, "its motion")
    box = page.page.locator("#strip").bounding_box()
    assert box["y"] + box["height"] == 740 and box["width"] == 360
    # What has the focus is not below it.
    page.page.focus("#random-seed")
    focused = page.page.locator("#random-seed").bounding_box()
    assert focused["y"] + focused["height"] <= box["y"]
    assert page.page.locator("#strip-play").bounding_box()["height"] >= 44
    page.page.tap("#strip-play")
    page.until(lambda: not page.sounds(1e-4), "silence")
    assert page.page.get_attribute("#strip-play", "aria-label") == "Play"
    page.page.tap("#strip-play")
    page.until(page.sounds, "sound")
    page.page.evaluate("scrollTo(0, 0)")
    page.page.wait_for_selector("#strip", state="hidden")


def test_on_a_phone_on_its_side_the_roll_and_what_plays_it_fit(listener: Open) -> None:
    page = listener(**LANDSCAPE)
    page.play()
    boxes = {
        name: page.page.locator(name).bounding_box()
        for name in (".roll-frame", "#play", "#next", "#share", "#position")
    }
    for name, box in boxes.items():
        assert box["y"] >= 0 and box["y"] + box["height"] <= 360, name
        assert box["x"] >= 0 and box["x"] + box["width"] <= 740, name
    assert boxes[".roll-frame"]["width"] > 440 and boxes[".roll-frame"]["height"] > 200
    assert boxes["#play"]["x"] > boxes[".roll-frame"]["x"] + boxes[".roll-frame"]["width"]


def test_voices_are_muted_at_once_and_in_later_pieces(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=2&bars=4&tempo=200")
    page.play()
    page.page.focus(".mute >> nth=0")
    for name in ("Soprano", "Alto", "Tenor", "Bass"):
        assert page.page.evaluate("document.activeElement.getAttribute('aria-label')") == f"{name}: mute"
        page.page.keyboard.press(" ")
        page.page.keyboard.press("Tab")
        page.page.keyboard.press("Tab")
    page.until(lambda: not page.sounds(1e-4), "silence", 3)
    assert page.page.locator(".mute[aria-pressed=true]").count() == 4 and page.page.locator(".silent").count() == 4
    page.until(lambda: "Piece 2, bar 2" in page.page.inner_text("#position"), "the second piece")
    assert not page.sounds(1e-4) and page.status() == "Playing"
    page.page.get_by_role("button", name="Solo: Tenor").press("Enter")
    page.until(page.sounds, "the tenor", 5)
    assert page.page.locator(".silent").count() == 3
    page.page.get_by_role("button", name="Solo: Tenor").press("Enter")
    page.until(lambda: not page.sounds(1e-4), "silence", 3)
    page.page.get_by_role("button", name="Bass: mute").press("Enter")
    page.until(page.sounds, "the bass", 5)


def test_muted_voices_are_silent_on_plain_http(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=2", host="radio.test")
    page.play()
    for button in page.page.locator(".mute").all():
        button.click()
    page.until(lambda: not page.sounds(1e-4), "silence", 3)
    page.page.locator(".mute").first.click()
    page.until(page.sounds, "the soprano", 5)


SESSION = """
window.actions = {};
const set = MediaSession.prototype.setActionHandler;
MediaSession.prototype.setActionHandler = function (action, handler) {
  window.actions[action] = handler;
  return set.call(this, action, handler);
};
"""


def test_the_lock_screen_controls_the_music(listener: Open) -> None:
    page = listener()
    page.page.add_init_script(SESSION)
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    page.play()
    state = "navigator.mediaSession"
    page.until(lambda: page.page.evaluate(f"{state}.metadata?.title") == "Piece 1", "the title")
    assert page.page.evaluate(f"{state}.metadata.artist") == "bach-chorales"
    assert page.page.evaluate(f"{state}.metadata.artwork[0].src").startswith("data:image/png;base64,")
    assert page.page.evaluate(f"{state}.playbackState") == "playing"
    page.page.evaluate("window.actions.nexttrack()")
    page.until(lambda: page.sent[-1] == {"type": "next"}, "the next piece")
    page.page.evaluate("window.actions.pause()")
    page.until(lambda: not page.sounds(1e-4), "silence")
    assert page.page.evaluate(f"{state}.playbackState") == "paused"
    page.page.evaluate("window.actions.play()")
    page.until(page.sounds, "sound")
    page.page.click("text=Shared station")
    page.until(lambda: page.page.evaluate("window.actions.nexttrack") is None, "no next piece at the station")


def test_the_screen_stays_on_while_the_music_plays(listener: Open) -> None:
    page = listener()
    page.page.add_init_script(
        "const request = WakeLock.prototype.request; window.locks = [];"
        "WakeLock.prototype.request = async function (type) {"
        " const lock = await request.call(this, type); window.locks.push(lock); return lock; }"
    )
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    held = "window.locks.filter((lock) => !lock.released).length"
    page.play()
    assert page.page.evaluate(held) == 0, "nobody asked for it"
    page.page.check("#keep-screen-on")
    page.until(lambda: page.page.evaluate(held) == 1, "the lock")
    page.page.click("#play")
    page.until(lambda: page.page.evaluate(held) == 0, "the lock's release")
    page.page.click("#play")
    page.until(lambda: page.page.evaluate(held) == 1, "the lock again")
    assert listener(host="radio.test").page.is_hidden("#screen-control"), "plain HTTP has no wake lock"


def test_the_dialog_shows_a_qr_code_that_is_loaded_when_it_opens(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=2", **PHONE)
    page.play()
    requests: list[str] = []
    page.page.on("request", lambda request: requests.append(request.url))
    page.page.tap("#share")
    page.page.wait_for_selector("#qr-code svg")
    assert sum("qr-code" in url for url in requests) == 1
    box = page.page.locator("#qr-code svg").bounding_box()
    assert box["width"] >= 220 and box["x"] + box["width"] <= 360
    assert page.page.is_hidden("#send"), "this browser has no share sheet"


def test_the_device_own_share_sheet_gets_the_link(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=2")
    # Chromium on Linux has no share sheet.
    page.page.add_init_script("Navigator.prototype.share = async (data) => { window.sent = data; }")
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    page.play()
    page.page.click("#share")
    page.page.click("#send")
    assert page.page.evaluate("window.sent.url") == page.page.input_value("#link")


def test_a_picture_moves_before_the_first_tap(listener: Open) -> None:
    page = listener()
    page.until(lambda: page.page.evaluate(COLOURED, "preview") > 300, "the picture")
    picture = "document.getElementById('preview').toDataURL()"
    first = page.page.evaluate(picture)
    page.until(lambda: page.page.evaluate(picture) != first, "its motion")
    page.page.click("#prompt")
    page.until(page.sounds, "sound")
    assert page.page.is_hidden("#preview") and page.page.is_hidden("#prompt")


def test_the_picture_is_still_where_motion_is_reduced(listener: Open) -> None:
    page = listener(reduced_motion="reduce")
    page.until(lambda: page.page.evaluate(COLOURED, "preview") > 300, "the picture")
    picture = "document.getElementById('preview').toDataURL()"
    first = page.page.evaluate(picture)
    page.page.wait_for_timeout(300)
    assert page.page.evaluate(picture) == first


def test_the_page_explains_itself(listener: Open) -> None:
    page = listener(**PHONE)
    page.page.tap("#explain")
    text = page.page.inner_text("#explanation")
    assert all(word in text for word in ("Blocks", "Colours", "Solid", "Pale", "Dashed", "Choices", "Daring"))
    assert page.page.evaluate("document.getElementById('explanation').scrollTop") == 0
    page.page.keyboard.press("Escape")
    assert page.page.is_hidden("#explanation")
    assert page.page.evaluate("document.activeElement.id") == "explain"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["phone", "desktop"])
def test_axe_finds_nothing(listener: Open, device: str, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm --prefix web ci)")
    page = listener(color_scheme=scheme, **(PHONE if device == "phone" else DESKTOP))
    page.page.evaluate(AXE.read_text())

    def check(place: str) -> None:
        page.page.wait_for_timeout(200)  # for transitions
        found = page.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        violations = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found["violations"]]
        assert violations == [], place

    check("before the first tap")
    page.play()
    page.until(lambda: page.page.locator("#choices .chosen").count() == 4, "four choices")
    check("playing")
    page.page.locator("#seed").scroll_into_view_if_needed()
    check("scrolled to the controls")
    page.page.evaluate("scrollTo(0, 0)")
    for button in ("explain", "share"):
        page.page.click(f"#{button}")
        check(button)
        page.page.keyboard.press("Escape")
