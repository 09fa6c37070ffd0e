"""`playbach play`: plays endless music through the speakers or to a MIDI port, and displays each bar.

There is no result, so all lines go to stderr. Keys are read only if stdin is a terminal. The player is imported when
it runs (extras `audio` and `midi`).
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

from playbach.cli.common import Command, add_runtime, print_message, print_result, programme_settings
from playbach.cli.options import add_options as add_options_of
from playbach.streaming.settings import ProgrammeSettings
from playbach.system.errors import UsageError

if TYPE_CHECKING:
    from playbach.streaming.player import Player, StreamOutput
    from playbach.streaming.session import StreamItem
    from playbach.streaming.settings import ProgrammeChange
    from playbach.streaming.stream import TimedBar

KEY_HELP = "keys: - + tempo   [ ] temperature   < > instrument   n next piece   q end (twice: at once)"
INTERRUPTED = 130
HANGUP = getattr(signal, "SIGHUP", None)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="a .playbach file or a shipped model (default: bach-chorales)"
    )
    add_runtime(parser)
    output = parser.add_argument_group("output", "Only one of --device, --port and --virtual can be given.")
    one = output.add_mutually_exclusive_group()
    one.add_argument("--port", metavar="NAME", help="send notes to the MIDI port whose name contains NAME")
    one.add_argument("--virtual", action="store_true", help="create a MIDI port that other programs can connect to")
    one.add_argument("--device", metavar="NAME", help="play through this sound device (default: the system's)")
    output.add_argument("--ports", action="store_true", help="list the MIDI ports and exit")
    output.add_argument(
        "--soundfont", type=Path, metavar="FILE", help="sounds for the speakers, .sf2 or .sf3 (default: included)"
    )
    music = parser.add_argument_group("music")
    add_options_of(music, ProgrammeSettings)
    music.add_argument("--instrument", metavar="NAME", help="General MIDI instrument for all voices")


def run(arguments: argparse.Namespace) -> int:
    import asyncio

    from playbach.inference import composing
    from playbach.music import instruments
    from playbach.streaming import port
    from playbach.streaming.stream import Stream

    if arguments.ports:
        print_result("\n".join(port.names()) or "no MIDI ports; --virtual creates one")
        return 0
    if arguments.soundfont is not None and (arguments.port or arguments.virtual):
        raise UsageError("--soundfont applies only to the speakers, not to a MIDI port")
    options = programme_settings(arguments)
    program = None if arguments.instrument is None else instruments.parse_program(arguments.instrument)
    composer = composing.load(arguments.model, arguments.runtime)
    print_message(f"{composer.bundle.name}, seed {options.seed}")
    with _output(arguments) as output:
        ended_on_cadence = asyncio.run(_play(Stream(composer, options), output, program))
    return 0 if ended_on_cadence else INTERRUPTED


@contextlib.contextmanager
def _output(arguments: argparse.Namespace) -> Iterator[Callable[[], StreamOutput]]:
    """A function that creates the output, to be called on the event loop. The device is closed in any case."""
    from playbach.streaming import port
    from playbach.streaming.player import AudioOutput, MidiOutput

    if arguments.port is not None or arguments.virtual:
        with port.open_virtual() if arguments.virtual else port.open_named(arguments.port) as opened:
            print_message(f"sending notes to the MIDI port {opened.name}")
            yield lambda: MidiOutput(opened)
        return
    from playbach.rendering.audio import NoteBank
    from playbach.rendering.soundfont import SoundFont, default_soundfont
    from playbach.streaming.live_audio import StreamRenderer
    from playbach.streaming.speakers import Speakers

    bank = NoteBank(SoundFont(arguments.soundfont or default_soundfont()))
    speakers = Speakers(arguments.device)
    try:
        yield lambda: AudioOutput(speakers, StreamRenderer(bank))
    finally:
        speakers.close(at_once=True)


async def _play(stream: Any, output: Callable[[], StreamOutput], program: int | None) -> bool:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from playbach.streaming.player import Player

    loop, display = asyncio.get_running_loop(), Display(stream.composer.sampling.temperature)
    with ThreadPoolExecutor(1, "composing") as executor:
        player = Player(stream, output(), executor, display.show)
        display.program = program
        if program is not None:
            player.output.set_instrument(program)
        end = EndRequest(player)
        for number, react in ((signal.SIGINT, end), (signal.SIGTERM, player.end_now), (HANGUP, player.end_now)):
            if number is not None:
                with contextlib.suppress(NotImplementedError):  # not supported on Windows, where Ctrl-C stops at once
                    loop.add_signal_handler(number, react)
        with read_keys(lambda key: display.press(key, player, end)):
            return await player.run()


class EndRequest:
    """Reacts to Ctrl-C: the first ends the music on a cadence, a second at once."""

    def __init__(self, player: Player) -> None:
        self._player, self._requested = player, False

    def __call__(self) -> None:
        if not self._requested:
            print_message("ending on a cadence (press again to stop at once)")
        self._requested = True
        self._player.end()


@contextlib.contextmanager
def read_keys(react: Callable[[str], None]) -> Iterator[None]:
    """Call `react` with each key pressed in the terminal, if there is one, and restore the terminal afterwards."""
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
        keys = os.read(terminal, 64).decode("utf-8", "ignore")
        if not keys:
            loop.remove_reader(terminal)
        for key in keys if not keys.startswith("\x1b") else ():
            react(key)

    print_message(KEY_HELP)
    try:
        tty.setcbreak(terminal)
        loop.add_reader(terminal, read)
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


class Display:
    """Prints a line for each bar and parameter change, and knows the current values of the parameters."""

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature
        self._tempo = 80.0
        self._piece = -1
        self.program: int | None = None

    def show(self, item: StreamItem) -> None:
        """Print a bar that begins or a parameter change."""
        from playbach.streaming.settings import ProgrammeChange

        print_message(self._change(item) if isinstance(item, ProgrammeChange) else self._bar(item))

    def press(self, key: str, player: Player, end: Callable[[], None]) -> None:
        from playbach.music import instruments
        from playbach.streaming.settings import MAX_PLAYING_TEMPO, MAX_TEMPERATURE, MIN_PLAYING_TEMPO

        if key in "+=-_":
            self._tempo = min(
                max(round(self._tempo * (1.05 if key in "+=" else 1 / 1.05)), MIN_PLAYING_TEMPO), MAX_PLAYING_TEMPO
            )
            player.change("tempo", float(self._tempo))
        elif key in "[]":
            self._temperature = round(
                min(max(self._temperature + (0.1 if key == "]" else -0.1), 0.0), MAX_TEMPERATURE), 2
            )
            player.change("temperature", self._temperature)
        elif key in "<>,.":
            step = 1 if key in ">." else -1
            self.program = ((0 if step > 0 else -1) if self.program is None else self.program + step) % 128
            player.output.set_instrument(self.program)
            print_message(f"instrument: {instruments.INSTRUMENT_NAMES[self.program]}")
        elif key == "n":
            player.next_piece()
        elif key in "q\x03":
            end()

    def _change(self, change: ProgrammeChange) -> str:
        if change.parameter == "length":
            return f"this piece ends with bar {change.value:g}"
        return f"from bar {change.bar}: {change.parameter} {change.value:g}"

    def _bar(self, bar: TimedBar) -> str:
        header, lines = bar.bar.header, []
        self._temperature, self._tempo = bar.temperature, bar.tempos[0][2] if not bar.bar.is_last else self._tempo
        if header.piece != self._piece:
            self._piece = header.piece
            meter = f"{bar.bar.meter.numerator}/{bar.bar.meter.denominator}"
            lines.append(f"piece {header.piece + 1} · seed {header.seed} · {header.bars} bars, beginning in {meter}")
        lines.append(f"{bar.position[1]:4}  {confidence_bar(bar)}  {_voices(bar)}")
        return "\n".join(lines)


def confidence_bar(bar: TimedBar) -> str:
    """The mean probability of the bar's notes, as a bar of ten characters and a percentage."""
    probabilities = [timed.note.choices[0].probability for timed in bar.notes if timed.note.choices]
    if not probabilities:
        return " " * 10 + "    "
    mean = sum(probabilities) / len(probabilities)
    full = round(mean * 10)
    return "█" * full + "░" * (10 - full) + f" {mean:.0%}".rjust(5)


def _voices(bar: TimedBar) -> str:
    """The names of the bar's notes, voice by voice."""
    from playbach.music.keys import pitch_name

    voices: dict[int, list[str]] = {}
    for timed in bar.notes:
        voices.setdefault(timed.note.track, []).append(pitch_name(timed.note.pitch))
    return " | ".join(" ".join(voices[track]) for track in sorted(voices))


COMMAND = Command(
    "Compose and play piece after piece until Ctrl-C, which ends the music on a cadence; a second Ctrl-C stops at "
    "once.",
    add_options=add_options,
    run=run,
    usage="%(prog)s [OPTION ...] [MODEL]",
    epilog="Keys while it plays: + and - change the tempo, ] and [ the temperature, > and < the instrument; n "
    "starts the next piece; q ends on a cadence, a second q at once.",
)
