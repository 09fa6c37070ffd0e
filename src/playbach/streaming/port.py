"""MIDI ports of this computer: to find one by name, or to be one, and to send notes there (extra `midi`).

Whatever was begun is ended when it closes. Knows bytes, not music.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Protocol

from playbach.system.errors import MissingExtra, PlaybachError

NAME = "playbach"
NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
ALL_SOUND_OFF, ALL_NOTES_OFF = 120, 123
DRAIN = 0.2


class Out(Protocol):
    """What takes messages, as python-rtmidi's MidiOut does."""

    def send_message(self, message: list[int]) -> None: ...

    def close_port(self) -> None: ...


class Port:
    """An open port; as a context manager it is silent afterwards, however it was left."""

    def __init__(self, out: Out, name: str, drain: float = 0.0) -> None:
        """`drain` are the seconds that it stays open for what was sent last: some systems send in their own time, and
        forget what they have not sent when a port closes."""
        self.name = name
        self._drain = drain
        self._out = out
        self._sounding: set[tuple[int, int]] = set()
        self._channels: set[int] = set()

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def on(self, channel: int, pitch: int, velocity: int) -> None:
        """Begin a note; one that sounds already at this pitch is ended first."""
        if (channel, pitch) in self._sounding:
            self.off(channel, pitch)
        self._channels.add(channel)
        self._sounding.add((channel, pitch))
        self._out.send_message([NOTE_ON | channel, pitch, velocity])

    def off(self, channel: int, pitch: int) -> None:
        self._sounding.discard((channel, pitch))
        self._out.send_message([NOTE_OFF | channel, pitch, 0])

    def program(self, channel: int, number: int) -> None:
        self._out.send_message([PROGRAM | channel, number])

    def silence(self) -> None:
        """End every note that sounds, each by itself and all together: some instruments heed only the one."""
        for channel, pitch in sorted(self._sounding):
            self.off(channel, pitch)
        for channel in sorted(self._channels):
            self._out.send_message([CONTROL | channel, ALL_NOTES_OFF, 0])
            self._out.send_message([CONTROL | channel, ALL_SOUND_OFF, 0])

    def close(self) -> None:
        try:
            self.silence()
            time.sleep(self._drain)
        finally:
            self._out.close_port()


def _outs() -> list[Any]:
    """A MidiOut for each of the computer's systems of ports that answers."""
    try:
        import rtmidi
    except ModuleNotFoundError as error:
        raise MissingExtra("playing to a MIDI port", "midi", str(error.name)) from error
    outs = []
    for api in rtmidi.get_compiled_api():
        with contextlib.suppress(rtmidi.RtMidiError):
            outs.append(rtmidi.MidiOut(api, name=NAME))
    return outs


def names() -> list[str]:
    """The ports that notes can be sent to."""
    return [name for out in _outs() for name in out.get_ports()]


def find(name: str) -> Port:
    """The port of this name, or the only one whose name has it as a part.

    Raises:
        PlaybachError: there is none, or more than one.
        MissingExtra: python-rtmidi is not installed.
    """
    ports = [(out, i, port) for out in _outs() for i, port in enumerate(out.get_ports())]
    fits = [p for p in ports if p[2] == name] or [p for p in ports if name.lower() in p[2].lower()]
    if len(fits) != 1:
        there = ", ".join(repr(port) for _, _, port in ports) or "none at all; --virtual makes one"
        what = "more than one MIDI port" if fits else "no MIDI port"
        raise PlaybachError(f"{what} called {name!r:.80}; there are: {there}")
    out, number, port = fits[0]
    return Port(out.open_port(number, name=NAME), port, DRAIN)


def virtual() -> Port:
    """A port of our own, which instruments and programs can connect to.

    Raises:
        PlaybachError: this system has no such ports.
        MissingExtra: python-rtmidi is not installed.
    """
    for out in _outs():
        with contextlib.suppress(Exception):  # each system has its own way to say that it cannot
            return Port(out.open_virtual_port(NAME), NAME, DRAIN)
    raise PlaybachError("this system has no virtual MIDI ports; connect to one that is there with --port NAME")
