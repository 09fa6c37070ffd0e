"""The radio's page, as people use it: heard, seen, typed at, shared. See conftest.py for how."""

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
    ("host", "way"), [("127.0.0.2", "AudioWorklet"), ("radio.test", "main thread")], ids=["secure", "plain"]
)
def test_a_tap_makes_music_without_a_gap(listener: Open, host: str, way: str) -> None:
    page = listener("#model=bach-chorales&seed=3", host=host)
    assert page.page.evaluate("window.isSecureContext") == (way == "AudioWorklet")
    page.page.select_option("#instrument", label="Church Organ")
    assert page.heard()[1] == [] or not page.sounds()
    page.play()
    assert page.longest_silence(4) < 0.15
    assert way in page.page.inner_text("#way")
    page.page.click("#play")
    page.until(lambda: not page.sounds(1e-4), "silence after a pause")
    assert page.page.get_attribute("#play", "aria-label") == "Play"


def test_knobs_turned_by_keyboard_change_what_arrives_and_what_is_heard(listener: Open) -> None:
    page = listener()
    page.page.focus("#play")
    page.page.keyboard.press("Enter")
    page.page.focus("#tempo")  # at once, before the server has said a word
    for _ in range(12):
        page.page.keyboard.press("ArrowRight")
    wanted = page.page.locator("#tempo").evaluate("slider => slider.valueAsNumber")
    page.until(lambda: wanted in asked_tempos(page), "the change")
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


def test_the_download_is_what_was_heard(listener: Open) -> None:
    page = listener("#model=bach-chorales&seed=11&tempo=180")
    page.play()
    page.until(lambda: "bar 2 of" in page.page.inner_text("#piece"), "the second bar")
    page.page.select_option("#instrument", label="Harpsichord")
    page.until(lambda: "bar 3 of" in page.page.inner_text("#piece"), "the third bar")
    with page.page.expect_download() as download:
        page.page.click("#download")
    name, data = download.value.suggested_filename, Path(download.value.path()).read_bytes()
    assert name == "bach-chorales-11.mid"
    score = playbach.read(Path(download.value.path()))
    sent = [note for bar in page.bars() for note in bar["notes"] if bar["piece"] == 0]
    voices = next(frame["voices"] for frame in page.frames if frame["type"] == "piece")
    assert [track.name for track in score.tracks] == [voice["name"] for voice in voices]
    for voice, track in enumerate(score.tracks):
        heard = sorted((n.time, n.duration, n.pitch, n.velocity) for n in track.notes)
        told = sorted((n["tick"], n["ticks"], n["pitch"], n["velocity"]) for n in sent if n["voice"] == voice)
        assert heard == told[: len(heard)] and len(heard) > 3
    file = mido.MidiFile(file=io.BytesIO(data))
    assert (file.type, file.ticks_per_beat, len(file.tracks)) == (1, 480, 1 + len(voices))
    for track in file.tracks[1:]:
        assert [m.program for m in track if m.type == "program_change"] == [instruments.program("Harpsichord")]
    (marker,) = [m.text for m in file.tracks[0] if m.type == "marker"]
    assert json.loads(marker.removeprefix("playbach "))["seed"] == 11


def test_a_shared_link_plays_the_same_notes_with_what_was_turned(listener: Open) -> None:
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
    assert "shared" in second.said()
    second.play()
    ours = music(first)
    turned = next(key for key in sorted(ours) if wanted in tempos({key: ours[key]}))
    bars = [key for key in sorted(ours) if key <= (turned[0], turned[1] + 1)]
    second.until(lambda: set(bars) <= set(music(second)) and wanted in tempos(music(second)), "the same bars")
    assert {key: music(second)[key] for key in bars} == {key: ours[key] for key in bars}
    second.until(lambda: second.page.input_value("#instrument") == str(instruments.program("oboe")), "the oboe")


def asked_tempos(page: Any) -> list[float | None]:
    """Those that the server has heard of: with the start, where that was not yet sent, or as a change."""
    begun = [frame["tempo"] for frame in page.frames if frame["type"] == "stream"]
    return begun + [value for _, _, knob, value in changes(page) if knob == "tempo"]


