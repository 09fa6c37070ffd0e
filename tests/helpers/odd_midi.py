"""Hypothesis strategies for MIDI files with every event that the standard allows, and some that it does not.

A plan is a plain value that can be printed; `build` makes the file: formats 0 to 2, many tracks, SMPTE time, running
status, system-exclusive events in packets, escapes, all meta events, hanging notes, ports, odd meters, chunks that
are no tracks, lengths that lie, RMID. Knows nothing of playbach.
"""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from helpers.midi_files import number

_byte = st.integers(0, 127)
_any = st.integers(0, 255)
_delta = st.one_of(st.just(0), st.integers(0, 480), st.sampled_from((1, 120, 240, 479, 480, 481)))
_pitch = st.one_of(st.integers(60, 64), _byte)
_channel = st.one_of(st.just(0), st.integers(0, 15))
_payload = st.binary(max_size=8)
_META = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x20, 0x21, 0x54, 0x7F, 0x60)
_CONTROLLERS = (0, 1, 7, 10, 11, 64, 66, 67, 100, 120, 121, 123)

_event = st.one_of(
    st.tuples(st.just("whole note"), _channel, _pitch, st.integers(1, 127)),
    st.tuples(st.just("whole note"), _channel, _pitch, st.integers(1, 127)),
    st.tuples(st.just("note"), _channel, _pitch, _byte),
    st.tuples(st.just("end"), _channel, _pitch, _byte),
    st.tuples(st.just("end as note"), _channel, _pitch, _byte),
    st.tuples(st.just("pressure of a key"), _channel, _pitch, _byte),
    st.tuples(st.just("controller"), _channel, st.sampled_from(_CONTROLLERS), _byte),
    st.tuples(st.just("program"), _channel, _byte, _byte),
    st.tuples(st.just("pressure"), _channel, _byte, _byte),
    st.tuples(st.just("bend"), _channel, _byte, _byte),
    st.tuples(st.just("system"), st.sampled_from((0xF0, 0xF7)), _payload, st.integers(0, 1)),
    st.tuples(st.just("meta"), st.sampled_from(_META), _payload, st.just(0)),
    st.tuples(st.just("tempo"), st.integers(1, 0xFFFFFF), _byte, _byte),
    st.tuples(st.just("meter"), st.one_of(st.integers(1, 12), st.integers(1, 255)), st.integers(0, 7), _any),
    st.tuples(st.just("key"), st.integers(-7, 7), st.integers(0, 1), _byte),
    st.tuples(st.just("port"), _any, _byte, _byte),
)
_odd_event = st.one_of(
    st.tuples(st.just("running"), _pitch, _byte, _byte),
    st.tuples(st.just("wait"), st.sampled_from((1 << 14, 1 << 20, (1 << 28) - 1)), _byte, _byte),
    st.tuples(st.just("system"), st.sampled_from((0xF0, 0xF7)), _payload, st.integers(0, 2)),
    st.tuples(st.just("meta"), st.sampled_from((*_META, 0x51, 0x58, 0x59)), _payload, st.sampled_from((0, 2))),
    st.tuples(st.just("tempo"), st.sampled_from((0, 1, 0xFFFFFF)), _byte, _byte),
    st.tuples(st.just("meter"), _any, _any, _any),
    st.tuples(st.just("key"), st.integers(-128, 127), _any, _byte),
    st.tuples(st.just("raw"), st.integers(0xF1, 0xFE), _byte, _byte),
)
_ODD_FILES = ("few", "many", "long header", "rmid", "other chunk", "rest", "cut")

plans = st.tuples(
    st.sampled_from((1,) * 12 + (0, 0, 2, 3)),
    st.sampled_from((480, 96, 960, 1) * 8 + (0x7FFF, 0, 0xE728, 0xE250, 0x8001)),
    st.lists(
        st.tuples(
            st.lists(st.tuples(_delta, _event), min_size=3, max_size=30),
            st.sampled_from(("end",) * 6 + ("none", "early")),
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), _odd_event), max_size=2),
    st.sampled_from((1,) * 17 + (20, 20, 300)),
    st.sampled_from(("right",) * 9 + _ODD_FILES),
    st.booleans(),
)
"""Format, division, tracks with their ends, odd events with their places, how often all tracks are there, what is odd
about the file, and whether running status is used."""


