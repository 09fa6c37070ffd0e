"""Compares two readings of one file: which notes, tempos, meters and keys are the same, and of what kind the rest is.

A reading is a `Heard`, in ticks of 480 to a quarter note. Onsets and durations may differ by TOLERANCE, because some
programs write 120 ticks to a quarter. Knows neither files nor programs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TypeVar

TICKS = 480
TOLERANCE = 8
"""Ticks; a 64th note has 30."""

Note = tuple[int, int, int]
"""Onset, duration, pitch."""
Meter = tuple[int, int]
Key = tuple[int, int]
"""Sharps (flats below 0), and 1 for minor."""
Group = tuple[int, frozenset[int]]
"""An onset and the pitches that begin there."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class Heard:
    """What one program makes of a file."""

    notes: tuple[Note, ...]
    drums: tuple[Note, ...] = ()
    tempos: tuple[tuple[int, float], ...] = ()
    """Tick and quarters a minute."""
    meters: tuple[tuple[int, Meter], ...] = ()
    keys: tuple[tuple[int, Key], ...] = ()
    """Of all tracks, which can differ if instruments transpose."""

    @property
    def end(self) -> int:
        return max((onset + duration for onset, duration, _ in self.notes + self.drums), default=0)


@dataclass(frozen=True)
class Match:
    """How the notes of two readings go together."""

    same: int
    """Notes with the same onset, duration and pitch."""
    durations: tuple[tuple[Note, Note], ...]
    """Notes with only the same onset and pitch."""
    unisons: tuple[Note, ...]
    """Notes of one reading beside which the other has the same pitch at the same time once less."""
    only_ours: tuple[Note, ...]
    only_theirs: tuple[Note, ...]


def match_notes(ours: Iterable[Note], theirs: Iterable[Note]) -> Match:
    """Match as multisets: each note of one reading with at most one of the other."""
    same, durations, unisons = 0, [], []
    rest: tuple[list[Note], list[Note]] = ([], [])
    for group in _clusters(ours, theirs):
        left, right = sorted(group[0]), sorted(group[1])
        for note in list(left):
            near = [other for other in right if abs(other[1] - note[1]) <= TOLERANCE]
            if near:
                right.remove(min(near, key=lambda other: abs(other[1] - note[1])))
                left.remove(note)
                same += 1
        found = len(group[0]) - len(left)
        pairs = list(zip(left, right))
        durations += pairs
        over = left[len(pairs) :], right[len(pairs) :]
        for side in (0, 1):
            if found or pairs:
                unisons += over[side]
            else:
                rest[side].extend(over[side])
    return Match(same, tuple(durations), tuple(unisons), tuple(sorted(rest[0])), tuple(sorted(rest[1])))


def _clusters(ours: Iterable[Note], theirs: Iterable[Note]) -> Iterable[tuple[list[Note], list[Note]]]:
    """The notes of one pitch that begin together."""
    by_pitch: dict[int, list[tuple[int, int, Note]]] = defaultdict(list)
    for side, notes in enumerate((ours, theirs)):
        for note in notes:
            by_pitch[note[2]].append((note[0], side, note))
    for found in by_pitch.values():
        found.sort()
        group: tuple[list[Note], list[Note]] = ([], [])
        last = found[0][0]
        for onset, side, note in found:
            if onset - last > TOLERANCE:
                yield group
                group = ([], [])
            group[side].append(note)
            last = onset
        yield group


# ----------------------------------------------------------------------------------------------- kinds of differences

SAME = "the same notes"
UNISONS = "unisons: one note or two"
DURATIONS = "durations only"
ORDER = "another order of bars"
TRANSPOSED = "transposed"
SHIFTED = "shifted from a bar on"
SHORT = "short notes: graces, ornaments"
LENGTHS = "bars of other lengths"
MISSING = "notes that we lack"
EXTRA = "notes that they lack"
OTHER = "several"

_SHORT = TICKS // 2


def kind_of(ours: Heard, theirs: Heard, match: Match) -> str:
    """The kind of the difference between the notes of two readings."""
    if not match.only_ours and not match.only_theirs:
        return DURATIONS if match.durations else UNISONS if match.unisons else SAME
    rest = match.only_ours + match.only_theirs
    longer = abs(ours.end - theirs.end) > TICKS
    if longer and _bars_repeated(ours, theirs):
        return ORDER
    if not longer and _transposition(match) is not None:
        return TRANSPOSED
    if _is_shifted(match):
        return LENGTHS if longer else SHIFTED
    if not longer and all(duration <= _SHORT for _, duration, _ in rest):
        return SHORT
    if not match.only_ours:
        return MISSING
    if not match.only_theirs:
        return EXTRA
    return LENGTHS if longer else OTHER


