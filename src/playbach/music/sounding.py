"""The notes of a score that sound, as columns, and what sounds in each of its bars.

A *part* is a track with notes. Knows scores; knows nothing of what is measured in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music.bars import Bars, meters_of

HASH_BYTES = 12
"""Of a bar: enough for a corpus of a billion bars."""

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SoundingNotes:
    """N notes of a piece, by onset; times in ticks."""

    onset: _Ints
    end: _Ints
    pitch: _Ints
    part: _Ints
    """The index of the note's track."""

    @classmethod
    def of(cls, score: Score, drums: bool = False) -> SoundingNotes:
        """The notes of a score, without drums or with them."""
        found = [
            (i, t.notes.numpy()) for i, t in enumerate(score.tracks) if len(t.notes) and (drums or not t.is_drum)
        ]
        onset, duration, pitch = (
            np.concatenate([notes[name] for _, notes in found] or [[]]).astype(np.int64)
            for name in ("time", "duration", "pitch")
        )
        part = np.repeat([i for i, _ in found], [len(notes["time"]) for _, notes in found]).astype(np.int64)
        order = np.lexsort((pitch, onset))
        return cls(*(column[order] for column in (onset, onset + duration, pitch, part)))

    def __len__(self) -> int:
        return len(self.onset)

    @property
    def duration(self) -> _Ints:
        return self.end - self.onset

    @property
    def parts(self) -> int:
        """The number of parts."""
        return len(np.unique(self.part))

    def where(self, chosen: npt.NDArray[np.bool_]) -> SoundingNotes:
        """Those of the notes (N,) that are chosen."""
        return SoundingNotes(self.onset[chosen], self.end[chosen], self.pitch[chosen], self.part[chosen])

    def between(self, begin: int, end: int) -> SoundingNotes:
        """What sounds between two ticks, counted from the first of them; a note that began before begins there."""
        there = self.where((self.onset < end) & (self.end > begin))
        onset, until = (np.clip(ticks, begin, end) - begin for ticks in (there.onset, there.end))
        return SoundingNotes(onset, until, there.pitch, there.part)

    def by_part(self) -> Iterator[SoundingNotes]:
        return (self.where(self.part == part) for part in np.unique(self.part))


@dataclass(frozen=True, slots=True)
class BarLines:
    """The bars of a piece, from the first (a pickup is bar 0) to the one in which the last note ends."""

    start: _Ints
    """(B + 1,) the tick at which each bar begins, and the end of the last one."""
    first: int
    """The number of the first bar: 0 for a pickup, otherwise 1."""

    @classmethod
    def of(cls, score: Score) -> BarLines:
        notes, bars = SoundingNotes.of(score, drums=True), Bars(meters_of(score, 1))
        first = 0 if bars.pickup else 1
        last = bars.number(max(int(notes.end.max()) - 1, int(notes.onset[-1]))) if len(notes) else first - 1
        return cls(np.array([bars.start(n) for n in range(first, last + 2)], np.int64), first)

    @property
    def full(self) -> slice:
        """The bars without the pickup."""
        return slice(1 - self.first, None)

    def index(self, ticks: _Ints) -> _Ints:
        """The index of the bar of each tick (n,), 0 for the first bar, pickup or not."""
        found: _Ints = np.searchsorted(self.start, ticks, side="right") - 1
        return found

    def __len__(self) -> int:
        return len(self.start) - 1


def bars_of(score: Score) -> Iterator[bytes]:
    """The hashes of `numbered_bars`."""
    return (content for _, content in numbered_bars(score))


def numbered_bars(score: Score) -> Iterator[tuple[int, bytes]]:
    """The number of each full bar, and a hash of what sounds in it, counted from its lowest pitch, whatever plays it.

    Bars in which no chord or note changes are left out: held chords are in everybody's music. So are silent bars.
    Drums do not count.
    """
    notes, lines = SoundingNotes.of(score), BarLines.of(score)
    end_of_piece = int(notes.end.max(initial=0))
    for bar, begins, ends, pitches in _sounding_by_bar(notes, lines):
        length = int(lines.start[bar + 1] - lines.start[bar])
        heard = min(length, end_of_piece - int(lines.start[bar]))
        if bar + lines.first > 0 and ((begins > 0) | (ends < heard)).any():
            rows = np.stack([begins, ends, pitches - pitches.min()], axis=1).astype("<i4")
            content = rows[np.lexsort(rows.T)].tobytes() + length.to_bytes(4, "little")
            yield bar + lines.first, blake2b(content, digest_size=HASH_BYTES).digest()


def _sounding_by_bar(notes: SoundingNotes, lines: BarLines) -> Iterator[tuple[int, _Ints, _Ints, _Ints]]:
    """For each bar in which pitches sound: its index, and of each time that a pitch sounds without a break the begin
    and end in ticks since the bar began, and the pitch."""
    notes = notes.where(notes.duration > 0)
    first, last = lines.index(notes.onset), lines.index(notes.end - 1)
    count = last - first + 1
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    bar, pitch = np.repeat(first, count) + offset, np.repeat(notes.pitch, count)
    begin = np.maximum(np.repeat(notes.onset, count), lines.start[bar])
    end = np.minimum(np.repeat(notes.end, count), lines.start[bar + 1])
    order = np.lexsort((begin, pitch, bar))
    bar, pitch, begin, end = bar[order], pitch[order], begin[order], end[order]
    line = bar * 128 + pitch
    span = int(lines.start[-1]) + 1
    until = np.maximum.accumulate(line * span + end) - line * span
    new = np.concatenate([[True], (np.diff(line) != 0) | (begin[1:] > until[:-1])])[: len(line)]
    final = np.concatenate([new[1:], [True]])[: len(line)]
    bar, pitch, begin, end = bar[new], pitch[new], begin[new], until[final]
    for rows in np.split(np.arange(len(bar)), np.flatnonzero(np.diff(bar)) + 1):
        if len(rows):
            at = int(bar[rows[0]])
            yield at, begin[rows] - lines.start[at], end[rows] - lines.start[at], pitch[rows]
