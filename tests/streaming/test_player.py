"""Playing on this computer: notes in time, an end on a cadence, and silence on every way out."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import playbach
from helpers.midi_wire import Wire
from helpers.paths import GOLDEN
from playbach.cli.play import View, confidence
from playbach.inference.composing import Composer
from playbach.rendering.audio import NoteBank
from playbach.rendering.soundfont import SAMPLE_RATE, Audio, SoundFont, default_path
from playbach.streaming import Item, Settings, Stream, TimedBar
from playbach.streaming.live_audio import Sounding
from playbach.streaming.player import LEAD, NotesSink, Player, SoundSink
from playbach.streaming.port import Port

TINY = GOLDEN / "tiny.playbach"


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(TINY)


class Fast:
    """A clock that runs forty times as fast as time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time() * 40

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds / 40):
                await until.wait()
        except TimeoutError:
            pass


class Timed(Port):
    """A port that writes down when it was told what."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, "x")
        self.player: Player | None = None
        self.begun: list[tuple[float, int, int]] = []

    def on(self, channel: int, pitch: int, velocity: int) -> None:
        assert self.player is not None
        self.begun.append((self.player._session.now, channel, pitch))
        super().on(channel, pitch, velocity)


def played(composer: Composer, react: Any, **settings: Any) -> tuple[bool, Timed, Wire, list[Item]]:
    """Play until `react`, which is called with the player after each bar that began, has ended it."""

    async def main() -> tuple[bool, Timed, Wire, list[Item]]:
        wire, told = Wire(), []
        port = Timed(wire)

        def tell(item: Item) -> None:
            told.append(item)
            if isinstance(item, TimedBar):
                react(player, len([t for t in told if isinstance(t, TimedBar)]))

        with ThreadPoolExecutor(1) as executor:
            player = Player(Stream(composer, Settings(4, **settings)), NotesSink(port, Fast()), executor, tell)
            port.player = player
            async with asyncio.timeout(40):
                return await player.run(), port, wire, told

    return asyncio.run(main())


def test_the_first_end_is_a_cadence(composer: Composer) -> None:
    cadence, port, wire, told = played(composer, lambda player, bars: player.end() if bars == 3 else None, bars=16)
    bars = [item for item in told if isinstance(item, TimedBar)]
    assert cadence
    assert bars[-1].bar.last
    assert 5 <= len(bars) <= 10
    assert wire.sounding() == set()
    assert len(port.begun) > 40


def test_the_second_end_is_at_once(composer: Composer) -> None:
    def twice(player: Player, bars: int) -> None:
        if bars == 2:
            player.end()
            player.end()

    cadence, _, wire, told = played(composer, twice, bars=16)
    assert not cadence
    assert sum(isinstance(item, TimedBar) for item in told) == 2
    assert wire.sounding() == set()


def test_a_fault_leaves_no_note_hanging(composer: Composer) -> None:
    def fault(player: Player, bars: int) -> None:
        if bars == 2:
            raise ZeroDivisionError

    wires: list[Wire] = []
    made = Wire.__init__

    def noted(self: Wire, *args: Any) -> None:
        made(self, *args)
        wires.append(self)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Wire, "__init__", noted)
        played(composer, fault)
    assert any(m[0] & 0xF0 == 0x90 for m in wires[0].messages)
    assert wires[0].sounding() == set()


def test_notes_come_when_they_are_due_and_on_their_instruments(composer: Composer) -> None:
    _, port, wire, told = played(composer, lambda player, bars: player.end_now() if bars == 4 else None, tempo=60)
    due = {(n.at, n.note.track, n.note.pitch) for b in told if isinstance(b, TimedBar) for n in b.notes}
    for now, channel, pitch in port.begun:
        near = min((abs(at + LEAD - now) for at, track, p in due if (track, p) == (channel, pitch)), default=None)
        if near is not None:  # else it is of a bar that had not been told
            assert near < 2  # a busy machine is late on a clock that runs forty times as fast
    programs = {m[0] & 15: m[1] for m in wire.messages if m[0] & 0xF0 == 0xC0}
    assert programs == {i: t.program for i, t in enumerate(composer.tracks)}


def test_another_instrument_is_told_at_once(composer: Composer) -> None:
    def turn(player: Player, bars: int) -> None:
        if bars == 2:
            player.sink.program(19)
            player.end_now()

    _, _, wire, _ = played(composer, turn)
    assert [m for m in wire.messages if m[0] & 0xF0 == 0xC0][-4:] == [[0xC0 | c, 19] for c in range(4)]


class AudioClient:
    """Takes sound as fast as it comes, up to what is asked for."""

    def __init__(self) -> None:
        self.blocks: list[Audio] = []
        self.wait = threading.Event()

    def write(self, block: Audio) -> None:
        self.blocks.append(block)
        self.wait.wait(0.01)


def test_sound_has_no_gap_and_ends(composer: Composer) -> None:
    async def main() -> tuple[bool, Audio]:
        ear = AudioClient()
        sink = SoundSink(ear, Sounding(NoteBank(SoundFont(default_path()))))
        with ThreadPoolExecutor(1) as executor:

            def tell(item: Item) -> None:
                if isinstance(item, TimedBar) and item.place[1] == 2:
                    player.end()

            player = Player(Stream(composer, Settings(4, 8, tempo=120)), sink, executor, tell)
            async with asyncio.timeout(60):
                return await player.run(), np.concatenate(ear.blocks, axis=1)

    cadence, heard = asyncio.run(main())
    assert cadence
    windows = heard[:, : heard.shape[1] // SAMPLE_RATE * SAMPLE_RATE].reshape(2, -1, SAMPLE_RATE // 4)
    loud = np.sqrt(np.square(windows).mean(axis=(0, 2)))
    assert len(loud) > 16
    assert np.abs(heard).max() <= 1


def test_a_fault_in_the_sound_is_not_kept_quiet(composer: Composer) -> None:
    class Broken(AudioClient):
        def write(self, block: Audio) -> None:
            raise OSError("unplugged")

    async def main() -> None:
        sink = SoundSink(Broken(), Sounding(NoteBank(SoundFont(default_path()))))
        with ThreadPoolExecutor(1) as executor:
            player = Player(Stream(composer, Settings(4, 8)), sink, executor, lambda item: None)
            async with asyncio.timeout(60):
                await player.run()

    with pytest.raises(OSError, match="unplugged"):
        asyncio.run(main())


def test_the_view_shows_bars_and_how_sure_the_network_was(
    composer: Composer, capsys: pytest.CaptureFixture[str]
) -> None:
    view, stream = View(1.0), Stream(composer, Settings(4, 8))
    bars = [stream.next() for _ in range(3)]
    for bar in bars:
        view.tell(bar)
        assert 0 <= confidence(bar).count("█") <= 10
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("piece 1 · seed 4 · 8 bars")
    assert len(lines) == 4
    assert all("%" in line for line in lines[1:])


def test_keys_turn_knobs() -> None:
    class Turned:
        def __init__(self) -> None:
            self.said: list[Any] = []
            self.sink = self

        def turn(self, knob: str, value: float | None = None) -> None:
            self.said.append((knob, value))

        def program(self, number: int | None) -> None:
            self.said.append(number)

    view, player = View(1.0), Turned()
    for key in "+-]][>><n?":
        view.press(key, player, lambda: None)  # type: ignore[arg-type]
    assert player.said == [
        ("tempo", 84.0), ("tempo", 80.0), ("temperature", 1.1), ("temperature", 1.2), ("temperature", 1.1), 0, 1, 0,
        ("next", None),
    ]  # fmt: skip
