"""Meters, keys, tempos and texts of a MIDI file. Knows nothing of notes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter

from playbach.music.midi.events import KEY, LYRIC, MARKER, METER, NAME, TEMPO, Meta
from playbach.music.midi.remarks import say

COMMON_METER, COMMON_TEMPO = (4, 4), 500_000
"""What holds from the beginning of a piece that does not say otherwise."""
FASTEST = 60_000
"""Microseconds to a quarter: 1000 quarters a minute."""
_MOST_EXPONENT = 7  # 128: the denominator of a score's time signature has one byte


@dataclass(slots=True)
class Signs:
    """What meta events say. Times are in ticks of the file; of several signs at one tick the last one holds."""

    meters: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Numerator and denominator."""
    keys: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Sharps, or minus the number of flats; 1 for minor."""
    tempos: dict[int, int] = field(default_factory=dict)
    """Microseconds to a quarter."""
    markers: list[tuple[int, str]] = field(default_factory=list)
    lyrics: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    """Of each track that has some."""
    names: dict[int, dict[int, str]] = field(default_factory=dict)
    """Of each track that has some: the channel that a name is for, or -1, and the name."""
    late: int = 0
    """The number of signs and texts that come too late."""
    remarks: tuple[str, ...] = ()

    def name(self, track: int, channel: int) -> str:
        """The name for this channel, or that of the track; if the track has but one, it is for all channels."""
        names = self.names.get(track)
        if not names:
            return ""
        only = next(iter(names.values())) if len(names) == 1 else ""
        return names.get(channel, names.get(-1, only))


def read_signs(metas: list[Meta], last: int) -> Signs:
    """The signs up to tick `last`."""
    signs, wrong = Signs(), Counter[str]()
    # Of tracks that play at the same time, the later one in the file comes last.
    for meta in sorted(metas, key=itemgetter(2)):
        if meta[2] > last:
            signs.late += 1
        else:
            _read_sign(signs, meta, wrong)
    signs.remarks = say(
        (wrong["meter"], "{n} impossible meter{s} {is} left out"),
        (wrong["key"], "{n} impossible key{s} {is} left out"),
        (wrong["tempo"], "{n} impossible tempo{s} {is} left out or brought into range"),
    )
    return signs


def _read_sign(signs: Signs, meta: Meta, wrong: Counter[str]) -> None:
    kind, track, tick, content, channel = meta
    if kind == TEMPO:
        tempo = int.from_bytes(content[:3], "big")
        wrong["tempo"] += tempo < FASTEST
        if len(content) >= 3:
            signs.tempos[tick] = max(tempo, FASTEST)
    elif kind == METER:
        if meter := _read_meter(content):
            signs.meters[tick] = meter
        else:
            wrong["meter"] += 1
    elif kind == KEY:
        if key := _read_key(content):
            signs.keys[tick] = key
        else:
            wrong["key"] += 1
    elif kind == NAME:
        signs.names.setdefault(track, {})[channel] = _decode(content)
    elif kind == LYRIC and content:
        signs.lyrics.setdefault(track, []).append((tick, _decode(content)))
    elif kind == MARKER and content:
        signs.markers.append((tick, _decode(content)))


def _read_meter(content: bytes) -> tuple[int, int] | None:
    if len(content) < 2 or content[0] == 0:
        return None
    numerator, exponent = content[0], content[1]
    while exponent > _MOST_EXPONENT and numerator % 2 == 0:  # 8/256 is 4/128
        numerator, exponent = numerator // 2, exponent - 1
    return (numerator, 1 << exponent) if exponent <= _MOST_EXPONENT else None


def _read_key(content: bytes) -> tuple[int, int] | None:
    if len(content) < 2:
        return None
    sharps = content[0] - 256 if content[0] > 127 else content[0]
    return (sharps, content[1]) if abs(sharps) <= 7 and content[1] <= 1 else None


def _decode(content: bytes) -> str:
    """The standard says ASCII; most programs write UTF-8 today, and the code page of their system before."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")
