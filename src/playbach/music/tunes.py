"""Which pieces share a tune: a melody transposed, a chorale tune used again, one movement in two files.

The highest line of each piece is cut into runs of eight intervals; an interval fits into a byte, so a run is one
64-bit number. Two pieces are of one tune where a good share of the shorter one's runs stands in the other. Runs are
compared bucket by bucket, and buckets that grow large wait in files: memory stays bounded and time near linear,
however many pieces there are. Knows scores; nothing of encodings or corpora.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import blake2b
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

Runs = npt.NDArray[np.uint64]

GRAM = 8
"""Tunes are compared by runs of this many intervals …"""
SHARED = 0.2
"""… and are one where this share of the shorter one's runs stands in the other: on music21's chorales that joins
settings of one tune and no others, and it joins no two movements of the cello suites."""
COMMON = 64
"""Of runs that more pieces than this have, only each piece and the next that has it are compared: common turns of
phrase make no tune, and all pairs would cost the square."""
HELD = 1 << 20
"""So many rows of a table are held in memory at once …"""
BUCKETS = 64
"""… before they go to as many files."""


def top_line(score: Score) -> list[int]:
    """The tune: the highest notes of the highest track that has a fair share of the notes. A note that begins
    under a higher one that still sounds does not count."""
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    most = max((len(t.notes) for t in tracks), default=0)
    tracks = [t for t in tracks if 5 * len(t.notes) >= most]
    if not tracks:
        return []
    notes = max(tracks, key=lambda t: float(np.mean(t.notes.numpy()["pitch"]))).notes.numpy()
    order = np.lexsort((-notes["pitch"], notes["time"]))
    times = notes["time"][order]
    order = order[np.diff(times, prepend=times[0] - 1) != 0]  # of each onset the highest note
    columns = (notes[key][order].tolist() for key in ("time", "pitch", "duration"))
    line: list[int] = []
    until = -1
    for time, pitch, duration in zip(*columns):
        if line and time < until and pitch < line[-1]:
            continue
        line.append(pitch)
        until = time + duration
    return line


def runs_of(line: list[int]) -> Runs:
    """The runs of a line's intervals, each once; of a line that is too short or too plain for any, all of it."""
    intervals = np.diff(np.array(line, np.int16)).astype(np.int8)
    if len(intervals) >= GRAM:
        runs = np.lib.stride_tricks.sliding_window_view(intervals, GRAM)
        # Scales, trills and repeated notes, which have one interval or two, belong to no tune.
        kept = runs[(np.diff(np.sort(runs, axis=1), axis=1) != 0).sum(axis=1) >= 2]
        if len(kept):
            return np.unique(np.ascontiguousarray(kept).view(np.uint64))
    return np.frombuffer(blake2b(intervals.tobytes(), digest_size=8).digest(), np.uint64)


def tune_groups(scores: Iterable[Score]) -> list[int]:
    """For each score the number of its tune; the same number where tunes are shared."""
    return groups(runs_of(top_line(score)) for score in scores)


def groups(pieces: Iterable[Runs]) -> list[int]:
    """For each piece, given its runs, the lowest number of the pieces that share its tune."""
    with _Table(2) as table, _Table(1) as pairs:
        lengths = []
        for i, runs in enumerate(pieces):
            lengths.append(len(runs))
            table.add(np.stack([runs, np.full(len(runs), i, np.uint64)], axis=1))
        for rows in table.buckets():
            for found in _pairs(rows):
                pairs.add(found[:, None])
        leader = np.arange(len(lengths))

        def lead(i: int) -> int:
            while leader[i] != i:
                leader[i] = leader[leader[i]]
                i = int(leader[i])
            return i

        least = SHARED * np.array(lengths)
        for rows in pairs.buckets():
            codes, counts = np.unique(rows[:, 0], return_counts=True)
            first, second = ((codes >> np.uint64(n) & np.uint64(0xFFFFFFFF)).astype(np.int64) for n in (32, 0))
            joined = counts >= np.minimum(least[first], least[second])
            for a, b in zip(first[joined].tolist(), second[joined].tolist()):
                low, high = sorted((lead(a), lead(b)))
                leader[high] = low
    return [lead(i) for i in range(len(lengths))]


def _pairs(rows: Runs) -> Iterator[Runs]:
    """The pairs of pieces that have a run in common, once for each, as first << 32 | second; first is lower."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    pieces = rows[:, 1]
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=rows[:1, 0] + np.uint64(1)))
    sizes = np.diff(starts, append=len(rows))
    for size in np.unique(sizes[sizes > 1]).tolist():
        first, second = np.triu_indices(size, 1) if size <= COMMON else (np.arange(size - 1), np.arange(1, size))
        begins = starts[sizes == size]
        at_once = max(1, HELD // len(first))
        for i in range(0, len(begins), at_once):
            some = begins[i : i + at_once, None]
            yield (pieces[some + first] << np.uint64(32) | pieces[some + second]).ravel()


class _Table:
    """Rows of 64-bit numbers, given back in buckets: rows of one first number come together.

    Few rows stay in memory and are one bucket; many go to unnamed files, which a killed process does not leave.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._held: list[Runs] = []
        self._rows = 0
        self._files: list[IO[bytes]] = []
        self._stack = ExitStack()

    def __enter__(self) -> _Table:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, rows: Runs) -> None:
        self._held.append(rows)
        self._rows += len(rows)
        if self._rows >= HELD:
            self._spill()

    def buckets(self) -> Iterator[Runs]:
        if not self._files:
            if self._held:
                yield np.concatenate(self._held)
            return
        self._spill()
        for file in self._files:
            file.seek(0)
            rows = np.fromfile(file, np.uint64).reshape(-1, self._columns)
            if len(rows):
                yield rows

    def _spill(self) -> None:
        if not self._files:
            opened = (tempfile.TemporaryFile() for _ in range(BUCKETS))  # noqa: SIM115 - the stack closes them
            self._files = [self._stack.enter_context(file) for file in opened]
        rows = np.concatenate(self._held) if self._held else np.empty((0, self._columns), np.uint64)
        # A product of Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): equal parts of any numbers.
        bucket = (rows[:, 0] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - (BUCKETS - 1).bit_length())
        order = np.argsort(bucket, kind="stable")
        ends = np.searchsorted(bucket[order], np.arange(BUCKETS + 1, dtype=np.uint64))
        for i, file in enumerate(self._files):
            rows[order[ends[i] : ends[i + 1]]].tofile(file)
        self._held, self._rows = [], 0
