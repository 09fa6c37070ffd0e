"""An index of pieces, and the longest run that a line of another piece shares with one of them.

An index consists of shelves: a network that was trained further has those of its base model and one of its own. A
shelf has the kept fingerprints of its pieces' lines, and a set of short hashes of their bars (`numbered_bars`). Its
size is bounded: above MAX_DENSE fingerprints it keeps fewer; above MAX_KEPT different bars one in two, then in four;
pieces beyond MAX_LINES lines are only counted. Pieces have numbers; who has the index knows their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music.bars import printable_name
from playbach.music.borrowing.entries import (
    DENSE_SPAN,
    Entries,
    KeptLine,
    Places,
    fewest_notes,
    notes_always_found,
    shortest_span,
)
from playbach.music.fingerprints import MOVES_OF_A_PART, WHOLE, ScoreLine, lines_of
from playbach.music.sounding import numbered_bars

MAX_DENSE = 1 << 20
"""Up to this number of fingerprints a shelf keeps all of them, in about 0.6 MB of a bundle."""
MAX_SPARSE = 1 << 18
"""Otherwise it keeps at most this number, in about 1.5 MB."""
FIRST_WINDOW, LAST_WINDOW = 8, 1 << 12
MAX_LINES = 1 << 18
MAX_KEPT = 1 << 18
BAR_BITS = 32
"""The bits of a bar's hash before it is shortened."""
SPARE_BAR_BITS = 14
"""A bar that is not in a shelf is taken for one that is with a probability of at most 2 to the minus this number."""
MAX_NAMES = 32
"""The number of names of lines that a shelf knows; others are the empty name."""

BarHashes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class SharedRun:
    """Some successive notes of a line that an indexed piece has too, in any key."""

    notes: int
    """How many; of the texture, how many chords."""
    first_bar: int
    """The bar of the line in which its first note begins."""
    last_bar: int
    """The bar in which its last note begins."""
    piece: int
    """The number of the indexed piece."""
    part: str
    """The name of its line; empty if it has none or an uncommon one."""
    piece_first_bar: int
    piece_last_bar: int


@dataclass(frozen=True)
class Shelf:
    """P pieces with L lines."""

    window: int
    entries: Entries
    pieces: Places
    """(P,) their numbers."""
    piece_of_line: Places
    """(L,) the index of each line's piece."""
    names: tuple[str, ...]
    """The names of lines."""
    name_of_line: Places
    """(L,) the index of each line's name."""
    bars: BarHashes
    """The shortened hashes of all bars, in order, each once."""
    bar_bits: int
    """How long they are."""
    bar_sample: int
    """Of how many bars one is in the set."""
    left_out: int = 0
    """The number of pieces that had no room."""

    @classmethod
    def of(cls, pieces: Iterable[tuple[int, Score]]) -> Shelf:
        """A shelf of some pieces, each with its number."""
        builder = _Builder()
        for number, score in pieces:
            builder.add(number, score)
        return builder.shelf()

    def longest(self, line: ScoreLine, without: Collection[int] = ()) -> SharedRun | None:
        """The longest run of the line that is in a piece of the shelf; the first of several. None if there is none of
        `fewest_notes`.

        Args:
            without: the numbers of pieces that do not count.
        """
        own, span = Entries.of([KeptLine.of(line, self.window)], self.window), shortest_span(self.window)
        mine, _, keys = own.stretches(np.arange(len(own)), span)
        theirs = self.entries.with_keys(np.unique(keys), span)
        of_line = self.entries.line[theirs]
        counts = self.entries.whole[of_line] == line.is_whole
        if without:
            counts &= ~np.isin(self.pieces[self.piece_of_line[of_line]], list(without))
        theirs = theirs[counts]
        shared = _shared(own, mine, self.entries, theirs, span)
        most = int(own.place[-1] - own.place[0]) if len(own) else 0
        while shared is not None and span < most:  # the longest, by halving what is possible
            middle = (span + most + 1) // 2
            longer = _shared(own, shared[0], self.entries, shared[1], middle)
            shared, span, most = (shared, span, middle - 1) if longer is None else (longer, middle, most)
        return None if shared is None else self._run(own, line, shared, span)

    def _run(self, own: Entries, line: ScoreLine, shared: tuple[Places, Places], span: int) -> SharedRun:
        (first,), (last,), (content,) = self.entries.stretches(shared[1][:1], span)
        mine, ends, contents = own.stretches(shared[0], span)
        at = int(np.flatnonzero(contents == content)[0])
        return SharedRun(
            notes=int(own.place[ends[at]] - own.place[mine[at]]) + line.moves + 1,
            first_bar=int(own.first_bars[mine[at]]),
            last_bar=int(own.last_bars[ends[at]]),
            piece=int(self.pieces[self.piece_of_line[self.entries.line[first]]]),
            part=self.names[int(self.name_of_line[self.entries.line[first]])],
            piece_first_bar=int(self.entries.first_bars[first]),
            piece_last_bar=int(self.entries.last_bars[last]),
        )

    def has_bars(self, hashes: BarHashes) -> npt.NDArray[np.bool_]:
        """Which of these bars (n,) occur in a piece of the shelf, as far as it has them."""
        short = hashes >> np.uint32(BAR_BITS - self.bar_bits)
        return np.asarray(np.isin(short, self.bars) & (hashes % self.bar_sample == 0))


