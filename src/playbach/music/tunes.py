"""Finds pieces that share a tune: a transposed melody, two settings of a chorale tune, a movement in two files.

A tune is compared by its runs of eight intervals; an interval fits into a byte, so a run is one 64-bit number. Two
pieces share a tune if the other piece has a sufficient share of the shorter one's runs. Runs are compared in buckets,
which are moved to files when they grow large: memory stays bounded and time nearly linear, however many pieces there
are. Knows scores; nothing of encodings or corpora.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from hashlib import blake2b
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

Runs = npt.NDArray[np.uint64]
_Ints = npt.NDArray[np.integer]

RUN_LENGTH = 8
"""How many intervals a run has."""
SAME_TUNE_SHARE = 0.2
"""Two pieces share a tune if this share of the shorter one's runs is in the other. It joins the settings of one tune
among music21's chorales and no others, and no two movements of the cello suites."""
MAX_PIECES_COMPARED = 64
"""If more pieces than this have a run, each is compared only with the next piece that has it: a run this common
identifies no tune, and comparing all pairs would take quadratic time."""
ROWS_IN_MEMORY = 1 << 20
"""A table with more rows than this is moved to files."""
BUCKET_FILES = 64
"""The number of these files."""


def top_line(score: Score) -> list[int]:
    """The pitches of the tune: the top notes of the highest track with at least a fifth of the longest track's notes.

    A note that begins below one that still sounds is left out.
    """
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    most = max((len(t.notes) for t in tracks), default=0)
    tracks = [t for t in tracks if 5 * len(t.notes) >= most]
    if not tracks:
        return []
    return top_notes(max((t.notes.numpy() for t in tracks), key=lambda notes: float(np.mean(notes["pitch"]))))


def top_notes(notes: Mapping[str, _Ints]) -> list[int]:
    """The pitches of the `line_of_top_notes` of a part with one or more notes."""
    return [int(notes["pitch"][i]) for i in line_of_top_notes(notes)]


def line_of_top_notes(notes: Mapping[str, _Ints]) -> list[int]:
    """The indices of a part's highest notes at each onset, in the order of their onsets; one that begins below one
    that still sounds is left out.

    Args:
        notes: time, duration and pitch of one or more notes (N,).
    """
    order = np.lexsort((-notes["pitch"], notes["time"]))
    times = notes["time"][order]
    order = order[np.diff(times, prepend=times[0] - 1) != 0]  # the highest note at each onset
    columns = (notes[key][order].tolist() for key in ("time", "pitch", "duration"))
    line: list[int] = []
    last, until = -1, -1
    for i, time, pitch, duration in zip(order.tolist(), *columns):
        if line and time < until and pitch < last:
            continue
        line.append(i)
        last, until = pitch, time + duration
    return line


def interval_runs(line: list[int]) -> Runs:
    """The runs of a line's pitches, each once; a line without runs is hashed as a whole, as its only run."""
    intervals = np.diff(np.array(line, np.int16)).astype(np.int8)
    if len(intervals) >= RUN_LENGTH:
        runs = np.lib.stride_tricks.sliding_window_view(intervals, RUN_LENGTH)
        # Scales, trills and repeated notes, which have one or two different intervals, identify no tune.
        varied = runs[(np.diff(np.sort(runs, axis=1), axis=1) != 0).sum(axis=1) >= 2]
        if len(varied):
            return np.unique(np.ascontiguousarray(varied).view(np.uint64))
    return np.frombuffer(blake2b(intervals.tobytes(), digest_size=8).digest(), np.uint64)


def tune_groups(scores: Iterable[Score]) -> list[int]:
    """A number for each score; scores that share a tune have the same number."""
    return groups_from_runs(interval_runs(top_line(score)) for score in scores)


def groups_from_runs(pieces: Iterable[Runs]) -> list[int]:
    """For each piece's runs, the lowest index of a piece that shares its tune."""
    with _Table(2) as table, _Table(1) as pairs:
        lengths = []
        for i, runs in enumerate(pieces):
            lengths.append(len(runs))
            table.add(np.stack([runs, np.full(len(runs), i, np.uint64)], axis=1))
        for rows in table.buckets():
            for codes in _pairs(rows):
                pairs.add(codes[:, None])
        leader = np.arange(len(lengths))

        def root(i: int) -> int:  # union-find
            while leader[i] != i:
                leader[i] = leader[leader[i]]
                i = int(leader[i])
            return i

        least = SAME_TUNE_SHARE * np.array(lengths)
        for rows in pairs.buckets():
            codes, counts = np.unique(rows[:, 0], return_counts=True)
            first, second = ((codes >> np.uint64(n) & np.uint64(0xFFFFFFFF)).astype(np.int64) for n in (32, 0))
            joined = counts >= np.minimum(least[first], least[second])
            for a, b in zip(first[joined].tolist(), second[joined].tolist()):
                low, high = sorted((root(a), root(b)))
                leader[high] = low
    return [root(i) for i in range(len(lengths))]


def _pairs(rows: Runs) -> Iterator[Runs]:
    """A pair `lower << 32 | higher` of piece numbers for each run that two pieces have in common."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    pieces = rows[:, 1]
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=rows[:1, 0] + np.uint64(1)))
    sizes = np.diff(starts, append=len(rows))
    for size in np.unique(sizes[sizes > 1]).tolist():
        first, second = (
            np.triu_indices(size, 1) if size <= MAX_PIECES_COMPARED else (np.arange(size - 1), np.arange(1, size))
        )
        begins = starts[sizes == size]
        at_once = max(1, ROWS_IN_MEMORY // len(first))
        for i in range(0, len(begins), at_once):
            chunk = begins[i : i + at_once, None]
            yield (pieces[chunk + first] << np.uint64(32) | pieces[chunk + second]).ravel()


class _Table:
    """Rows of 64-bit numbers, returned in buckets. Rows with the same first number are in the same bucket.

    Few rows stay in memory as a single bucket; many go to unnamed files, which are gone when the process ends.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._pending: list[Runs] = []
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
        self._pending.append(rows)
        self._rows += len(rows)
        if self._rows >= ROWS_IN_MEMORY:
            self._spill()

    def buckets(self) -> Iterator[Runs]:
        if not self._files:
            if self._pending:
                yield np.concatenate(self._pending)
            return
        self._spill()
        for file in self._files:
            file.seek(0)
            rows = np.fromfile(file, np.uint64).reshape(-1, self._columns)
            if len(rows):
                yield rows

    def _spill(self) -> None:
        if not self._files:
            files = (tempfile.TemporaryFile() for _ in range(BUCKET_FILES))  # noqa: SIM115 - the stack closes them
            self._files = [self._stack.enter_context(file) for file in files]
        rows = np.concatenate(self._pending) if self._pending else np.empty((0, self._columns), np.uint64)
        # Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4) makes buckets of about equal size.
        bucket = (rows[:, 0] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - (BUCKET_FILES - 1).bit_length())
        order = np.argsort(bucket, kind="stable")
        ends = np.searchsorted(bucket[order], np.arange(BUCKET_FILES + 1, dtype=np.uint64))
        for i, file in enumerate(self._files):
            rows[order[ends[i] : ends[i + 1]]].tofile(file)
        self._pending, self._rows = [], 0
