"""The levels of a meter: how strong each place of a bar is. Level 0 is the bar line, 1 its largest parts, and so on.

Knows nothing of notes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from playbach.music.notation.model import UNITS, VALUES

FINEST = VALUES["128th"]
_IRREGULAR = {5: (3, 2), 7: (2, 2, 3), 8: (3, 3, 2), 10: (3, 3, 2, 2), 11: (3, 3, 3, 2)}
"""How many beats the groups of an irregular meter have; 8 only over 8 and 16."""


@dataclass(frozen=True)
class Pulse:
    """The levels of a bar, or of a tuplet."""

    levels: tuple[tuple[int, ...], ...]
    """The boundaries of each level, from 0 to the bar's end; each level has those of the one before."""
    beat: int
    """The level of the beats."""
    uneven: int
    """Values that cross a boundary of this level or a stronger one begin and end on such boundaries; -1: no level."""
    offset: int = 0
    """Where the bar begins, in a pickup, of the full bar."""

    @property
    def length(self) -> int:
        return self.levels[0][-1]

    def level(self, place: int) -> int:
        """The level of a place in units."""
        place += self.offset
        for number, boundaries in enumerate(self.levels):
            if place in _members(boundaries):
                return number
        unit = self.levels[-1][bisect_right(self.levels[-1], place) - 1 :][:2]
        number, part, rest = len(self.levels), (unit[-1] - unit[0]) // 2, place - unit[0]
        while part >= FINEST and rest % part:
            number, part = number + 1, part // 2
        return number

    def strongest(self, begin: int, end: int) -> int | None:
        """The strongest level with a boundary strictly between two places; None if there is none on any level."""
        begin, end = begin + self.offset, end + self.offset
        for number, boundaries in enumerate(self.levels):
            first = bisect_right(boundaries, begin)
            if first < len(boundaries) and boundaries[first] < end:
                return number
        number, part = len(self.levels), self._unit(begin) // 2
        origin = self.levels[-1][bisect_right(self.levels[-1], begin) - 1]
        while part >= FINEST:
            if (begin - origin) // part * part + part < end - origin:
                return number
            number, part = number + 1, part // 2
        return None

    def boundaries(self, begin: int, end: int, level: int) -> list[int]:
        """The places strictly between two others that are on this level or a stronger one."""
        begin, end = begin + self.offset, end + self.offset
        if level < len(self.levels):
            found = [b for b in self.levels[level] if begin < b < end]
        else:
            found = []
            for low, high in zip(self.levels[-1], self.levels[-1][1:]):
                part = max((high - low) >> (level - len(self.levels) + 1), FINEST)
                found += [b for b in range(low, high, part) if begin < b < end]
        return [b - self.offset for b in found]

    def _unit(self, place: int) -> int:
        at = min(bisect_right(self.levels[-1], place), len(self.levels[-1]) - 1)
        return self.levels[-1][at] - self.levels[-1][at - 1]


@lru_cache(maxsize=1024)
def _members(boundaries: tuple[int, ...]) -> frozenset[int]:
    return frozenset(boundaries)


@lru_cache(maxsize=256)
def pulse_of(numerator: int, denominator: int, length: int = 0) -> Pulse:
    """The levels of a bar in this meter.

    Args:
        length: of the bar in units, if it is a pickup: the end of a full bar; 0 for a full bar.
    """
    unit = 4 * UNITS // denominator
    full = unit * numerator
    offset = full - length if 0 < length < full else 0
    units = tuple(range(0, full + 1, unit))
    levels: list[tuple[int, ...]]
    if numerator % 3 == 0 and (denominator >= 8 or numerator > 3):  # compound: beats of three
        beats = tuple(range(0, full + 1, 3 * unit))
        levels = [(0, full)] if numerator != 12 else [(0, full), (0, full // 2, full)]
        levels += [beats] if len(beats) > 2 else []
        return Pulse((*levels, units), len(levels) - 1, len(levels) - 1, offset)
    if numerator in _IRREGULAR and (numerator != 8 or denominator >= 8):
        groups = tuple(unit * n for n in accumulate(_IRREGULAR[numerator], initial=0))
        return Pulse(((0, full), groups, units), 1 if denominator >= 8 else 2, 1, offset)
    levels = [(0, full)]
    if numerator % 2 == 0 and numerator > 2:
        levels.append((0, full // 2, full))
        if numerator % 4 == 0 and numerator > 4:
            levels.append(tuple(range(0, full + 1, full // 4)))
    if numerator > 1:
        levels.append(units)
    beat = len(levels) - 1
    if unit > UNITS:  # beats of halves and longer are divided before they are written
        levels.append(tuple(range(0, full + 1, unit // 2)))
    return Pulse(tuple(levels), beat, -1, offset)


@lru_cache(maxsize=256)
def tuplet_pulse(actual: int, unit: int) -> Pulse:
    """The levels of a tuplet of `actual` values of `unit` units, in written values."""
    full = actual * unit
    levels: list[tuple[int, ...]] = [(0, full)]
    if actual % 3 == 0 and actual > 3:
        levels.append(tuple(range(0, full + 1, 3 * unit)))
    levels.append(tuple(range(0, full + 1, unit)))
    return Pulse(tuple(levels), len(levels) - 1, -1)
