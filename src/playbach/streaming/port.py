"""MIDI ports of this computer: opens one by name, creates one, and sends notes to it (extra `midi`).

Every note that was begun is ended when the port closes. Knows bytes, not music.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Protocol

from playbach.music.pedal import ALL_SOUND_OFF
from playbach.system.errors import MissingExtra, PlaybachError

CLIENT_NAME = "playbach"
NOTE_OFF, NOTE_ON, CONTROL_CHANGE, PROGRAM_CHANGE = 0x80, 0x90, 0xB0, 0xC0
ALL_NOTES_OFF = 123
DRAIN_SECONDS = 0.2


class MidiOut(Protocol):
    """Accepts messages, as python-rtmidi's MidiOut does."""

    def send_message(self, message: list[int]) -> None: ...

    def close_port(self) -> None: ...


class Port:
    """An open port. Leaving its context ends all notes and closes it, also after an exception."""

    def __init__(self, out: MidiOut, name: str, drain_seconds: float = 0.0) -> None:
        """The port stays open for `drain_seconds` after the last message: some systems send with a delay, and drop
        what they have not sent when a port closes."""
        self.name = name
        self._drain_seconds = drain_seconds
        self._out = out
        self._sounding: set[tuple[int, int]] = set()
        self._channels: set[int] = set()

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def on(self, channel: int, pitch: int, velocity: int) -> None:
        """Begin a note; a sounding note of this pitch is ended first."""
        if (channel, pitch) in self._sounding:
            self.off(channel, pitch)
        self._channels.add(channel)
        self._sounding.add((channel, pitch))
        self._out.send_message([NOTE_ON | channel, pitch, velocity])

    def off(self, channel: int, pitch: int) -> None:
        self._sounding.discard((channel, pitch))
        self._out.send_message([NOTE_OFF | channel, pitch, 0])

    def program(self, channel: int, number: int) -> None:
        self._out.send_message([PROGRAM_CHANGE | channel, number])

    def silence(self) -> None:
        """End every note by itself, and then all together: some instruments obey only one of the two."""
        for channel, pitch in sorted(self._sounding):
            self.off(channel, pitch)
        for channel in sorted(self._channels):
            self._out.send_message([CONTROL_CHANGE | channel, ALL_NOTES_OFF, 0])
            self._out.send_message([CONTROL_CHANGE | channel, ALL_SOUND_OFF, 0])

    def close(self) -> None:
        try:
            self.silence()
            time.sleep(self._drain_seconds)
        finally:
            self._out.close_port()


def _midi_outs() -> list[Any]:
    """A MidiOut for each of the computer's MIDI systems that answers."""
    try:
        import rtmidi
    except ModuleNotFoundError as error:
        raise MissingExtra("playing to a MIDI port", "midi", str(error.name)) from error
    outs = []
    for api in rtmidi.get_compiled_api():
        with contextlib.suppress(rtmidi.RtMidiError):
            outs.append(rtmidi.MidiOut(api, name=CLIENT_NAME))
    return outs


def names() -> list[str]:
    """The ports to which notes can be sent."""
    return [name for out in _midi_outs() for name in out.get_ports()]


def open_named(name: str) -> Port:
    """Open the port with this name, or the only port whose name contains it.

    Raises:
        PlaybachError: no port matches, or more than one.
        MissingExtra: python-rtmidi is not installed.
    """
    ports = [(out, i, port) for out in _midi_outs() for i, port in enumerate(out.get_ports())]
    matches = [p for p in ports if p[2] == name] or [p for p in ports if name.lower() in p[2].lower()]
    if len(matches) != 1:
        problem = "more than one MIDI port matches" if matches else "no MIDI port called"
        available = ", ".join(repr(port) for _, _, port in ports)
        remedy = f"the ports are: {available}" if ports else "this computer has none; --virtual creates one"
        raise PlaybachError(f"{problem} {name!r:.80}; {remedy}")
    out, number, port = matches[0]
    return Port(out.open_port(number, name=CLIENT_NAME), port, DRAIN_SECONDS)


def open_virtual() -> Port:
    """Create a port to which instruments and programs can connect.

    Raises:
        PlaybachError: this system cannot create ports.
        MissingExtra: python-rtmidi is not installed.
    """
    for out in _midi_outs():
        with contextlib.suppress(Exception):  # each system raises an exception of its own if it cannot
            return Port(out.open_virtual_port(CLIENT_NAME), CLIENT_NAME, DRAIN_SECONDS)
    raise PlaybachError("this system cannot create virtual MIDI ports; choose an existing port with --port NAME")
