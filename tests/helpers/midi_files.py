"""MIDI files made event by event, and random ones that use every event of the standard.

Sources: Standard MIDI Files 1.0 (MIDI Association, RP-001), with channel prefix and port, and MIDI 1.0.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

TEXT_TYPES = range(0x01, 0x10)
"""Types of meta events that contain text: text, copyright, track name, instrument, lyric, marker, cue, …"""
END_OF_TRACK = 0x2F
_TEXTS = (b"", b"la ", "Käthchen".encode(), b"K\xe4the", b"\x83\x6f\x83\x62", b"x" * 200)


@dataclass(frozen=True)
class Event:
    """One event of a track: a channel message, a meta event, or a system-exclusive one."""

    delta: int
    status: int
    """A message's with its channel, 0xFF for a meta event, 0xF0 for a system-exclusive event, 0xF7 for a continuation
    or an escape."""
    data: bytes
    """A message's data bytes, or what the event contains."""
    kind: int = 0
    """A meta event's type."""

    def encode(self, running: bool = False) -> bytes:
        """The event's bytes. `running`: without the status byte."""
        start = number(self.delta)
        if self.status == 0xFF:
            return start + bytes([0xFF, self.kind]) + number(len(self.data)) + self.data
        if self.status >= 0xF0:
            return start + bytes([self.status]) + number(len(self.data)) + self.data
        return start + (b"" if running else bytes([self.status])) + self.data


@dataclass(frozen=True)
class MidiFile:
    """A file as its events. `encode` gives the bytes."""

    tracks: tuple[tuple[Event, ...], ...]
    """Each with its End of Track."""
    midi_format: int = 1
    division: int = 480
    running: float = 1.0
    """The share of messages without a status byte among those that can do without."""
    foreign: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    """Chunks that are no tracks: before which track, and the chunk."""

    def encode(self, seed: int = 0) -> bytes:
        rng = random.Random(seed)
        parts = [header(self.midi_format, len(self.tracks), self.division)]
        for place, events in enumerate(self.tracks):
            parts += [chunk for before, chunk in self.foreign if before == place]
            parts.append(chunk_of(b"MTrk", self._encode_track(events, rng)))
        return b"".join(parts)

    def _encode_track(self, events: tuple[Event, ...], rng: random.Random) -> bytes:
        parts, status = [], None
        for event in events:
            running = event.status == status and rng.random() < self.running
            parts.append(event.encode(running))
            # Meta and system-exclusive events end a running status.
            status = event.status if event.status < 0xF0 else None
        return b"".join(parts)


def number(value: int) -> bytes:
    """A number of variable length, 0 to 0x0FFFFFFF."""
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127 | 128)
    return bytes(reversed(digits))


def header(midi_format: int = 1, tracks: int = 1, division: int = 480) -> bytes:
    return struct.pack(">4sIHHH", b"MThd", 6, midi_format, tracks, division)


