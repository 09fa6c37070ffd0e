"""Composing step by step: a change at a bar line changes what follows and nothing before, and what a cache holds is
not composed again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import playbach
from helpers.paths import GOLDEN
from playbach.inference.composing import Composer
from playbach.inference.generation import GenerationCache, Schedule
from playbach.inference.options import ComposeOptions, ParameterChange, Sampling
from playbach.music.bars import Bars
from playbach.music.events import End, Event, Meter, Note, Start
from playbach.system.errors import UsageError

TINY = GOLDEN / "tiny.playbach"
BARS = 6


@pytest.fixture(scope="module", params=["chorale", "notes"])
def composer(request: pytest.FixtureRequest) -> Composer:
    return playbach.load(TINY if request.param == "chorale" else request.getfixturevalue("lines_bundle"))


def piece(composer: Composer, seed: int, **options: Any) -> list[Event]:
    return list(composer.piece(seed, ComposeOptions(bars=BARS, **options)))


def bars_of(events: list[Event]) -> Bars:
    return Bars(tuple((e.tick, e.numerator, e.denominator) for e in events if isinstance(e, Meter)))


def begun(events: list[Event], before: int) -> list[tuple[int, int, int]]:
    """The notes that begin before this tick."""
    return [(e.tick, e.track, e.pitch) for e in events if isinstance(e, Note) and e.tick < before]


def test_a_piece_is_the_one_that_compose_makes(composer: Composer) -> None:
    score = composer.compose(seed=5, bars=BARS).score
    notes = sorted((n.time, i, n.pitch, n.velocity) for i, t in enumerate(score.tracks) for n in t.notes)
    own = [e for e in piece(composer, 5) if isinstance(e, Note)]
    assert sorted((n.tick, n.track, n.pitch, n.velocity) for n in own) == notes


def test_a_change_has_no_effect_before_its_bar(composer: Composer) -> None:
    """And it has an effect after it, for most of six seeds."""
    different = 0
    for seed in range(6):
        plain, changed = piece(composer, seed), piece(composer, seed, changes=(ParameterChange(4, temperature=5.0),))
        line = bars_of(plain).start(4)
        assert begun(plain, line) == begun(changed, line)
        different += begun(plain, 10**9) != begun(changed, 10**9)
    assert different >= 4


def test_a_change_at_the_beginning_equals_the_option(composer: Composer) -> None:
    assert piece(composer, 3, changes=(ParameterChange(0, temperature=0.3),)) == piece(composer, 3, temperature=0.3)


def test_a_later_change_replaces_earlier_ones(composer: Composer) -> None:
    """None means what the piece began with."""
    changes = (ParameterChange(2, temperature=4.0), ParameterChange(2))
    assert piece(composer, 3, changes=changes) == piece(composer, 3)


@pytest.mark.parametrize("length", [3, 4])
def test_a_change_can_shorten_a_piece(composer: Composer, length: int) -> None:
    for seed in range(4):
        events = piece(composer, seed, changes=(ParameterChange(3, bars=length),))
        start = events[0]
        assert isinstance(start, Start)
        assert start.bars == length
        assert isinstance(events[-1], End)
        assert bars_of(events).number(events[-1].tick - 1) <= length
        line = bars_of(events).start(3)
        assert begun(events, line) == begun(piece(composer, seed), line)


def test_a_change_after_the_end_does_not_count() -> None:
    schedule = Schedule(Sampling(), 8, (ParameterChange(5, bars=6), ParameterChange(7, bars=20)))
    assert schedule.length == 6
    assert schedule.at(4) == (Sampling(), 8)
    assert schedule.at(5)[1] == 6


change_lists = st.lists(
    st.builds(ParameterChange, st.integers(0, BARS), st.none() | st.sampled_from([0.0, 0.5, 3.0])), max_size=3
).map(lambda changes: tuple(sorted(changes, key=lambda t: t.bar)))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 50), changes=change_lists, read=st.integers(0, 40), snapshots=st.integers(0, 4))
def test_a_piece_from_a_cache_equals_one_with_all_changes_known(
    seed: int, changes: tuple[ParameterChange, ...], read: int, snapshots: int
) -> None:
    """However far the piece had been read before each change, and however few snapshots the cache has."""
    composer = playbach.load(TINY)
    cache, known = GenerationCache(max_snapshots=snapshots), ()
    for change in changes:
        events: Iterator[Event] = composer.piece(seed, ComposeOptions(bars=BARS, changes=known), cache)
        list(itertools.islice(events, read))
        cache.discard_from(change.bar)
        known = (*known, change)
    assert list(composer.piece(seed, ComposeOptions(bars=BARS, changes=known), cache)) == piece(
        composer, seed, changes=changes
    )
    assert len(cache.snapshots) <= snapshots


def test_cached_bars_are_not_composed_again() -> None:
    composer, steps = playbach.load(TINY), 0
    inner = composer.runtime.step

    def counted(*args: Any) -> Any:
        nonlocal steps
        steps += 1
        return inner(*args)

    composer.runtime.step = counted  # type: ignore[method-assign]
    cache = GenerationCache(max_snapshots=8)
    first = list(composer.piece(1, ComposeOptions(bars=BARS, rules=False), cache))
    whole, steps = steps, 0
    assert list(composer.piece(1, ComposeOptions(bars=BARS, rules=False), cache)) == first
    assert steps < whole / 2
    steps = 0
    cache.discard_from(BARS - 1)
    assert list(composer.piece(1, ComposeOptions(bars=BARS, rules=False), cache)) == first
    assert 0 < steps < whole / 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ParameterChange(-1),
        lambda: ParameterChange(1, temperature=11),
        lambda: ParameterChange(5, bars=4),
        lambda: ParameterChange(0, bars=0),
    ],
)
def test_invalid_changes_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


@pytest.mark.parametrize("changes", [[3], "x", (ParameterChange(3), ParameterChange(2))])
def test_values_that_are_not_changes_are_refused(changes: Any) -> None:
    with pytest.raises(UsageError, match="changes"):
        playbach.load(TINY).piece(1, ComposeOptions(changes=changes))
