"""`playbach play`: endless music through the speakers or to a MIDI port, with a view of what is being composed.

All it says goes to stderr, as it has no result. Keys are read only where stdin is a terminal. Knows the player, which
is imported when it runs (extras `audio` and `midi`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli.common import add_runtime, say
from playbach.system.errors import UsageError

if TYPE_CHECKING:
    from playbach.streaming import Item, KnobChange, TimedBar
    from playbach.streaming.player import Player, Sink

KEYS = "keys: - + tempo   [ ] temperature   < > instrument   n next piece   q end (twice: at once)"
INTERRUPTED = 130


def add(commands: Any) -> None:
    play = commands.add_parser(
        "play",
        help="endless music through the speakers or to a MIDI port",
        description="Play music that is composed at that very moment, piece after piece, until Ctrl-C, which ends it "
        "on a cadence; a second one ends it at once.",
        epilog=KEYS,
    )
    play.set_defaults(run=run)
    play.add_argument("model", nargs="?", metavar="MODEL",
                      help="a .playbach file or the name of a shipped model (default: bach-chorales)")  # fmt: skip
    where = play.add_mutually_exclusive_group()
    where.add_argument("--port", metavar="NAME", help="send notes to this MIDI port; a part of its name is enough")
    where.add_argument("--virtual", action="store_true", help="be a MIDI port that others can connect to")
    where.add_argument("--device", metavar="NAME", help="the sound output (default: the system's)")
    play.add_argument("--ports", action="store_true", help="list the MIDI ports and stop")
    play.add_argument("--seed", type=int, metavar="N", help="of the first piece (default: drawn)")
    play.add_argument("--bars", type=int, metavar="N", help="bars of each piece (default: 16)")
    play.add_argument("--temperature", type=float, metavar="T", help="default: the model's")
    play.add_argument("--tempo", type=float, metavar="QPM", help="quarters a minute (default: each piece's own)")
    play.add_argument("--instrument", metavar="NAME", help="a General MIDI instrument for all voices")
    add_runtime(play)
    play.add_argument("--soundfont", type=Path, metavar="FILE", help="an .sf2 or .sf3 for the speakers")


def run(given: argparse.Namespace) -> int:
    import asyncio

    from playbach.inference import composing
    from playbach.music import instruments
    from playbach.streaming import Settings, Stream, port

    if given.ports:
        from playbach.cli.common import result

        result("\n".join(port.names()) or "no MIDI ports; --virtual makes one")
        return 0
    if given.soundfont is not None and (given.port or given.virtual):
        raise UsageError("--soundfont is for the speakers; a MIDI port has sounds of its own")
    settings: dict[str, Any] = {"temperature": given.temperature, "tempo": given.tempo}
    if given.bars is not None:
        settings["bars"] = given.bars
    chosen = Settings(composing.new_seed(given.seed), **settings)
    program = None if given.instrument is None else instruments.program(given.instrument)
    composer = composing.load(given.model, given.runtime)
    say(f"{composer.bundle.name}, seed {chosen.seed}")
    with _sink(given) as sink:
        cadence = asyncio.run(_play(Stream(composer, chosen), sink, program))
    return 0 if cadence else INTERRUPTED


@contextlib.contextmanager
def _sink(given: argparse.Namespace) -> Iterator[Callable[[], Sink]]:
    """Where it is to go, closed afterwards, however that comes; made on the event loop."""
    from playbach.streaming import port
    from playbach.streaming.player import NotesSink, SoundSink

    if given.port is not None or given.virtual:
        with port.virtual() if given.virtual else port.find(given.port) as opened:
            say(f"notes go to the MIDI port {opened.name}")
            yield lambda: NotesSink(opened)
        return
    from playbach.rendering.audio import NoteBank
    from playbach.rendering.soundfont import SoundFont, default_path
    from playbach.streaming.live_audio import Sounding
    from playbach.streaming.speakers import Speakers

    bank = NoteBank(SoundFont(given.soundfont or default_path()))
    speakers = Speakers(given.device)
    try:
        yield lambda: SoundSink(speakers, Sounding(bank))
    finally:
        speakers.close(at_once=True)


async def _play(stream: Any, sink: Callable[[], Sink], program: int | None) -> bool:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from playbach.streaming.player import Player

    loop, view = asyncio.get_running_loop(), View(stream.composer.sampling.temperature)
    with ThreadPoolExecutor(1, "composing") as executor:
        player = Player(stream, sink(), executor, view.tell)
        view.program = program
        if program is not None:
            player.sink.program(program)
        ended = Ended(player)
        for number, react in ((signal.SIGINT, ended), (signal.SIGTERM, player.end_now), (_HANGUP, player.end_now)):
            if number is not None:
                with contextlib.suppress(NotImplementedError):  # not on Windows, where Ctrl-C ends it at once
                    loop.add_signal_handler(number, react)
        with keys(lambda key: view.press(key, player, ended)):
            return await player.run()


_HANGUP = getattr(signal, "SIGHUP", None)


class Ended:
    """Ctrl-C: the first one asks for a cadence."""

    def __init__(self, player: Player) -> None:
        self._player, self._asked = player, False

    def __call__(self) -> None:
        if not self._asked:
            say("ending on a cadence … (again: at once)")
        self._asked = True
        self._player.end()


@contextlib.contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Calls `pressed` with each key, where there is a terminal to press keys in; it is left as it was."""
    import asyncio

    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield
        return
    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (OSError, ValueError, AttributeError, termios.error):
        yield
        return
    loop = asyncio.get_running_loop()

    def read() -> None:
        got = os.read(terminal, 64).decode("utf-8", "ignore")
        if not got:
            loop.remove_reader(terminal)
        for key in got if not got.startswith("\x1b") else ():
            pressed(key)

    say(KEYS)
    try:
        tty.setcbreak(terminal)
        loop.add_reader(terminal, read)
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


