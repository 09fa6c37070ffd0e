"""The meters of a score on the grid of the `events` encoding, and what is said of those that it cannot write.

A bar is a whole number of thirty-seconds and at most MAX_BAR long. A longer bar is divided:

- A single one, such as a cadenza in one bar of 65/4, is split into bars of the meter around it, that before it if
  there is one, and a shorter bar for the rest.
- Where the meter stays, 12/4 becomes 6/4. A prime number of beats is divided as evenly as possible: 11/4 becomes 6/4
  and 5/4.

A bar that a change of meter cuts short gets a meter of its own. Knows the grid; knows nothing of symbols.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from symusic.core import ScoreTick as Score

from playbach.encodings.events.grid import EVENTS_GRID, MAX_BAR, THIRTY_SECOND, MeterList, bar_ticks
from playbach.music.bars import Bars, left_out_meters, meter_of_length, meters_of, span_of

_MAX_TICKS = MAX_BAR * EVENTS_GRID
_NAMED_BARS = 3
"""The number of bars that a remark names."""

_PLURALS = {"is": "are", "becomes": "become"}

_Fraction = tuple[int, int]


def grid_meters(score: Score) -> MeterList:
    """The meters of a score on the grid. Each lasts a whole number of bars."""
    found = [meter for section in _sections(score) for meter in section.meters()]
    return [m for i, m in enumerate(found) if i == 0 or m[1:] != found[i - 1][1:]]


def meter_remarks(score: Score) -> tuple[str, ...]:
    """What `grid_meters` changes, a line for each kind of change."""
    sections = _sections(score)
    bars = Bars(tuple((s.begin, *s.meter) for s in sections))
    changes: dict[tuple[_Fraction, str, bool], list[int]] = {}
    for section in sections:
        if what := section.change():
            changes.setdefault((section.meter, what, section.is_single), []).append(bars.number(section.begin))
    lines = [_remark(meter, what, numbers, single) for (meter, what, single), numbers in changes.items()]
    return (*lines, *left_out_meters(score, THIRTY_SECOND))


def _remark(meter: _Fraction, what: str, numbers: list[int], single: bool) -> str:
    if not single:
        return f"bars of {_name(meter)} {_PLURALS[what.split()[0]]} {what.partition(' ')[2]}"
    named = [str(n) for n in numbers[:_NAMED_BARS]]
    more = len(numbers) - len(named)
    named += [f"{more:,} more"] if more else []
    if len(named) == 1:
        return f"bar {named[0]} ({_name(meter)}) {what.replace('becomes bars', 'becomes a bar')}"
    verb, _, rest = what.partition(" ")
    return f"bars {', '.join(named[:-1])} and {named[-1]} ({_name(meter)}) {_PLURALS[verb]} {rest}"


def _name(meter: _Fraction) -> str:
    return f"{meter[0]}/{meter[1]}"


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of a score in one meter."""

    begin: int
    end: int
    """The tick of the next meter, or a tick after the music."""
    is_last: bool
    meter: _Fraction
    """As the score has it."""
    bars: tuple[_Fraction, ...]
    """The meters of its bars on the grid, which repeat to its end."""

    @property
    def is_single(self) -> bool:
        """Whether it is one bar, perhaps cut short."""
        return self.end - self.begin <= bar_ticks(*_in_thirty_seconds(*self.meter))

    def meters(self) -> Iterator[tuple[int, int, int]]:
        tick = self.begin
        if len(self.bars) == 1:
            [bar] = self.bars
            rest = 0 if self.is_last else (self.end - tick) % bar_ticks(*bar)
            if self.is_last or self.end - rest > tick:
                yield (tick, *bar)
            tick = self.end - rest
        else:
            for bar in cycle(self.bars):
                rest = self.end - tick
                if rest < bar_ticks(*bar):
                    break
                yield (tick, *bar)
                tick += bar_ticks(*bar)
        if rest and not self.is_last:
            yield (tick, *meter_of_length(rest))

    def change(self) -> str:
        """What happens to a bar of it, if it gets another length: `is split into bars of 4/4`."""
        n, d = self.meter
        if len(self.bars) == 1 and self.bars[0][0] * d == n * self.bars[0][1]:
            return ""
        into = f"bars of {' and '.join(dict.fromkeys(map(_name, self.bars)))}"
        if len(self.bars) == 1 and self.is_single and bar_ticks(*self.bars[0]) == self.end - self.begin:
            return f"becomes {into}, since the meter changes there"
        return f"is split into {into}" if bar_ticks(*self.bars[0]) < bar_ticks(n, d) else f"becomes {into}"


