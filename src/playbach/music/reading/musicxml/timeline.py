"""When each bar is played: the lengths of the bars, and the meters, keys and tempos in the order of playing.

- A bar shorter than its meter gets its own meter, as pickups have everywhere in playbach; the two halves of a bar
  around a repeat sign are one bar.
- A repeat restores the key, the tempo and the meter with which its bars began.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from playbach.music.events import METER_DENOMINATORS, TICKS_PER_QUARTER
from playbach.music.reading.musicxml.document import Bar, Change

MeterValue = tuple[int, int]


class Visit(NamedTuple):
    """A bar that is played."""

    bar: int
    """Its index."""
    time: int
    """Whether it is played for the first, second … time."""
    start: int
    """The tick at which it begins."""


def meters_of_bars(columns: Iterable[Sequence[Bar]]) -> list[MeterValue]:
    """The meter of each bar, from the bars of all parts; 4/4 until the first time signature."""
    now, meters = (4, 4), []
    for column in columns:
        now = next((bar.meter for bar in column if bar.meter), now)
        meters.append(now)
    return meters


def bar_lengths(columns: Iterable[Sequence[Bar]], meters: Sequence[MeterValue]) -> list[int]:
    """The length of each bar in ticks, the same for all parts, so that they stay together.

    It is the most frequent length among the parts that have notes in the bar, of equals the longest: a part may have
    a note too many, and a whole-bar rest may have any length. A part may also lack a rest. So a length shorter than
    the meter gives way to the whole bar, if a part fills that with notes, unless more than half of all parts are as
    short. A bar that is empty in all parts is as long as its meter says.
    """
    lengths = []
    for column, meter in zip(columns, meters):
        full = full_bar(meter)
        with_notes = Counter(bar.length for bar in column if bar.length and bar.notes)
        if with_notes[full]:
            most = len(column) // 2
            with_notes = Counter({ticks: n for ticks, n in with_notes.items() if ticks >= full or n > most})
        votes = with_notes or Counter(bar.length for bar in column if bar.length)
        lengths.append(max(votes, key=lambda length: (votes[length], length)) if votes else full)
    return lengths


def full_bar(meter: MeterValue) -> int:
    """The ticks of a whole bar."""
    return 4 * TICKS_PER_QUARTER * meter[0] // meter[1]


def visits(order: Iterable[tuple[int, int]], lengths: Sequence[int]) -> list[Visit]:
    """When the bars of this order, (index, which time), begin."""
    played = list(order)
    starts = accumulate((lengths[bar] for bar, _ in played), initial=0)
    return [Visit(bar, time, start) for (bar, time), start in zip(played, starts)]


def played_meters(
    played: Iterable[Visit], lengths: Sequence[int], meters: Sequence[MeterValue]
) -> Iterator[tuple[int, MeterValue]]:
    """The ticks and values of the meter's changes. A bar that is not full gets its own meter, except the last one."""
    last = None
    bars = deque((v.start, lengths[v.bar], meters[v.bar]) for v in played if lengths[v.bar])
    while bars:
        tick, length, signature = bars.popleft()
        full = full_bar(signature)
        while length < full and bars and bars[0][2] == signature and length + bars[0][1] <= full:
            length += bars.popleft()[1]
        is_full = length % full == 0 or (length < full and not bars)
        meter = signature if is_full else _meter_of_length(length, signature)
        if meter != last:
            yield tick, meter
        last = meter


def _meter_of_length(length: int, signature: MeterValue) -> MeterValue:
    """A meter for a bar of `length` ticks, in the signature's beats or the longest shorter ones that divide it; the
    signature itself if none do."""
    for denominator in METER_DENOMINATORS:
        beat = 4 * TICKS_PER_QUARTER // denominator
        if denominator >= signature[1] and length % beat == 0 and length // beat <= 255:
            return length // beat, denominator
    return signature


def played_changes(changes: Sequence[Sequence[Change]], played: Iterable[Visit]) -> Iterator[Change]:
    """The changes, with ticks from the beginning of the piece, in the order of playing.

    Of several at one tick the last one holds, and one that changes nothing is left out.

    Args:
        changes: those of each bar, in order of their ticks.
    """
    whole = _with_values_at_start(changes)
    last: dict[int, Change] = {}
    for visit in played:
        for change in whole[visit.bar] if visit.bar < len(whole) else ():
            if change.passes is None or visit.time in change.passes:
                tick = visit.start + change.tick
                last[tick] = Change(tick, change.value)
    value = None
    for tick in sorted(last):
        if last[tick].value != value:
            yield last[tick]
        value = last[tick].value


def _with_values_at_start(changes: Sequence[Sequence[Change]]) -> list[list[Change]]:
    """Each bar's changes, preceded by the value with which it begins, so that it can follow any other bar."""
    whole: list[list[Change]] = []
    now: list[Change] = []
    for own in changes:
        whole.append(list(own) if own and own[0].tick == 0 else [*now, *own])
        lasting = [c for c in own if c.passes is None or 1 in c.passes]
        now = [Change(0, lasting[-1].value)] if lasting else now
    return whole


def first_at_each_tick(columns: Sequence[Sequence[Change]]) -> list[Change]:
    """The changes of several parts in one bar; at each tick those of the first part that has some, in order."""
    found: Mapping[int, list[Change]] = {}
    for own in columns:
        new: dict[int, list[Change]] = {}
        for change in own:
            if change.tick not in found:
                new.setdefault(change.tick, []).append(change)
        found = {**found, **new}
    return [change for tick in sorted(found) for change in found[tick]]
