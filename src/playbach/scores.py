"""Music files in, `symusic` scores out, however damaged the files are.

symusic can crash, hang or exhaust the memory on a damaged file (a pitch above 127 on channel 16 is enough),
and lets impossible values through. So files are parsed in a worker process with limits; if it dies, that
costs the one file. What comes back has 480 ticks to a quarter note and only values that MIDI allows.

Knows nothing of encodings or models, and writes nothing. Past 400 lines because the two sides of the worker,
and what they say to each other, are understood together or not at all.
"""

from __future__ import annotations

import faulthandler
import gc
import itertools
import multiprocessing
import os
import signal
import stat
import struct
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score  # the class that `symusic.Score(...)` makes unless told otherwise

from playbach.errors import CorpusError, PlaybachError, ScoreError
from playbach.events import TICKS_PER_QUARTER
from playbach.files import AnyPath, shown

SUFFIXES = (".mid", ".midi")

_MAX_TRACKS = 1024
_MAX_QUARTERS = 24 * 60 * 120  # a day at 120 quarters a minute
_MSPQ = (
    60_000,
    0xFFFFFF,
)  # microseconds to a quarter: 1000 quarters a minute, and the most that MIDI can say
_DENOMINATORS = (1, 2, 4, 8, 16, 32, 64)

# A fork costs 3 ms and inherits symusic and numpy; a fresh interpreter costs 200. macOS's frameworks do not
# survive forks and Windows has none.
START: str = "fork" if sys.platform == "linux" else "spawn"
_STARTUP_SECONDS = 60.0  # a fresh interpreter on a busy machine
_ORPHAN_SECONDS = 5.0
# Files asked for but not yet answered, for one worker: enough to keep it busy, few enough to fit a pipe's
# buffer, as both sides would wait for ever if each were stuck in writing.
_AHEAD_FILES = 32
_AHEAD_BYTES = 4096

_READY, _SCORE, _FAULT = b"R", b"S", b"F"


@dataclass(frozen=True)
class Limits:
    """What one file may cost before it is given up. Time counts from when the worker is free for it."""

    max_bytes: int = 16 << 20
    max_notes: int = 500_000
    seconds: float = 10.0
    memory_bytes: int = 1 << 30


# -------------------------------------------------------------------------------------------- for the caller


def read(path: AnyPath, limits: Limits | None = None) -> Score:
    """The score in one MIDI file. Raises ScoreError. For many files, `read_many` or a `Reader` is faster."""
    with Reader(limits) as reader:
        return reader.read(path)


def read_many(
    paths: Iterable[AnyPath], limits: Limits | None = None, processes: int | None = None
) -> Iterator[tuple[Path, Score | ScoreError]]:
    """Each path with its score or what is wrong with it, in the order of `paths`, as they are asked for."""
    with Reader(limits, processes) as reader:
        yield from reader.read_many(paths)


def in_ticks(score: Any) -> Score:
    """A score of any resolution with 480 ticks to a quarter.

    Raises:
        ScoreError: it is not a symusic score in ticks.
    """
    if not isinstance(score, Score):
        raise ScoreError(f"expected a symusic.Score in ticks, got {type(score).__name__}")
    return score if score.ticks_per_quarter == TICKS_PER_QUARTER else score.resample(TICKS_PER_QUARTER, 1)


def find_music(folder: AnyPath) -> list[Path]:
    """Every .mid and .midi file under a folder, sorted; a file gives itself. No folder is visited twice."""
    root = Path(folder)
    if root.is_file():
        return [root]
    if not root.is_dir():
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
        self._workers = [_Worker(limits or Limits()) for _ in range(max(1, processes or 1))]

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
        """The score in one MIDI file. Raises ScoreError."""
        [(_, result)] = self.read_many([path])
        if isinstance(result, ScoreError):
            raise result
        return result

    def read_many(self, paths: Iterable[AnyPath]) -> Iterator[tuple[Path, Score | ScoreError]]:
        """Each path with its score or its error, in the order of `paths`; reads at most a few files ahead."""
        if any(worker.owes for worker in self._workers):
            raise RuntimeError("this Reader is still busy with another read_many")
        waiting: deque[tuple[Path, _Worker]] = deque()
        workers = itertools.cycle(self._workers)
        try:
            for path in map(Path, paths):
                worker, request = next(workers), os.fsencode(path.absolute())
                while worker.full(request):
                    yield _result(*waiting.popleft())
                worker.ask(request)
                waiting.append((path, worker))
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            if any(worker.owes for worker in self._workers):
                self.close()  # left halfway: the answers under way would be taken for those to the next files


