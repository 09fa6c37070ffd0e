"""Fingerprints of a score: short hashes of what its lines do, the same in every key.

A *line* is what one part plays, or the whole texture. The line of a part consists of its highest notes, as a melody
does; the line of the texture consists of chords, the pitches that sound whenever a note begins. Drums do not count. A
*move* is how far a line goes from a note to the next, and after how much time; a *fingerprint* is a hash of some
successive moves. Two lines have the same fingerprints where they are the same music in any key; a rest counts as part
of the note before it. Knows scores; knows nothing of corpora.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.sounding import BarLines, SoundingNotes
from playbach.music.tunes import line_of_top_notes

GRID = TICKS_PER_QUARTER // 12
"""The unit of times between onsets, in ticks. Sixteenths and triplets are whole numbers of it."""
MOVES_OF_A_PART, MOVES_OF_TEXTURE = 3, 1
"""How many moves a fingerprint is the hash of. A chord says as much as several notes of a line."""
WHOLE = "whole"
"""The name of the line of the texture."""

MoveHashes = npt.NDArray[np.uint64]
_Ints = npt.NDArray[np.int64]

_LONGEST = 255
_ONSETS_AT_ONCE = 4096
_PITCHES = 128


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """A line of N notes (or chords) with its N - `moves` fingerprints."""

    name: str
    """That of the part's track, or WHOLE."""
    moves: int
    """How many moves each fingerprint is of."""
    hashes: MoveHashes
    """(N - moves,) the fingerprint of the moves that begin at each note."""
    bars: _Ints
    """(N,) the number of the bar in which each note begins."""

    @property
    def is_whole(self) -> bool:
        """Whether it is the line of the texture. A track may have any name."""
        return self.moves == MOVES_OF_TEXTURE

    def between(self, first: int, last: int) -> ScoreLine:
        """The part of the line whose notes begin in the bars `first` to `last`, both included."""
        begin, end = np.searchsorted(self.bars, [first, last + 1]).tolist()
        return ScoreLine(
            self.name, self.moves, self.hashes[begin : max(begin, end - self.moves)], self.bars[begin:end]
        )


def lines_of(score: Score) -> list[ScoreLine]:
    """The lines of a score: one for each part with more than `MOVES_OF_A_PART` notes, then that of the whole texture
    if that is more than the one part."""
    notes, bars = SoundingNotes.of(score), BarLines.of(score)
    notes = notes.where(notes.duration > 0)
    lines = [_line_of_part(str(score.tracks[int(own.part[0])].name), own, bars) for own in notes.by_part()]
    single = len(lines) == 1 and len(lines[0].bars) == len(notes)
    lines += [] if single or not len(notes) else [_line_of_texture(notes, bars)]
    return [line for line in lines if len(line.hashes)]


def _line_of_part(name: str, notes: SoundingNotes, bars: BarLines) -> ScoreLine:
    top = line_of_top_notes({"time": notes.onset, "duration": notes.duration, "pitch": notes.pitch})
    onset, pitch = notes.onset[top], notes.pitch[top]
    moves = _mixed(np.diff(pitch).astype(np.uint64) << np.uint64(8) | _waits(onset))
    return ScoreLine(name, MOVES_OF_A_PART, _chained(moves, MOVES_OF_A_PART), _numbers(onset, bars))


def _line_of_texture(notes: SoundingNotes, bars: BarLines) -> ScoreLine:
    """The chord at each onset, as intervals above its lowest pitch, and how far that moved since the chord before."""
    onset = np.unique(notes.onset)
    chord, lowest = np.zeros(len(onset), np.uint64), np.zeros(len(onset), np.int64)
    for begin in range(0, len(onset), _ONSETS_AT_ONCE):
        at = slice(begin, begin + _ONSETS_AT_ONCE)
        chord[at], lowest[at] = _chords(notes, onset[at])
    moves = _mixed(chord[1:] ^ _mixed(np.diff(lowest).astype(np.uint64) << np.uint64(8) | _waits(onset)))
    return ScoreLine(WHOLE, MOVES_OF_TEXTURE, _chained(moves, MOVES_OF_TEXTURE), _numbers(onset, bars))


def _chords(notes: SoundingNotes, onset: _Ints) -> tuple[MoveHashes, _Ints]:
    """For each onset (n,), in ascending order: a hash of the pitches that sound, as intervals above the lowest; and
    the lowest pitch."""
    notes = notes.where((notes.end > onset[0]) & (notes.onset <= onset[-1]))
    begun = np.zeros((len(onset) + 1, _PITCHES), np.int32)
    np.add.at(begun, (np.searchsorted(onset, notes.onset), notes.pitch), 1)
    np.add.at(begun, (np.searchsorted(onset, notes.end), notes.pitch), -1)
    row, pitch = np.nonzero(np.cumsum(begun, axis=0)[:-1] > 0)
    begins = np.searchsorted(row, np.arange(len(onset)))
    lowest = pitch[begins]
    hashes = np.add.reduceat(_mixed((pitch - lowest[row] + 1).astype(np.uint64)), begins)
    return _mixed(hashes), np.asarray(lowest, np.int64)


def _waits(onset: _Ints) -> MoveHashes:
    """The time from each onset to the next on the grid, at least 1 and at most `_LONGEST`."""
    waits: MoveHashes = np.clip((np.diff(onset) + GRID // 2) // GRID, 1, _LONGEST).astype(np.uint64)
    return waits


def _numbers(onset: _Ints, bars: BarLines) -> _Ints:
    return bars.index(onset) + bars.first


def _chained(moves: MoveHashes, count: int) -> MoveHashes:
    """The hash of each `count` successive moves (n,): (n - count + 1,)."""
    size = max(0, len(moves) - count + 1)
    chained = np.zeros(size, np.uint64)
    for i in range(count):
        chained = _mixed(chained ^ moves[i : i + size])
    return chained


def _mixed(values: MoveHashes) -> MoveHashes:
    """Every bit of the result depends on every bit of the value (splitmix64: Steele, Lea and Flood, "Fast Splittable
    Pseudorandom Number Generators", OOPSLA 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)
