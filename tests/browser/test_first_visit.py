"""What the page loads before its first note, and how further instruments arrive while it plays.

No seconds are measured here; benchmarks/first_visit.py does that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
MOST_BYTES = 260_000
"""On the line until the first note: the page, one synthesiser and one instrument."""
LINK = "#model=bach-chorales&seed=3"


def loaded(page: Any) -> dict[str, int]:
    """The bytes on the line of each file that the page has loaded, by the end of its path."""
    entries = page.page.evaluate("performance.getEntriesByType('resource').map((e) => [e.name, e.encodedBodySize])")
    return {name.partition("//")[2].partition("/")[2]: size for name, size in entries}


def sounds_loaded(page: Any) -> list[str]:
    return sorted(path for path in loaded(page) if path.startswith("sounds/"))


@pytest.mark.parametrize(
    ("host", "synthesiser"),
    [("127.0.0.2", "worklet-processor"), ("radio.test", "block-synth")],
    ids=["secure", "plain"],
)
def test_the_first_note_needs_one_synthesiser_and_one_instrument(
    listener: Open, server_port: int, host: str, synthesiser: str
) -> None:
    page = listener("", host=host)
    requests: list[str] = []
    page.context.on("request", lambda request: requests.append(request.url.rpartition("/")[2]))
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    page.play()
    files = loaded(page)
    assert sounds_loaded(page) == ["sounds/52.sf3.gz", "sounds/index.json"]
    other = {"worklet-processor": "block-synth", "block-synth": "worklet-processor"}[synthesiser]
    assert not [name for name in {*files, *requests} if other in name]
    # Chromium lists no scripts of worklets.
    script = next(name for name in page_files() if synthesiser in name)
    listed = sum(size for name, size in files.items() if synthesiser not in name)
    assert listed + gzipped("") + gzipped(script) < MOST_BYTES


def page_files() -> dict[str, Any]:
    from playbach.server import page

    return {address.lstrip("/"): file for address, file in page.page_files().items()}


def gzipped(name: str) -> int:
    return len(page_files()[name].gzipped)


def test_another_instrument_arrives_while_the_music_goes_on(listener: Open) -> None:
    page = listener(LINK)
    held: list[Any] = []
    page.page.route("**/sounds/40.sf3.gz", lambda route: held.append(route))  # playwright takes no built-in function
    page.play()
    page.page.select_option("#instrument", label="Violin")
    page.until(lambda: held, "the request for the violin")
    # The line is slow: the music goes on with the choir, and nobody waits.
    assert page.longest_silence(2) < 0.15
    assert "Loading" not in page.status()
    held.pop().continue_()
    page.until(lambda: "sounds/40.sf3.gz" in loaded(page), "the violin")
    assert page.longest_silence(2) < 0.15


def test_an_instrument_that_fails_leaves_another_one(listener: Open, server_port: int) -> None:
    page = listener(LINK)
    asked: list[Any] = []

    def refuse(route: Any) -> None:
        asked.append(route.request)
        route.fulfill(status=200, body="no soundfont", content_type="application/gzip")

    page.page.route("**/sounds/56.sf3.gz", refuse)
    warnings: list[str] = []
    page.page.on("console", lambda message: warnings.append(message.text))
    page.play()
    page.page.select_option("#instrument", label="Trumpet")
    page.until(lambda: any("SoloTrumpet could not be loaded" in text for text in warnings), "a warning")
    assert page.longest_silence(2) < 0.15
    page.page.unroute("**/sounds/56.sf3.gz")
    page.page.select_option("#instrument", label="Flute")
    page.page.select_option("#instrument", label="Trumpet")  # tried again
    page.until(lambda: "sounds/73.sf3.gz" in loaded(page), "the flute")
    assert page.longest_silence(1) < 0.15


def test_no_instruments_at_all_is_told(listener: Open) -> None:
    page = listener(LINK)
    page.page.route("**/sounds/**", lambda route: route.abort())
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    page.page.click("#play")
    page.until(lambda: page.status() == "The instruments could not be loaded. Reload the page.", "the reason")
    page.faults[:] = [fault for fault in page.faults if "ERR_FAILED" not in fault]


def test_loading_is_shown_only_while_it_is_waited_for(listener: Open) -> None:
    page = listener(LINK)
    held: list[Any] = []
    page.page.route("**/sounds/52.sf3.gz", lambda route: held.append(route))  # playwright takes no built-in function
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    assert "Loading" not in page.status()
    page.page.click("#play")
    page.until(lambda: page.status() == "Loading the instruments: 0%", "the status")
    held.pop().continue_()
    page.until(page.sounds, "sound")
    assert page.status() == "Playing"


def test_the_page_says_whose_instruments_these_are(listener: Open) -> None:
    page = listener()
    page.until(lambda: "TimGM6mb by Tim Brechbill (GPL-2.0-only)" in page.page.inner_text("#renderer"), "the terms")
    assert "gpl-2.0" in page.page.get_attribute("#renderer a", "href")


def test_drums_arrive_too(listener: Open) -> None:
    """The lowest voice is told to be a drum kit, which no shipped model's first piece has."""
    page = listener(LINK)

    def with_drums(socket: Any) -> None:
        server = socket.connect_to_server()

        def forward(text: str) -> None:
            message = json.loads(text)
            if message["type"] == "piece":
                message["voices"][3].update(drums=True, program=0)
            socket.send(json.dumps(message))

        server.on_message(forward)

    page.page.route_web_socket("**/ws", with_drums)
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    page.play()
    page.until(lambda: "sounds/drums-0.sf3.gz" in loaded(page), "the drums")
    assert page.longest_silence(2) < 0.15
