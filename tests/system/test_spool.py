"""Bytes put away, in memory or not."""

from __future__ import annotations

import gc

import pytest

from playbach.system import spool as spools


@pytest.mark.parametrize("in_memory", [10, 1 << 20])
def test_what_is_put_away_comes_back(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(spools, "IN_MEMORY", in_memory)
    spool = spools.Spool()
    given = [bytes([i]) * (i * 7 % 23) for i in range(50)]
    kept = []
    for data in given:
        kept.append(spool.put(data))
        assert kept[len(kept) // 2].read() == given[len(kept) // 2]  # read and written in turns
    assert [k.read() for k in reversed(kept)] == given[::-1]
    assert spool._file._rolled == (in_memory == 10)
    del spool
    gc.collect()
    assert kept[3].read() == given[3]
