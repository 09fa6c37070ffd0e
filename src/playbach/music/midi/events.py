"""The events of a MIDI file as arrays.

Almost every event is a channel message after a time of one or two bytes. For each byte of the file, numpy computes
how long such an event would be if one began there; a short loop then hops from event to event, and looks closer only
where something else stands. Knows nothing of what the events mean.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from playbach.music.midi.chunks import Chunks, Span, cut_short
from playbach.music.midi.remarks import say
from playbach.system.errors import ScoreError, damaged_file, impossible_value

Wide = NDArray[np.int64]
"""Positions in a file, indices of events, ticks of a file: too large for 32 bits if a file is damaged."""
Bytes = NDArray[np.uint8]

NAME, LYRIC, MARKER, CHANNEL, PORT, END, TEMPO, METER, KEY = 0x03, 0x05, 0x06, 0x20, 0x21, 0x2F, 0x51, 0x58, 0x59
"""Types of meta events."""
_TOLD = frozenset({NAME, LYRIC, MARKER, PORT, TEMPO, METER, KEY})
_MOST_METAS = 250_000

_BLOCK = 1 << 18  # bytes of which the lengths of events are computed at once, so that memory stays flat
_MARGIN = 16
"""Zero bytes after the file, so that a look ahead needs no check."""

# From a message's first byte: the length of the message (2: two data bytes in running status). 0: look closer.
_LENGTHS = np.repeat(np.array([2, 3, 0, 3, 0], np.uint8), [0x80, 0x40, 0x20, 0x10, 0x10])
# System messages, which belong into no file, and their data bytes.
_SYSTEM_SIZES = {0xF1: 1, 0xF2: 2, 0xF3: 1}


Meta = tuple[int, int, int, bytes, int]
"""A meta event: its type, one of those above; its track; its tick; its content; the channel that it is for, as in
`Events`, or -1: it is for its track."""


@dataclass(frozen=True, slots=True)
class Events:
    """Channel messages in the file's order: columns of one length. Times are in ticks of the file."""

    track: Wide
    tick: Wide
    channel: Wide
    """Port times 16 plus channel, both from 0."""
    status: Bytes
    """The kind of message: 0x80, 0x90, and so on."""
    first: Bytes
    second: Bytes
    """The data bytes; the second one is undefined where the message has only one."""
    ends: Wide
    """When each track ends."""
    metas: list[Meta]
    """In the file's order."""
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Where the events of a file are. Positions count bytes from the beginning of the file."""

    seen: bytearray
    """1 where a channel message begins, with its delta time."""
    spans: list[Span] = field(default_factory=list)
    waits: list[int] = field(default_factory=lambda: [0])
    """The sum of the deltas of all other events, at the beginning of each track and at the end of the last."""
    waits_at: array[int] = field(default_factory=lambda: array("q"))
    """Where events begin that add to this sum."""
    waits_after: array[int] = field(default_factory=lambda: array("q"))
    """The sum after each of them."""
    metas: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    """For each meta event of the types above: where it begins, the sum so far, its type, where its content begins and
    ends, its channel or -1."""
    wrong: list[int] = field(default_factory=list)
    """Where a message begins that has a data byte above 127."""


def read_events(chunks: Chunks) -> Events:
    """The events of all tracks.

    Raises:
        ScoreError: a track is damaged or cut short, or the file has too many meta events.
    """
    walk, remarks = _walk(chunks)
    data = np.frombuffer(chunks.data + bytes(_MARGIN), np.uint8)
    starts = np.array([span.start for span in walk.spans], np.int64)
    position = np.frombuffer(walk.seen, np.uint8).nonzero()[0]
    # The index of each track's first event, and the number of events.
    first = np.empty(len(starts) + 1, np.int64)
    first[:-1], first[-1] = position.searchsorted(starts), len(position)
    counts = first[1:] - first[:-1]
    delta, at = _read_deltas(data, position)
    status, content = _read_statuses(data, at, first[:-1][counts > 0])

    # The time of an event is the sum of the deltas of messages, and of those of other events, in its track so far.
    sums = np.zeros(len(delta) + 1, np.int64)
    delta.cumsum(out=sums[1:])
    begin = sums[first]
    tick = sums[1:]
    if walk.waits[-1]:
        begin += walk.waits
        waits = np.zeros(len(walk.waits_after) + 1, np.int64)
        waits[1:] = walk.waits_after
        tick = tick + waits[np.frombuffer(walk.waits_at, np.int64).searchsorted(position)]
    if len(starts) > 1:
        tick = tick - begin[:-1].repeat(counts)
    channel = (status & 15).astype(np.int64)
    ports = [(at, chunks.data[start]) for at, _, kind, start, end, _ in walk.metas if kind == PORT and end > start]
    if any(port for _, port in ports):
        channel += 16 * _find_ports(ports, starts, position)
    events = Events(
        track=np.arange(len(starts)).repeat(counts),
        tick=tick,
        channel=channel,
        status=status & np.uint8(0xF0),
        first=data[content],
        second=data[content + 1],
        ends=begin[1:] - begin[:-1],
        metas=_read_metas(chunks.data, walk, starts, position, sums, begin, ports),
        remarks=remarks,
    )
    return _without_wrong(events) if walk.wrong else events


def _read_metas(
    data: bytes,
    walk: _Walk,
    starts: Wide,
    position: Wide,
    sums: Wide,
    begin: Wide,
    ports: list[tuple[int, int]],
) -> list[Meta]:
    rows = [row for row in walk.metas if row[2] != PORT]
    if not rows:
        return []
    places = np.array([row[0] for row in rows], np.int64)
    track = starts.searchsorted(places, side="right") - 1
    ticks = sums[position.searchsorted(places)] + [row[1] for row in rows] - begin[track]
    metas = [
        (kind, number, tick, data[start:end], channel)
        for (_, _, kind, start, end, channel), number, tick in zip(rows, track.tolist(), ticks.tolist(), strict=True)
    ]
    if any(port for _, port in ports):
        port = _find_ports(ports, starts, places).tolist()
        metas = [
            (*meta[:4], meta[4] + 16 * of_port * (meta[4] >= 0)) for meta, of_port in zip(metas, port, strict=True)
        ]
    return metas


def _without_wrong(events: Events) -> Events:
    """The events without controllers and bends that have a data byte above 127. Raises ScoreError for notes."""
    status, first, second = events.status, events.first, events.second
    # Of a note's end only the pitch counts.
    wrong = (first > 127) | ((second > 127) & (status != 0x80) & (status & 0xE0 != 0xC0))
    for name, values, among in (
        ("pitch", first, (first > 127) & (status < 0xA0)),
        ("velocity", second, wrong & (status == 0x90)),
        ("program", first, wrong & (status == 0xC0)),
    ):
        if among.any():
            raise impossible_value(name, values[among][0])
    number = int(np.count_nonzero(wrong & ((status == 0xB0) | (status == 0xE0))))
    return replace(
        events,
        track=events.track[~wrong],
        tick=events.tick[~wrong],
        channel=events.channel[~wrong],
        status=status[~wrong],
        first=first[~wrong],
        second=second[~wrong],
        remarks=events.remarks + say((number, "{n} controller{s} or bend{s} with an impossible value {is} left out")),
    )


def _read_deltas(data: Bytes, position: Wide) -> tuple[Wide, Wide]:
    """Each event's delta time, and where its message begins."""
    byte = data[position]
    delta, at = (byte & 127).astype(np.int64), position + 1
    longer = (byte > 127).nonzero()[0]
    while len(longer):
        byte = data[at[longer]]
        delta[longer] = delta[longer] << 7 | byte & 127
        at[longer] += 1
        longer = longer[byte > 127]
    return delta, at