class View:
    """What is told of the music, line by line, and where the knobs stand."""

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature
        self._tempo = 80.0
        self._piece = -1
        self.program: int | None = None

    def tell(self, item: Item) -> None:
        """A bar that begins, or a change that will hold."""
        from playbach.streaming import KnobChange

        say(self._change(item) if isinstance(item, KnobChange) else self._bar(item))

    def press(self, key: str, player: Player, end: Callable[[], None]) -> None:
        from playbach.music import instruments
        from playbach.streaming.programme import FASTEST, HOTTEST, SLOWEST

        if key in "+=-_":
            self._tempo = min(max(round(self._tempo * (1.05 if key in "+=" else 1 / 1.05)), SLOWEST), FASTEST)
            player.turn("tempo", float(self._tempo))
        elif key in "[]":
            self._temperature = round(min(max(self._temperature + (0.1 if key == "]" else -0.1), 0.0), HOTTEST), 2)
            player.turn("temperature", self._temperature)
        elif key in "<>,.":
            step = 1 if key in ">." else -1
            self.program = ((0 if step > 0 else -1) if self.program is None else self.program + step) % 128
            player.sink.program(self.program)
            say(f"instrument: {instruments.NAMES[self.program]}")
        elif key == "n":
            player.turn("next")
        elif key in "q\x03":
            end()

    def _change(self, change: KnobChange) -> str:
        if change.knob == "length":
            return f"the piece will end with bar {change.value:g}"
        return f"from bar {change.bar}: {change.knob} {change.value:g}"

    def _bar(self, bar: TimedBar) -> str:
        opening, lines = bar.bar.opening, []
        self._temperature, self._tempo = bar.temperature, bar.tempos[0][2] if not bar.bar.last else self._tempo
        if opening.piece != self._piece:
            self._piece = opening.piece
            meter = f"{bar.bar.meter.numerator}/{bar.bar.meter.denominator}"
            lines.append(
                f"piece {opening.piece + 1} · seed {opening.seed} · {opening.bars} bars, the first of {meter}"
            )
        lines.append(f"{bar.place[1]:4}  {confidence(bar)}  {_voices(bar)}")
        return "\n".join(lines)


def confidence(bar: TimedBar) -> str:
    """How sure the network was of the bar's notes: a picture of the mean, and the mean itself."""
    sure = [timed.note.choices[0].probability for timed in bar.notes if timed.note.choices]
    if not sure:
        return " " * 10 + "    "
    mean = sum(sure) / len(sure)
    full = round(mean * 10)
    return "█" * full + "░" * (10 - full) + f" {mean:.0%}".rjust(5)


def _voices(bar: TimedBar) -> str:
    """The notes of each voice in the bar, voice by voice."""
    from playbach.encodings import pitch_name

    voices: dict[int, list[str]] = {}
    for timed in bar.notes:
        voices.setdefault(timed.note.track, []).append(pitch_name(timed.note.pitch))
    return " | ".join(" ".join(voices[track]) for track in sorted(voices))
