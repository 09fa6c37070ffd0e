"""The natural floor: how much real music borrows from an index of other real music, and how a piece compares with it.

The floor has the figures of held-out excerpts of FLOOR_BARS bars, since long pieces share longer runs. `building`
measures it. docs/evaluation.md defines the figures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.music.borrowing.index import Index, SharedRun, bar_hashes, names_of
from playbach.music.fingerprints import WHOLE, ScoreLine, lines_of

FLOOR_BARS = 16
"""The bars of an excerpt."""
COMMON = 0.95
"""A run that is no longer than the longest of this share of the excerpts is at or under the floor."""
FAR = 2
"""A run is far above the floor if it has more than this many times the notes of the floor."""
ANY_PART = ""
"""The name under which the figures of all parts are together."""
PER_MILLE = 1000

Counts = Mapping[int, int]
"""How often each value was found."""


@dataclass(frozen=True)
class Floor:
    """What excerpts of held-out music borrow."""

    pieces: int
    """How many pieces the excerpts are from."""
    longest: Mapping[str, Counts]
    """The notes of the longest run in each line, 0 for none: for WHOLE, ANY_PART, and the parts that at least half of
    the pieces have, by name."""
    copied: Counts
    """The share of bars that occur in an indexed piece, per mille."""

    def usual_run(self, line: ScoreLine, excerpts: float = 1) -> int:
        """The median of the longest run of such a line, in a piece of so many excerpts."""
        return _quantile(self._of(line), 0.5 ** (1 / excerpts))

    def longest_run(self, line: ScoreLine, excerpts: float = 1) -> int:
        """The longest run of such a line that is at or under the floor, in a piece of so many excerpts.

        The longest of n runs is at most x with probability p ** n, if each of them is with probability p.
        """
        return _quantile(self._of(line), COMMON ** (1 / excerpts))

    def usual_copied(self) -> float:
        """The median of the share of bars."""
        return _quantile(self.copied, 0.5) / PER_MILLE

    def most_copied(self) -> float:
        """The largest share of bars that is at or under the floor."""
        return _quantile(self.copied, COMMON) / PER_MILLE

    def _of(self, line: ScoreLine) -> Counts:
        return self.longest.get(WHOLE if line.is_whole else part_name(line), self.longest.get(ANY_PART, {}))

    def manifest(self) -> dict[str, Any]:
        """The floor as JSON. `from_manifest` is its inverse."""
        return {
            "pieces": self.pieces,
            "longest": {name: _listed(counts) for name, counts in self.longest.items()},
            "copied": _listed(self.copied),
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Floor:
        """Raises ValueError, TypeError, LookupError or AttributeError if the data is malformed."""
        longest = {str(name): _counts(rows) for name, rows in data["longest"].items()}
        return cls(int(data["pieces"]), longest, _counts(data["copied"]))


def _listed(counts: Counts) -> list[list[int]]:
    return [[value, counts[value]] for value in sorted(counts)]


def _counts(rows: Iterable[Sequence[Any]]) -> Counts:
    counts = {int(value): int(count) for value, count in rows}
    if any(value < 0 or count < 1 for value, count in counts.items()):
        raise ValueError("a floor with negative counts")
    return counts


def _quantile(counts: Counts, share: float) -> int:
    """The least value that at least this share of the values does not exceed; 0 without values."""
    values = sorted(counts)
    reached = np.cumsum([counts[value] for value in values])
    if not values:
        return 0
    return values[min(int(np.searchsorted(reached, share * reached[-1] - 1e-9)), len(values) - 1)]


def part_name(line: ScoreLine) -> str:
    """The name of a part's line; a part that is called like the texture has none."""
    return ANY_PART if line.name == WHOLE else line.name


# -------------------------------------------------------------------------------------------------- one piece


@dataclass(frozen=True, slots=True)
class LineBorrowing:
    """What a line of a piece borrows, and what lines of held-out music do."""

    name: str
    is_whole: bool
    run: SharedRun | None
    """The longest run; None if no run is long enough to count."""
    usual: int
    """The median of the notes in held-out music; 0 for none."""
    most: int
    """The most notes that are at or under the floor; at least the fewest that count."""

    @property
    def excess(self) -> float:
        """The length of the run, in runs of the floor."""
        return 0.0 if self.run is None else self.run.notes / self.most


