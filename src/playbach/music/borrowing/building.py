"""Makes an index of pieces and measures its floor on held-out ones.

A held-out piece is not compared with indexed pieces that share its tune (`tunes`): two settings of one tune are meant
to be alike. So the pieces of the index themselves may serve as held-out ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music.borrowing.floor import ANY_PART, FLOOR_BARS, PER_MILLE, Floor, part_name
from playbach.music.borrowing.index import BarHashes, Index, Shelf, bar_hashes
from playbach.music.fingerprints import WHOLE, MoveHashes, ScoreLine, lines_of
from playbach.music.tunes import groups_from_runs, interval_runs, top_line
from playbach.system.spool import Spool, SpoolEntry

MOST_PIECES = 200
"""Of more held-out pieces, this many are measured, at equal distances in their order."""

ScoreSource = Callable[[], Score]
"""Makes a score, each time that it is called."""


def build(
    indexed: Mapping[int, ScoreSource], held_out: Sequence[ScoreSource], base: tuple[Shelf, ...] = ()
) -> tuple[Index, Floor]:
    """An index of pieces, and its floor.

    Args:
        indexed: the pieces of the index, by their numbers.
        held_out: the pieces on which the floor is measured; they may be those of the index.
        base: shelves that the index has before its own; all their pieces count in the floor.
    """
    facts = _Facts()
    shelf = Shelf.of((number, facts.noted(number, source())) for number, source in indexed.items())
    index = Index((*base, shelf))
    held_out = held_out[:: max(1, -(-len(held_out) // MOST_PIECES))]
    return index, _floor(index, Index(base), facts, held_out)


@dataclass
class _Facts:
    """What the floor needs to know of the indexed pieces, besides the index."""

    spool: Spool = field(default_factory=Spool)
    numbers: list[int] = field(default_factory=list)
    runs: list[SpoolEntry] = field(default_factory=list)
    """The runs of each piece's tune."""
    bars: list[MoveHashes] = field(default_factory=list)
    """The bars of each piece, each as `hash << 32 | number`."""

    def noted(self, number: int, score: Score) -> Score:
        self.numbers.append(number)
        self.runs.append(self.spool.put(interval_runs(top_line(score)).tobytes()))
        hashes = np.unique(bar_hashes(score)[1])
        self.bars.append(hashes.astype(np.uint64) << np.uint64(32) | np.uint64(number))
        return score


def _floor(index: Index, base: Index, facts: _Facts, held_out: Sequence[ScoreSource]) -> Floor:
    stored = (np.frombuffer(entry.read(), np.uint64) for entry in facts.runs)
    groups = groups_from_runs([*stored, *(interval_runs(top_line(source())) for source in held_out)])
    of_tune: dict[int, set[int]] = {}
    for number, group in zip(facts.numbers, groups):
        of_tune.setdefault(group, set()).add(number)
    owners = np.sort(np.concatenate(facts.bars)) if facts.bars else np.zeros(0, np.uint64)
    longest: dict[str, Counter[int]] = {WHOLE: Counter(), ANY_PART: Counter()}
    having: Counter[str] = Counter()
    copied: Counter[int] = Counter()
    for source, group in zip(held_out, groups[len(facts.numbers) :]):
        score, same_tune = source(), of_tune.get(group, set())
        lines = lines_of(score)
        having.update({part_name(line) for line in lines if not line.is_whole} - {ANY_PART})
        numbers, hashes = bar_hashes(score)
        occurs = base.has_bars(hashes) | _occur_elsewhere(hashes, owners, same_tune)
        occurs = occurs[index.comparable(hashes)]
        numbers = numbers[index.comparable(hashes)]
        for first, last in excerpts(lines):
            inside = (numbers >= first) & (numbers <= last)
            if inside.any():
                copied[round(PER_MILLE * float(occurs[inside].mean()))] += 1
            for line in lines:
                run = index.longest(line.between(first, last), without=same_tune)
                notes = 0 if run is None else run.notes
                for name in {WHOLE} if line.is_whole else {ANY_PART, part_name(line)}:
                    longest.setdefault(name, Counter())[notes] += 1
    kept = {WHOLE, ANY_PART} | {name for name, count in having.items() if 2 * count >= len(held_out)}
    return Floor(len(held_out), {name: counts for name, counts in longest.items() if name in kept}, copied)


def excerpts(lines: Sequence[ScoreLine]) -> Iterator[tuple[int, int]]:
    """The first and the last bar of each excerpt of FLOOR_BARS full bars; the bars left at the end are in none. A
    shorter piece is one excerpt. A pickup belongs to the first one."""
    last = max((int(line.bars[-1]) for line in lines), default=0)
    if last < FLOOR_BARS:
        yield 0, last
    for first in range(1, last - FLOOR_BARS + 2, FLOOR_BARS):
        yield (0 if first == 1 else first), first + FLOOR_BARS - 1


def _occur_elsewhere(hashes: BarHashes, owners: MoveHashes, same_tune: Collection[int]) -> npt.NDArray[np.bool_]:
    """Which of the bars (n,) a piece has that is not one of these.

    Args:
        owners: `hash << 32 | number` of each bar of each piece, in order.
    """
    low = np.searchsorted(owners, hashes.astype(np.uint64) << np.uint64(32))
    high = np.searchsorted(owners, (hashes.astype(np.uint64) + np.uint64(1)) << np.uint64(32))
    same = np.array(sorted(same_tune), np.uint64)
    numbers = owners & np.uint64(0xFFFFFFFF)
    return np.array([bool((~np.isin(numbers[a:b], same)).any()) for a, b in zip(low, high)], bool)
