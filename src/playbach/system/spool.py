"""Bytes that need not lie in memory: put away, and read again when they are asked for.

A little of them stays in memory; more goes to a file without a name, which a killed process does not leave behind.
Standard library only.
"""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass

IN_MEMORY = 32 << 20
"""Bytes, of one spool."""


class Spool:
    """For one thread."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - it lives as long as we do
        self._end = 0
        weakref.finalize(self, self._file.close)

    def put(self, data: bytes) -> Kept:
        self._file.seek(self._end)
        self._file.write(data)
        kept = Kept(self, self._end, len(data))
        self._end += len(data)
        return kept

    def read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was put into a spool, which stays as long as anything in it is wanted."""

    _spool: Spool
    _offset: int
    _size: int

    def read(self) -> bytes:
        return self._spool.read(self._offset, self._size)
