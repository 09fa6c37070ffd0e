"""Divides what a voice has in one bar into written values: ties, dots, tuplets, beams.

- A value begins on a place at least as strong as any that it crosses. One kind of syncopation is written without a
  tie: a value in the middle of two beats, such as quarter, half, quarter in 4/4. Rests never cross a place as strong
  as their ends. So Elaine Gould, "Behind Bars" (2011), pp. 152-182.
- Among the divisions that keep this, the one with the fewest symbols is taken, of equals the one that is divided at
  the strongest places.
- A tuplet is the smallest part of the meter that holds the values which powers of two cannot write.

Knows one bar of one voice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from playbach.music.notation.model import UNITS, VALUES, Head, Tuplet, WrittenSymbol
from playbach.music.notation.pulses import FINEST, Pulse, tuplet_pulse

TUPLETS = {3: 2, 5: 4, 6: 4, 7: 4, 9: 8, 10: 8}
"""How many values are in the time of how many."""
_TUPLET_COSTS = {3: 2.0, 5: 2.75, 7: 3.0, 9: 3.5, 6: 4.5, 10: 6.0}
"""Six cost more than twice three, so they are one group only where a note crosses its middle."""
_FINER_COST = 5.0
"""Of each halving of a tuplet's values: two triplets rather than one of quarters, if both can write the rhythm."""
_CROSSING_COST = 1.5
"""Of a note that crosses the edge of a tuplet."""
_MOST_HALVINGS = 3
_MOST_LEVELS = 9
"""Below the levels of a pulse: halves of its shortest parts, down to 128ths."""
_LONGEST_TUPLET, _SHORTEST_TUPLET = 4 * UNITS, UNITS // 4


@dataclass(frozen=True, slots=True)
class Segment:
    """What sounds between two places of a bar; without pitches it is a rest."""

    begin: int
    end: int
    heads: tuple[Head, ...] = ()
    """With `tied_from` and `tied_to` as they are at the segment's ends."""


@lru_cache(maxsize=4096)
def value_of(length: int) -> tuple[str, int] | None:
    """The value and the number of dots, at most two, that have this length; None if none has."""
    for name, units in VALUES.items():
        for dots in range(3):
            if length == 2 * units - (units >> dots):
                return name, dots
    return None


def write_segments(segments: Sequence[Segment], pulse: Pulse) -> tuple[WrittenSymbol, ...]:
    """The symbols of a voice in one bar.

    Args:
        segments: without gaps, from the beginning of the bar to its end.
    """
    edges = sorted({edge for s in segments for edge in (s.begin, s.end)})
    length = edges[-1] if edges else 0
    symbols: list[WrittenSymbol] = []
    at = 0
    for begin, end, actual in [*_tuplets(edges, pulse), (length, length, 0)]:
        for segment in _within(segments, at, begin):
            symbols += _write(segment, pulse)
        if actual:
            symbols += _write_tuplet(list(_within(segments, begin, end)), begin, end, actual)
        at = end
    return with_beams(symbols, pulse)


def _within(segments: Sequence[Segment], begin: int, end: int) -> Iterator[Segment]:
    """The parts of the segments between two places, tied where they are cut."""
    for s in segments:
        low, high = max(s.begin, begin), min(s.end, end)
        if low < high:
            yield _cut(s, low, high)


def _cut(segment: Segment, begin: int, end: int) -> Segment:
    if (begin, end) == (segment.begin, segment.end):
        return segment
    heads = tuple(
        replace(
            head,
            tied_from=head.tied_from or begin > segment.begin,
            tied_to=head.tied_to or end < segment.end,
            accidental=head.accidental and begin == segment.begin,
        )
        for head in segment.heads
    )
    return Segment(begin, end, heads)


# -------------------------------------------------------------------------------------------------- values and ties


def _write(segment: Segment, pulse: Pulse, rests_cross: bool = False) -> list[WrittenSymbol]:
    cuts = _divide(segment.begin, segment.end, pulse, not segment.heads and not rests_cross)
    written = []
    for begin, end in zip(cuts, cuts[1:]):
        part = _cut(segment, begin, end)
        found = value_of(end - begin)
        assert found is not None, f"no value lasts {end - begin} units"
        written.append(WrittenSymbol(begin, end - begin, *found, heads=part.heads))
    return written


