"""What a corpus is: its pieces, keys, meters, tempos and instruments, and how often each pitch, duration and velocity
comes.

One piece is looked at after the other and then forgotten; what stays of each is two numbers, so memory hardly grows
with the corpus. Knows scores, corpora and encodings; knows nothing of how it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.data import corpora
from playbach.data.corpora import choose_encoding
from playbach.encodings import ENCODINGS, pitch_name
from playbach.inspection.music import key_of
from playbach.music.bars import Bars, meters_of, tempo_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.instruments import NAMES
from playbach.music.reading import SUFFIXES, find_music
from playbach.music.scores import digest, seconds_at
from playbach.system.errors import CorpusError
from playbach.system.files import AnyPath, shown
from playbach.system.progress import Progress

MOST_FAULTS = 100
"""Of files that cannot be read, so many are named; all are counted."""
DRUMS, NO_KEY, OTHER = "Drums", "none", "other"

_PLAIN = {"sixty-fourth": 30, "thirty-second": 60, "sixteenth": 120, "eighth": 240, "quarter": 480, "half": 960,
          "whole": 1920, "double whole": 3840}  # fmt: skip
NOTE_VALUES: dict[str, int] = dict(
    sorted(
        (
            *_PLAIN.items(),
            *((f"dotted {name}", ticks * 3 // 2) for name, ticks in _PLAIN.items()),
            *((f"{name} triplet", ticks * 2 // 3) for name, ticks in _PLAIN.items() if 120 <= ticks <= 960),
        ),
        key=lambda item: item[1],
    )
)
"""Ticks of each, from the shortest."""
NEAR = 0.06
"""A duration that is so much longer or shorter than a note value is still one: neighbours are an eighth apart."""


@dataclass(frozen=True, slots=True)
class Share:
    """A name and how often it comes: in pieces, or in notes."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the median and the most of a number that each piece has."""

    least: float
    median: float
    most: float


@dataclass(frozen=True, slots=True)
class Survey:
    """`pieces` could be read, `damaged` files could not, and `faults` says why, a line each, of the first. `repeated`
    pieces have the very notes of another. Counts by piece: `keys` (by estimate), `meters` (the one of most bars, and
    `changing` is how many pieces have others too), `tracks` (how many with notes), `suits` (which encodings can hold
    it). Counts by note: `instruments`, `durations`
    (as note values), `pitches` and `velocities` (128 each, drums only in the latter). `tempos` are the main one of
    each piece, in quarters a minute; `lengths` in notes. `encoding` is what training would choose."""

    name: str
    path: str
    pieces: int
    damaged: int
    faults: tuple[str, ...]
    repeated: int
    notes: int
    bars: int
    quarters: float
    seconds: float
    lengths: Spread
    tempos: Spread
    keys: tuple[Share, ...]
    meters: tuple[Share, ...]
    changing: int
    tracks: tuple[Share, ...]
    instruments: tuple[Share, ...]
    durations: tuple[Share, ...]
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]
    encoding: str
    suits: tuple[Share, ...]

    @property
    def sounding(self) -> list[Share]:
        """The pitches that occur, by name, from the lowest."""
        return [Share(pitch_name(p), n) for p, n in enumerate(self.pitches) if n]


def survey(
    given: AnyPath,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
    converting: Progress | None = None,
) -> Survey:
    """What the music in a folder, or a built-in corpus, is.

    Args:
        report: told of each file that cannot be read.
        progress: wraps the iterator over the files, given how many there are.
        converting: as `progress`, of the conversion of a built-in corpus; not called where it has been converted.

    Raises:
        CorpusError: no such folder, or no music in it that can be read.
        MissingExtra: the corpus must be converted first and music21 is not installed.
    """
    folder = corpora.folder_of(str(given), converting)
    paths = find_music(folder)
    if not paths:
        raise CorpusError(f"{shown(folder)}: there is no music in this folder ({', '.join(SUFFIXES)})")
    tally = _Tally()

    def skip(line: str) -> None:
        tally.fault(line)
        report(line)

    encoding = choose_encoding(tally.through(score for _, score in corpora.readable(paths, skip, progress)))
    if not tally.lengths:
        raise CorpusError(
            f"{shown(folder)}: none of its {len(paths)} files can be read; the first: {tally.faults[0]}"
        )
    name = corpora.builtin_name(str(given)) or folder.resolve().name
    return tally.finished(name, str(folder), encoding)


