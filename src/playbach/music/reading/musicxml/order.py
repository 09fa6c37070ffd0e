"""The order in which the bars of a MusicXML score are played: repeats, endings, and jumps such as D.C. al Fine.

- `:|` goes back to its `|:`. Without one, it goes back to the end of the repeat before it, or to the beginning, but
  not over a Fine that comes after a repeat.
- An ending is played the times that its number says. A first ending alone is left out the second time.
- A jump is taken once, when its bar is played for the last time. On the way back there are no repeats, and of
  endings only the last is played. It ends at `Fine`, or goes from `To Coda` to the coda, where repeats count again.
- A D.C. after a trio, without a Fine, plays the minuet: from where its movement begins up to the trio. Then the music
  after the D.C. goes on.
- A mark that makes no sense is left out, and said. It never costs another mark.

These are the rules of the notation, and what MuseScore plays, except where that skips an ending that has no `:|`,
ignores a coda because `al Coda` is missing, or plays the first of two nested repeats too short.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from playbach.music.reading.musicxml.marks import MAX_TIMES, BarMarks, Jump, read_marks

MOST_PLAYED_BARS = 20_000
"""A piece is played with its repeats only if it then has at most so many bars."""
_MAX_DEPTH = 3
"""Repeats within repeats; music has two."""
_SHOWN_BARS = 5


@dataclass(frozen=True, slots=True)
class PlayedOrder:
    """The bars of a piece as they are played."""

    bars: tuple[tuple[int, int], ...]
    """The index of each bar, and whether it is played for the first, second … time of its repeat."""
    remarks: tuple[str, ...]
    """One line for each kind of mark that makes no sense."""


@dataclass(slots=True)
class _Ending:
    first: int
    last: int
    numbers: set[int]


@dataclass(slots=True)
class _Repeat:
    """Music that is played several times: the bars from `first` to `last`, endings included."""

    first: int
    last: int
    times: int
    after_jump: bool = False
    endings: list[_Ending] = field(default_factory=list)
    inner: list[_Repeat] = field(default_factory=list)
    """Repeats within it, in order."""
    depth: int = 1
    """1 without repeats within it."""


class _Remarks:
    """What makes no sense, by kind, with the names of the bars."""

    def __init__(self) -> None:
        self._bars: dict[str, list[str]] = {}

    def add(self, kind: str, bar: BarMarks) -> None:
        self._bars.setdefault(kind, []).append(bar.name)

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{kind} ({_places(names)})" for kind, names in self._bars.items())


def _places(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_BARS} more" if len(names) > _SHOWN_BARS else ""
    return f"bar{'s' if len(names) > 1 else ''} {', '.join(names[:_SHOWN_BARS])}{more}"


def played_order(parts: Sequence[Sequence[Element]], most: int = MOST_PLAYED_BARS) -> PlayedOrder:
    """The order in which the bars are played.

    Args:
        parts: for each part its `measure` elements. Parts may have different numbers of them.
        most: with more bars than this the piece is played as written, and that is said.
    """
    marks, remarks = read_marks(parts), _Remarks()
    repeats = _repeats(marks, remarks)
    places = _Places(marks)
    _check_jumps(marks, places, remarks)
    played: list[tuple[int, int]] = []
    for visit in _Player(marks, repeats, places).play():
        played.append(visit)
        if len(played) > max(most, len(marks)):
            line = f"with its repeats it has more than {most:,} bars, so it is played without them"
            return PlayedOrder(tuple((i, 1) for i in range(len(marks))), (*remarks.lines(), line))
    return PlayedOrder(tuple(played), remarks.lines())


# ------------------------------------------------------------------------------------------------ repeats and endings


def _repeats(marks: Sequence[BarMarks], remarks: _Remarks) -> list[_Repeat]:
    """The repeats in order, each with those within it."""
    found: list[_Repeat] = []
    open_: list[int] = []  # bars with |: that have no :| yet
    i = section = 0
    while i < len(marks):
        bar = marks[i]
        if bar.trio or bar.codas:
            section = i
        if bar.begins_repeat:
            open_.append(i)
        group = _endings(marks, i) if bar.begins_ending else []
        if group and (times := _times_of_endings(marks, group, remarks)):
            last = group[-1].last
            _add_repeat(found, open_, _Repeat(i, last, times, marks[last].after_jump, group), section)
            open_ += [k for k in range(i + 1, last + 1) if marks[k].begins_repeat]
            i = last
        elif bar.times:
            _add_repeat(found, open_, _Repeat(i, i, bar.times, bar.after_jump), section)
        if bar.fine and found and not open_:
            section = i + 1
        if bar.too_often:
            remarks.add(f"a repeat that asks for more than {MAX_TIMES} times is played twice", bar)
        i += 1
    for begin in open_:
        remarks.add("the beginning of a repeat has no end, and is left out", marks[begin])
    return found


def _add_repeat(found: list[_Repeat], open_: list[int], repeat: _Repeat, section: int) -> None:
    """Add a repeat that ends; it begins at the last |: that is open, else after the repeat before it, or with the
    section if a Fine or the beginning of a trio or coda lies between."""
    after = max(section, found[-1].last + 1 if found else 0)
    begin = open_.pop() if open_ else after
    if repeat.endings and begin == repeat.endings[0].first:
        begin = after  # nothing is between the sign and the first ending
    inner: list[_Repeat] = []
    while found and found[-1].first >= begin:
        inner.insert(0, found.pop())
    depth = 1 + max((other.depth for other in inner), default=0)
    if depth > _MAX_DEPTH:
        found += inner
        begin, inner, depth = after, [], 1
    repeat.first, repeat.inner, repeat.depth = begin, inner, depth
    found.append(repeat)


def _endings(marks: Sequence[BarMarks], first: int) -> list[_Ending]:
    """The endings that follow each other from this bar on."""
    group: list[_Ending] = []
    i = first
    while i < len(marks) and marks[i].begins_ending:
        numbers = set(marks[i].numbers)
        if group and numbers and group[-1].numbers and min(numbers) <= max(group[-1].numbers):
            break  # the endings of another repeat
        group.append(_Ending(i, _last_of_ending(marks, i, is_first=not group), numbers))
        i = group[-1].last + 1
    return group


def _last_of_ending(marks: Sequence[BarMarks], first: int, is_first: bool) -> int:
    """The last bar of an ending: where its bracket ends, or before the next ending begins.

    Without either, a first ending goes to its `:|`, and any other is one bar long.
    """
    sign = None
    for i in range(first, len(marks)):
        if i > first and marks[i].begins_ending:
            return i - 1 if is_first and sign is None else first if sign is None else sign
        if i > first and marks[i].begins_repeat:
            break
        if marks[i].ends_ending:
            return _last_before_next_ending(marks, i) if is_first and not marks[i].times else i
        if marks[i].times:
            sign = i
            break
    return sign if sign is not None and (is_first or sign == first) else first


def _last_before_next_ending(marks: Sequence[BarMarks], last: int) -> int:
    """The `:|` between a bracket that ends too soon and the next ending; without one, the last bar of the bracket."""
    for i in range(last + 1, len(marks) - 1):
        if marks[i].begins_ending or marks[i].begins_repeat or marks[i].ends_ending:
            break
        if marks[i].times:
            return i if marks[i + 1].begins_ending else last
    return last


def _goes_back(marks: Sequence[BarMarks], ending: _Ending) -> bool:
    return any(marks[i].times for i in range(ending.first, ending.last + 1))


def _times_of_endings(marks: Sequence[BarMarks], group: list[_Ending], remarks: _Remarks) -> int:
    """How often music with these endings is played; 0 if they make no sense. Gives each ending its numbers."""
    if len(group) == 1 and not _goes_back(marks, group[0]):
        remarks.add("an ending without a repeat is left out", marks[group[0].first])
        return 0
    if len(group) == 1:
        group[0].numbers = set(range(1, max(group[0].numbers or {1}) + 1)) if 1 in group[0].numbers else {1}
        return max(2, *group[0].numbers)
    expected = 1
    for ending, following in zip(group, [*group[1:], None]):
        if not ending.numbers or min(ending.numbers) < expected:
            ending.numbers = {expected}
        ending.numbers |= set(range(expected, min(ending.numbers)))  # nobody else plays these
        if following and not _goes_back(marks, ending):
            remarks.add("a repeat sign is missing at the end of an ending, and is added", marks[ending.last])
        expected = max(ending.numbers) + 1
    return max(group[-1].numbers)


# -------------------------------------------------------------------------------------------------------------- jumps


class _Places:
    """Where the goals of jumps are, in order of bars."""

    def __init__(self, marks: Sequence[BarMarks]) -> None:
        self.has_fine = any(bar.fine for bar in marks)
        self.segnos = _by_name(bar.segnos for bar in marks)
        self.codas = _by_name(bar.codas for bar in marks)
        self.exits = _by_name(bar.to_codas for bar in marks)

    @property
    def has_coda(self) -> bool:
        return bool(self.codas and self.exits)

    def segno(self, i: int, jump: Jump) -> int | None:
        """The bar to which a D.S. in bar `i` leads: the segno that it names, else the nearest one before it."""
        bars = self.segnos.get(jump.segno or None) or self.segnos.get(None, [])
        at = bisect_right(bars, i)
        return bars[at - 1] if at else None

    def coda(self, i: int, names: Iterable[str]) -> int | None:
        """The bar of the coda to which one goes after bar `i`: the next one with the name, else the next one."""
        for name in (*(name for name in names if name), None):
            bars = self.codas.get(name, [])
            at = bisect_right(bars, i)
            if at < len(bars):
                return bars[at]
        return None


def _by_name(names: Iterable[set[str]]) -> dict[str | None, list[int]]:
    """The bars with each name, and with any name under None."""
    found: dict[str | None, list[int]] = {}
    for i, own in enumerate(names):
        for name in (*own, *((None,) if own else ())):
            found.setdefault(name, []).append(i)
    return found


def _check_jumps(marks: Sequence[BarMarks], places: _Places, remarks: _Remarks) -> None:
    """Take away jumps that lead nowhere, and say which marks have no use."""
    for i, bar in enumerate(marks):
        if bar.jump is None:
            continue
        if not bar.jump.to_segno and not bar.jump.until and not places.has_fine and not places.has_coda:
            _end_before_trio(marks, i, bar.jump)
        if fault := _fault(i, bar.jump, places):
            remarks.add(fault, bar)
            bar.jump = None
    if not any(bar.jump or bar.goal_times for bar in marks):
        for bar in marks:
            if bar.fine and bar is not marks[-1]:
                remarks.add("a Fine without a jump is left out", bar)
            if bar.to_codas or bar.codas:
                remarks.add("a coda without a jump is left out", bar)
        for bar in marks:
            if bar.segnos:
                remarks.add("a segno without a D.S. is left out", bar)
    elif (places.codas or places.exits) and not places.has_coda:
        for bar in marks:
            if bar.codas or bar.to_codas:
                remarks.add("a coda needs a mark where one leaves and one where it begins; it is left out", bar)


def _end_before_trio(marks: Sequence[BarMarks], i: int, jump: Jump) -> None:
    """A D.C. in bar `i` that says no more means the minuet before the trio, if there is one in its movement.

    The minuet begins at its title, else where its movement does. If more music follows, and neither is marked, the
    beginning is unknown, and nothing changes.
    """
    trio = next((k for k in range(i, 0, -1) if marks[k].trio), None)
    if trio is None:
        return
    title = next((k for k in range(trio - 1, -1, -1) if marks[k].title), None)
    # A final barline just before the trio closes the minuet itself.
    after_barline = next((k + 1 for k in range(trio - 2, -1, -1) if marks[k].closes == "movement"), None)
    begin = title if title is not None else after_barline
    if begin is not None or i + 1 == len(marks):
        jump.begin, jump.before = begin or 0, trio


def _fault(i: int, jump: Jump, places: _Places) -> str:
    """Why a jump makes no sense; empty if it does."""
    if jump.names_movement and jump.before is None and not (jump.until or places.has_fine or places.has_coda):
        return "a D.C. of a movement whose beginning or end is not marked is left out"
    if jump.to_segno and places.segno(i, jump) is None:
        return "a D.S. without a segno before it is left out"
    if jump.until == "fine" and not places.has_fine:
        return "a jump to a Fine that is missing is left out"
    if jump.until == "coda" and not places.has_coda:
        return "a jump to a coda that is missing is left out"
    return ""


# ------------------------------------------------------------------------------------------------------------ playing


class _Player:
    """Plays the bars, and keeps count."""

    def __init__(self, marks: Sequence[BarMarks], repeats: Sequence[_Repeat], places: _Places) -> None:
        self._marks, self._places = marks, places
        self._begins: dict[int, list[_Repeat]] = {}  # by first bar, the innermost first
        self._ends: dict[int, list[_Repeat]] = {}  # those that end with a bar or go back from it, the innermost first
        self._endings: dict[int, tuple[_Repeat, _Ending]] = {}  # by first bar
        self._within: list[list[_Repeat]] = [[] for _ in marks]  # the repeats of each bar, the innermost first
        for repeat in _innermost_first(repeats):
            for ending in repeat.endings:
                self._endings[ending.first] = (repeat, ending)
                if ending.last != repeat.last:
                    self._ends.setdefault(ending.last, []).append(repeat)
            self._begins.setdefault(repeat.first, []).append(repeat)
            self._ends.setdefault(repeat.last, []).append(repeat)
            for i in range(repeat.first, repeat.last + 1):
                self._within[i].append(repeat)
        self._time: dict[int, int] = {}  # by the id of a repeat: the time that is being played
        self._again: _Repeat | None = None  # the repeat that has just gone back to its beginning
        self._taken: set[int] = set()  # bars whose jump was taken
        self._jump: int | None = None  # the bar of the jump on whose way back we are
        self._plays_repeats = False  # on that way

    def play(self) -> Iterator[tuple[int, int]]:
        """The index of each bar, and for which time it is played."""
        i: int | None = 0
        while i is not None:
            i = self._skip_endings(i)
            if i >= len(self._marks):
                return
            self._begin_repeats(i)
            yield i, self._count(self._within[i][0]) if self._within[i] else 1
            i = self._following(i)

    def _begin_repeats(self, i: int) -> None:
        """Count anew the repeats that begin with bar `i`, but not one that has just gone back to it."""
        for repeat in self._begins.get(i, []):
            if repeat is self._again:
                break
            self._time.pop(id(repeat), None)
        self._again = None

    def _count(self, repeat: _Repeat) -> int:
        """For which time a repeat is played: on the way back for the last."""
        if self._jump is not None and not (repeat.after_jump or self._plays_repeats):
            return repeat.times
        return self._time.get(id(repeat), 1)

    def _skip_endings(self, i: int) -> int:
        """The bar from which to go on before bar `i`: past endings that are for other times."""
        while i in self._endings:
            repeat, ending = self._endings[i]
            if self._count(repeat) in ending.numbers:
                break
            i = ending.last + 1
        return i

    def _following(self, i: int) -> int | None:
        """The bar after bar `i`; None if the piece ends."""
        bar = self._marks[i]
        if self._jump is None and self._within[i] and self._count(self._within[i][0]) in bar.goal_times:
            return None if bar.fine else self._places.coda(i, bar.to_codas)
        if self._jump is not None:
            jump = self._marks[self._jump].jump
            if jump and jump.before == i + 1:
                after, self._jump = self._jump + 1, None
                return after
            if bar.fine and jump and jump.until != "coda":
                return self._after_fine(i)
            if bar.to_codas and jump and jump.until != "fine":
                coda = self._places.coda(i, bar.to_codas)
                if coda is not None:
                    self._jump = None
                    return coda
        for repeat in self._ends.get(i, []):
            count = self._count(repeat)
            if count < repeat.times:
                self._time[id(repeat)] = count + 1
                self._again = repeat
                return repeat.first
        if bar.jump is not None and i not in self._taken and self._is_due(bar.jump, i):
            self._taken.add(i)
            self._jump, self._plays_repeats = i, bar.jump.repeats
            self._time.clear()
            return self._places.segno(i, bar.jump) if bar.jump.to_segno else bar.jump.begin
        if self._jump == i:
            self._jump = None  # all that was played before has been played again
            self._time.update({id(repeat): repeat.times for repeat in self._within[i]})
        return i + 1

    def _after_fine(self, i: int) -> int | None:
        """The bar after a Fine: none, unless the jump stands at the end of a movement and another one follows."""
        assert self._jump is not None
        after = self._jump + 1
        if i >= after or after >= len(self._marks) or self._marks[self._jump].closes != "movement":
            return None
        self._jump = None
        return after

    def _is_due(self, jump: Jump, i: int) -> bool:
        """Whether a jump is taken now: the last time, unless it names other times."""
        if jump.times and self._within[i]:
            return self._count(self._within[i][0]) in jump.times
        repeats = [r for r in self._within[i] if not any(e.first <= i <= e.last for e in r.endings)]
        return all(self._count(repeat) == repeat.times for repeat in repeats)


def _innermost_first(repeats: Iterable[_Repeat]) -> Iterator[_Repeat]:
    """The repeats and those within them."""
    for repeat in repeats:
        yield from _innermost_first(repeat.inner)
        yield repeat