def _result(path: Path, worker: _Worker) -> tuple[Path, Score | ScoreError]:
    answer = worker.answer()
    if answer[:1] == _FAULT:
        return path, ScoreError(f"{shown(path)}: {answer[1:].decode()}")
    # What the worker says is not unpickled: these bytes can become nothing but a score.
    score = Score.__new__(Score)
    score.__setstate__(answer[1:])
    return path, score


# ---------------------------------------------------------------------- the worker, as seen from our process


class _Worker:
    """A child process that answers requests in order, and the requests that it has yet to answer."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._owed: deque[bytes] = deque()
        self._process: Any = None  # a Process of either kind
        self._pipe: Connection | None = None
        self._ready = False
        self._answered = 0

    @property
    def owes(self) -> int:
        return len(self._owed)

    def full(self, request: bytes) -> bool:
        ahead = sum(map(len, self._owed)) + len(request)
        return bool(self._owed) and (ahead > _AHEAD_BYTES or len(self._owed) >= _AHEAD_FILES)

    def ask(self, request: bytes) -> None:
        if self._process is None:
            self._start()
        self._owed.append(request)
        self._send(request)

    def answer(self) -> bytes:
        """The answer to the oldest request. A process that dies over it, or takes too long, is replaced."""
        while True:
            try:
                answer = self._receive()
            except TimeoutError:
                self._replace(blame=True, hangs=True)
                return _fault(f"not read within {self._limits.seconds:g} s; probably damaged: leave it out")
            except (EOFError, OSError):
                # A damaged file may spoil the memory and only the next one stumble over it. So nothing but
                # the first file of a fresh process is surely to blame; any other gets a second chance.
                blame = self._answered == 0
                end = self._replace(blame)
                if blame:
                    return _fault(f"damaged: reading it crashes ({end}); leave it out or export it again")
            else:
                self._owed.popleft()
                self._answered += 1
                return answer

    def stop(self, grace: float = 0.0) -> str:
        """End the process, which holds nothing worth saving, and forget the requests; says how it ended."""
        self._owed.clear()
        if self._process is None or self._pipe is None:
            return "not running"
        self._pipe.close()
        self._process.join(grace)
        self._process.kill()
        self._process.join()
        end = _ending(self._process.exitcode)
        self._process.close()
        self._process = self._pipe = None
        return end

    def _start(self) -> None:
        context: Any = multiprocessing.get_context(START)  # Any: the type depends on the platform
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._limits), daemon=True)
        try:
            with fork_allowed():
                process.start()
        except OSError as error:
            raise PlaybachError(
                f"no process can be started to read music files ({error.strerror}); close other programs"
            ) from error
        finally:
            theirs.close()
        self._pipe, self._process = ours, process
        self._ready, self._answered = False, 0

    def _replace(self, blame: bool, hangs: bool = False) -> str:
        """A new process for the open requests, less the oldest if to blame; says how the old one ended."""
        owed = list(self._owed)[1 if blame else 0 :]
        # A process that has closed its pipe is about to end by itself; its own status tells more than a kill.
        end = self.stop(grace=0.0 if hangs else 1.0)
        for request in owed:
            self.ask(request)
        return end

    def _send(self, request: bytes) -> None:
        assert self._pipe is not None
        # If the process has died over an earlier file, that comes out when it should answer.
        with suppress(OSError):
            self._pipe.send_bytes(request)

    def _receive(self) -> bytes:
        assert self._pipe is not None
        if not self._ready:
            self._await_start(self._pipe)
        if not self._pipe.poll(self._limits.seconds):
            raise TimeoutError
        return self._pipe.recv_bytes()

    def _await_start(self, pipe: Connection) -> None:
        """Starting is not part of any file's time, nor its fault."""
        try:
            self._ready = pipe.poll(_STARTUP_SECONDS) and pipe.recv_bytes() == _READY
        except (EOFError, OSError):
            self._ready = False
        if not self._ready:
            raise PlaybachError(
                f"the process that reads music files does not start ({self.stop(grace=1.0)}); free some "
                "memory, and in a script of your own put the work under: if __name__ == '__main__':"
            )


def _fault(message: str) -> bytes:
    return _FAULT + message.encode()


