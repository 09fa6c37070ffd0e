"""Playing on this computer: notes in time, an end with a cadence, and silence after every exit."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import playbach
from helpers.midi_wire import FakeMidiOut
from helpers.paths import GOLDEN
from playbach.cli.play import Display, confidence_bar
from playbach.inference.composing import Composer
from playbach.rendering.audio import NoteBank
from playbach.rendering.soundfont import SAMPLE_RATE, Audio, SoundFont, default_soundfont
from playbach.streaming.live_audio import StreamRenderer
from playbach.streaming.player import DELAY_SECONDS, AudioOutput, MidiOutput, Player
from playbach.streaming.port import Port
from playbach.streaming.session import StreamItem
from playbach.streaming.settings import ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar

TINY = GOLDEN / "tiny.playbach"


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(TINY)


class FastClock:
    """A clock that runs forty times as fast as time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time() * 40

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds / 40):
                await until.wait()
        except TimeoutError:
            pass


class RecordingPort(Port):
    """A port that records when each note begins."""

    def __init__(self, out: FakeMidiOut) -> None:
        super().__init__(out, "x")
        self.player: Player | None = None
        self.onsets: list[tuple[float, int, int]] = []

    def on(self, channel: int, pitch: int, velocity: int) -> None:
        assert self.player is not None
        self.onsets.append((self.player._session.now, channel, pitch))
        super().on(channel, pitch, velocity)


Played = tuple[bool, RecordingPort, FakeMidiOut, list[StreamItem]]


def play(composer: Composer, react: Any, **settings: Any) -> Played:
    """Play until `react` ends it; it is called with the player and the number of bars when a bar begins. Returns
    whether the end was a cadence, what the devices received, and what the player reported."""

    async def main() -> Played:
        out, reported = FakeMidiOut(), []
        port = RecordingPort(out)

        def report(item: StreamItem) -> None:
            reported.append(item)
            if isinstance(item, TimedBar):
                react(player, len([i for i in reported if isinstance(i, TimedBar)]))

        with ThreadPoolExecutor(1) as executor:
            stream, output = Stream(composer, ProgrammeSettings(4, **settings)), MidiOutput(port, FastClock())
            player = Player(stream, output, executor, report)
            port.player = player
            async with asyncio.timeout(40):
                return await player.run(), port, out, reported

    return asyncio.run(main())


def test_the_first_request_to_end_leads_to_a_cadence(composer: Composer) -> None:
    cadence, port, out, reported = play(composer, lambda player, bars: player.end() if bars == 3 else None, bars=16)
    bars = [item for item in reported if isinstance(item, TimedBar)]
    assert cadence
    assert bars[-1].bar.is_last
    assert 5 <= len(bars) <= 10
    assert out.sounding() == set()
    assert len(port.onsets) > 40


def test_the_second_request_ends_at_once(composer: Composer) -> None:
    def end_twice(player: Player, bars: int) -> None:
        if bars == 2:
            player.end()
            player.end()

    cadence, _, out, reported = play(composer, end_twice, bars=16)
    assert not cadence
    assert sum(isinstance(item, TimedBar) for item in reported) == 2
    assert out.sounding() == set()


def test_no_note_goes_on_after_an_exception(composer: Composer) -> None:
    def fail(player: Player, bars: int) -> None:
        if bars == 2:
            raise ZeroDivisionError

    outs: list[FakeMidiOut] = []
    original = FakeMidiOut.__init__

    def record(self: FakeMidiOut, *args: Any) -> None:
        original(self, *args)
        outs.append(self)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(FakeMidiOut, "__init__", record)
        play(composer, fail)
    assert any(m[0] & 0xF0 == 0x90 for m in outs[0].messages)
    assert outs[0].sounding() == set()


