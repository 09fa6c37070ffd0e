"""Which pieces share a tune, when there are so many that they are compared bucket by bucket. What a tune is, and what
not, is tested with the corpora."""

from __future__ import annotations

import random

import pytest

import making
from playbach import tunes
from playbach.encodings import transposed


@pytest.mark.parametrize("held", [50, 1000, 1 << 20])
def test_buckets_in_files_find_the_same(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(tunes, "HELD", held)
    kinds = [random.Random(i).randrange(40) for i in range(160)]
    scores = [transposed(making.line(kind, 6), i % 7) for i, kind in enumerate(kinds)]
    assert tunes.tune_groups(scores) == [kinds.index(kind) for kind in kinds]


def test_a_table_gives_back_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(tunes, "HELD", 100)
    rng = np.random.default_rng(1)
    given = rng.integers(0, 1 << 63, (1234, 2), np.uint64)
    given[::3, 0] = given[0, 0]
    with tunes._Table(2) as table:
        for part in np.array_split(given, 17):
            table.add(part)
        found = list(table.buckets())
    assert len(found) > 30
    assert sorted(map(tuple, np.concatenate(found).tolist())) == sorted(map(tuple, given.tolist()))
    firsts = [set(rows[:, 0].tolist()) for rows in found]
    assert sum(map(len, firsts)) == len(set().union(*firsts)), "rows of one first number come together"


def test_runs_are_each_once_and_tell_every_interval() -> None:
    scale = [60, 62, 64, 65, 67, 69, 71, 72, 74]
    line = [*scale, *scale, 0, 127]
    # Of twelve runs the scale's own two count for nothing, having only two intervals.
    assert len(tunes.runs_of(line)) == 10
    assert len(tunes.runs_of([*line, *line])) == 10 + 8
    assert tunes.runs_of([127, 0, 127]).tolist() != tunes.runs_of([0, 127, 0]).tolist()
    assert tunes.runs_of([]).tolist() == tunes.runs_of([5]).tolist()