@lru_cache(maxsize=65_536)
def _divide(begin: int, end: int, pulse: Pulse, is_rest: bool) -> tuple[int, ...]:
    """The places at which a value is divided, from its beginning to its end."""
    if _may_stand(begin, end, pulse, is_rest):
        return begin, end
    finest = max(pulse.level(begin), pulse.level(end))
    while True:
        cuts = _fewest(begin, end, pulse, is_rest, finest)
        if cuts or finest > len(pulse.levels) + _MOST_LEVELS:
            assert cuts, "every place is on a level"
            return cuts
        finest += 1  # as for a whole bar of 5/8, which no value fills


def _fewest(begin: int, end: int, pulse: Pulse, is_rest: bool, finest: int) -> tuple[int, ...]:
    """The division with the fewest values, at boundaries of this level and stronger ones; empty if there is none."""
    places = [begin, *pulse.boundaries(begin, end, finest), end]
    # Places are kept below 0, so that of equals the one is least that is divided last: half and eighth.
    best: dict[int, tuple[int, int, tuple[int, ...]]] = {begin: (0, 0, (-begin,))}
    for i, place in enumerate(places[1:], 1):
        level = pulse.level(place)
        options = [
            (best[start][0] + 1, best[start][1] + level, (*best[start][2], -place))
            for start in places[:i]
            if start in best and _may_stand(start, place, pulse, is_rest)
        ]
        if options:
            best[place] = min(options)
    return tuple(-place for place in best[end][2]) if end in best else ()


def _may_stand(begin: int, end: int, pulse: Pulse, is_rest: bool) -> bool:
    """Whether one symbol may be written from here to there."""
    found = value_of(end - begin)
    if found is None:
        return False
    strongest = pulse.strongest(begin, end)
    if strongest is None:
        return True
    first, last = pulse.level(begin), pulse.level(end)
    if strongest <= pulse.uneven and max(first, last) > pulse.uneven:
        return False
    if is_rest:
        in_three = pulse.uneven >= 0 and strongest == pulse.uneven + 1
        return first < strongest and (last < strongest or (in_three and not found[1]))
    if first <= strongest:
        return True
    centre = (begin + end) // 2
    return not found[1] and first == last == strongest + 1 and pulse.level(centre) == strongest


# -------------------------------------------------------------------------------------------------------- tuplets


def _tuplets(edges: Sequence[int], pulse: Pulse) -> list[tuple[int, int, int]]:
    """The tuplets of a bar: (begin, end, number of values)."""
    inner = [edge for edge in edges if edge % FINEST]
    if not inner:
        return []
    length = edges[-1]
    begin = 0 if not pulse.offset else max(b for b in pulse.levels[-1] if b <= pulse.offset) - pulse.offset
    _, found = _cheapest(tuple(edges), tuple(inner), begin, length, pulse, 0)
    return found


def _cheapest(
    edges: tuple[int, ...], inner: tuple[int, ...], begin: int, end: int, pulse: Pulse, level: int
) -> tuple[float, list[tuple[int, int, int]]]:
    """The cost and the tuplets of a part of a bar, whole or divided at the boundaries of a level."""
    own = [x for x in inner if begin < x < end]
    if not own:
        return 0.0, []
    options: list[tuple[float, list[tuple[int, int, int]]]] = []
    length = end - begin
    if length in VALUES.values() and _SHORTEST_TUPLET <= length <= _LONGEST_TUPLET:
        here = [x for x in edges if begin < x < end]
        for actual in TUPLETS:
            halvings = _halvings([x - begin for x in here], length, actual)
            if halvings is not None:
                crossing = _CROSSING_COST * sum(edge not in edges for edge in (begin, end))
                cost = _TUPLET_COSTS[actual] + _FINER_COST * halvings + crossing
                options.append((cost, [(begin, end, actual)]))
    if length > _SHORTEST_TUPLET:
        cuts = [begin, *pulse.boundaries(begin, end, level), end]
        deepest = level
        while len(cuts) == 2 and deepest < level + 12:
            deepest += 1
            cuts = [begin, *pulse.boundaries(begin, end, deepest), end]
        if len(cuts) > 2:
            divided = [_cheapest(edges, inner, a, b, pulse, deepest + 1) for a, b in zip(cuts, cuts[1:])]
            options.append((sum(cost for cost, _ in divided), [t for _, found in divided for t in found]))
    if not options:
        return 1e9, []
    return min(options, key=lambda option: option[0])


def _halvings(places: Sequence[int], length: int, actual: int) -> int | None:
    """How often the values of a tuplet must be halved so that all places are on them; None if that is not enough."""
    for halvings in range(_MOST_HALVINGS + 1):
        if length // TUPLETS[actual] >> halvings < FINEST:
            break
        if all(place * actual * (1 << halvings) % length == 0 for place in places):
            return halvings
    return None


