"""Bytes in a spool, in memory or in a file."""

from __future__ import annotations

import gc

import pytest

from playbach.system import spool as spools


@pytest.mark.parametrize("in_memory", [10, 1 << 20])
def test_entries_of_a_spool_are_read_as_they_were_put(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(spools, "MAX_BYTES_IN_MEMORY", in_memory)
    spool = spools.Spool()
    items = [bytes([i]) * (i * 7 % 23) for i in range(50)]
    entries = []
    for data in items:
        entries.append(spool.put(data))
        assert entries[len(entries) // 2].read() == items[len(entries) // 2]  # reads alternate with writes
    assert [k.read() for k in reversed(entries)] == items[::-1]
    assert spool._file._rolled == (in_memory == 10)
    del spool
    gc.collect()
    assert entries[3].read() == items[3]
