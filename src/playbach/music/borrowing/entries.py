"""The fingerprints of lines that an index keeps, and how those of two pieces are compared.

Of few fingerprints all are kept (window 1), with 8 bits each; four successive ones identify a place. Of many, those
are kept that are the least in a window of w successive ones, with 32 bits each: a shared run of w fingerprints is
still found, and its length is at most w - 1 notes too small on each side (winnowing: Schleimer, Wilkerson and Aiken,
"Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003). Knows no files and no pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from playbach.music.fingerprints import MOVES_OF_A_PART, MOVES_OF_TEXTURE, MoveHashes, ScoreLine

DENSE_BITS, SPARSE_BITS = 8, 32
"""The bits of a fingerprint if all are kept, and if some are."""
DENSE_SPAN = SPARSE_BITS // DENSE_BITS - 1
"""The shortest run that counts if all are kept: from its first fingerprint to its last, in notes. It has 32 bits."""

Places = npt.NDArray[np.int64]

# Odd constants: those of splitmix64 and of wyhash.
_BASE, _GAP, _VALUE = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xBF58476D1CE4E5B9))
_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_FILTER_BITS = 16


def fewest_notes(window: int, moves: int) -> int:
    """The notes of the shortest run that counts."""
    return shortest_span(window) + moves + 1


def notes_always_found(window: int, moves: int) -> int:
    """From how many notes on a shared run is always found."""
    return max(fewest_notes(window, moves), window + moves)


def shortest_span(window: int) -> int:
    """That of the shortest run that counts, in notes from the first fingerprint to the last."""
    return DENSE_SPAN if window == 1 else 0


@dataclass(frozen=True, slots=True)
class KeptLine:
    """The kept fingerprints of one line, E of them."""

    name: str
    """As in `ScoreLine`; at most 80 printable characters."""
    count: int
    """How many fingerprints the line has, kept or not."""
    moves: int
    at: Places
    """(E,) the note at which each begins."""
    hashes: npt.NDArray[np.uint32]
    """(E,)"""
    first_bars: Places
    """(E,) the bar in which the first note of each begins."""
    last_bars: Places
    """(E,) the bar in which the last note of each begins."""

    @classmethod
    def of(cls, line: ScoreLine, window: int) -> KeptLine:
        """The fingerprints of a line that are kept with this window."""
        at = np.arange(len(line.hashes))
        hashes = (line.hashes & np.uint64((1 << SPARSE_BITS) - 1)).astype(np.uint32)
        last = line.bars[line.moves :][: len(hashes)]
        whole = cls(line.name, len(hashes), line.moves, at, hashes, line.bars[: len(hashes)], last)
        return whole.winnowed(window)

    def winnowed(self, window: int) -> KeptLine:
        """Those that are kept with a larger window. The least of a window is also the least of each smaller one in it
        that contains it, so nothing that is needed has been left out."""
        if window == 1 or not self.count:
            return self
        values = np.full(self.count, 1 << SPARSE_BITS, np.uint64)
        values[self.at] = self.hashes
        width = min(window, self.count)
        views = np.lib.stride_tricks.sliding_window_view(values, width)
        least = width - 1 - np.argmin(views[:, ::-1], axis=1)  # the rightmost, as published
        chosen = np.isin(self.at, np.arange(len(views)) + least)
        columns = (self.at, self.hashes, self.first_bars, self.last_bars)
        return KeptLine(self.name, self.count, self.moves, *(c[chosen] for c in columns))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Entries:
    """E kept fingerprints of L lines, in order, so that stretches of them can be compared."""

    hashes: npt.NDArray[np.uint32]
    """(E,)"""
    place: Places
    """(E,) the note at which each begins, counted through all lines: it grows."""
    line: Places
    """(E,) the index of its line."""
    first_bars: Places
    """(E,)"""
    last_bars: Places
    """(E,)"""
    whole: npt.NDArray[np.bool_]
    """(L,) whether a line is that of the whole texture."""

    @classmethod
    def of(cls, lines: Sequence[KeptLine], window: int) -> Entries:
        """Those of lines that were kept with this window."""
        starts = np.cumsum([0, *(int(line.at[-1]) + 1 if len(line.at) else 0 for line in lines)])
        bits = DENSE_BITS if window == 1 else SPARSE_BITS
        empty = np.zeros(0, np.int64)
        return cls(
            hashes=np.concatenate([empty, *(line.hashes & (1 << bits) - 1 for line in lines)]).astype(np.uint32),
            place=np.concatenate([empty, *(line.at + start for line, start in zip(lines, starts))]).astype(np.int64),
            line=np.repeat(np.arange(len(lines)), [len(line.at) for line in lines]),
            first_bars=np.concatenate([empty, *(line.first_bars for line in lines)]).astype(np.int64),
            last_bars=np.concatenate([empty, *(line.last_bars for line in lines)]).astype(np.int64),
            whole=np.array([line.moves == MOVES_OF_TEXTURE for line in lines], bool),
        )

    def __len__(self) -> int:
        return len(self.place)

    @property
    def moves(self) -> Places:
        """(L,) how many moves the fingerprints of each line are of."""
        return np.where(self.whole, MOVES_OF_TEXTURE, MOVES_OF_A_PART)

    @property
    def _has_all(self) -> bool:
        """Whether an entry begins at every note that is counted."""
        return len(self) > 0 and int(self.place[-1]) == len(self) - 1

    @cached_property
    def _powers(self) -> tuple[MoveHashes, MoveHashes]:
        """The powers of the base and of its inverse, modulo 2^64."""
        powers, inverse = (np.full(len(self) + 1, n, np.uint64) for n in (_BASE, _INVERSE))
        powers[0] = inverse[0] = 1
        return np.cumprod(powers), np.cumprod(inverse)

    @cached_property
    def _sums(self) -> tuple[MoveHashes, MoveHashes]:
        """Of the hashes and of the gaps before them, each times its power: a stretch of any length then has a hash at
        once (a rolling hash: Karp and Rabin, "Efficient randomized pattern-matching algorithms", 1987)."""
        powers = self._powers[0][:-1]
        values = (self.hashes.astype(np.uint64) + np.uint64(1)) * _VALUE
        values ^= values >> np.uint64(29)
        gaps = np.diff(self.place, prepend=0).astype(np.uint64) * _GAP
        sums = np.zeros((2, len(self) + 1), np.uint64)
        np.cumsum(values * powers, out=sums[0, 1:])
        np.cumsum(gaps * powers, out=sums[1, 1:])
        return sums[0], sums[1]

    def stretches(self, at: Places, span: int) -> tuple[Places, Places, MoveHashes]:
        """The stretches that begin at these entries (n,) and end at the first one that is `span` notes later or more.

        Returns:
            The entries (m,) whose line is long enough, the entries at which their stretches end, and a hash of what
            each stretch contains.
        """
        last = at + span if self._has_all else np.searchsorted(self.place, self.place[at] + span)
        inside = last < len(self)
        at, last = at[inside], last[inside]
        inside = self.line[last] == self.line[at]
        at, last = at[inside], last[inside]
        hashes, gaps = self._sums
        content = hashes[last + 1] - hashes[at] + gaps[last + 1] - gaps[at + 1]
        return at, last, content * self._powers[1][at]

    @cached_property
    def _keys(self) -> dict[int, tuple[Places, MoveHashes]]:
        return {}

    def with_keys(self, keys: MoveHashes, span: int) -> Places:
        """The entries, in order, at which a stretch of `span` notes with one of these hashes begins."""
        if span not in self._keys:
            at, _, content = self.stretches(np.arange(len(self)), span)
            self._keys[span] = at, content
        at, content = self._keys[span]
        there = np.zeros(1 << _FILTER_BITS, bool)
        there[keys >> np.uint64(64 - _FILTER_BITS)] = True
        likely = np.flatnonzero(there[content >> np.uint64(64 - _FILTER_BITS)])
        return at[likely[np.isin(content[likely], keys)]]
