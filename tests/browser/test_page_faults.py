"""Tests of what a listener meets when something goes wrong, or does not stand still: damaged links, lost connections,
sleep, the station and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
SIZES = {"phone": (360, 740), "landscape": (740, 360), "desktop": (1440, 900)}


def size(name: str) -> dict[str, Any]:
    width, height = SIZES[name]
    return {"viewport": {"width": width, "height": height}}


def starts(page: Any) -> list[dict[str, Any]]:
    return [message for message in page.sent if message["type"] == "start"]


class Line:
    """The line between the page and the server, which can be cut: `dead` loses all messages in silence, and `refusal`
    is the close code that new connections get."""

    def __init__(self, page: Any) -> None:
        self.dead, self.refusal = False, 0
        self.sockets: list[Any] = []
        page.page.route_web_socket("**/ws", self._route)

    def _route(self, socket: Any) -> None:
        if self.refusal:
            socket.close(code=self.refusal)
            return
        dead = [False]
        self.sockets.append((socket, dead))
        server = socket.connect_to_server()
        socket.on_message(lambda text: None if dead[0] else server.send(text))
        server.on_message(lambda text: None if dead[0] else socket.send(text))

    def die(self) -> None:
        for _, dead in self.sockets:
            dead[0] = True


def with_line(page: Any) -> Line:
    line = Line(page)
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    return line


@pytest.mark.parametrize(
    ("fragment", "reason"),
    [
        ("#model=bach-chorales&seed=3&tempo=9999", "tempo"),
        ("#model=bach-chorales&seed=3&changes=0:1:tempo:9x", "changes"),
        ("#check=1k6r9ma&model=bach-chorales&bundle=&seed=3", "missing"),
    ],
)
def test_a_damaged_link_says_so_and_plays_only_what_is_asked_for(listener: Open, fragment: str, reason: str) -> None:
    page = listener(fragment)
    assert "damaged" in page.status() and reason in page.status()
    assert "damaged" in page.page.inner_text("#prompt")
    page.play()
    (start,) = starts(page)
    assert "seed" not in start and "tempo" not in start
    assert page.page.evaluate("location.hash") == ""
    assert "damaged" not in page.status()
    page.page.evaluate(f"location.hash = '{fragment}'")
    page.until(lambda: page.page.get_attribute("#play", "aria-label") == "Play", "the music to stop")
    assert "damaged" in page.status()


def test_the_own_piece_continues_after_the_station(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=5&tempo=160")
    page.play()
    page.until(lambda: "bar 3 of" in page.page.inner_text("#position"), "the third bar")
    page.page.click("text=Shared station")
    page.until(lambda: any(frame.get("kind") == "station" for frame in page.frames), "the station")
    page.until(lambda: page.status() == "Playing", "the station's music")
    page.page.click("text=My stream")
    page.until(lambda: len(starts(page)) == 2, "the request")
    first, again = starts(page)
    assert (again["seed"], again["tempo"], again["model"]) == (first["seed"], first["tempo"], first["model"])
    assert (again["piece"], again["bar"]) in [(0, 3), (0, 4)]
    page.until(lambda: "Piece 1, bar" in page.page.inner_text("#position"), "the piece")
    page.until(lambda: page.page.input_value("#seed") == "5", "its number")


def test_the_own_piece_waits_while_it_is_paused(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=5&tempo=160")
    page.play()
    page.until(lambda: "bar 2 of" in page.page.inner_text("#position"), "the second bar")
    page.page.click("#play")
    page.page.click("text=Shared station")
    page.until(lambda: page.status() == "Playing", "the station's music")
    page.page.click("#play")
    page.page.click("text=My stream")
    page.until(lambda: len(starts(page)) == 2, "the request")
    assert (starts(page)[1]["piece"], starts(page)[1]["bar"]) == (0, 2)


def test_the_next_piece_is_asked_for_after_reconnecting(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=4")
    line = with_line(page)
    page.play()
    line.refusal = 4408
    line.sockets[-1][0].close(code=4408)
    page.until(lambda: "Reconnecting" in page.status(), "the lost connection")
    assert page.page.is_enabled("#next")
    page.page.click("#next")
    page.until(lambda: "next piece follows" in page.status(), "the promise")
    line.refusal = 0
    page.until(lambda: page.sent[-1] == {"type": "next"}, "the message")
    assert page.sent[-2]["type"] == "start"
    page.until(lambda: page.status() == "Playing", "the music")
    page.page.wait_for_timeout(300)
    assert [message["type"] for message in page.sent].count("next") == 1


def test_the_countdown_counts(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=4")
    page.page.clock.install()
    line = with_line(page)
    page.play()
    line.refusal = 1013  # the server is full: retry in ten seconds
    line.sockets[-1][0].close(code=1013)
    page.until(lambda: " seconds" in page.status(), "the countdown")

    def seconds() -> int:
        return int(page.status().rpartition(" in ")[2].split()[0])

    first = seconds()
    assert 8 <= first <= 10
    announced = page.page.inner_text("#status")
    page.page.clock.fast_forward(4000)
    page.until(lambda: seconds() in (first - 4, first - 5), "the countdown to go on")
    assert page.page.locator("#status").text_content() == announced, "it would be announced every second"


def test_a_connection_that_dies_asleep_is_made_anew(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=4")
    page.page.clock.install()
    line = with_line(page)
    page.play()
    bars, connections = page.bars(), len(line.sockets)
    line.die()
    # The lid is closed for half an hour. Of the two clocks, only this one notices.
    page.page.evaluate("const now = Date.now; Date.now = () => now() + 1_800_000")
    page.page.wait_for_timeout(200)
    assert len(line.sockets) == connections, "a connection may have survived"
    page.page.clock.fast_forward(4500)
    page.until(lambda: len(line.sockets) > connections and len(starts(page)) == 2, "another connection", 8)
    last, request = bars[-1], starts(page)[-1]
    assert (request["seed"], request["piece"]) == (4, last["piece"])
    assert request["bar"] == last["bar"] + 1
    page.until(lambda: page.status() == "Playing", "the music")
    assert page.sounds()


def test_music_that_has_piled_up_is_requested_again_where_it_is_heard(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=4&bars=8")
    line = with_line(page)
    page.play()
    page.until(lambda: "bar 1 of" in page.page.inner_text("#position"), "the first bar")
    last = page.bars()[-1]
    for i in range(1, 18):  # as if the server had sent so much while the page was frozen
        bar = {**last, "bar": last["bar"] + i, "at": last["at"] + i * last["seconds"], "notes": [], "held": []}
        line.sockets[-1][0].send(json.dumps(bar))
    page.until(lambda: len(starts(page)) == 2, "another request", 5)
    assert (starts(page)[1]["piece"], starts(page)[1]["bar"]) in [(0, 1), (0, 2)]
    page.until(lambda: page.status() == "Playing" and page.sounds(), "the music")
    assert len(starts(page)) == 2


def test_a_hidden_page_plays_on(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=4&tempo=120")
    page.play()
    hide(page, True)
    heard = len(page.bars())
    assert page.longest_silence(3) < 0.15
    page.until(lambda: len(page.bars()) > heard, "more bars")
    hide(page, False)
    assert page.status() == "Playing" and page.longest_silence(2) < 0.15


def hide(page: Any, hidden: bool) -> None:
    """Headless Chromium hides no page, so this only says so to the page."""
    page.page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {str(hidden).lower()} }});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


@pytest.mark.parametrize("device", SIZES)
def test_the_buttons_stand_still(listener: Open, device: str) -> None:
    page = listener(**size(device))
    places: list[dict[str, float]] = []

    def look() -> None:
        # Without the small growth under the mouse.
        page.page.mouse.move(1, 1)
        page.page.wait_for_timeout(250)
        boxes = [page.page.locator(name).bounding_box() for name in ("#play", "#next")]
        places.append({f"{i} {key}": value for i, box in enumerate(boxes) for key, value in box.items()})

    look()
    page.page.click("#play")
    look()
    page.until(page.sounds, "sound")
    page.until(lambda: "bar 1 of" in page.page.inner_text("#position"), "the first bar")
    look()
    page.page.click("#play")
    look()
    text = "The connection was lost. Reconnecting in 8 seconds"
    page.page.evaluate(f"document.getElementById('status').textContent = '{text}'")
    look()
    assert all(abs(place[key] - places[0][key]) < 1 for place in places for key in place), places


@pytest.mark.parametrize("device", SIZES)
def test_nothing_is_cut_off(listener: Open, device: str) -> None:
    page = listener("#model=bach-chorales&seed=12", **size(device))
    page.play()
    page.until(lambda: page.page.locator("#choices .chosen").count() == 4, "four choices")
    cut = page.page.evaluate(
        """() => [...document.querySelectorAll("body *")]
             .filter((e) => e.checkVisibility() && e.childElementCount === 0 && e.textContent.trim())
             .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible")
             .filter((e) => !e.closest(".visually-hidden")).map((e) => e.outerHTML)"""
    )
    assert cut == []
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for link in page.page.locator("footer a:visible").all():
        assert link.bounding_box()["height"] >= 24, link.inner_text()
    assert "#" not in page.page.inner_text("#choices")