def build(plan: Any) -> bytes:
    """The file of a plan."""
    form, division, tracks, odd_events, copies, odd, running = plan
    tracks = [(list(events), ending) for events, ending in tracks]
    for track, place, event in odd_events:
        tracks[track % len(tracks)][0].insert(place, (0, event))
    chunks = [_chunk(events, ending, running) for events, ending in tracks] * copies
    many = {"few": max(0, len(chunks) - 1), "many": len(chunks) + 3}.get(odd, len(chunks))
    header = struct.pack(">HHH", form, many & 0xFFFF, division) + (b"more" if odd == "long header" else b"")
    data = b"MThd" + struct.pack(">I", len(header)) + header
    if odd == "other chunk":
        data += b"XFIH" + struct.pack(">I", 4) + b"abcd"
    data += b"".join(chunks)
    match odd:
        case "rmid":
            return b"RIFF" + struct.pack("<I", len(data) + 12) + b"RMIDdata" + struct.pack("<I", len(data)) + data
        case "rest":
            return data + b"\0" * 7 + data[:9]
        case "cut":
            return data[: -len(data) // 5]
    return data


def _chunk(events: list[Any], ending: str, running: bool) -> bytes:
    body, last = bytearray(), b""
    for delta, event in _flat(events):
        data = _bytes(event)
        is_channel_message = 0x80 <= data[0] < 0xF0
        body += number(delta) + (data[1:] if running and is_channel_message and data[:1] == last else data)
        if is_channel_message:  # kept over events of other kinds, as some programs do
            last = data[:1]
    end = {"end": b"\0\xff\x2f\0", "none": b"", "early": b"\0\xff\x2f\0\0\x90\x3c\x40"}[ending]
    body += end
    return b"MTrk" + struct.pack(">I", len(body)) + bytes(body)


def _flat(events: list[Any]) -> list[Any]:
    """Whole notes as two events, and waits as time before the next."""
    found, more = [], 0
    for delta, event in events:
        if event[0] == "wait":
            more = min(more + event[1], (1 << 28) - 1 - 481)
            continue
        if event[0] == "whole note":
            found += [(delta + more, ("note", *event[1:])), (240, ("end", *event[1:]))]
        else:
            found.append((delta + more, event))
        more = 0
    return found


def _bytes(event: Any) -> bytes:
    kind, a, b, c = event
    match kind:
        case "note":
            return bytes((0x90 | a, b, c))
        case "end":
            return bytes((0x80 | a, b, c))
        case "end as note":
            return bytes((0x90 | a, b, 0))
        case "running":
            return bytes((a, b))
        case "pressure of a key":
            return bytes((0xA0 | a, b, c))
        case "controller":
            return bytes((0xB0 | a, b, c))
        case "program":
            return bytes((0xC0 | a, b))
        case "pressure":
            return bytes((0xD0 | a, b))
        case "bend":
            return bytes((0xE0 | a, b, c))
        case "system":  # c: right, unfinished, or a length that lies
            data = b if c else b + b"\xf7"
            return bytes((a,)) + number(len(data) + (40 if c == 2 else 0)) + data
        case "meta":  # c: right, or a length that lies
            return bytes((0xFF, a)) + number(len(b) + (40 if c == 2 else 0)) + b
        case "tempo":
            return b"\xff\x51\x03" + a.to_bytes(3, "big")
        case "meter":
            return bytes((0xFF, 0x58, 4, a, b, 24, c))
        case "key":
            return bytes((0xFF, 0x59, 2, a & 255, b))
        case "port":
            return bytes((0xFF, 0x21, 1, a))
    return bytes((a, b))
