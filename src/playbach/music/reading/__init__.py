"""Reads music files into `symusic` scores, however damaged the files are.

`music/midi` parses MIDI, whose time and memory are linear in the file's size, in our own process. MusicXML is parsed
in a worker process with limits (`worker.py`). Scores have 480 ticks to a quarter note and only values that MIDI
allows. Knows nothing of encodings or models, and writes nothing.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from symusic.core import ScoreTick as Score  # the class that `symusic.Score(...)` makes by default

from playbach.music.options import MUSIC_SUFFIXES, ReadingOptions
from playbach.music.reading import musicxml
from playbach.music.reading.files import as_wanted, describe_failure, parse_midi, read_bytes
from playbach.music.reading.limits import ReadingLimits
from playbach.music.reading.results import ReadFile
from playbach.music.reading.worker import Worker
from playbach.system.errors import CorpusError, ScoreError
from playbach.system.files import AnyPath, display_path

_MAX_WAITING = 32  # music that has been read but must wait for that of a file before it

__all__ = [
    "MUSIC_SUFFIXES",
    "ReadFile",
    "Reader",
    "ReadingLimits",
    "ReadingOptions",
    "Score",
    "find_music",
    "read",
    "read_file",
    "read_many",
]


def read(path: AnyPath, limits: ReadingLimits | None = None, options: ReadingOptions | None = None) -> Score:
    """The score of one MIDI or MusicXML file. Arguments and errors are those of `read_file`."""
    return read_file(path, limits, options).score


def read_file(path: AnyPath, limits: ReadingLimits | None = None, options: ReadingOptions | None = None) -> ReadFile:
    """Read one MIDI or MusicXML file. For many files, `read_many` is faster.

    Raises:
        ScoreError: the file is damaged, is not music, or exceeds the limits.
    """
    with Reader(limits, options=options) as reader:
        return reader.read_file(path)


def read_many(
    paths: Iterable[AnyPath],
    limits: ReadingLimits | None = None,
    processes: int | None = None,
    options: ReadingOptions | None = None,
) -> Iterator[tuple[Path, ReadFile | ScoreError]]:
    """Read many files, and return each path with its music or its error, in the order of `paths`."""
    with Reader(limits, processes, options) as reader:
        yield from reader.read_many(paths)


def find_music(folder: AnyPath) -> list[Path]:
    """The files under a folder that have a suffix of music, sorted. For a file, the file itself.

    Hidden files and folders are left out, and no folder is searched twice.

    Raises:
        CorpusError: the folder does not exist or cannot be read.
    """
    root = Path(folder)
    if os.path.isfile(root):  # noqa: PTH113 - Path.is_file raises on a name that is too long
        return [root]
    if not os.path.isdir(root):  # noqa: PTH112
        raise CorpusError(f"{display_path(root)}: no such folder or file; check the name")
    seen: set[tuple[int, int]] = set()
    return sorted(_find_files(root, seen))


def _find_files(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        # Hidden files are not music: macOS's `._prelude.mid`, unfinished files of playbach, .git, recycle bins.
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        folders = {entry for entry in entries if entry.is_dir()}
    except OSError as error:
        raise CorpusError(
            f"{display_path(folder)}: cannot read this folder ({error.strerror}); check its permissions"
        ) from error
    if (status.st_dev, status.st_ino) in seen:
        return  # a link to a folder above, or a second link to the same folder
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry in folders:
            yield from _find_files(entry, seen)
        elif entry.suffix.lower() in MUSIC_SUFFIXES:
            yield entry


class Reader:
    """Reads music files, in this process or in worker processes, which start when they are first needed.

    With one process, MIDI is read in this one and MusicXML in a worker; with several, everything in workers. One
    process reads about 2,000 MIDI files a second, so that several help only with thousands of files.

    Use it as a context manager, in one thread, with one `read_many` at a time.
    """

    def __init__(
        self,
        limits: ReadingLimits | None = None,
        processes: int | None = None,
        options: ReadingOptions | None = None,
    ) -> None:
        self._limits, self._options = limits or ReadingLimits(), options or ReadingOptions()
        self._workers = [Worker(self._limits, self._options) for _ in range(max(1, processes or 1))]

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers. They start again if the reader is used again."""
        for worker in self._workers:
            worker.stop()

    def read(self, path: AnyPath) -> Score:
        """The score of one MIDI or MusicXML file. Raises ScoreError."""
        return self.read_file(path).score

    def read_file(self, path: AnyPath) -> ReadFile:
        """Read one MIDI or MusicXML file. Raises ScoreError."""
        [(_, result)] = self.read_many([path])
        if isinstance(result, ScoreError):
            raise result
        return result

    def read_many(self, paths: Iterable[AnyPath]) -> Iterator[tuple[Path, ReadFile | ScoreError]]:
        """Each path with its music or its error, in the order of `paths`. Only a few files are read ahead."""
        if any(worker.open_requests for worker in self._workers):
            raise RuntimeError("this Reader is busy with another read_many; finish or close that one first")
        waiting: deque[tuple[Path, Worker | ReadFile | str]] = deque()
        workers = itertools.cycle(self._workers)
        try:
            for path in map(Path, paths):
                if (result := self._read_here(path)) is not None:
                    waiting.append((path, result))
                else:
                    worker, request = next(workers), os.fsencode(path.absolute())
                    while worker.is_full(request):
                        yield _receive_result(*waiting.popleft())
                    worker.send_request(request)
                    waiting.append((path, worker))
                while waiting and (not isinstance(waiting[0][1], Worker) or len(waiting) > self._most_waiting):
                    yield _receive_result(*waiting.popleft())
            while waiting:
                yield _receive_result(*waiting.popleft())
        finally:
            if any(worker.open_requests for worker in self._workers):
                self.close()  # stopped halfway: results under way would be taken for those of the next files

    @property
    def _most_waiting(self) -> int:
        return _MAX_WAITING * len(self._workers)

    def _read_here(self, path: Path) -> ReadFile | str | None:
        """The music of a file, or what is wrong with it, if it need not be read in a worker."""
        if len(self._workers) > 1:
            return None
        try:
            data = read_bytes(path, self._limits)
            if musicxml.is_musicxml(data):
                return None
            return as_wanted(parse_midi(data, self._limits), self._options)
        except Exception as error:  # a file must not end the reading of others
            return describe_failure(error, self._limits)


def _receive_result(path: Path, result: Worker | ReadFile | str) -> tuple[Path, ReadFile | ScoreError]:
    if isinstance(result, Worker):
        result = result.receive_result()
    return path, ScoreError(f"{display_path(path)}: {result}") if isinstance(result, str) else result
