"""Tests of the page of one's own tune in a browser: entering it, hearing it harmonised, its files, and the duet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import playbach

pytestmark = pytest.mark.slow

HOST = "127.0.0.2"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
QUARTER = 480


class TunePage:
    """The page in a browser, with what it asked of the server."""

    def __init__(self, context: Any, address: str, *scripts: str) -> None:
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.faults: list[str] = []
        self.settings: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        for script in scripts:
            self.page.add_init_script(script)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._check_console)
        self.page.on("response", self._keep_setting)
        self.page.on("websocket", self._keep_messages)
        self.page.goto(f"{address}tune.html")
        self.page.wait_for_selector("#harmonise:enabled")

    def _check_console(self, message: Any) -> None:
        expected = ("Opener-Policy header has been ignored", "Failed to load resource")
        if message.type == "error" and not any(text in message.text for text in expected):
            self.faults.append(f"console: {message.text}")

    def _keep_setting(self, response: Any) -> None:
        is_json = "json" in response.headers.get("content-type", "")
        if response.url.endswith("/api/harmonise") and response.request.method == "POST" and response.ok and is_json:
            self.settings.append(response)

    def _keep_messages(self, socket: Any) -> None:
        socket.on("framereceived", lambda text: self.frames.append(json.loads(text)))
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        for _ in range(600):
            if found := condition():
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited for {what}; {self.status()!r}")

    def status(self) -> str:
        return str(self.page.inner_text("#setting-status"))

    def entered(self) -> str:
        return str(self.page.get_attribute(".staff", "aria-label")).removeprefix("The tune: ")

    def type(self, keys: str) -> None:
        self.page.focus("#staff")
        for key in keys.split():
            self.page.keyboard.press(key)

    def harmonise(self) -> dict[str, Any]:
        before = len(self.settings)
        self.page.click("#harmonise")
        self.until(lambda: len(self.settings) > before, "a setting")
        self.until(lambda: "Composing" not in self.status(), "its end")
        found: dict[str, Any] = self.settings[-1].json()
        return found

    def save(self, button: str, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.click(button)
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def sounds(self) -> bool:
        found = self.page.evaluate("window.levels?.() ?? { levels: [] }")
        return max(found["levels"], default=0.0) > 0.004

    def tap(self, step: int, x: float) -> None:
        """Tap on the first system at a letter, 30 for E4 on the lowest line."""
        staff = self.page.locator(".staff").bounding_box()
        lines = self.page.locator(".staff .line").all()
        lowest = max(line.bounding_box()["y"] for line in lines[:5])
        gap = (lowest - min(line.bounding_box()["y"] for line in lines[:5])) / 8
        self.page.touchscreen.tap(staff["x"] + x, lowest - (step - 30) * gap)


@pytest.fixture
def tune_page(chromium: Any, server_port: int, tap: str) -> Iterator[Callable[..., TunePage]]:
    opened: list[TunePage] = []
    with ExitStack() as stack:

        def open_page(*scripts: str, host: str = HOST, **context: Any) -> TunePage:
            made = chromium.new_context(accept_downloads=True, **context)
            stack.callback(made.close)
            opened.append(TunePage(made, f"http://{host}:{server_port}/", tap, *scripts))
            return opened[-1]

        yield open_page
        faults = [fault for page in opened for fault in page.faults]
    assert faults == []


def soprano_of(path: Path) -> list[tuple[int, int, int]]:
    score = playbach.read(path)
    soprano = next(track for track in score.tracks if track.name == "Soprano")
    return sorted((n.time, n.duration, n.pitch) for n in soprano.notes)


TYPED = "g a b ArrowUp 8 a g 2 f"
TYPED_NOTES = [(0, 480, 67), (480, 480, 69), (960, 480, 72), (1440, 240, 69), (1680, 240, 67), (1920, 960, 66)]


def test_a_tune_from_the_keyboard_is_harmonised_heard_and_saved(
    tune_page: Callable[..., TunePage], tmp_path: Path
) -> None:
    page = tune_page()
    page.page.select_option("#key", label="G major")
    page.type(TYPED)
    assert page.entered() == "G4, A4, C5, A4, G4, F♯4"
    found = page.harmonise()
    assert sorted((tick, ticks, pitch) for voice, pitch, tick, ticks in found["notes"] if voice == 0) == TYPED_NOTES
    assert {voice for voice, *_ in found["notes"]} == {0, 1, 2, 3}
    page.until(page.sounds, "sound")
    assert page.page.inner_text("#play-setting") == "Pause"
    assert f"in G major, seed {found['seed']}" in page.status()
    path = page.save("#save-musicxml", tmp_path)
    assert soprano_of(path) == TYPED_NOTES
    score = playbach.read(path)
    for number, track in enumerate(score.tracks):
        own = sorted((tick, ticks, pitch) for voice, pitch, tick, ticks in found["notes"] if voice == number)
        assert sorted((n.time, n.duration, n.pitch) for n in track.notes) == own
    assert soprano_of(page.save("#save-midi", tmp_path)) == TYPED_NOTES
    page.page.click("text=To make it again")
    assert str(found["seed"]) in page.page.inner_text("#command")
    assert soprano_of(page.save("#save-tune", tmp_path)) == TYPED_NOTES


def test_another_setting_has_the_next_seed_and_both_are_kept(tune_page: Callable[..., TunePage]) -> None:
    page = tune_page()
    page.type(TYPED)
    first = page.harmonise()
    page.page.click("#another")
    page.until(lambda: len(page.settings) == 2, "another setting")
    second = page.settings[-1].json()
    assert second["seed"] == first["seed"] + 1
    assert second["notes"] != first["notes"]
    page.until(lambda: page.page.locator("#kept button").count() == 2, "both")
    page.page.click("#kept button >> nth=0")
    assert f"seed {first['seed']}" in page.status()
    page.type("Backspace")
    assert page.page.is_disabled("#another")


def test_a_phone_enters_a_tune_by_taps(tune_page: Callable[..., TunePage]) -> None:
    page = tune_page(**PHONE)
    for i, step in enumerate((32, 33, 34, 32)):  # G A B G
        page.tap(step, 250 + i)
    assert page.entered() == "G4, A4, B4, G4"
    page.tap(36, 75)  # far above the first note, which takes its pitch
    assert page.entered() == "D5, A4, B4, G4"
    page.page.tap("#lengths button[aria-label=Half]")
    assert page.page.locator("#lengths [aria-checked=true]").get_attribute("aria-label") == "Half"
    page.page.tap("#undo")
    page.page.tap("#undo")
    assert page.entered().startswith("G4, A4")
    page.page.tap("#redo")
    page.page.tap("#right")
    found = page.harmonise()
    assert len([note for note in found["notes"] if note[0] == 0]) == 4
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    for control in page.page.locator("button:visible, select:visible, summary:visible").all():
        if "key" not in (control.get_attribute("class") or "").split():
            assert control.bounding_box()["height"] >= 40 or control.get_attribute("id") == "save-tune"


def test_the_piano_row_and_the_tune_itself_are_heard(tune_page: Callable[..., TunePage]) -> None:
    page = tune_page()
    page.page.click(".key[data-pitch='66']")
    page.until(page.sounds, "the key")
    page.page.click(".key[data-pitch='67']")
    assert page.entered() == "F♯4, G4"
    page.page.click("#play-tune")
    assert page.page.inner_text("#play-tune") == "Pause"
    page.until(lambda: page.page.locator(".heard").count() == 1, "a mark at the note that is heard")
    page.until(lambda: page.page.inner_text("#play-tune") == "Play the tune", "its end")


@pytest.mark.parametrize("suffix", [".musicxml", ".mxl", ".mid"])
def test_a_file_becomes_the_tune(tune_page: Callable[..., TunePage], tmp_path: Path, suffix: str) -> None:
    page = tune_page()
    page.page.select_option("#key", label="G major")
    page.type(TYPED)
    page.harmonise()
    written = playbach.write(playbach.read(page.save("#save-midi", tmp_path)), tmp_path / f"file{suffix}")
    page.page.click("#clear")
    assert page.entered() == "The tune is empty."
    page.page.set_input_files("#file", written)
    page.until(lambda: page.entered() == "G4, A4, C5, A4, G4, F♯4", "the tune of the file")
    assert "4 voices" in page.page.inner_text("#entry-status")


def test_what_is_wrong_is_said_in_a_line(tune_page: Callable[..., TunePage], tmp_path: Path) -> None:
    page = tune_page()
    page.page.click("#harmonise")
    assert "no notes yet" in page.status()
    page.type("c Shift+ArrowDown Shift+ArrowDown c Shift+ArrowUp Shift+ArrowUp Shift+ArrowUp c Shift+ArrowUp")
    page.page.click("#harmonise")
    page.until(lambda: "the soprano of the model has only" in page.status(), "the reason")
    (tmp_path / "a.mid").write_bytes(b"hello")
    page.page.set_input_files("#file", tmp_path / "a.mid")
    page.until(lambda: "neither MIDI nor MusicXML" in page.page.inner_text("#entry-status"), "the reason")


FAKE_MIDI = """
const input = new EventTarget();
Object.assign(input, { name: "Test keys", state: "connected", type: "input" });
window.midi = (...bytes) => input.onmidimessage({ data: new Uint8Array(bytes), timeStamp: performance.now() });
navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", input]]), onstatechange: null });
"""
"""A keyboard that cannot be plugged into a test machine."""


def test_a_midi_keyboard_enters_notes_and_plays_in_a_tune(tune_page: Callable[..., TunePage]) -> None:
    page = tune_page(FAKE_MIDI)
    page.page.click("#midi")
    page.until(lambda: "Test keys" in page.page.inner_text("#entry-status"), "the keyboard's name")
    for pitch in (67, 70):
        page.page.evaluate(f"midi(0x90, {pitch}, 80); midi(0x90, {pitch}, 0)")
    assert page.entered() == "G4, B♭4"
    page.page.click("#record")
    page.until(lambda: "Recording" in page.page.inner_text("#entry-status"), "the end of the count")
    page.page.evaluate("midi(0x90, 72, 80)")
    page.page.wait_for_timeout(300)
    page.page.evaluate("midi(0x80, 72, 0)")
    page.page.click("#record")
    page.until(lambda: "C5" in page.entered(), "what was played")
    assert "B♭4" not in page.entered()
    page.page.click("#undo")
    assert page.entered() == "G4, B♭4"


def test_where_there_is_no_midi_the_page_says_why(tune_page: Callable[..., TunePage]) -> None:
    page = tune_page(host="radio.test")
    page.page.click("#midi")
    assert "plain http" in page.page.inner_text("#entry-status")
    page.type("g a")
    page.harmonise()
    page.until(page.sounds, "sound on plain http")
    page = tune_page("delete Navigator.prototype.requestMIDIAccess;")
    page.page.click("#midi")
    assert "Safari" in page.page.inner_text("#entry-status")


def test_three_voices_answer_a_duet_in_time(tune_page: Callable[..., TunePage]) -> None:
    page = tune_page()
    page.page.click("#duet")
    page.until(lambda: page.page.inner_text("#duet") == "End the duet", "the metronome")
    for key in "ghj":
        page.page.keyboard.down(key)
        page.page.wait_for_timeout(500)
        page.page.keyboard.up(key)
    page.until(lambda: "ms after your key" in page.page.inner_text("#duet-latency"), "the latency")
    begin, first, *others = page.sent
    assert (begin["type"], begin["meter"], first["plays"], first["pitch"]) == ("begin", [4, 4], "note", 67)
    assert [s["pitch"] for s in others if s["plays"] == "note"][:1] == [69]
    numbers = [s["step"] for s in page.sent[1:]]
    assert numbers == sorted(numbers)
    answers = [frame for frame in page.frames if frame["type"] == "answer"]
    assert {voice for voice, _ in answers[0]["parts"]} == {1, 2, 3}
    page.page.click("#duet")
    assert page.page.inner_text("#duet") == "Begin a duet"
    assert page.entered() == "The tune is empty."  # the keys were the duet's


def test_every_control_has_a_name(tune_page: Callable[..., TunePage]) -> None:
    page = tune_page()
    page.type(TYPED)
    page.harmonise()
    nameless = page.page.evaluate(
        """[...document.querySelectorAll("button, select, input")].filter((control) =>
             !(control.ariaLabel || control.textContent.trim() || control.labels?.[0]?.textContent.trim())
           ).map((control) => control.outerHTML)"""
    )
    assert nameless == []
