"""Tests of the radio's page in a browser: its sound, its views, its controls and its share links."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import pytest

import playbach
from playbach.music import instruments

Open = Callable[..., Any]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize(
    ("host", "renderer"), [("127.0.0.2", "AudioWorklet"), ("radio.test", "main thread")], ids=["secure", "plain"]
)
def test_play_makes_music_without_gaps(listener: Open, host: str, renderer: str) -> None:
    page = listener("#model=bach-chorales&seed=3", host=host)
    assert page.page.evaluate("window.isSecureContext") == (renderer == "AudioWorklet")
    page.page.select_option("#instrument", label="Church Organ")
    assert page.levels()[1] == [] or not page.sounds()
    page.play()
    assert page.longest_silence(4) < 0.15
    assert renderer in page.page.inner_text("#renderer")
    page.page.click("#play")
    page.until(lambda: not page.sounds(1e-4), "silence after a pause")
    assert page.page.get_attribute("#play", "aria-label") == "Play"


def test_the_keyboard_changes_the_controls_and_the_music(listener: Open) -> None:
    page = listener()
    page.page.focus("#play")
    page.page.keyboard.press("Enter")
    page.page.focus("#tempo")  # at once, before the server has answered
    for _ in range(12):
        page.page.keyboard.press("ArrowRight")
    wanted = page.page.locator("#tempo").evaluate("slider => slider.valueAsNumber")
    page.until(lambda: wanted in requested_tempos(page), "the change")
    page.until(page.sounds, "sound")
    page.until(lambda: page.bars()[-1]["tempos"][0][2] == wanted, "a bar in the new tempo")
    page.page.focus("#temperature")
    page.page.keyboard.press("Home")
    page.until(lambda: page.bars()[-1]["temperature"] == 0, "a bar at the new temperature")
    page.page.click("#temperature-reset")
    page.until(lambda: page.bars()[-1]["temperature"] > 0, "a bar at the model's own temperature")
    page.page.focus("#volume")
    page.page.keyboard.press("Home")
    page.until(lambda: not page.sounds(1e-4), "silence at volume 0")


def test_the_download_holds_what_was_heard(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=11&tempo=180")
    page.play()
    page.until(lambda: "bar 2 of" in page.page.inner_text("#position"), "the second bar")
    page.page.select_option("#instrument", label="Harpsichord")
    page.until(lambda: "bar 3 of" in page.page.inner_text("#position"), "the third bar")
    page.page.click("#download")
    with page.page.expect_download() as download:
        page.page.click("#download-midi")
    name, data = download.value.suggested_filename, Path(download.value.path()).read_bytes()
    assert name == "bach-chorales-11.mid"
    score = playbach.read(Path(download.value.path()))
    sent = [note for bar in page.bars() for note in bar["notes"] if bar["piece"] == 0]
    voices = next(frame["voices"] for frame in page.frames if frame["type"] == "piece")
    assert [track.name for track in score.tracks] == [voice["name"] for voice in voices]
    for voice, track in enumerate(score.tracks):
        heard = sorted((n.time, n.duration, n.pitch, n.velocity) for n in track.notes)
        sent_notes = sorted((n["tick"], n["ticks"], n["pitch"], n["velocity"]) for n in sent if n["voice"] == voice)
        assert heard == sent_notes[: len(heard)] and len(heard) > 3
    file = mido.MidiFile(file=io.BytesIO(data))
    assert (file.type, file.ticks_per_beat, len(file.tracks)) == (1, 480, 1 + len(voices))
    for track in file.tracks[1:]:
        assert [m.program for m in track if m.type == "program_change"] == [instruments.parse_program("Harpsichord")]
    (marker,) = [m.text for m in file.tracks[0] if m.type == "marker"]
    assert json.loads(marker.removeprefix("playbach "))["seed"] == 11


def test_a_share_link_plays_the_same_notes_with_the_same_changes(listener: Open) -> None:
    first = listener("#model=bach-chorales&seed=6&tempo=150")
    first.play()
    first.page.select_option("#instrument", label="Oboe")
    first.page.focus("#tempo")
    for _ in range(3):
        first.page.keyboard.press("ArrowUp")
    first.page.focus("#temperature")
    first.page.keyboard.press("ArrowLeft")
    first.until(lambda: {change[2] for change in changes(first)} == {"tempo", "temperature"}, "the changes")
    wanted = first.page.locator("#tempo").evaluate("slider => slider.valueAsNumber")
    first.until(
        lambda: len(music(first)) >= 3 and wanted in tempos(music(first)), "three bars, the new tempo among them"
    )
    first.page.click("#share")
    link = first.page.input_value("#link")
    second = listener(link.removeprefix(first.address))
    assert "shared" in second.status()
    second.play()
    original = music(first)
    changed = next(key for key in sorted(original) if wanted in tempos({key: original[key]}))
    bars = [key for key in sorted(original) if key <= (changed[0], changed[1] + 1)]
    second.until(lambda: set(bars) <= set(music(second)) and wanted in tempos(music(second)), "the same bars")
    assert {key: music(second)[key] for key in bars} == {key: original[key] for key in bars}
    second.until(lambda: second.page.input_value("#instrument") == str(instruments.parse_program("oboe")), "the oboe")


def requested_tempos(page: Any) -> list[float | None]:
    """The tempos that the server has acknowledged, in its `stream` message or as changes."""
    initial = [frame["tempo"] for frame in page.frames if frame["type"] == "stream"]
    return initial + [value for _, _, parameter, value in changes(page) if parameter == "tempo"]


def changes(page: Any) -> list[list[Any]]:
    return [frame["change"] for frame in page.frames if frame["type"] == "change"]


def tempos(bars: dict[Any, tuple[Any, Any]]) -> set[float]:
    return {qpm for found, _ in bars.values() for _, qpm in found}


def music(page: Any) -> dict[tuple[int, int], tuple[Any, Any]]:
    """The tempos and notes of each bar, as last sent."""
    return {
        (bar["piece"], bar["bar"]): (
            tuple((tick, qpm) for tick, _, qpm in bar["tempos"]),
            tuple((n["voice"], n["pitch"], n["tick"], n["ticks"], n["velocity"]) for n in bar["notes"]),
        )
        for bar in page.bars()
    }


def test_a_phone_plays_the_station(listener: Open) -> None:
    page = listener(**PHONE)
    page.page.tap("text=Shared station")
    page.until(page.sounds, "the station")
    assert page.sent[0] == {"type": "join"}
    assert page.page.is_disabled("#tempo") and page.page.is_disabled("#seed") and page.page.is_disabled("#next")
    assert page.page.is_enabled("#instrument") and page.page.is_enabled("#volume")
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    for button in page.page.locator("button:visible, select:visible").all():
        assert button.bounding_box()["height"] >= 40, button.inner_text()
    assert page.page.get_attribute("#mp3-link a", "href") == "./live.mp3"


def test_every_control_has_a_name_and_is_reached_by_keyboard(listener: Open) -> None:
    page = listener()
    page.play()
    reached = set()
    page.page.evaluate("document.activeElement.blur()")
    for _ in range(40):
        page.page.keyboard.press("Tab")
        reached.add(page.page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
        ring = page.page.evaluate(
            "e => { const at = document.activeElement;"
            " const ring = ['stream', 'view'].includes(at.name) ? at.nextElementSibling : at;"
            " return at === document.body || getComputedStyle(ring).outlineStyle !== 'none' }", None
        )  # fmt: skip
        assert ring, f"no focus ring at {reached}"
    assert reached >= {"stream", "view", "play", "next", "download", "share"}
    assert reached >= {"instrument", "tempo", "temperature", "volume"}
    page.page.evaluate("scrollTo(0, 0)")
    page.page.wait_for_selector("#strip", state="hidden")
    for role, name in [("slider", "Tempo"), ("slider", "Temperature"), ("slider", "Volume"), ("textbox", "Seed"),
                       ("combobox", "Instrument"), ("radio", "Shared station"), ("button", "Pause"),
                       ("img", "Piano roll"), ("link", "Listen to the station as MP3")]:  # fmt: skip
        assert page.page.get_by_role(role, name=name).count() == 1, (role, name)
    assert page.page.locator("#instrument option").count() == 129
    page.page.locator("h1").click()
    page.page.keyboard.press(" ")
    page.until(lambda: page.page.get_attribute("#play", "aria-label") == "Play", "the pause by space bar")


def test_a_lost_connection_is_shown_and_resumed_where_it_broke(listener: Open) -> None:
    page = listener()
    sockets: list[Any] = []

    def forward(socket: Any) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page.page.route_web_socket("**/ws", forward)
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    page.page.select_option("#instrument", label="Church Organ")
    page.play()
    requests, bars = len(page.sent), page.bars()
    sockets[-1].close(code=4408)
    page.until(lambda: "Reconnecting" in page.status(), "the message")
    page.until(lambda: len(page.sent) > requests, "the next request")
    request, last = page.sent[requests], bars[-1]
    position = (last["piece"] + 1, None) if last["last"] else (last["piece"], last["bar"] + 1)
    assert (request["type"], request["piece"], request.get("bar")) == ("start", *position)
    page.until(lambda: page.status() == "Playing", "the music to resume")
    assert page.longest_silence(2) < 0.15, "the interruption can be heard"


def test_the_roll_shows_the_notes_in_their_voices_colours(listener: Open) -> None:
    page = listener()
    page.play()
    page.until(lambda: len(page.page.locator("#choices .chosen").all()) == 4, "four voices' choices")
    colours = page.page.evaluate(
        """() => {
          const canvas = document.getElementById("roll");
          const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          let coloured = 0;
          for (let i = 0; i < all.length; i += 4) {
            if (Math.max(all[i], all[i + 1], all[i + 2]) - Math.min(all[i], all[i + 1], all[i + 2]) > 60) coloured++;
          }
          return coloured;
        }"""
    )
    assert colours > 500
    probabilities = page.page.locator("#choices li .probability").all_inner_texts()
    assert all(text == "" or text.endswith("%") for text in probabilities) and any(probabilities)
