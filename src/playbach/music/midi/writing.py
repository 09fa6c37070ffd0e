"""Writes a score as a Standard MIDI File of format 1, one track chunk for each track.

Each track has a MIDI channel of its own, so that no two programs, bends or controllers meet on one: 15 tracks besides
drums go on one port, and further ones on further ports. At one tick notes end first, then controllers and bends
change, then notes begin. A score of at most 15 tracks and one drum kit, without controllers, gives the bytes that
symusic 0.5.9 gives.

Sources: Standard MIDI Files 1.0 (RP-001); the meta events of port (21) and device name (09, RP-019) are as sequencers
write them. Knows nothing of files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playbach.music.pedal import SUSTAIN
from playbach.system.errors import ScoreError

if TYPE_CHECKING:
    from symusic.core import ScoreTick as Score
    from symusic.core import TrackTick as ScoreTrack

DRUM_CHANNEL = 9
"""Channel 10, counted from 0."""
PITCHED_CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
MAX_PORTS = 128
_TEXT_LYRIC, _TEXT_MARKER, _TEXT_NAME, _TEXT_DEVICE, _PORT = 0x05, 0x06, 0x03, 0x09, 0x21
_TEMPO, _METER, _KEY = 0x51, 0x58, 0x59
_MAX_DELTA = 0x0FFFFFFF
_META, _PROGRAM, _NOTE_END, _CHANGE, _NOTE_BEGIN, _EMPTY_NOTE_END = range(6)
"""The order of events at one tick."""

ChunkEvent = tuple[int, int, bytes, bytes]
"""A tick, the place in the order at that tick, the status byte (of a meta event with its type) and the data."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a track is played."""

    port: int
    channel: int
    """From 0."""


def midi_bytes(score: Score) -> bytes:
    """The score as the bytes of a MIDI file. The same score gives the same bytes.

    `pedals` are written as controller 64 in tracks that do not have it. Two notes of one pitch that sound together on
    one track end in the order in which they began, for MIDI cannot tell them apart.

    Raises:
        ScoreError: a value does not exist in MIDI, such as the meter 4/3 or velocity 0, or there are too many tracks.
    """
    resolution = int(score.ticks_per_quarter)
    _require(1 <= resolution <= 0x7FFF, f"{resolution:,} ticks to a quarter note")
    chunks = [*_chunks(score)]
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(chunks), resolution)
    return header + b"".join(struct.pack(">4sI", b"MTrk", len(chunk)) + chunk for chunk in chunks)


def _chunks(score: Score) -> Iterator[bytes]:
    tracks, places = list(score.tracks), places_of(score)
    several = any(place.port for place in places)
    common = [*_common_events(score)]
    if not tracks:
        yield _chunk(common)
    for number, (track, place) in enumerate(zip(tracks, places)):
        yield _chunk(
            [
                *(_port_events(place.port) if several else ()),
                *(common if number == 0 else ()),
                *_track_events(track, place.channel),
            ]
        )


def places_of(score: Score) -> list[Place]:
    """The port and the channel of each track.

    Of at most 15 tracks in all, each track's number is its channel, so that drums leave one unused, as symusic does
    it. Drums are on channel 10. Several tracks of drums share it if they have the same kit, and neither controllers
    nor bends.

    Raises:
        ScoreError: there are more tracks than 128 ports have channels.
    """
    places, kits = list[Place](), _Kits()
    few = len(score.tracks) <= len(PITCHED_CHANNELS)
    for number, track in enumerate(score.tracks):
        if track.is_drum:
            places.append(Place(kits.port_of(track), DRUM_CHANNEL))
        else:
            pitched = number if few else sum(place.channel != DRUM_CHANNEL for place in places)
            port, channel = divmod(pitched, len(PITCHED_CHANNELS))
            places.append(Place(port, PITCHED_CHANNELS[channel]))
    if any(place.port >= MAX_PORTS for place in places):
        raise ScoreError(
            f"a MIDI file has room for {MAX_PORTS * len(PITCHED_CHANNELS):,} tracks and {MAX_PORTS} drum kits, and "
            f"this score has {len(places):,} tracks; leave some out"
        )
    return places


@dataclass(slots=True)
class _Kits:
    """The drums of each port."""

    programs: list[int | None] = field(default_factory=list)
    """The kit of each port's channel 10; None where a track has it to itself."""

    def port_of(self, track: ScoreTrack) -> int:
        """The port of a track of drums; a new one if none has the same kit."""
        own = bool(len(track.controls) or len(track.pitch_bends) or len(track.pedals))
        program = None if own else int(track.program)
        if program is not None and program in self.programs:
            return self.programs.index(program)
        self.programs.append(program)
        return len(self.programs) - 1


