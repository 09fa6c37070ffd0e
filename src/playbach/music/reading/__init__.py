"""Music files in, `symusic` scores out, however damaged the files are.

MIDI goes through symusic, MusicXML through music21, both in a worker process with limits (`worker.py`), as a damaged
file can take it down: that costs the one file. What comes back has 480 ticks to a quarter note and only values that
MIDI allows. Knows nothing of encodings or models, and writes nothing.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from symusic.core import ScoreTick as Score  # the class that `symusic.Score(...)` makes unless told otherwise

from playbach.music.reading.limits import Limits
from playbach.music.reading.worker import Worker
from playbach.system.errors import CorpusError, ScoreError
from playbach.system.files import AnyPath, shown
from playbach.system.processes import START, fork_allowed

SUFFIXES = (".mid", ".midi", ".musicxml", ".xml", ".mxl")
"""Of the files that are taken for music in a folder; a file that is named is read whatever its suffix."""

__all__ = [
    "START",
    "SUFFIXES",
    "Limits",
    "Reader",
    "Score",
    "find_music",
    "fork_allowed",
    "in_ticks",
    "read",
    "read_many",
]


def read(path: AnyPath, limits: Limits | None = None) -> Score:
    """The score in one MIDI or MusicXML file. Raises ScoreError. For many files, `read_many` is faster."""
    with Reader(limits) as reader:
        return reader.read(path)


def read_many(
    paths: Iterable[AnyPath], limits: Limits | None = None, processes: int | None = None
) -> Iterator[tuple[Path, Score | ScoreError]]:
    """Each path with its score or what is wrong with it, in the order of `paths`, as they are asked for."""
    with Reader(limits, processes) as reader:
        yield from reader.read_many(paths)


def find_music(folder: AnyPath) -> list[Path]:
    """Every music file under a folder, by its suffix, sorted; a file gives itself. No folder is visited twice."""
    root = Path(folder)
    if os.path.isfile(root):  # noqa: PTH113 - Path.is_file raises on a name that is too long
        return [root]
    if not os.path.isdir(root):  # noqa: PTH112
        raise CorpusError(f"{shown(root)}: no such folder or file; check the name")
    seen: set[tuple[int, int]] = set()
    return sorted(_walk(root, seen))


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        # Hidden ones are not music: macOS's `._prelude.mid`, our own unfinished files, .git, waste bins.
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        folders = {entry for entry in entries if entry.is_dir()}
    except OSError as error:
        raise CorpusError(
            f"{shown(folder)}: this folder cannot be read ({error.strerror}); check its permissions, or move it away"
        ) from error
    if (status.st_dev, status.st_ino) in seen:
        return  # a link to a folder above, or a second way to the same one
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry in folders:
            yield from _walk(entry, seen)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


class Reader:
    """Reads files one after the other in worker processes of its own, started when first needed.

    A context manager; for one thread and one `read_many` at a time. More than one process pays off for
    thousands of files only: one worker reads some 2,000 a second.
    """

    def __init__(self, limits: Limits | None = None, processes: int | None = None) -> None:
        self._workers = [Worker(limits or Limits()) for _ in range(max(1, processes or 1))]

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers. The reader may be used again: they would start anew."""
        for worker in self._workers:
            worker.stop()

    def read(self, path: AnyPath) -> Score:
        """The score in one MIDI or MusicXML file. Raises ScoreError."""
        [(_, result)] = self.read_many([path])
        if isinstance(result, ScoreError):
            raise result
        return result

    def read_many(self, paths: Iterable[AnyPath]) -> Iterator[tuple[Path, Score | ScoreError]]:
        """Each path with its score or its error, in the order of `paths`; reads at most a few files ahead."""
        if any(worker.owes for worker in self._workers):
            raise RuntimeError("this Reader is still busy with another read_many")
        waiting: deque[tuple[Path, Worker]] = deque()
        workers = itertools.cycle(self._workers)
        try:
            for path in map(Path, paths):
                worker, request = next(workers), os.fsencode(path.absolute())
                while worker.full(request):
                    yield _answered(*waiting.popleft())
                worker.ask(request)
                waiting.append((path, worker))
            while waiting:
                yield _answered(*waiting.popleft())
        finally:
            if any(worker.owes for worker in self._workers):
                self.close()  # left halfway: the answers under way would be taken for those to the next files


def _answered(path: Path, worker: Worker) -> tuple[Path, Score | ScoreError]:
    answer = worker.answer()
    return path, ScoreError(f"{shown(path)}: {answer}") if isinstance(answer, str) else answer