def chunk_of(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content


def track(events: str) -> bytes:
    """A track from events in hex, without its End of Track."""
    return chunk_of(b"MTrk", bytes.fromhex(events + "00 FF 2F 00"))


def midi(*tracks: str, division: int = 480, midi_format: int = 1) -> bytes:
    """A file from tracks in hex, each without its End of Track."""
    return header(midi_format, len(tracks), division) + b"".join(map(track, tracks))


# ------------------------------------------------------------------------------------------------------ random files


def random_file(
    rng: random.Random, *, ordinary: bool = False, formats: tuple[int, ...] = (0, 1), events: int = 40
) -> MidiFile:
    """A file that uses every event of the standard, and nothing against it.

    Args:
        rng: hypothesis's `randoms()` for an example that can be shrunk, or a `random.Random`.
        ordinary: only what all readers read alike: each note ends, has a length, and does not sound twice at once; a
            channel stays in its track, on port 0; no film frames, no chunks that are no tracks.
        formats: the formats to choose from.
        events: about the number of events in a track.
    """
    midi_format = rng.choice(formats)
    tracks = []
    for place in range(1 if midi_format == 0 else rng.randint(1, 4)):
        channels = [4 * place + i for i in range(4)] if ordinary and midi_format else list(range(16))
        tracks.append(_random_track(rng, channels, ordinary, rng.randint(0, events)))
    films = not ordinary and rng.random() < 0.1
    division = rng.choice([24, 25, 29, 30]) if films else rng.choice([24, 96, 120, 384, 480, 960, 10_080, 32_767])
    if films:
        division = (256 - division) << 8 | rng.choice([1, 2, 4, 8, 10, 40, 80, 100])
    chunk = (rng.randrange(len(tracks)), chunk_of(b"XFIH", bytes(rng.randrange(9))))
    foreign = (chunk,) if not ordinary and rng.random() < 0.3 else ()
    return MidiFile(tuple(tracks), midi_format, division, rng.choice([0.0, 0.5, 1.0]), foreign)


def _random_track(rng: random.Random, channels: list[int], ordinary: bool, events: int) -> tuple[Event, ...]:
    made: list[Event] = []
    sounding: dict[tuple[int, int], int] = {}  # the ticks since each note began
    for _ in range(events):
        delta = _random_delta(rng)
        for key in sounding:
            sounding[key] += delta
        made += _random_event(rng, delta, rng.choice(channels), sounding, ordinary)
    ends = [Event(1, 0x80 | channel, bytes([pitch, 64])) for channel, pitch in sounding]
    if ordinary or rng.random() < 0.8:
        made += ends
    return (*made, Event(_random_delta(rng), 0xFF, b"", END_OF_TRACK))


def _random_delta(rng: random.Random) -> int:
    return rng.choice([0, 0, 0, 1, 60, 120, 127, 128, 480, rng.randrange(2000), rng.choice([16_383, 16_384, 20_000])])


def _random_event(
    rng: random.Random, delta: int, channel: int, sounding: dict[tuple[int, int], int], ordinary: bool
) -> list[Event]:
    """One event, or the packets of a system-exclusive message."""
    kind = rng.choice(["on", "on", "on", "off", "off", "off", "message", "meta", "meta", "sysex"])
    if kind == "on":
        key = (channel, rng.randrange(128))
        if ordinary and key in sounding:
            return [Event(delta, 0xFF, b"", 0x01)]
        sounding[key] = 0
        return [Event(delta, 0x90 | channel, bytes([key[1], rng.randint(1, 127)]))]
    if kind == "off":
        return _random_off(rng, delta, channel, sounding, ordinary)
    if kind == "message":
        return [_random_message(rng, delta, channel)]
    return [_random_meta(rng, delta, ordinary)] if kind == "meta" else _random_sysex(rng, delta, ordinary)


def _random_off(
    rng: random.Random, delta: int, channel: int, sounding: dict[tuple[int, int], int], ordinary: bool
) -> list[Event]:
    able = [key for key, ticks in sounding.items() if ticks > 0 or not ordinary]
    if not able:
        stray = Event(delta, 0x80 | channel, bytes([rng.randrange(128), 0]))
        return [Event(delta, 0xFF, b"", 0x01) if ordinary else stray]
    channel, pitch = rng.choice(able)
    del sounding[channel, pitch]
    if rng.random() < 0.5:
        return [Event(delta, 0x90 | channel, bytes([pitch, 0]))]
    return [Event(delta, 0x80 | channel, bytes([pitch, rng.randrange(128)]))]


def _random_message(rng: random.Random, delta: int, channel: int) -> Event:
    """Aftertouch, a controller, a program change, channel pressure or a pitch bend."""
    status = rng.choice([0xA0, 0xB0, 0xB0, 0xC0, 0xD0, 0xE0])
    size = 1 if status in (0xC0, 0xD0) else 2
    # Mode messages, controllers 120 and above, would end notes.
    data = bytes([rng.choice([0, 1, 7, 10, 11, 32, 64, 64, 119]) if status == 0xB0 else rng.randrange(128)])
    return Event(delta, status | channel, (data + bytes([rng.randrange(128)]))[:size])


def _random_meta(rng: random.Random, delta: int, ordinary: bool) -> Event:
    texts = TEXT_TYPES[:7] if ordinary else TEXT_TYPES  # mido loses the times of types that it does not know
    others = [0x00, 0x20, 0x21, 0x51, 0x54, 0x58, 0x59, 0x7F, *([] if ordinary else [0x60])]
    kind = rng.choice([*others, rng.choice(texts), rng.choice(texts)])
    if kind in texts:
        return Event(delta, 0xFF, rng.choice(_TEXTS), kind)
    content = {
        0x00: bytes(2),
        0x20: bytes([rng.randrange(16)]),
        0x21: bytes([0 if ordinary else rng.choice([0, 0, 1, 15])]),
        0x51: rng.randint(60_000, 0xFFFFFF).to_bytes(3, "big"),
        0x54: bytes([0x60, 0, 0, 0, 0]),
        0x58: bytes([rng.choice([1, 2, 3, 4, 6, 12, 65, 175, 255]), rng.randrange(8), 24, 8]),
        0x59: bytes([rng.randrange(-7, 8) & 0xFF, rng.randrange(2)]),
        0x7F: b"\x00\x00\x41" + bytes(rng.randrange(5)),
        0x60: bytes(rng.randrange(200)),
    }[kind]
    return Event(delta, 0xFF, content, kind)


def _random_sysex(rng: random.Random, delta: int, ordinary: bool) -> list[Event]:
    """A message, the same in packets with times of their own, or an escape with messages that belong into no file."""
    content = bytes([0x43, *(rng.randrange(128) for _ in range(rng.randrange(6)))])
    if rng.random() < 0.4:
        return [Event(delta, 0xF0, content + b"\xf7")]
    if rng.random() < 0.5 and not ordinary:  # mido refuses escapes
        return [Event(delta, 0xF7, rng.choice([b"\xf3\x01", b"\xf8", b"\xf2\x10\x20", b"\xfe"]))]
    return [Event(delta, 0xF0, content), Event(10, 0xF7, content), Event(200, 0xF7, b"\x43\xf7")]