def changes(page: Any) -> list[list[Any]]:
    return [frame["change"] for frame in page.frames if frame["type"] == "change"]


def tempos(bars: dict[Any, tuple[Any, Any]]) -> set[float]:
    return {qpm for found, _ in bars.values() for _, qpm in found}


def music(page: Any) -> dict[tuple[int, int], tuple[Any, Any]]:
    """Tempos and notes of each bar, as they were sent last."""
    return {
        (bar["piece"], bar["bar"]): (
            tuple((tick, qpm) for tick, _, qpm in bar["tempos"]),
            tuple((n["voice"], n["pitch"], n["tick"], n["ticks"], n["velocity"]) for n in bar["notes"]),
        )
        for bar in page.bars()
    }


def test_a_phone_at_the_station(listener: Open) -> None:
    page = listener(**PHONE)
    page.page.tap("text=The station")
    page.until(page.sounds, "the station")
    assert page.sent[0] == {"type": "join"}
    assert page.page.is_disabled("#tempo") and page.page.is_disabled("#seed") and page.page.is_disabled("#next")
    assert page.page.is_enabled("#instrument") and page.page.is_enabled("#volume")
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    for button in page.page.locator("button:visible, select:visible").all():
        assert button.bounding_box()["height"] >= 40, button.inner_text()
    assert page.page.get_attribute("#another a", "href") == "./live.mp3"


def test_everything_has_a_name_and_the_keyboard_reaches_it(listener: Open) -> None:
    page = listener()
    page.play()
    reached = set()
    page.page.evaluate("document.activeElement.blur()")
    for _ in range(40):
        page.page.keyboard.press("Tab")
        reached.add(page.page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
        ring = page.page.evaluate(
            "e => { const at = document.activeElement; const ring = at.name == 'source' ? at.nextElementSibling : at;"
            " return at === document.body || getComputedStyle(ring).outlineStyle !== 'none' }", None
        )  # fmt: skip
        assert ring, f"no focus ring at {reached}"
    assert reached >= {"source", "play", "next", "download", "share", "instrument", "tempo", "temperature", "volume"}
    for role, name in [("slider", "Tempo"), ("slider", "Temperature"), ("slider", "Volume"), ("textbox", "Seed"),
                       ("combobox", "Instrument"), ("radio", "The station"), ("button", "Pause"),
                       ("img", "Piano roll"), ("link", "Listen with another player")]:  # fmt: skip
        assert page.page.get_by_role(role, name=name).count() == 1, (role, name)
    assert page.page.locator("#instrument option").count() == 129
    page.page.locator("h1").click()
    page.page.keyboard.press(" ")
    page.until(lambda: page.page.get_attribute("#play", "aria-label") == "Play", "the space bar's pause")


def test_a_lost_connection_is_told_and_taken_up_where_it_broke(listener: Open) -> None:
    page = listener()
    sockets: list[Any] = []

    def between(socket: Any) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page.page.route_web_socket("**/ws", between)
    page.page.reload()
    page.page.wait_for_selector("#play:enabled")
    page.page.select_option("#instrument", label="Church Organ")
    page.play()
    asked, had = len(page.sent), page.bars()
    sockets[-1].close(code=4408)
    page.until(lambda: "Trying again" in page.said(), "a word about it")
    page.until(lambda: len(page.sent) > asked, "another try")
    again, last = page.sent[asked], had[-1]
    place = (last["piece"] + 1, None) if last["last"] else (last["piece"], last["bar"] + 1)
    assert (again["type"], again["piece"], again.get("bar")) == ("start", *place)
    page.until(lambda: page.said() == "Playing", "music again")
    assert page.longest_silence(2) < 0.15, "the break is not heard"


def test_the_roll_shows_the_notes_in_their_voices_colours(listener: Open) -> None:
    page = listener()
    page.play()
    page.until(lambda: len(page.page.locator("#choices .taken").all()) == 4, "four voices' choices")
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
    shares = page.page.locator("#choices li .share-of").all_inner_texts()
    assert all(share == "" or share.endswith("%") for share in shares) and any(shares)
