"""The listening test's page in a browser: both excerpts sound, nothing tells them apart before the end, and it works
with the keyboard, on a phone, after a reload, and when the server does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import HOST, Listener, serving
from helpers.made_up_pairs import REAL_PITCH, listening_test, write_pairs
from playbach.bundles import bundle as bundles
from playbach.evaluation.listening_pairs import ListeningTest

pytestmark = pytest.mark.slow

PAIRS = 3
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
SIDEWAYS = {"viewport": {"width": 740, "height": 360}, "has_touch": True, "is_mobile": True}


def made_up() -> ListeningTest:
    bundle = bundles.read(bundles.shipped_models()[bundles.DEFAULT_MODEL])
    return listening_test(PAIRS, bundle.name, bundle.sha256)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers") / "answers.jsonl"


@pytest.fixture(scope="module")
def quiz_port(answers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    from playbach.server import page

    if not page.page_files():
        pytest.skip(f"the page has not been built ({page.BUILD_COMMAND})")
    folder = tmp_path_factory.mktemp("pairs")
    pairs = write_pairs(folder / "pairs.json", made_up())
    with serving(folder / "log", 0, ["--listening-test", pairs, "--answers", answers]) as port:
        yield port


class Quiz(Listener):
    """The page of the test, with the responses of the server (`told`)."""

    ready, status_line = "#intro:visible, #pair:visible", "#notice"

    def __init__(self, browser: Any, address: str, context_options: dict[str, Any]) -> None:
        self.told: list[dict[str, Any]] = []
        super().__init__(browser, address, "blind-test.html", context_options)
        self.page.on("response", self._record)

    def _record(self, response: Any) -> None:
        if "/api/blind-test/" in response.url and response.status == 200:
            self.told.append(response.json())

    def begin(self, skill: str = "plays") -> None:
        self.page.check(f"input[name=skill][value={skill}]")
        self.page.click("#begin")
        self.at(1)

    def at(self, pair: int) -> None:
        self.until(lambda: self.page.inner_text("#pair-title") == f"Pair {pair} of {PAIRS}", f"pair {pair}")
        self.until(lambda: self.told and self.told[-1].get("pair") == pair, "its notes")

    def hear(self, side: str) -> None:
        self.page.click(f"#play-{side}")
        self.until(self.sounds, f"the sound of {side}")

    def right_side(self) -> str:
        """By the made-up notes; real ones do not tell."""
        return "a" if self.told[-1]["a"]["notes"][0][1] == REAL_PITCH else "b"

    def judge(self, side: str, sure: int | None = None) -> None:
        self.page.check(f"input[name=chosen][value={side}]")
        if sure:
            self.page.check(f"input[name=sure][value='{sure}']")
        self.page.click("#answer")


@pytest.fixture
def quiz(chromium: Any, quiz_port: int) -> Iterator[Callable[..., Quiz]]:
    """Opens pages. Afterwards, none of them may have had an error or made a request to another server."""
    opened: list[Quiz] = []
    with ExitStack() as stack:

        def open_page(host: str = HOST, **context: Any) -> Quiz:
            opened.append(Quiz(chromium, f"http://{host}:{quiz_port}/", context))
            stack.callback(opened[-1].context.close)
            return opened[-1]

        yield open_page
        faults = [fault for page in opened for fault in page.faults]
    assert faults == []


Open = Callable[..., Quiz]


@pytest.mark.parametrize("host", [HOST, "radio.test"], ids=["secure", "plain"])
def test_a_whole_test(quiz: Open, answers: Path, host: str) -> None:
    before = len(answers.read_text().splitlines())
    page = quiz(host)
    assert page.page.inner_text("h1") == "Bach or not?"
    assert f"{PAIRS} pairs of 8 bars" in page.page.inner_text("#instruction")
    assert "nothing else" in page.page.inner_text("#kept-hint")
    page.begin()
    for number in range(1, PAIRS + 1):
        page.at(number)
        assert page.page.is_disabled("#answer")
        page.hear("a")
        page.hear("b")
        side = page.right_side()
        page.judge(side if number < PAIRS else ({"a", "b"} - {side}).pop(), 2 if number == 1 else None)
    page.until(lambda: page.page.is_visible("#result"), "the result")
    assert page.page.inner_text("#result-title") == f"{PAIRS - 1} of {PAIRS} right"
    assert "50% of the time" in page.page.inner_text("#result-text")
    rows = page.page.locator("#answers li").all_inner_texts()
    assert ["Right" in row for row in rows] == [True, True, False]
    assert all("was by Bach: BWV\u00a0" in row and "with the seed 10" in row for row in rows)
    page.until(lambda: page.page.locator("#answers a").count() == PAIRS, "the links")
    link = page.page.locator("#answers a").first.get_attribute("href")
    assert f"seed={page.told[-1]['answers'][0]['seed']}&bars=16&tempo=76" in link
    kept = [json.loads(line) for line in answers.read_text().splitlines()][before:]
    assert [(line["skill"], line["complete"], line["answers"][0]["sure"]) for line in kept] == [("plays", True, 2)]
    assert "kept" in page.page.inner_text("#result-kept")


def test_nothing_that_the_browser_gets_tells_which_is_which(quiz: Open) -> None:
    page = quiz()
    page.begin()
    page.hear("a")
    page.hear("b")
    page.judge("a")
    page.at(2)
    for told in page.told:
        assert told.keys() == {"type", "session", "pair", "pairs", "voices", "a", "b"}
    assert "BWV" not in page.page.content()
    assert page.page.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 1


def test_excerpts_play_stop_and_play_again(quiz: Open) -> None:
    page = quiz()
    page.begin()
    page.hear("a")
    assert page.page.get_attribute("#play-a", "aria-label") == "Stop A"
    page.page.click("#play-b")
    page.until(lambda: page.page.get_attribute("#play-b", "aria-label") == "Stop B", "B")
    assert page.page.get_attribute("#play-a", "aria-label") == "Play A"
    page.until(lambda: page.page.get_attribute("#play-b", "aria-label") == "Play B", "the end of B")
    page.until(lambda: not page.sounds(1e-4), "silence")
    page.hear("a")
    page.page.click("#play-a")
    page.until(lambda: not page.sounds(1e-4), "silence after a stop")


def test_the_keyboard_is_enough(quiz: Open) -> None:
    page = quiz()
    keyboard = page.page.keyboard
    page.page.focus("#intro input:checked")
    keyboard.press("ArrowDown")
    assert page.page.is_checked("input[value=plays]")
    keyboard.press("Tab")
    keyboard.press("Enter")
    page.at(1)
    assert page.page.evaluate("document.activeElement.id") == "pair-title"
    reached = []
    for _ in range(6):
        keyboard.press("Tab")
        at = page.page.evaluate("document.activeElement.id || document.activeElement.name")
        reached.append(at)
        if at in ("play-a", "play-b"):
            keyboard.press("Enter")
            page.until(page.sounds, f"the sound of {at}")
        if at == "chosen":
            keyboard.press(" ")
        if at == "answer":
            keyboard.press("Enter")
            break
    assert reached == ["play-a", "play-b", "chosen", "sure", "answer"]
    page.at(2)


def test_a_screen_reader_has_names_and_roles(quiz: Open) -> None:
    page = quiz()
    find = page.page.get_by_role
    assert find("group", name="What do you know of music?").get_by_role("radio").count() == 4
    page.begin()
    for role, name in [("heading", "Pair 1 of 3"), ("button", "Play A"), ("button", "Play B"), ("radio", "Certain"),
                       ("radio", "A is by Bach"), ("radio", "B is by Bach"), ("progressbar", "Pairs answered"),
                       ("button", "Next pair"), ("button", "Stop here")]:  # fmt: skip
        assert find(role, name=name, exact=True).count() == 1, (role, name)
    assert find("group", name="Which one is by Bach?").get_by_role("radio").count() == 2


@pytest.mark.parametrize("context", [PHONE, SIDEWAYS], ids=["upright", "sideways"])
def test_a_phone_shows_a_pair_at_once(quiz: Open, context: dict[str, Any]) -> None:
    page = quiz(**context)
    page.begin()
    width, height = context["viewport"].values()
    assert page.page.evaluate("document.documentElement.scrollWidth") == width
    for name in ("#play-a", "#play-b", "#choose-a", "#choose-b", "#answer", "#stop"):
        box = page.page.locator(name).bounding_box()
        assert box["height"] >= 44 and box["y"] + box["height"] <= height, (name, box)
    page.page.tap("#play-a")
    page.until(page.sounds, "sound after a tap")


def test_a_reload_goes_on_with_the_same_pair(quiz: Open) -> None:
    page = quiz()
    page.begin()
    page.hear("a")
    page.hear("b")
    page.judge("b")
    page.at(2)
    notes = page.told[-1]
    page.page.reload()
    page.at(2)
    assert page.told[-1] == notes


def test_who_stops_in_the_middle_sees_what_was_answered(quiz: Open, answers: Path) -> None:
    page = quiz()
    page.begin("studied")
    page.hear("a")
    page.hear("b")
    page.judge(page.right_side())
    page.at(2)
    page.page.click("#stop")
    page.until(lambda: page.page.is_visible("#result"), "the result")
    assert page.page.inner_text("#result-title") == "1 of 1 right"
    kept = json.loads(answers.read_text().splitlines()[-1])
    assert (kept["skill"], kept["complete"], len(kept["answers"])) == ("studied", False, 1)
    page.page.click("#again")
    page.begin("none")
    page.page.click("#stop")
    page.until(lambda: page.page.inner_text("#result-title") == "No pair was answered", "the result")


def test_a_lost_answer_can_be_sent_again(quiz: Open) -> None:
    page = quiz()
    page.begin()
    page.hear("a")
    page.hear("b")
    lost: list[Any] = []

    def lose(route: Any) -> None:
        """The answer arrives, but its response does not."""
        lost.append(route.fetch())
        route.abort()

    page.page.route("**/api/blind-test/answer", lose)
    page.judge("a")
    page.until(lambda: "does not respond" in page.status(), "the message")
    assert page.page.inner_text("#pair-title") == "Pair 1 of 3"
    page.page.unroute("**/api/blind-test/answer")
    page.page.click("#answer")
    page.at(2)
    assert len(lost) == 1
    page.faults[:] = [fault for fault in page.faults if "ERR_FAILED" not in fault]


def test_a_session_that_has_ended_begins_anew(quiz: Open) -> None:
    page = quiz()
    page.page.evaluate("sessionStorage.setItem('playbach blind test', 'unknown')")
    page.page.reload()
    page.until(lambda: page.page.is_visible("#intro"), "the beginning")
    assert page.status() == ""
    page.begin()
    page.faults[:] = [fault for fault in page.faults if "status of 400" not in fault]


def test_a_session_that_ends_meanwhile_says_so(quiz: Open) -> None:
    page = quiz()
    page.begin()
    unknown = json.dumps({"session": "unknown", "pair": 1, "chosen": "a"})
    page.page.route("**/api/blind-test/answer", lambda route: route.continue_(post_data=unknown))
    page.hear("a")
    page.hear("b")
    page.judge("a")
    page.until(lambda: page.page.is_visible("#intro"), "the beginning")
    assert page.status() == "This session has ended; begin the test again."
    page.faults[:] = [fault for fault in page.faults if "status of 400" not in fault]


def test_the_radio_links_to_the_test(quiz: Open) -> None:
    page = quiz()
    page.page.click("footer a")
    page.page.wait_for_selector("#play:enabled")
    page.page.click("#blind-test-link a")
    page.page.wait_for_selector("#begin:visible")


def test_the_radio_without_a_test_has_no_link(chromium: Any, server_port: int) -> None:
    page = chromium.new_page()
    page.goto(f"http://{HOST}:{server_port}/")
    page.wait_for_selector("#play:enabled")
    assert page.locator("#blind-test-link").is_hidden()
    assert page.goto(f"http://{HOST}:{server_port}/blind-test.html").status == 404
    page.close()