@dataclass(frozen=True, slots=True)
class Borrowing:
    """What a piece borrows."""

    lines: tuple[LineBorrowing, ...]
    """Its parts, then the whole if that is more than one part."""
    bars: int
    """The number of bars that were compared."""
    copied_bars: tuple[int, ...]
    """The numbers of those that occur in an indexed piece."""
    usual_copied: float
    """The median share of such bars in held-out music."""
    most_copied: float
    """The largest share of such bars that is at or under the floor."""
    excerpts: float
    """How many excerpts as long as those of the floor the piece has, at least 1."""
    floor_pieces: int
    """How many held-out pieces the floor was measured on."""

    @property
    def copied(self) -> float:
        """The share of bars that occur in an indexed piece."""
        return len(self.copied_bars) / self.bars if self.bars else 0.0

    @property
    def copies_more(self) -> bool:
        """Whether more bars occur in indexed pieces than in nearly all held-out music."""
        return round(PER_MILLE * self.copied) > round(PER_MILLE * self.most_copied)

    @property
    def above(self) -> tuple[LineBorrowing, ...]:
        """The lines above the floor, the one that is the farthest above first."""
        return tuple(sorted((line for line in self.lines if line.excess > 1), key=lambda line: -line.excess))

    @property
    def is_above(self) -> bool:
        """Whether more is borrowed than by held-out music."""
        return bool(self.above) or self.copies_more

    @property
    def is_far_above(self) -> bool:
        """Whether a run is far above the floor."""
        return any(line.excess > FAR for line in self.lines)

    @property
    def excess(self) -> float:
        """How much is borrowed, to compare pieces by: the length of the runs above the floor, in runs of the floor,
        and the share of bars above the floor."""
        return sum(line.excess for line in self.above) + max(0.0, self.copied - self.most_copied)


def borrowing_of(
    score: Score, index: Index, floor: Floor, *, first_bar: int | None = None, without: Collection[int] = ()
) -> Borrowing:
    """What a piece borrows from an index.

    Args:
        first_bar: the number of the first bar that counts; None: all bars.
        without: the numbers of pieces whose runs do not count. Their bars do.
    """
    lines = lines_of(score)
    last = max((int(line.bars[-1]) for line in lines), default=0)
    first = min((int(line.bars[0]) for line in lines), default=0) if first_bar is None else first_bar
    excerpts = max(1, (last - max(first, 1) + 1) / FLOOR_BARS)
    numbers, hashes = bar_hashes(score)
    counts = (numbers >= first) & index.comparable(hashes)
    numbers, hashes = numbers[counts], hashes[counts]

    def compared(line: ScoreLine, name: str) -> LineBorrowing:
        fewest = index.fewest_notes(line.moves)
        usual, most = floor.usual_run(line, excerpts), floor.longest_run(line, excerpts)
        run = index.longest(line.between(first, last), without)
        return LineBorrowing(name, line.is_whole, run, usual, max(most, fewest))

    return Borrowing(
        lines=tuple(compared(line, name) for line, name in zip(lines, names_of(lines))),
        bars=len(numbers),
        copied_bars=tuple(numbers[index.has_bars(hashes)].tolist()),
        usual_copied=floor.usual_copied(),
        most_copied=floor.most_copied(),
        excerpts=excerpts,
        floor_pieces=floor.pieces,
    )


def verdict(borrowing: Borrowing, names: Mapping[int, str]) -> str:
    """Whether a piece borrows more than held-out music, in a sentence.

    Args:
        names: of the pieces that it shares runs with, by their numbers.
    """
    if not borrowing.is_above:
        return "No more is borrowed than real music borrows."
    found = [
        f"{_bars(run.first_bar, run.last_bar)} {_of(line)} are those of {names[run.piece]}, "
        f"{_bars(run.piece_first_bar, run.piece_last_bar)}"
        for line in borrowing.above
        if (run := line.run) is not None
    ]
    if borrowing.copies_more:
        found.append(f"{len(borrowing.copied_bars)} of {borrowing.bars} bars occur in the pieces")
    return f"More is borrowed than real music borrows: {'; '.join(found)}."


def _bars(first: int, last: int) -> str:
    return f"bar {first}" if first == last else f"bars {first}–{last}"


def _of(line: LineBorrowing) -> str:
    return "as a whole" if line.is_whole else f"of the {line.name}"