def _shared(own: Entries, mine: Places, other: Entries, theirs: Places, span: int) -> tuple[Places, Places] | None:
    """Those of the entries at which both have the same stretch of `span` notes begin; None if there are none."""
    mine, _, own_content = own.stretches(mine, span)
    theirs, _, content = other.stretches(theirs, span)
    mine, theirs = mine[np.isin(own_content, content)], theirs[np.isin(content, own_content)]
    return (mine, theirs) if len(mine) else None


def bar_hashes(score: Score) -> tuple[Places, BarHashes]:
    """The numbers (B,) of the bars of a score that are compared, and their hashes (B,)."""
    found = list(numbered_bars(score))
    hashes = np.frombuffer(b"".join(content[: BAR_BITS // 8] for _, content in found), "<u4").astype(np.uint32)
    return np.array([number for number, _ in found], np.int64), hashes


@dataclass
class _Builder:
    """Collects pieces in bounded memory."""

    window: int = 1
    lines: list[list[KeptLine]] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)
    bars: set[int] = field(default_factory=set)
    bar_sample: int = 1
    entries: int = 0
    line_count: int = 0
    left_out: int = 0

    def add(self, number: int, score: Score) -> None:
        lines = [KeptLine.of(line, self.window) for line in lines_of(score) if len(line.hashes) > DENSE_SPAN]
        new = sum(len(line.at) for line in lines)
        while self.entries + new > (MAX_DENSE if self.window == 1 else MAX_SPARSE) and self.window < LAST_WINDOW:
            self.window = FIRST_WINDOW if self.window == 1 else 2 * self.window
            self.lines = [[line.winnowed(self.window) for line in kept] for kept in self.lines]
            lines = [line.winnowed(self.window) for line in lines]
            self.entries = sum(len(line.at) for kept in self.lines for line in kept)
            new = sum(len(line.at) for line in lines)
        if self.line_count + len(lines) > MAX_LINES or (
            self.entries + new > (MAX_DENSE if self.window == 1 else MAX_SPARSE)
        ):
            self.left_out += 1
            return
        self.lines.append(lines)
        self.pieces.append(number)
        self.entries += new
        self.line_count += len(lines)
        self.bars.update(h for h in bar_hashes(score)[1].tolist() if h % self.bar_sample == 0)
        while len(self.bars) > MAX_KEPT:
            self.bar_sample *= 2
            self.bars = {h for h in self.bars if h % self.bar_sample == 0}

    def shelf(self) -> Shelf:
        lines = list(chain.from_iterable(self.lines))
        bits = min(BAR_BITS, SPARE_BAR_BITS + len(self.bars).bit_length())
        common = Counter(line.name for line in lines if line.moves == MOVES_OF_A_PART)
        names = (WHOLE, "", *(name for name, _ in common.most_common(MAX_NAMES - 2) if name))
        code = {name: i for i, name in enumerate(names)}
        return Shelf(
            window=self.window,
            entries=Entries.of(lines, self.window),
            pieces=np.array(self.pieces, np.int64),
            piece_of_line=np.repeat(np.arange(len(self.lines)), [len(kept) for kept in self.lines]),
            names=names,
            name_of_line=np.array(
                [code.get(line.name, 1) if line.moves == MOVES_OF_A_PART else 0 for line in lines], np.int64
            ),
            bars=np.unique(np.array(sorted(self.bars), np.uint32) >> np.uint32(BAR_BITS - bits)),
            bar_bits=bits,
            bar_sample=self.bar_sample,
            left_out=self.left_out,
        )


@dataclass(frozen=True)
class Index:
    """Some shelves."""

    shelves: tuple[Shelf, ...]

    def longest(self, line: ScoreLine, without: Collection[int] = ()) -> SharedRun | None:
        """The longest run of the line in any shelf; see `Shelf.longest`."""
        runs = [run for shelf in self.shelves if (run := shelf.longest(line, without)) is not None]
        return max(runs, key=lambda run: run.notes, default=None)

    def has_bars(self, hashes: BarHashes) -> npt.NDArray[np.bool_]:
        """Which of these bars (n,) occur in a piece; see `bar_hashes`."""
        found = np.zeros(len(hashes), bool)
        for shelf in self.shelves:
            found |= shelf.has_bars(hashes)
        return found

    def comparable(self, hashes: BarHashes) -> npt.NDArray[np.bool_]:
        """Which of these bars (n,) would be found if they occurred: all, unless there are very many."""
        every = max((shelf.bar_sample for shelf in self.shelves), default=1)
        return np.asarray(hashes % every == 0)

    @cached_property
    def pieces(self) -> frozenset[int]:
        """The numbers of the pieces."""
        return frozenset(chain.from_iterable(shelf.pieces.tolist() for shelf in self.shelves))

    @property
    def left_out(self) -> int:
        """The number of pieces that had no room."""
        return sum(shelf.left_out for shelf in self.shelves)

    def fewest_notes(self, line_moves: int) -> int:
        """The notes of the shortest run that counts, in a line whose fingerprints are of so many moves."""
        return max((fewest_notes(shelf.window, line_moves) for shelf in self.shelves), default=1)

    def notes_always_found(self, line_moves: int) -> int:
        """From how many notes on a shared run is always found."""
        return max((notes_always_found(shelf.window, line_moves) for shelf in self.shelves), default=1)


def names_of(lines: Sequence[ScoreLine]) -> list[str]:
    """What to call the lines of a piece: their names, numbered where they are not different; `part 2` without one."""
    names = [printable_name(line.name) or f"part {i + 1}" for i, line in enumerate(lines)]
    seen: Counter[str] = Counter()
    called = []
    for name in names:
        seen[name] += 1
        called.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return called