@dataclass
class _Tally:
    """What has been counted so far."""

    faults: list[str] = field(default_factory=list)
    damaged: int = 0
    met: set[bytes] = field(default_factory=set)
    lengths: list[int] = field(default_factory=list)
    tempos: list[float] = field(default_factory=list)
    bars: int = 0
    ticks: int = 0
    seconds: float = 0.0
    keys: Counter[str] = field(default_factory=Counter)
    meters: Counter[str] = field(default_factory=Counter)
    changing: int = 0
    tracks: Counter[int] = field(default_factory=Counter)
    instruments: Counter[str] = field(default_factory=Counter)
    suits: Counter[str] = field(default_factory=Counter)
    durations: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(NOTE_VALUES) + 1, np.int64))
    pitches: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(128, np.int64))
    velocities: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(128, np.int64))

    def fault(self, line: str) -> None:
        self.damaged += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(line)

    def through(self, scores: Iterable[Score]) -> Iterator[Score]:
        """Each score, once it is counted."""
        for score in scores:
            self._piece(score)
            yield score

    def _piece(self, score: Score) -> None:
        tracks = [track for track in score.tracks if len(track.notes)]
        end = max(int(n.end) for track in tracks for n in track.notes)
        meters = meters_of(score, 1)
        self.met.add(bytes.fromhex(digest(score))[:8])
        self.lengths.append(int(score.note_num()))
        self.tempos.append(tempo_of(score))
        self.bars += Bars(meters).number(end - 1)
        self.ticks += end
        self.seconds += float(seconds_at(score, np.array([end]))[0])
        key = key_of(score)
        self.keys[key.name if key else NO_KEY] += 1
        ticks = _ticks_of_meters(meters, end)
        self.meters[ticks.most_common(1)[0][0]] += 1
        self.changing += len(ticks) > 1
        self.tracks[len(tracks)] += 1
        self.suits.update(name for name, kind in ENCODINGS.items() if kind.rejection_reason(score) is None)
        for track in tracks:
            self._track(track)

    def _track(self, track: Any) -> None:
        notes = track.notes.numpy()
        self.instruments[DRUMS if track.is_drum else NAMES[track.program]] += len(track.notes)
        self.velocities += np.bincount(notes["velocity"], minlength=128)
        if not track.is_drum:
            self.pitches += np.bincount(notes["pitch"], minlength=128)
            self.durations += np.bincount(note_values(notes["duration"]), minlength=len(self.durations))

    def finished(self, name: str, path: str, encoding: str) -> Survey:
        values = zip([*NOTE_VALUES, OTHER], self.durations.tolist())
        return Survey(
            name=name,
            path=path,
            pieces=len(self.lengths),
            damaged=self.damaged,
            faults=tuple(self.faults),
            repeated=len(self.lengths) - len(self.met),
            notes=sum(self.lengths),
            bars=self.bars,
            quarters=self.ticks / TICKS_PER_QUARTER,
            seconds=round(self.seconds, 3),
            lengths=_spread(self.lengths),
            tempos=_spread(self.tempos),
            keys=_shares(self.keys),
            meters=_shares(self.meters),
            changing=self.changing,
            tracks=_shares({str(n): count for n, count in self.tracks.items()}),
            instruments=_shares(self.instruments),
            durations=tuple(Share(value, count) for value, count in values if count),
            pitches=tuple(self.pitches.tolist()),
            velocities=tuple(self.velocities.tolist()),
            encoding=encoding,
            suits=_shares(self.suits),
        )


def note_values(durations: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """For each duration in ticks the index of its note value, or how many there are where it is near to none."""
    ticks = np.array(list(NOTE_VALUES.values()))
    logs, found = np.log(ticks), np.log(np.maximum(durations, 1))
    nearest = np.argmin(np.abs(found[:, None] - logs[None]), axis=1)
    near = np.abs(durations - ticks[nearest]) <= NEAR * ticks[nearest]
    return np.where(near, nearest, len(ticks))


def _ticks_of_meters(meters: tuple[tuple[int, int, int], ...], end: int) -> Counter[str]:
    """How long a piece is in each of its meters; a pickup, written as a short meter of its own, has none."""
    ticks: Counter[str] = Counter()
    ends = [*(tick for tick, _, _ in meters[1:]), max(end, meters[-1][0] + 1)]
    for number, ((tick, n, d), until) in enumerate(zip(meters, ends)):
        if number or not Bars(meters).pickup:
            ticks[f"{n}/{d}"] += until - tick
    return ticks


def _shares(counts: Any) -> tuple[Share, ...]:
    """The most frequent first."""
    return tuple(Share(name, int(n)) for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _spread(numbers: list[int] | list[float]) -> Spread:
    return Spread(float(min(numbers)), float(np.median(numbers)), float(max(numbers)))