def _sections(score: Score) -> list[_Section]:
    raw = meters_of(score, THIRTY_SECOND)
    span = span_of(score)
    last = max(raw[-1][0], span[1] if span else 0)
    sections: list[_Section] = []
    for i, (tick, *meter) in enumerate(raw):
        is_last = i + 1 == len(raw)
        end = last if is_last else raw[i + 1][0]
        bars = _bars(raw, i, end, is_last)
        # The last notes can become a little longer on the grid, so the last meters go on for a bar after them.
        end += 2 * _MAX_TICKS if is_last and len(bars) > 1 else 0
        sections.append(_Section(tick, end, is_last, (meter[0], meter[1]), bars))
    return sections


def _bars(raw: tuple[tuple[int, int, int], ...], index: int, end: int, is_last: bool) -> tuple[_Fraction, ...]:
    """The meters of the bars of a section on the grid; they repeat."""
    begin, *meter = raw[index]
    fraction = _in_thirty_seconds(*meter)
    length, span = bar_ticks(*fraction), end - begin
    if length <= _MAX_TICKS:
        return (fraction,)
    around = _meter_around(raw, index)
    if span <= length:
        if span <= _MAX_TICKS and not is_last:
            return (meter_of_length(span),)
        return (around,) if around else _parts(*fraction)
    if even := _even_parts(*fraction):
        return (even,)
    if around is None:
        return _parts(*fraction)
    whole, rest = divmod(length, bar_ticks(*around))
    return (*[around] * whole, *[meter_of_length(rest)] * (rest > 0))


def _meter_around(raw: tuple[tuple[int, int, int], ...], index: int) -> _Fraction | None:
    """The nearest meter before a section, else after it, whose bars fit and that lasts a full bar."""
    pickup = Bars(raw).pickup > 0
    before, after = range(index - 1, -1 + pickup, -1), range(index + 1, len(raw))
    for i in (*before, *after):
        begin, *meter = raw[i]
        fraction = _in_thirty_seconds(*meter)
        length = bar_ticks(*fraction)
        if length <= _MAX_TICKS and (i + 1 == len(raw) or raw[i + 1][0] - begin >= length):
            return fraction
    return None


def _in_thirty_seconds(numerator: int, denominator: int) -> _Fraction:
    """The meter, or the next longer one with whole thirty-seconds."""
    return (numerator, denominator) if denominator <= 32 else (-(-numerator * 32 // denominator), 32)


def _even_parts(numerator: int, denominator: int) -> _Fraction | None:
    """The meter of equal parts of a bar; None if they would be single beats."""
    while bar_ticks(numerator, denominator) > _MAX_TICKS:
        numerator //= next(p for p in range(2, numerator + 1) if numerator % p == 0)
    return (numerator, denominator) if numerator > 1 or denominator == 1 else None


def _parts(numerator: int, denominator: int) -> tuple[_Fraction, ...]:
    """The meters of the fewest parts of a bar that fit, as equal as possible, the longer ones first."""
    if even := _even_parts(numerator, denominator):
        return (even,)
    count = -(-bar_ticks(numerator, denominator) // _MAX_TICKS)
    beats, longer = divmod(numerator, count)
    return tuple((beats + (i < longer), denominator) for i in range(count))
