"""A process that reads music files for ours, so that a damaged one costs only itself.

symusic can crash, hang or exhaust the memory on a damaged file (a pitch above 127 on channel 16 is enough). So files
are parsed in a worker with limits; if it dies, it is replaced and that costs the one file. The two sides of the
worker, and what they say to each other, stand here together: bytes in, a file's absolute path; bytes out, one letter
and then a score or a line of text. Knows nothing of what is done with scores.
"""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import signal
import stat
import sys
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from playbach.music.reading import midi, musicxml
from playbach.music.reading.limits import Limits, checked
from playbach.system.errors import PlaybachError, ScoreError
from playbach.system.processes import START, fork_allowed

_STARTUP_SECONDS = 60.0  # a fresh interpreter, or music21, on a busy machine
_ORPHAN_SECONDS = 5.0
# Files asked for but not yet answered, for one worker: enough to keep it busy, few enough to fit a pipe's
# buffer, as both sides would wait for ever if each were stuck in writing.
_AHEAD_FILES = 32
_AHEAD_BYTES = 4096

_READY, _MUSICXML, _SCORE, _FAULT = b"R", b"X", b"S", b"F"


# ---------------------------------------------------------------------- the worker, as seen from our process


class Worker:
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

    def answer(self) -> Score | str:
        """The oldest request's score, or what is wrong with its file. A process that dies over it, or takes too
        long, is replaced."""
        while True:
            try:
                answer = self._receive()
            except TimeoutError as error:
                self._replace(blame=True, hangs=True)
                return f"not read within {error}; damaged, or far too long: leave it out"
            except (EOFError, OSError):
                # A damaged file may spoil the memory and only the next one stumble over it. So nothing but
                # the first file of a fresh process is surely to blame; any other gets a second chance.
                blame = self._answered == 0
                end = self._replace(blame)
                if blame:
                    return f"damaged: reading it crashes ({end}); leave it out or export it again"
            else:
                self._owed.popleft()
                self._answered += 1
                if answer[:1] == _FAULT:
                    return answer[1:].decode()
                # What the worker says is not unpickled: these bytes can become nothing but a score.
                score = Score.__new__(Score)
                score.__setstate__(answer[1:])
                return score

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
        seconds = self._limits.seconds
        while True:
            if not self._pipe.poll(seconds):
                raise TimeoutError(f"{seconds:g} s")
            answer = self._pipe.recv_bytes()
            if answer != _MUSICXML:
                return answer
            self._await_start(self._pipe)
            seconds = self._limits.musicxml_seconds

    def _await_start(self, pipe: Connection) -> None:
        """Starting, or loading music21, is not part of any file's time, nor its fault."""
        try:
            self._ready = pipe.poll(_STARTUP_SECONDS) and pipe.recv_bytes() == _READY
        except (EOFError, OSError):
            self._ready = False
        if not self._ready:
            raise PlaybachError(
                f"the process that reads music files does not start ({self.stop(grace=1.0)}); free some "
                "memory, and in a script of your own put the work under: if __name__ == '__main__':"
            )


def _ending(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"signal {-exitcode}"


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
            answer = _answer(path, limits, pipe)
            _alarm(0.0)
            pipe.send_bytes(answer)
    except (EOFError, OSError):
        os._exit(0)
    finally:
        # Not `sys.exit`: what the parent wants done at its end, and what it has buffered, is the parent's.
        os._exit(1)


def _settle(pipe: int) -> None:
    """Leave everything inherited alone: terminal, signals, open files, objects with finalizers."""
    gc.freeze()
    gc.enable()  # music21's streams are circles
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


def _answer(path: Path, limits: Limits, pipe: Connection) -> bytes:
    try:
        data = _load(path, limits)
        if not musicxml.is_musicxml(data):
            score = midi.parse(data)
        else:
            musicxml.demand()
            pipe.send_bytes(_MUSICXML)
            _alarm(_STARTUP_SECONDS)
            musicxml.load()
            pipe.send_bytes(_READY)
            _alarm(limits.musicxml_seconds + _ORPHAN_SECONDS)
            score = musicxml.parse(data, limits.max_bytes)
        return _SCORE + checked(score, limits).__getstate__()
    except ScoreError as error:
        return _FAULT + str(error).encode()
    except MemoryError:
        return _FAULT + f"reading it takes more than {limits.memory_bytes >> 20} MiB of memory; leave it out".encode()
    except Exception as error:  # whatever symusic and music21 say: RuntimeError, OverflowError, ValueError …
        said = " ".join(str(error).split())[:120]
        return _FAULT + f"damaged ({said or type(error).__name__}); leave it out or export it again".encode()


# ------------------------------------------------------------------------------- one file, inside the worker


def _load(path: Path, limits: Limits) -> bytes:
    """The file's bytes, if it is one, and not too large."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ScoreError("this is a folder; give a file of music")
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
    if not data:
        raise ScoreError("the file is empty; download or export it again")
    return data
