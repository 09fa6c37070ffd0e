"""The page in Firefox: sound, knobs, the station, share links, and the listening test.

It is headless, and its sound goes to PulseAudio and nowhere.
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Driver]:
    reason = other_browsers.missing_for_firefox()
    if reason is not None:
        pytest.skip(reason)
    with other_browsers.headless_firefox() as driver:
        yield driver


def serving(folder: Path, **options: str) -> Iterator[str]:
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    from playbach.server import page

    if not page.page_files():
        pytest.skip(f"the page has not been built ({page.BUILD_COMMAND})")
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


def test_play_makes_sound(browser: Driver, address: str) -> None:
    other_browsers.check_that_it_plays(browser, address, "AudioWorklet")


def test_play_makes_sound_without_a_worklet(browser: Driver, plain_address: str) -> None:
    other_browsers.check_that_it_plays(browser, plain_address, "main thread")


def test_knobs_change_the_music(browser: Driver, address: str) -> None:
    other_browsers.check_that_knobs_turn(browser, address)


def test_the_station_plays(browser: Driver, address: str) -> None:
    other_browsers.check_the_station(browser, address)


def test_a_share_link_plays_its_piece(browser: Driver, address: str) -> None:
    other_browsers.check_a_share_link(browser, address)


def test_the_listening_test_plays(browser: Driver, address: str) -> None:
    other_browsers.check_the_listening_test(browser, address)


@pytest.mark.skipif(not web.is_built(), reason="the page's engine has not been built")
def test_a_published_site_plays(browser: Driver, address: str, tmp_path: Path) -> None:
    with other_browsers.publishing_measured(tmp_path) as site:
        other_browsers.check_that_it_plays(browser, site, "AudioWorklet")