def _transposition(match: Match) -> int | None:
    """The interval by which nearly all of the notes left over differ."""
    at: dict[int, list[int]] = defaultdict(list)
    for onset, _, pitch in match.only_ours:
        at[onset // TOLERANCE].append(pitch)
    steps = Counter(
        pitch - other for onset, _, pitch in match.only_theirs for other in at.get(onset // TOLERANCE, ())
    )
    if not steps:
        return None
    step, many = steps.most_common(1)[0]
    return step if many >= 0.9 * max(len(match.only_ours), len(match.only_theirs)) else None


def _is_shifted(match: Match) -> bool:
    """Whether the notes left over are the same ones at other times."""
    ours, theirs = (Counter(pitch for _, _, pitch in side) for side in (match.only_ours, match.only_theirs))
    common = sum((ours & theirs).values())
    return common >= 0.9 * max(len(match.only_ours), len(match.only_theirs)) and common > 8


def onset_groups(notes: Sequence[Note]) -> list[Group]:
    groups: list[tuple[int, set[int]]] = []
    for onset, _, pitch in sorted(notes):
        if groups and onset - groups[-1][0] <= TOLERANCE:
            groups[-1][1].add(pitch)
        else:
            groups.append((onset, {pitch}))
    return [(onset, frozenset(pitches)) for onset, pitches in groups]


def blocks(ours: Heard, theirs: Heard) -> list[tuple[str, list[Group], list[Group]]]:
    """The differences of two readings as edits of a sequence: what stands in ours for what in theirs."""
    left, right = onset_groups(ours.notes), onset_groups(theirs.notes)
    if max(len(left), len(right)) > 12_000:
        return []
    edits = SequenceMatcher(None, [p for _, p in left], [p for _, p in right], autojunk=False).get_opcodes()
    return [(what, left[a:b], right[c:d]) for what, a, b, c, d in edits if what != "equal"]


def _bars_repeated(ours: Heard, theirs: Heard) -> bool:
    """Whether most of what only one reading has stands in it elsewhere too: bars played once more."""
    known = [Counter(pitches for _, pitches in onset_groups(side.notes)) for side in (ours, theirs)]
    total, again = 0, 0
    for _, *edit in blocks(ours, theirs):
        for side, groups in enumerate(edit):
            total += len(groups)
            if len(groups) >= 3:
                again += sum(known[side][pitches] > 1 for _, pitches in groups)
    return total > 0 and again >= 0.6 * total


# ------------------------------------------------------------------------------------------- tempos, meters and keys


def share_of_time(
    ours: Sequence[tuple[int, Value]],
    theirs: Sequence[tuple[int, Value]],
    end: int,
    default: Value,
    same: Callable[[Value, set[Value]], bool],
) -> tuple[float, list[tuple[int, int, Value, set[Value]]]]:
    """The share of the time in which two readings agree, and the spans in which they do not.

    `same` compares our value, the last one at a tick, with all of theirs, since each track can have its own.
    """
    left, right = _merge(ours), _merge(theirs)
    ticks = sorted({0, end, *(t for t in left if t < end), *(t for t in right if t < end)})
    wrong, total = [], max(end, 1)
    for begin, until in zip(ticks, ticks[1:]):
        if until - begin <= TOLERANCE:
            continue
        mine = (_values_at(left, begin) or [default])[-1]
        others = set(_values_at(right, begin) or [default])
        if not same(mine, others):
            wrong.append((begin, until, mine, others))
    return 1 - sum(until - begin for begin, until, _, _ in wrong) / total, wrong


def _merge(changes: Sequence[tuple[int, Value]]) -> dict[int, list[Value]]:
    """The values that begin at each tick, in order of the ticks."""
    found: dict[int, list[Value]] = defaultdict(list)
    for tick, value in sorted(changes, key=lambda change: change[0]):
        found[tick].append(value)
    return found


def _values_at(changes: dict[int, list[Value]], tick: int) -> list[Value]:
    ticks = list(changes)
    place = bisect_right(ticks, tick + TOLERANCE)
    return changes[ticks[place - 1]] if place else []


def same_tempo(ours: float, theirs: set[float]) -> bool:
    return any(abs(ours - other) <= 0.005 * other for other in theirs)


def same_value(ours: Value, theirs: set[Value]) -> bool:
    return ours in theirs


def same_sharps(ours: Key, theirs: set[Key]) -> bool:
    return any(ours[0] == other[0] for other in theirs)


def only_bars_not_full(wrong: Sequence[tuple[int, int, Meter, set[Meter]]]) -> bool:
    """Whether all the spans in which the meters differ are single bars of ours, which are not full."""
    return all(until - begin <= meter[0] * 4 * TICKS // meter[1] + TOLERANCE for begin, until, meter, _ in wrong)


# -------------------------------------------------------------------------------------------------------- bar numbers


def bar_of(meters: Sequence[tuple[int, Meter]], tick: int) -> str:
    """The number of the played bar, and the quarter within it, both from 1."""
    number, begin, meter, changes = 1, 0, (4, 4), list(meters)
    while True:
        while changes and changes[0][0] <= begin:
            meter = changes.pop(0)[1]
        length = max(1, meter[0] * 4 * TICKS // meter[1])
        following = min([begin + length, *(t for t, _ in changes[:1])])
        if tick < following:
            return f"bar {number}, quarter {1 + (tick - begin) / TICKS:.3g}"
        number, begin = number + 1, following