def _read_statuses(data: Bytes, at: Wide, first: Wide) -> tuple[Bytes, Wide]:
    """Each message's status byte, and where its data bytes begin. `first`: where each track's first message is."""
    status = data[at]
    explicit = status > 127
    if not explicit[first].all():
        raise damaged_file("a track begins with a message that does not say what it is")
    said = explicit.nonzero()[0]
    if len(said) < len(status):  # a message without a status byte has that of the one before
        status = status[said].repeat(np.append(said[1:], len(status)) - said)
    return status, at + explicit


def _find_ports(ports: list[tuple[int, int]], starts: Wide, position: Wide) -> Wide:
    """The port at each position, given where ports are chosen and which. A track begins on port 0."""
    chosen = dict.fromkeys(starts.tolist(), 0) | dict(ports)
    places = np.array(sorted(chosen), np.int64)
    values = np.array([chosen[place] for place in places.tolist()], np.int64)
    return values[places.searchsorted(position, side="right") - 1]


# ----------------------------------------------------------------------------------------------- finding the events


def _walk(chunks: Chunks) -> tuple[_Walk, tuple[str, ...]]:
    data, promised = chunks.data, chunks.promised
    steps, walk = _measure_steps(data), _Walk(bytearray(len(data)))
    damaged_tracks = unread = 0
    for number, span in enumerate(chunks.spans, 1):
        if number <= promised:
            try:
                wait, end = _walk_track(data, steps, walk, span)
            except ScoreError:
                if span.missing:
                    raise cut_short(span, number, promised) from None
                raise
        else:  # the header does not promise this track: it may be anything
            found = _walk_more(data, steps, walk, span)
            if found is None:
                damaged_tracks += 1
                continue
            wait, end = found
        unread += end < span.end and any(data[end : span.end])
        walk.spans.append(span)
        walk.waits.append(wait)
    return walk, say(
        (
            damaged_tracks,
            f"{{n}} damaged track{{s}} beyond the {promised:,} that its header promises {{is}} left out",
        ),
        (unread, "what follows the end of {n} track{s} is left out"),
    )