def can_be_written(edges: Sequence[int], pulse: Pulse) -> bool:
    """Whether values and tuplets exist for these places of a bar, from its beginning to its end."""
    inner = tuple(edge for edge in edges if edge % FINEST)
    return not inner or _cheapest(tuple(edges), inner, 0, edges[-1], pulse, 0)[0] < 1e8


def _write_tuplet(segments: Sequence[Segment], begin: int, end: int, actual: int) -> list[WrittenSymbol]:
    normal = TUPLETS[actual]
    unit = (end - begin) // normal
    pulse = tuplet_pulse(actual, unit)
    written: list[WrittenSymbol] = []
    for s in segments:
        scaled = Segment((s.begin - begin) * actual // normal, (s.end - begin) * actual // normal, s.heads)
        written += _write(scaled, pulse, rests_cross=True)
    found = value_of(unit)
    assert found is not None
    symbols = []
    for i, symbol in enumerate(written):
        tuplet = Tuplet(actual, normal, found[0], begins=i == 0, ends=i == len(written) - 1)
        onset = begin + symbol.onset * normal // actual
        symbols.append(replace(symbol, onset=onset, length=symbol.length * normal // actual, tuplet=tuplet))
    return symbols


# ---------------------------------------------------------------------------------------------------------- beams


def with_beams(symbols: Sequence[WrittenSymbol], pulse: Pulse) -> tuple[WrittenSymbol, ...]:
    """The symbols with their beams: flags within a beat are joined, and eighths alone within half a bar, or within a
    bar of three beats."""
    beamed = list(symbols)
    for group in _beam_groups(symbols, pulse):
        flags = [_flags(symbols[i]) for i in group]
        inner = [_subgroup(symbols[i], pulse) for i in group]
        for at, i in enumerate(group):
            beams = tuple(_beam(flags, inner, at, number) for number in range(1, flags[at] + 1))
            beamed[i] = replace(symbols[i], beams=beams)
    return tuple(beamed)


def _flags(symbol: WrittenSymbol) -> int:
    names = list(VALUES)
    return max(0, names.index(symbol.value) - names.index("quarter")) if symbol.heads else 0


def _subgroup(symbol: WrittenSymbol, pulse: Pulse) -> int:
    """The beat in which a symbol begins: beams of 16ths are broken between beats."""
    boundaries = pulse.levels[pulse.beat]
    return sum(b <= symbol.onset + pulse.offset for b in boundaries)


def _beam_groups(symbols: Sequence[WrittenSymbol], pulse: Pulse) -> Iterator[list[int]]:
    by_span: dict[int, list[int]] = {}
    spans = _spans(symbols, pulse)
    for i, symbol in enumerate(symbols):
        by_span.setdefault(sum(b <= symbol.onset + pulse.offset for b in spans), []).append(i)
    for members in by_span.values():
        group: list[int] = []
        for i in members:
            if _flags(symbols[i]):
                group.append(i)
                continue
            if len(group) > 1:
                yield group
            group = []
        if len(group) > 1:
            yield group


def _spans(symbols: Sequence[WrittenSymbol], pulse: Pulse) -> list[int]:
    """Where groups of beamed notes begin."""
    beats = list(pulse.levels[pulse.beat])
    if pulse.uneven >= 0:
        return beats
    if len(beats) > 1 and beats[1] - beats[0] < UNITS // 2:  # short beats, as in 4/16
        beats = [b for b in beats if b % UNITS == 0]
    wider = list(pulse.levels[1]) if pulse.beat == 2 and len(pulse.levels[1]) == 3 else beats
    if len(beats) in (3, 4) and pulse.beat == 1 and beats[1] == UNITS:  # 2/4 and 3/4
        wider = [0, pulse.length]
    joined = [0]
    for low, high in zip(wider, wider[1:]):
        inside = [s for s in symbols if low <= s.onset + pulse.offset < high]
        only_eighths = all(s.value == "eighth" and s.heads and not s.tuplet for s in inside)
        # Over a value that is longer than a beat, beams never join.
        joined += [high] if only_eighths and inside else [b for b in beats if low < b <= high]
    return joined


def _beam(flags: Sequence[int], beats: Sequence[int], at: int, number: int) -> str:
    """One beam of a symbol of a group."""
    before = at > 0 and flags[at - 1] >= number and (number == 1 or beats[at - 1] == beats[at])
    after = at + 1 < len(flags) and flags[at + 1] >= number and (number == 1 or beats[at + 1] == beats[at])
    if before and after:
        return "continue"
    if before or after:
        return "begin" if after else "end"
    return "backward hook" if at else "forward hook"