def _ending(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"signal {-exitcode}"


@contextmanager
def fork_allowed() -> Iterator[None]:
    """Python 3.12 and later warn of forks in a process with threads, as a lock that another thread holds at
    that moment stays locked in the child. Ours do nothing with what the parent's other threads
    may hold: they parse or convert music, write to a pipe or a file of their own, and leave. The C
    library keeps its own allocator usable across forks, and Python its own locks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
        yield


# ------------------------------------------------------------------------------- the worker, from the inside


def _serve(pipe: Connection, limits: Limits) -> None:
    """Answer requests, each a file's absolute path, until the pipe closes."""
    try:
        _settle(pipe.fileno())
        _limit_memory(limits.memory_bytes)
        pipe.send_bytes(_READY)
        while True:
            path = Path(os.fsdecode(pipe.recv_bytes()))
            # The parent stops us in time, unless it was killed itself: who else ends a hanging parser?
            _alarm(limits.seconds + _ORPHAN_SECONDS)
            answer = _answer(path, limits)
            _alarm(0.0)
            pipe.send_bytes(answer)
    except (EOFError, OSError):
        os._exit(0)
    finally:
        # Not `sys.exit`: what the parent wants done at its end, and what it has buffered, is the parent's.
        os._exit(1)


def _settle(pipe: int) -> None:
    """Leave everything inherited alone: terminal, signals, open files, objects with finalizers."""
    gc.disable()
    faulthandler.disable()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for the parent, who ends us
    for name in ("SIGTERM", "SIGHUP", "SIGALRM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    with suppress(OSError):  # without /proc they stay open, which does no harm while the parent lives
        # Above all the parent's ends of our own pipe and of other workers': as long as one is open, nobody
        # notices when the parent is gone.
        for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
            if descriptor > 2 and descriptor != pipe:
                with suppress(OSError):
                    os.close(descriptor)


def _limit_memory(memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # not on macOS, which has no /proc and enforces no such limit
        # The limit counts address space, of which a fork of a process with torch already has gigabytes.
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        highest = resource.getrlimit(resource.RLIMIT_AS)[1]
        if highest != resource.RLIM_INFINITY:
            limit = min(limit, highest)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _alarm(seconds: float) -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(path: Path, limits: Limits) -> bytes:
    try:
        return _SCORE + _parse(_load(path, limits), limits).__getstate__()
    except ScoreError as error:
        return _fault(str(error))
    except MemoryError:
        return _fault(f"reading it takes more than {limits.memory_bytes >> 20} MiB of memory; leave it out")
    except Exception as error:  # whatever symusic says: RuntimeError, OverflowError, ValueError …
        said = " ".join(str(error).split())[:120]
        return _fault(f"damaged ({said}); leave it out or export it again")


# ------------------------------------------------------------------------------- one file, inside the worker


def _load(path: Path, limits: Limits) -> bytes:
    """The bytes of a standard MIDI file, complete as far as its chunks say."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ScoreError("this is a folder; give a MIDI file")
        if not stat.S_ISREG(mode):
            raise ScoreError("this is not a regular file; copy it to one first")
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise ScoreError("no such file; check the name") from None
    except PermissionError:
        raise ScoreError("you may not read this file; change its permissions") from None
    except OSError as error:
        raise ScoreError(f"cannot be read ({error.strerror}); check its path and its disk") from None
    if len(data) > limits.max_bytes:
        raise ScoreError(f"larger than {limits.max_bytes:,} bytes; leave it out or split it")
    return _whole(_unwrapped(data))


def _unwrapped(data: bytes) -> bytes:
    """The MIDI file in a RIFF one (.rmi, sometimes named .mid)."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data":
            return data[position : position + size]
        position += size + size % 2
    return data


def _whole(data: bytes) -> bytes:
    """The header and the tracks that it promises. Cut files are turned away here, as symusic reads over the
    end of some and takes half of others for the whole."""
    if not data:
        raise ScoreError("the file is empty; download or export it again")
    if data[:4] != b"MThd":
        raise ScoreError(f"not a MIDI file (it begins with {data[:4]!r}); give .mid or .midi files")
    if len(data) < 14:
        raise ScoreError("cut short in its header; download or export it again")
    size, form, tracks, division = struct.unpack_from(">IHHH", data, 4)
    if division & 0x8000:
        raise ScoreError("its time is in film frames, not in notes; export it with ticks per quarter note")
    if division == 0:
        raise ScoreError("damaged (no ticks per quarter note); leave it out or export it again")
    if form == 2 and tracks > 1:
        raise ScoreError(f"holds {tracks} separate pieces (MIDI format 2); save each in a file of its own")
    position, found = 8 + size, 0
    while found < tracks:
        if position + 8 > len(data):
            raise ScoreError(f"cut short: {found} of {tracks} tracks are there; download or export it again")
        name, size = struct.unpack_from(">4sI", data, position)
        position += 8 + size
        found += name == b"MTrk"
        if position > len(data):
            raise ScoreError(
                f"cut short: {position - len(data):,} bytes are missing in track {found} of {tracks}; "
                "download or export it again"
            )
    return data[:position]


def _parse(data: bytes, limits: Limits) -> Score:
    score = _from_midi(data)
    if len(score.tracks) > _MAX_TRACKS:
        raise ScoreError(f"has {len(score.tracks):,} tracks, more than {_MAX_TRACKS:,}; leave it out")
    if score.note_num() > limits.max_notes:
        raise ScoreError(f"has {score.note_num():,} notes, more than {limits.max_notes:,}; leave it out or split it")
    last = _MAX_QUARTERS * score.ticks_per_quarter
    _check_notes(score, last)
    for track in score.tracks:
        _check_track(track, last)
    _check_global(score, last)
    if score.note_num() == 0:
        raise ScoreError("there is not a note in it; leave it out")
    if score.ticks_per_quarter == TICKS_PER_QUARTER:
        return score
    return score.resample(TICKS_PER_QUARTER, 1)  # 1: a note shorter than a tick stays a note


def _from_midi(data: bytes) -> Score:
    # symusic's own `sanitize_data` would bend pitch 200 to 127 in silence.
    return Score.from_midi(data)


def _check_notes(score: Score, last: int) -> None:
    """Impossible notes condemn the file; those of no length, which nobody hears, are only left out."""
    tracks = [track.notes.numpy() for track in score.tracks if len(track.notes)]
    if not tracks:
        return
    # All tracks at once: on small arrays, numpy's time goes by the number of calls.
    onset, duration, pitch, velocity = (
        np.concatenate([notes[name] for notes in tracks]) for name in ("time", "duration", "pitch", "velocity")
    )
    _demand("pitch", pitch, 0, 127)
    _demand("velocity", velocity, 1, 127)  # never 0: to MIDI and so to symusic, that is a note-off
    _demand("onset", onset, 0, last, bits=32)
    _demand("duration", duration, 0, last, bits=32)
    if not duration.all():
        for track in score.tracks:
            _prune(track, "notes", duration=(1, last))


def _check_track(track: Any, last: int) -> None:
    """An impossible instrument condemns the file; impossible controllers are only left out."""
    if not 0 <= track.program <= 127:
        raise ScoreError(_impossible("program", track.program))
    _prune(track, "controls", time=(0, last), number=(0, 127), value=(0, 127))
    _prune(track, "pitch_bends", time=(0, last), value=(-8192, 8191))
    _prune(track, "pedals", time=(0, last), duration=(0, last))
    _prune_texts(track.lyrics, last)


def _check_global(score: Score, last: int) -> None:
    _prune(score, "key_signatures", time=(0, last), key=(-7, 7), tonality=(0, 1))
    _prune(score, "time_signatures", time=(0, last))
    for meter in score.time_signatures:
        if not 1 <= meter.numerator <= 64 or meter.denominator not in _DENOMINATORS:
            raise ScoreError(_impossible("time signature", f"{meter.numerator}/{meter.denominator}"))
    _prune(score, "tempos", time=(0, last), mspq=(1, 1 << 31))
    for tempo in score.tempos:
        tempo.mspq = min(max(tempo.mspq, _MSPQ[0]), _MSPQ[1])
    _prune_texts(score.markers, last)


def _demand(name: str, values: Any, low: int, high: int, bits: int = 8) -> None:
    if values.min() < low or values.max() > high:
        wrong = int(values[(values < low) | (values > high)][0])
        raise ScoreError(_impossible(name, wrong % (1 << bits)))  # signed, so what is too large came out negative


def _impossible(name: str, value: int | str) -> str:
    return f"damaged ({name} {value} does not exist); leave it out or export it again"


def _prune(owner: Any, name: str, **ranges: tuple[int, int]) -> None:
    """Keep those events of one of symusic's lists of which every field named is in its range."""
    events = getattr(owner, name)
    if not len(events):
        return
    columns = events.numpy()
    keep = np.logical_and.reduce([(columns[k] >= low) & (columns[k] <= high) for k, (low, high) in ranges.items()])
    if not keep.all():
        setattr(owner, name, type(events).from_numpy(*(column[keep] for column in columns.values())))


def _prune_texts(texts: Any, last: int) -> None:
    if len(texts):  # they have no numpy face
        texts.filter(lambda text: 0 <= text.time <= last, True)
