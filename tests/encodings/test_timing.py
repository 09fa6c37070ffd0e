"""Features of time, of several pieces at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from playbach.encodings.features.bars import Timing, Timings
from playbach.music.bars import Header

METERS = ((3, 4), (4, 4), (6, 8), (1, 4))
meters = st.lists(st.tuples(st.integers(1, 2000), st.sampled_from(METERS)), min_size=1, max_size=4)
ticks = st.lists(st.integers(0, 700), min_size=1, max_size=20)


def timing(changes: list[tuple[int, tuple[int, int]]], gaps: list[int]) -> Timing:
    """A piece whose meters and steps are this many ticks apart."""
    starts = np.cumsum([gap for gap, _ in changes]) - changes[0][0]
    header = Header(tuple((tick, *meter) for tick, (_, meter) in zip(starts.tolist(), changes)))
    steps = np.cumsum(gaps, dtype=np.int32) - np.int32(gaps[0])
    return Timing(header, steps, int(steps[-1]))


@given(st.lists(st.tuples(meters, ticks), min_size=1, max_size=4))
def test_several_pieces_have_the_times_of_each(
    pieces: list[tuple[list[tuple[int, tuple[int, int]]], list[int]]],
) -> None:
    alone = [timing(changes, gaps) for changes, gaps in pieces]
    alone.append(timing([(0, (1, 4)), (480, (3, 4))], [0, 240, 240, 480, 1440]))  # a pickup
    together = Timings(alone)
    assert together.places.tolist() == np.concatenate([piece.places for piece in alone]).tolist()
    assert together.bars_left.tolist() == np.concatenate([piece.bars_left for piece in alone]).tolist()
    names = ("4/4", "3/4")
    assert together.meter_symbols(names).tolist() == np.concatenate([p.meter_symbols(names) for p in alone]).tolist()
    assert together.places.dtype == together.bars_left.dtype == together.meter_symbols(names).dtype == np.int32