def _walk_more(data: bytes, steps: bytearray, walk: _Walk, span: Span) -> tuple[int, int] | None:
    """As `_walk_track`, but a damaged track leaves no traces; None: it is damaged."""
    kept = [(rows, len(rows)) for rows in (walk.waits_at, walk.waits_after, walk.metas, walk.wrong)]
    try:
        return _walk_track(data, steps, walk, span)
    except ScoreError:
        walk.seen[span.start : span.end] = bytes(span.end - span.start)
        for rows, size in kept:
            del rows[size:]
        return None


def _measure_steps(data: bytes) -> bytearray:
    """For each byte, the length of an ordinary event that begins there, with its delta time; 0: look closer."""
    steps = bytearray()
    for begin in range(0, len(data), _BLOCK):
        end = min(begin + _BLOCK, len(data))
        block = data[begin : end + 4]
        steps += _measure_block(np.frombuffer(block + bytes(end + 4 - begin - len(block)), np.uint8)).tobytes()
    return steps + bytes(1)


def _measure_block(data: Bytes) -> Bytes:
    low = data < 128
    message = _LENGTHS[data[:-2]]
    # All data bytes are below 128: the second, and the third unless the first one is a data byte too.
    message *= low[1:-1] & (low[2:] | low[:-2])
    message += message > 0
    # … after a delta time of one byte, or of two.
    one = message[1:] * low[:-3]
    two = message[2:] * low[1:-3]
    two += two > 0
    return np.where(low[:-4], one[:-1], two)


def _walk_track(data: bytes, steps: bytearray, walk: _Walk, span: Span) -> tuple[int, int]:
    """Note the events of a track. Returns the sum of waits so far, and where the events end."""
    seen, wait, i, end = walk.seen, walk.waits[-1], span.start, span.end
    steps[end] = 0
    for back in range(1, min(4, end - i) + 1):  # an event that reaches beyond the end needs a closer look
        if steps[end - back] > back:
            steps[end - back] = 0
    single = False  # in a running status of messages with one data byte
    prefix = after = -1  # a channel prefix, and where the event must begin that it is for
    while True:
        step = steps[i]
        if single and step and data[i + step - 3] > 127:
            single = False  # the message says itself what it is
        if not single:
            while step:
                seen[i] = 1
                i += step
                step = steps[i]
        if i >= end and not span.missing:
            return wait, end
        if i >= end:
            raise damaged_file("a track ends before its end")
        begin, delta = i, data[i]
        i += 1
        if delta > 127:
            delta, i = _read_number(data, begin, end)
        status = data[i] if i < end else 0xFF
        if status < 0xF0:
            if status > 127:
                i, single = i + 1, 0xC0 <= status < 0xE0
            seen[begin] = 1
            i += 1 if single else 2
            if i > end:
                raise damaged_file("a track ends in the middle of a message")
            if data[i - 1] > 127 or (not single and data[i - 2] > 127):
                walk.wrong.append(begin)
            continue
        kind, size = -1, 0
        if status == 0xFF:
            if i + 2 >= end:
                raise damaged_file("a track ends in the middle of an event")
            kind, size = data[i + 1], data[i + 2]
            i += 3
            if size > 127:
                size, i = _read_number(data, i - 1, end)
        elif status in (0xF0, 0xF7):  # system-exclusive, its continuation, or an escape
            size, i = _read_number(data, i + 1, end)
        else:
            i += 1 + _SYSTEM_SIZES.get(status, 0)
        if i + size > end:
            raise damaged_file("a track ends in the middle of an event")
        if delta:
            wait += delta
            walk.waits_at.append(begin)
            walk.waits_after.append(wait)
        if begin != after:
            prefix = -1
        if kind in _TOLD:
            walk.metas.append((begin, wait, kind, i, i + size, prefix))
            if len(walk.metas) > _MOST_METAS:
                raise ScoreError(f"it has more than {_MOST_METAS:,} meters, keys, tempos and texts; leave it out")
        elif kind == CHANNEL and size:
            prefix = data[i] & 15
        i = after = i + size
        if kind == END:
            return wait, i


def _read_number(data: bytes, i: int, end: int) -> tuple[int, int]:
    """The number of variable length at `i`, and where it ends."""
    number = 0
    for place in range(i, min(i + 4, end)):
        number = number << 7 | data[place] & 127
        if data[place] < 128:
            return number, place + 1
    raise damaged_file("a number is longer than 4 bytes, or a track ends in it")
