"""Surveys a corpus: its pieces, keys, meters, tempos and instruments, and the frequencies of pitches, durations and
velocities.

Pieces are read one by one, and only a few numbers are kept of each, so that memory hardly grows with the corpus.
Knows scores, corpora and encodings; knows nothing of how a survey is printed.
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
from playbach.data.remarks import FileRemark, remark_lines
from playbach.encodings import ENCODINGS
from playbach.inspection.music import key_of
from playbach.music.bars import Bars, meters_of, tempo_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.instruments import INSTRUMENT_NAMES
from playbach.music.keys import pitch_name
from playbach.music.meters import doubtful_meter
from playbach.music.options import ReadingOptions
from playbach.music.pedal import pedal_presses
from playbach.music.reading import ReadFile
from playbach.music.scores import content_hash, ticks_to_seconds
from playbach.system.errors import CorpusError
from playbach.system.files import AnyPath, display_path
from playbach.system.progress import Progress

MAX_FAULTS = 100
"""The number of unreadable files that are named. All are counted."""
_DRUMS, _NO_KEY, OTHER_DURATION = "Drums", "none", "other"

_PLAIN = {
    "sixty-fourth": 30,
    "thirty-second": 60,
    "sixteenth": 120,
    "eighth": 240,
    "quarter": 480,
    "half": 960,
    "whole": 1920,
    "double whole": 3840,
}
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
"""The ticks of each note value, from the shortest."""
_TOLERANCE = 0.06
"""A duration may be longer or shorter than its note value by this share. Neighbouring note values differ by more than
twice as much."""


@dataclass(frozen=True, slots=True)
class Share:
    """A name, and the number of pieces or notes that have it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The minimum, the median and the maximum of a number that each piece has."""

    least: float
    median: float
    most: float


@dataclass(frozen=True, slots=True)
class CorpusSurvey:
    name: str
    path: str
    pieces: int
    """The number of pieces that could be read."""
    damaged: int
    """The number of files that could not be read."""
    faults: tuple[str, ...]
    """Why the first of these could not be read, one line each."""
    repeated: int
    """The number of pieces with the same notes as an earlier one."""
    notes: int
    bars: int
    quarters: float
    seconds: float
    lengths: Spread
    """In notes."""
    tempos: Spread
    """The main tempo of each piece, in quarters per minute."""
    keys: tuple[Share, ...]
    """By piece, estimated."""
    meters: tuple[Share, ...]
    """By piece: the meter of most of its bars."""
    changing: int
    """The number of pieces with more than one meter."""
    tracks: tuple[Share, ...]
    """By piece: how many tracks have notes."""
    instruments: tuple[Share, ...]
    """By note."""
    durations: tuple[Share, ...]
    """By note, as note values; without drums."""
    pitches: tuple[int, ...]
    """The number of notes of each pitch, 0-127; without drums."""
    velocities: tuple[int, ...]
    """The number of notes of each velocity, 0-127."""
    encoding: str
    """The encoding that training would choose."""
    suits: tuple[Share, ...]
    """How many pieces each encoding can represent."""
    pedal: str
    """Whether the lengths of notes are those with the sustain pedal: `keep` or `ignore`."""
    with_pedal: int
    """The number of pieces in which the sustain pedal is pressed."""
    plain_ornaments: bool
    """Whether ornaments are left out or played as plain notes."""
    with_ornaments: int
    """The number of pieces with ornaments."""
    ornaments: tuple[Share, ...]
    """By kind."""
    doubtful_meters: tuple[Share, ...]
    """By piece: meters that a program may have made up."""
    with_remarks: int
    """The number of pieces of which something is left out or changed, by reading or by the encoding."""
    remarks: tuple[str, ...]
    """What is left out or changed, in few lines."""

    @property
    def sounding(self) -> list[Share]:
        """The pitches that occur, by name, from the lowest."""
        return [Share(pitch_name(p), n) for p, n in enumerate(self.pitches) if n]


def survey_corpus(
    folder_or_name: AnyPath,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
    converting: Progress | None = None,
    options: ReadingOptions | None = None,
) -> CorpusSurvey:
    """Survey a folder of music or a built-in corpus.

    Args:
        report: receives a line for each file that cannot be read.
        progress: wraps the iterator over the files.
        converting: wraps the conversion of a built-in corpus, if it has not been converted yet.
        options: how the files are read.

    Raises:
        CorpusError: no such folder, or no music in it that can be read.
        MissingExtra: the corpus must be converted first and music21 is not installed.
    """
    folder = corpora.corpus_folder(str(folder_or_name), converting)
    paths = corpora.music_in(folder)
    options = options or ReadingOptions()
    tally, root = _Tally(), folder if folder.is_dir() else folder.parent

    def skip(line: str) -> None:
        tally.add_fault(line)
        report(line)

    files = corpora.readable_files(paths, skip, progress, options)
    encoding = choose_encoding(tally.count((path.relative_to(root).as_posix(), file) for path, file in files))
    if not tally.lengths:
        raise CorpusError(
            f"{display_path(folder)}: none of its {len(paths)} files can be read; the first: {tally.faults[0]}"
        )
    name = corpora.builtin_name(str(folder_or_name)) or folder.resolve().name
    return tally.to_survey(name, str(folder), encoding, options)


@dataclass
class _Tally:
    """The counts so far."""

    faults: list[str] = field(default_factory=list)
    damaged: int = 0
    hashes: set[bytes] = field(default_factory=set)
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
    with_pedal: int = 0
    with_ornaments: int = 0
    ornaments: Counter[str] = field(default_factory=Counter)
    doubtful_meters: Counter[str] = field(default_factory=Counter)
    remarks: list[FileRemark] = field(default_factory=list)
    """Of reading."""
    encoding_remarks: dict[str, list[FileRemark]] = field(default_factory=dict)
    """Of each encoding."""
    durations: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(NOTE_VALUES) + 1, np.int64))
    pitches: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(128, np.int64))
    velocities: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(128, np.int64))

    def add_fault(self, line: str) -> None:
        self.damaged += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(line)

    def count(self, files: Iterable[tuple[str, ReadFile]]) -> Iterator[Score]:
        """Count each file, by name, and pass its score on."""
        for name, file in files:
            self._count_piece(file.score)
            self._count_reading(display_path(name), file)
            yield file.score

    def _count_reading(self, name: str, file: ReadFile) -> None:
        self.with_pedal += pedal_presses(file.score) > 0
        self.with_ornaments += bool(file.ornaments)
        self.ornaments.update(file.ornaments)
        self.remarks += [(name, remark) for remark in file.remarks]
        for encoding, entry in ENCODINGS.items():
            found = self.encoding_remarks.setdefault(encoding, [])
            found += [(name, remark) for remark in entry.load().remarks(file.score)]

    def _count_piece(self, score: Score) -> None:
        tracks = [track for track in score.tracks if len(track.notes)]
        end = max(int(n.end) for track in tracks for n in track.notes)
        meters = meters_of(score, 1)
        self.hashes.add(bytes.fromhex(content_hash(score))[:8])
        self.lengths.append(int(score.note_num()))
        self.tempos.append(tempo_of(score))
        self.bars += Bars(meters).number(end - 1)
        self.ticks += end
        self.seconds += float(ticks_to_seconds(score, np.array([end]))[0])
        key = key_of(score)
        self.keys[key.name if key else _NO_KEY] += 1
        ticks = _ticks_of_meters(meters, end)
        main_meter = ticks.most_common(1)[0][0]
        self.meters[main_meter] += 1
        self.doubtful_meters[main_meter] += doubtful_meter(score) is not None
        self.changing += len(ticks) > 1
        self.tracks[len(tracks)] += 1
        self.suits.update(name for name, entry in ENCODINGS.items() if entry.load().rejection_reason(score) is None)
        for track in tracks:
            self._count_track(track)

    def _count_track(self, track: Any) -> None:
        notes = track.notes.numpy()
        self.instruments[_DRUMS if track.is_drum else INSTRUMENT_NAMES[track.program]] += len(track.notes)
        self.velocities += np.bincount(notes["velocity"], minlength=128)
        if not track.is_drum:
            self.pitches += np.bincount(notes["pitch"], minlength=128)
            self.durations += np.bincount(note_values(notes["duration"]), minlength=len(self.durations))

    def to_survey(self, name: str, path: str, encoding: str, options: ReadingOptions) -> CorpusSurvey:
        remarks = [*self.remarks, *self.encoding_remarks.get(encoding, [])]
        values = zip([*NOTE_VALUES, OTHER_DURATION], self.durations.tolist())
        return CorpusSurvey(
            name=name,
            path=path,
            pieces=len(self.lengths),
            damaged=self.damaged,
            faults=tuple(self.faults),
            repeated=len(self.lengths) - len(self.hashes),
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
            pedal=options.pedal,
            with_pedal=self.with_pedal,
            plain_ornaments=options.plain_ornaments,
            with_ornaments=self.with_ornaments,
            ornaments=_shares(self.ornaments),
            doubtful_meters=_shares(+self.doubtful_meters),
            with_remarks=len({name for name, _ in remarks}),
            remarks=tuple(remark_lines(remarks)),
        )


def note_values(durations: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The index of the note value of each duration in ticks; the number of note values where none is near."""
    ticks = np.array(list(NOTE_VALUES.values()))
    logs, found = np.log(ticks), np.log(np.maximum(durations, 1))
    nearest = np.argmin(np.abs(found[:, None] - logs[None]), axis=1)
    near = np.abs(durations - ticks[nearest]) <= _TOLERANCE * ticks[nearest]
    return np.where(near, nearest, len(ticks))


def _ticks_of_meters(meters: tuple[tuple[int, int, int], ...], end: int) -> Counter[str]:
    """The ticks of a piece in each of its meters, without a pickup."""
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
