"""The page in Firefox and in WebKit: sound, knobs, the station, share links, and the listening test.

Of all browsers here WebKit is the nearest to that of an iPhone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import other_browsers
from browser.other_browsers import Driver
from helpers.made_up_pairs import listening_test, write_pairs
from playbach.export import web
from playbach.server.hosts import own_addresses

pytestmark = pytest.mark.slow

RIGHT, HOME_KEY = "\ue014", "\ue011"
"""Keys, by the standard."""
BROWSERS = {
    "firefox": (other_browsers.missing_for_firefox, other_browsers.headless_firefox),
    "webkit": (other_browsers.missing_for_webkit, other_browsers.webkit),
}


@pytest.fixture(scope="module", params=BROWSERS)
def browser(request: pytest.FixtureRequest) -> Iterator[Driver]:
    missing, start = BROWSERS[request.param]
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with start() as driver:
        yield driver


@pytest.fixture(scope="module", autouse=True)
def require_page() -> None:
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    from playbach.server import page

    if not page.page_files():
        pytest.skip(f"the page has not been built ({page.BUILD_COMMAND})")


def serving(folder: Path, **options: str) -> Iterator[str]:
    pairs = write_pairs(folder / "pairs.json", listening_test(3))
    with other_browsers.serving_measured(folder, options=["--listening-test", pairs], **options) as address:
        yield address


@pytest.fixture(scope="module")
def address(browser: Driver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serving(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def plain_address(browser: Driver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that is no secure origin to the browser, as any address in a local network: it has no AudioWorklet."""
    own = next(iter(own_addresses()), "127.0.0.1")
    if own.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    yield from serving(tmp_path_factory.mktemp("plain"), host=own)


def open_radio(browser: Driver, address: str) -> None:
    browser.open("about:blank")  # another fragment alone would not load the page anew
    browser.open(address)
    browser.until(lambda: browser.run("return !document.querySelector('#play').disabled"), "the play button")


def check_that_it_plays(browser: Driver, address: str, renderer: str) -> None:
    """A click on play is followed by sound that goes on, and one on pause by silence."""
    open_radio(browser, address)
    assert browser.level() == 0
    browser.click("#play")
    browser.until(browser.sounds, "sound")
    before = browser.audio_time()
    browser.until(lambda: browser.audio_time() > before + 2, "the audio clock")
    assert browser.sounds() and browser.text("#status") == "Playing"
    assert renderer in browser.text("#renderer")
    browser.until(lambda: " bar " in browser.text("#position"), "the bar")
    browser.click("#play")
    browser.until(lambda: not browser.sounds(1e-4), "silence after a pause")
    assert browser.attribute("#play", "aria-label") == "Play"
    assert browser.faults() == []


def test_play_makes_sound(browser: Driver, address: str) -> None:
    check_that_it_plays(browser, address, "AudioWorklet")


def test_play_makes_sound_without_a_worklet(browser: Driver, plain_address: str) -> None:
    check_that_it_plays(browser, plain_address, "main thread")


@pytest.mark.skipif(not web.is_built(), reason="the page's engine has not been built")
def test_a_published_site_plays(browser: Driver, tmp_path: Path) -> None:
    with other_browsers.publishing_measured(tmp_path) as site:
        check_that_it_plays(browser, site, "AudioWorklet")


def test_knobs_change_the_music(browser: Driver, address: str) -> None:
    """The tempo, the temperature and the volume follow the keys, and the instrument the menu."""
    open_radio(browser, address)
    browser.click("#play")
    browser.until(browser.sounds, "sound")
    browser.keys("#tempo", RIGHT * 4)
    wanted = browser.run("return document.querySelector('#tempo').valueAsNumber")
    browser.until(lambda: browser.frames("bar")[-1]["tempos"][0][2] == wanted, "a bar in the new tempo")
    browser.keys("#temperature", HOME_KEY)
    browser.until(lambda: browser.frames("bar")[-1]["temperature"] == 0, "a bar at the new temperature")
    browser.keys("#instrument", "Church")
    assert browser.run("return document.querySelector('#instrument').selectedOptions[0].text") == "Church Organ"
    browser.until(browser.sounds, "the organ")
    browser.keys("#volume", HOME_KEY)
    browser.until(lambda: not browser.sounds(1e-4), "silence at volume 0")
    assert browser.faults() == []


def test_the_station_plays(browser: Driver, address: str) -> None:
    open_radio(browser, address)
    browser.click("input[value=station] + span")
    browser.until(browser.sounds, "the station")
    assert browser.frames("stream")[0]["kind"] == "station"
    assert browser.faults() == []


def test_a_share_link_plays_its_piece(browser: Driver, address: str) -> None:
    """The link plays the notes of its seed, and its tempo."""
    open_radio(browser, f"{address}#model=bach-chorales&seed=6&tempo=150")
    browser.click("#play")
    browser.until(browser.sounds, "sound")
    assert browser.frames("stream")[0]["seed"] == 6
    assert browser.frames("bar")[0]["tempos"][0][2] == 150
    assert browser.faults() == []


def test_the_listening_test_plays(browser: Driver, address: str) -> None:
    """Both excerpts sound, and a choice leads to the next pair."""
    browser.open(f"{address}blind-test.html")
    browser.until(lambda: browser.run("return !document.querySelector('#intro').hidden"), "the page")
    browser.click("#begin")
    browser.until(lambda: browser.text("#pair-title") == "Pair 1 of 3", "the first pair")
    for side in "ab":
        browser.click(f"#play-{side}")
        browser.until(browser.sounds, f"the sound of {side}")
    browser.keys("input[name=chosen]", " ")
    browser.until(lambda: browser.run("return !!document.querySelector('input[name=chosen]:checked')"), "the choice")
    browser.click("#answer")
    browser.until(lambda: browser.text("#pair-title") == "Pair 2 of 3", "the second pair")
    assert browser.faults() == []