def _common_events(score: Score) -> Iterator[ChunkEvent]:
    """Meters, keys, tempos and markers."""
    for meter in score.time_signatures:
        numerator, denominator = int(meter.numerator), int(meter.denominator)
        power = denominator.bit_length() - 1
        possible = 1 <= numerator <= 255 and denominator > 0 and denominator == 1 << power
        _require(possible, f"the meter {numerator}/{denominator}")
        # 24 MIDI clocks to a metronome click, 8 thirty-seconds to a quarter note
        yield _meta(meter.time, _METER, bytes([numerator, power, 24, 8]))
    for key in score.key_signatures:
        _require(-7 <= key.key <= 7 and key.tonality in (0, 1), f"a key signature of {key.key} sharps")
        yield _meta(key.time, _KEY, bytes([key.key & 0xFF, key.tonality]))
    for tempo in score.tempos:
        _require(1 <= tempo.mspq <= 0xFFFFFF, f"a tempo of {tempo.mspq:,} microseconds to a quarter note")
        yield _meta(tempo.time, _TEMPO, int(tempo.mspq).to_bytes(3, "big"))
    for marker in score.markers:
        yield _meta(marker.time, _TEXT_MARKER, _encoded(marker.text))


def _port_events(port: int) -> Iterator[ChunkEvent]:
    yield _meta(0, _PORT, bytes([port]))
    yield _meta(0, _TEXT_DEVICE, f"Port {port + 1}".encode("ascii"))


def _track_events(track: ScoreTrack, channel: int) -> Iterator[ChunkEvent]:
    if track.name:
        yield _meta(0, _TEXT_NAME, _encoded(track.name))
    yield 0, _PROGRAM, bytes([0xC0 | channel]), bytes([_seven_bits("program", track.program)])
    for lyric in track.lyrics:
        yield _meta(lyric.time, _TEXT_LYRIC, _encoded(lyric.text))
    yield from _changes(track, channel)
    begin, end = bytes([0x90 | channel]), bytes([0x80 | channel])
    for note in sorted(track.notes, key=lambda note: note.time):
        _require(note.velocity > 0, f"velocity {note.velocity}")
        _require(note.duration >= 0, f"a duration of {note.duration} ticks")
        data = bytes([_seven_bits("pitch", note.pitch), _seven_bits("velocity", note.velocity)])
        yield note.time, _NOTE_BEGIN, begin, data
        yield note.time + note.duration, _NOTE_END if note.duration else _EMPTY_NOTE_END, end, data


def _changes(track: ScoreTrack, channel: int) -> Iterator[ChunkEvent]:
    """Controllers and pitch bends."""
    control, bend = bytes([0xB0 | channel]), bytes([0xE0 | channel])
    for change in track.controls:
        data = bytes([_seven_bits("controller", change.number), _seven_bits("controller value", change.value)])
        yield change.time, _CHANGE, control, data
    if not any(change.number == SUSTAIN for change in track.controls):
        for pedal in track.pedals:
            yield pedal.time, _CHANGE, control, bytes([SUSTAIN, 127])
            yield pedal.time + pedal.duration, _CHANGE, control, bytes([SUSTAIN, 0])
    for wheel in track.pitch_bends:
        _require(-8192 <= wheel.value <= 8191, f"a pitch bend of {wheel.value}")
        value = wheel.value + 8192
        yield wheel.time, _CHANGE, bend, bytes([value & 0x7F, value >> 7])


def _chunk(messages: Iterable[ChunkEvent]) -> bytes:
    """The events of a track in order, with running status, and the end of the track."""
    data, before, running = bytearray(), 0, b""
    for tick, _, status, content in sorted(messages, key=lambda message: message[:2]):
        _require(tick >= 0 and tick - before <= _MAX_DELTA, f"tick {tick:,}")
        data += _variable_length(tick - before)
        if status != running:
            data += status
        data += content
        running = b"" if status[0] == 0xFF else status  # a meta event ends running status
        before = tick
    return bytes(data + b"\x01\xff\x2f\x00")


def _meta(tick: int, kind: int, content: bytes) -> ChunkEvent:
    return tick, _META, bytes([0xFF, kind]), _variable_length(len(content)) + content


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")


def _variable_length(number: int) -> bytes:
    """A number in 7-bit groups, the highest first; all but the last have bit 7 set."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def _seven_bits(name: str, value: Any) -> int:
    _require(0 <= value <= 127, f"{name} {value}")
    return int(value)


def _require(possible: bool, what: str) -> None:
    if not possible:
        raise ScoreError(f"{what} does not exist in MIDI; change it before writing the score")
