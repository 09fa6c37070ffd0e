"""Stores bytes outside memory until they are read again.

A spool keeps small amounts in memory and moves larger ones to a file without a name, which is gone when the process
ends, even if it is killed.
"""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass

MAX_BYTES_IN_MEMORY = 32 << 20
"""A larger spool is moved to a file."""


class Spool:
    """A store to which bytes can be added. Not safe for several threads."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=MAX_BYTES_IN_MEMORY)  # noqa: SIM115 - closed with the spool
        self._end = 0
        weakref.finalize(self, self._file.close)

    def put(self, data: bytes) -> SpoolEntry:
        self._file.seek(self._end)
        self._file.write(data)
        entry = SpoolEntry(self, self._end, len(data))
        self._end += len(data)
        return entry

    def read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """Bytes in a spool. The spool exists as long as any of its entries."""

    _spool: Spool
    _offset: int
    _size: int

    def read(self) -> bytes:
        return self._spool.read(self._offset, self._size)