def test_notes_are_sent_when_due_with_their_instruments(composer: Composer) -> None:
    _, port, out, reported = play(composer, lambda player, bars: player.end_now() if bars == 4 else None, tempo=60)
    due = {(n.at, n.note.track, n.note.pitch) for b in reported if isinstance(b, TimedBar) for n in b.notes}
    for now, channel, pitch in port.onsets:
        times = [at + DELAY_SECONDS for at, track, p in due if (track, p) == (channel, pitch)]
        if times:  # otherwise its bar was not reported before the end
            assert min(abs(time - now) for time in times) < 2  # a busy machine is late on a clock this fast
    programs = {m[0] & 15: m[1] for m in out.messages if m[0] & 0xF0 == 0xC0}
    assert programs == {i: t.program for i, t in enumerate(composer.tracks)}


def test_another_instrument_is_sent_at_once(composer: Composer) -> None:
    def choose_organ(player: Player, bars: int) -> None:
        if bars == 2:
            player.output.set_instrument(19)
            player.end_now()

    _, _, out, _ = play(composer, choose_organ)
    assert [m for m in out.messages if m[0] & 0xF0 == 0xC0][-4:] == [[0xC0 | c, 19] for c in range(4)]


class FakeSpeakers:
    """Accepts sound faster than real time, and records it."""

    def __init__(self) -> None:
        self.blocks: list[Audio] = []
        self.wait = threading.Event()

    def write(self, block: Audio) -> None:
        self.blocks.append(block)
        self.wait.wait(0.01)


def test_sound_has_no_gap_and_ends(composer: Composer) -> None:
    async def main() -> tuple[bool, Audio]:
        speakers = FakeSpeakers()
        output = AudioOutput(speakers, StreamRenderer(NoteBank(SoundFont(default_soundfont()))))
        with ThreadPoolExecutor(1) as executor:

            def report(item: StreamItem) -> None:
                if isinstance(item, TimedBar) and item.position[1] == 2:
                    player.end()

            player = Player(Stream(composer, ProgrammeSettings(4, 8, tempo=120)), output, executor, report)
            async with asyncio.timeout(60):
                return await player.run(), np.concatenate(speakers.blocks, axis=1)

    cadence, sound = asyncio.run(main())
    assert cadence
    windows = sound[:, : sound.shape[1] // SAMPLE_RATE * SAMPLE_RATE].reshape(2, -1, SAMPLE_RATE // 4)
    levels = np.sqrt(np.square(windows).mean(axis=(0, 2)))
    assert len(levels) > 16
    assert np.abs(sound).max() <= 1


def test_an_exception_of_the_speakers_is_raised(composer: Composer) -> None:
    class Broken(FakeSpeakers):
        def write(self, block: Audio) -> None:
            raise OSError("unplugged")

    async def main() -> None:
        output = AudioOutput(Broken(), StreamRenderer(NoteBank(SoundFont(default_soundfont()))))
        with ThreadPoolExecutor(1) as executor:
            player = Player(Stream(composer, ProgrammeSettings(4, 8)), output, executor, lambda item: None)
            async with asyncio.timeout(60):
                await player.run()

    with pytest.raises(OSError, match="unplugged"):
        asyncio.run(main())


def test_the_display_shows_bars_and_their_confidence(composer: Composer, capsys: pytest.CaptureFixture[str]) -> None:
    display, stream = Display(1.0), Stream(composer, ProgrammeSettings(4, 8))
    bars = [stream.next() for _ in range(3)]
    for bar in bars:
        display.show(bar)
        assert 0 <= confidence_bar(bar).count("█") <= 10
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("piece 1 · seed 4 · 8 bars")
    assert len(lines) == 4
    assert all("%" in line for line in lines[1:])


def test_keys_change_the_parameters() -> None:
    class FakePlayer:
        def __init__(self) -> None:
            self.calls: list[Any] = []
            self.output = self

        def change(self, parameter: str, value: float | None) -> None:
            self.calls.append((parameter, value))

        def next_piece(self) -> None:
            self.calls.append("next")

        def set_instrument(self, program: int | None) -> None:
            self.calls.append(program)

    display, player = Display(1.0), FakePlayer()
    for key in "+-]][>><n?":
        display.press(key, player, lambda: None)  # type: ignore[arg-type]
    assert player.calls == [
        ("tempo", 84.0), ("tempo", 80.0), ("temperature", 1.1), ("temperature", 1.2), ("temperature", 1.1), 0, 1, 0,
        "next",
    ]  # fmt: skip
