"""The model file of the page's engine: named sections of numbers. See engine/sections.h, which reads it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC, SECTIONS_VERSION = b"PBWM", 1
_NAME_BYTES, _ALIGNMENT = 32, 16
_ENTRY = struct.Struct(f"<{_NAME_BYTES}sII")

Section = npt.NDArray[Any] | int | bytes
"""An array, a number of 32 bits, or text."""


def write_sections(sections: Mapping[str, Section]) -> bytes:
    """The file. The same sections give the same bytes."""
    contents = {name: _bytes(section) for name, section in sections.items()}
    at = _aligned(12 + _ENTRY.size * len(contents))
    entries, body = [], bytearray()
    for name, content in contents.items():
        assert len(name) < _NAME_BYTES, f"the name {name} is too long"
        entries.append(_ENTRY.pack(name.encode("ascii"), at + len(body), len(content)))
        body += content.ljust(_aligned(len(content)), b"\0")
    head = b"".join([MAGIC, struct.pack("<II", SECTIONS_VERSION, len(contents)), *entries])
    return head.ljust(at, b"\0") + bytes(body)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _bytes(section: Section) -> bytes:
    if isinstance(section, bytes):
        return section
    if isinstance(section, int):
        return struct.pack("<I", section)
    return np.ascontiguousarray(section.astype(section.dtype.newbyteorder("<"))).tobytes()
