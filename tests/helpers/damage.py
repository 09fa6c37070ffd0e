"""Hypothesis strategies for damage to bytes, MIDI, XML and JSON.

Each strategy draws a plan, which is a plain value that can be printed; `damage_bytes` and its like apply it. Knows
nothing of playbach.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from hypothesis import strategies as st

Plan = tuple[str, int, int, bytes]
"""A kind of damage, where (modulo the size), how much, and with which bytes."""

_PLACE = st.integers(0, 1 << 20)
_KINDS = ("flip", "set", "insert", "delete", "repeat", "cut", "splice", "long", "strip")
_LONG = (
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\xff\x7f",
    b"\x8f\xff\xff\xff",
    b"\x80\x80\x80\x00",
    b"\x00\xff\x2f\x00",
)
"""MIDI's longest time, longer times than MIDI allows, a long encoding of 0, and an early end of track."""

plans = st.lists(
    st.tuples(st.sampled_from(_KINDS), _PLACE, st.integers(0, 64), st.binary(min_size=1, max_size=6)),
    min_size=1,
    max_size=8,
)


def damage_bytes(data: bytes, steps: list[Plan], other: bytes = b"") -> bytes:
    """Apply damage to bytes; `other` is another file that can be spliced into this one."""
    damaged = bytearray(data)
    for kind, place, size, content in steps:
        at = place % (len(damaged) + 1)
        match kind:
            case "flip" if at < len(damaged):
                damaged[at] ^= 1 << size % 8
            case "set":
                damaged[at : at + len(content)] = content
            case "insert":
                damaged[at:at] = content * (size + 1)
            case "delete":
                del damaged[at : at + size + 1]
            case "repeat":
                damaged[at:at] = damaged[at : at + size * 4 + 1] * (size % 5 + 1)
            case "cut":
                del damaged[max(at, 1) :]
            case "splice" if other:
                damaged[at:] = other[place % len(other) :]
            case "long":
                damaged[at:at] = _LONG[size % len(_LONG)]
            case "strip":  # status bytes, so that running status continues with the last one
                damaged[at:] = bytes(b for b in damaged[at : at + size] if b < 0x80) + damaged[at + size :]
    return bytes(damaged)


def damage_midi(data: bytes, steps: list[Plan], other: bytes, repair: bool) -> bytes:
    """Apply damage to a MIDI file; `repair` makes its chunks intact again, so that it passes the first checks."""
    if not repair:
        return damage_bytes(data, steps, other)
    tracks, place = [], 14
    while place + 8 <= len(data):
        size = struct.unpack_from(">I", data, place + 4)[0]
        tracks.append(data[place + 8 : place + 8 + size])
        place += 8 + size
    for step in steps:
        which = step[1] % len(tracks)
        tracks[which] = damage_bytes(tracks[which], [step], other)
    chunks = b"".join(b"MTrk" + struct.pack(">I", len(t)) + t for t in tracks)
    return data[:10] + struct.pack(">H", len(tracks)) + data[12:14] + chunks


# ------------------------------------------------------------------------------------------------------------- XML

_WORDS = ("0", "-1", "1e308", "99999999999999999999", "nan", "", " ", "start", "stop", "1.5", "-0", "x" * 300, "１")

xml_plans = st.lists(
    st.tuples(
        st.sampled_from(("remove", "repeat", "text", "tag", "attribute", "move", "swap")),
        _PLACE, _PLACE, st.one_of(st.sampled_from(_WORDS), st.text(max_size=4)),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def damage_xml(data: bytes, steps: list[tuple[str, int, int, str]]) -> bytes:
    """Apply damage to the elements of an XML file, which stays well-formed."""
    root = ElementTree.fromstring(data)
    for kind, place, second, word in steps:
        parents = {child: parent for parent in root.iter() for child in parent}
        elements = list(parents)
        if not elements:
            break
        one, two = elements[place % len(elements)], elements[second % len(elements)]
        match kind:
            case "remove":
                parents[one].remove(one)
            case "repeat":
                for _ in range(second % 4 + 1):
                    parents[one].insert(list(parents[one]).index(one), copy.deepcopy(one))
            case "text":
                one.text = _printable(word)
            case "tag":
                one.tag = two.tag
            case "attribute":
                one.set(sorted(two.attrib)[0] if two.attrib else "type", _printable(word))
            case "move" if one not in set(two.iter()) and two not in set(one.iter()):
                parents[one].remove(one)
                two.append(one)
            case "swap":
                one.text, two.text = two.text, one.text
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _printable(word: str) -> str:
    return "".join(c for c in word if c.isprintable())


# ------------------------------------------------------------------------------------------------------------ JSON

odd_values = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1, 2, 127, 128, 1 << 16, 1 << 31, 1 << 63, 1 << 64, 10**400, -(10**400)]
        + [0.5, -0.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf")]
        + ["", " ", "notes", "\n", "a\nb", "\0", "../x", "x" * 5000, "é", "\ud800", "1", "nan", [], {}, [[]], [None]]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(-3, 300), max_size=4),
    st.integers(1, 2000).map(lambda depth: _nested(min(depth, 900))),
)
"""Unusual values in place of a number, a text or a list."""

json_plans = st.lists(
    st.tuples(
        st.lists(_PLACE, min_size=1, max_size=7),
        st.sampled_from(("set", "set", "delete", "repeat", "shuffle", "wrap", "borrow")),
        odd_values,
        _PLACE,
    ),
    min_size=1,
    max_size=3,
)


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def damage_json(data: Any, steps: list[tuple[list[int], str, Any, int]], keep: Callable[[list[Any]], bool]) -> Any:
    """A copy of the data with damage, except where `keep` is true for the path of keys."""
    data = copy.deepcopy(data)
    for places, kind, value, second in steps:
        owner, key, path = None, None, []
        here = data
        for place in places:
            keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
            if not keys:
                break
            owner, key = here, keys[place % len(keys)]
            path.append(key)
            here = here[key]
        if owner is None or keep(path):
            continue
        match kind:
            case "delete":
                del owner[key]
            case "repeat" if isinstance(here, list):
                owner[key] = here * (second % 40)
            case "shuffle" if isinstance(here, list) and here:
                owner[key] = here[second % len(here) :] + here[: second % len(here)]
            case "wrap":
                owner[key] = {"name": here} if second % 2 else [here]
            case "borrow":
                others = list(data.values())
                owner[key] = copy.deepcopy(others[second % len(others)])
            case _:
                owner[key] = value
    return data
