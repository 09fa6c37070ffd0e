"""A worker process that reads music files, so that a file cannot harm ours.

Parsing MusicXML can take very long or exhaust the memory. So a worker with limits on time and memory parses the
files; if it dies, it is replaced, and only that file is lost. It parses MIDI too if several workers share many files.
Both ends of the pipe are in this module: a request is a file's absolute path, a response is one letter followed by a
score or a line of text, all as bytes. Knows nothing of what is done with scores.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from playbach.music.options import ReadingOptions
from playbach.music.reading import musicxml
from playbach.music.reading.files import as_wanted, describe_failure, parse_midi, read_bytes
from playbach.music.reading.limits import ReadingLimits, validate_score
from playbach.music.reading.results import ReadFile
from playbach.music.scores import score_from_bytes
from playbach.system.errors import PlaybachError
from playbach.system.processes import (
    START_METHOD,
    describe_exit,
    ignore_fork_warnings,
    limit_memory,
    release_inherited,
)

_STARTUP_SECONDS = 60.0  # for a new interpreter on a busy machine
_ORPHAN_SECONDS = 5.0
# Open requests of one worker: enough to keep it busy, few enough for the pipe's buffer, or else both sides could
# block for ever while they write.
_MAX_OPEN_FILES = 32
_MAX_OPEN_BYTES = 4096

_READY, _MUSICXML, _SCORE, _ERROR = b"R", b"X", b"S", b"F"


# -------------------------------------------------------------------------------------------------- in our process


class Worker:
    """A child process that reads files in order, and the requests to which it has not responded yet."""

    def __init__(self, limits: ReadingLimits, options: ReadingOptions) -> None:
        self._limits, self._options = limits, options
        self._open: deque[bytes] = deque()
        self._process: Any = None  # a Process of either kind
        self._pipe: Connection | None = None
        self._ready = False
        self._responses = 0

    @property
    def open_requests(self) -> int:
        return len(self._open)

    def is_full(self, request: bytes) -> bool:
        """Whether a result must be received before this request can be sent."""
        size = sum(map(len, self._open)) + len(request)
        return bool(self._open) and (size > _MAX_OPEN_BYTES or len(self._open) >= _MAX_OPEN_FILES)

    def send_request(self, request: bytes) -> None:
        if self._process is None:
            self._start()
        self._open.append(request)
        self._send(request)

    def receive_result(self) -> ReadFile | str:
        """The music of the oldest open request, or what is wrong with its file.

        A process that crashes or takes too long is replaced.
        """
        while True:
            try:
                response = self._receive()
            except TimeoutError as error:
                self._replace(drop_oldest=True, hangs=True)
                return f"it takes longer than {error} to read, so it is damaged or far too long; leave it out"
            except (EOFError, OSError):
                # A damaged file can corrupt the memory, and the crash then comes with a later file. So only the first
                # file of a new process is certainly the cause; any other is tried once more.
                is_cause = self._responses == 0
                end = self._replace(drop_oldest=is_cause)
                if is_cause:
                    return f"the file is damaged: reading it crashes ({end}); leave it out or export it again"
            else:
                self._open.popleft()
                self._responses += 1
                return response[1:].decode() if response[:1] == _ERROR else _unpack(response[1:])

    def stop(self, grace: float = 0.0) -> str:
        """End the process, drop the open requests, and return how the process ended."""
        self._open.clear()
        if self._process is None or self._pipe is None:
            return "not running"
        self._pipe.close()
        self._process.join(grace)
        self._process.kill()
        self._process.join()
        end = describe_exit(self._process.exitcode)
        self._process.close()
        self._process = self._pipe = None
        return end

    def _start(self) -> None:
        context: Any = multiprocessing.get_context(START_METHOD)  # Any: the type depends on the platform
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._limits, self._options), daemon=True)
        try:
            with ignore_fork_warnings():
                process.start()
        except OSError as error:
            raise PlaybachError(
                f"cannot start a process to read music files ({error.strerror}); close other programs"
            ) from error
        finally:
            theirs.close()
        self._pipe, self._process = ours, process
        self._ready, self._responses = False, 0

    def _replace(self, drop_oldest: bool, hangs: bool = False) -> str:
        """Start a new process for the open requests, and return how the old one ended."""
        requests = list(self._open)[1 if drop_oldest else 0 :]
        # A process that has closed its pipe is about to end by itself; its own exit status is more informative.
        end = self.stop(grace=0.0 if hangs else 1.0)
        for request in requests:
            self.send_request(request)
        return end

    def _send(self, request: bytes) -> None:
        assert self._pipe is not None
        # If an earlier file has crashed the process, `_receive` notices it.
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
            response = self._pipe.recv_bytes()
            if response != _MUSICXML:
                return response
            seconds = self._limits.musicxml_seconds  # from here on

    def _await_start(self, pipe: Connection) -> None:
        """Wait until the process has started. That time does not count for any file."""
        try:
            self._ready = pipe.poll(_STARTUP_SECONDS) and pipe.recv_bytes() == _READY
        except (EOFError, OSError):
            self._ready = False
        if not self._ready:
            raise PlaybachError(
                f"the process that reads music files does not start ({self.stop(grace=1.0)}); free some memory; "
                "in a script, put the main code under: if __name__ == '__main__':"
            )


def _pack(read: ReadFile) -> bytes:
    """The result as bytes for the pipe: the length of what is said of it, that as JSON, and the score."""
    said = json.dumps([read.remarks, dict(read.ornaments)]).encode()
    return len(said).to_bytes(4, "big") + said + bytes(read.score.__getstate__())


def _unpack(response: bytes) -> ReadFile:
    end = 4 + int.from_bytes(response[:4], "big")
    remarks, ornaments = json.loads(response[4:end])
    return ReadFile(score_from_bytes(response[end:]), tuple(remarks), ornaments)


# ------------------------------------------------------------------------------------------- in the worker process


def _serve(pipe: Connection, limits: ReadingLimits, options: ReadingOptions) -> None:
    """Respond to requests until the pipe closes."""
    try:
        release_inherited(pipe.fileno())
        limit_memory(limits.memory_bytes)
        pipe.send_bytes(_READY)
        while True:
            path = Path(os.fsdecode(pipe.recv_bytes()))
            # The parent ends a parser that hangs; if the parent has been killed, this alarm does.
            _set_alarm(limits.seconds + _ORPHAN_SECONDS)
            response = _respond(path, limits, options, pipe)
            _set_alarm(0.0)
            pipe.send_bytes(response)
    except (EOFError, OSError):
        os._exit(0)
    finally:
        # Not `sys.exit`: the parent's exit handlers and buffered output belong to the parent.
        os._exit(1)


def _set_alarm(seconds: float) -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _respond(path: Path, limits: ReadingLimits, options: ReadingOptions, pipe: Connection) -> bytes:
    try:
        data = read_bytes(path, limits)
        if not musicxml.is_musicxml(data):
            return _SCORE + _pack(as_wanted(parse_midi(data, limits), options))
        pipe.send_bytes(_MUSICXML)
        _set_alarm(limits.musicxml_seconds + _ORPHAN_SECONDS)
        read = musicxml.parse(data, limits, plain_ornaments=options.plain_ornaments)
        return _SCORE + _pack(as_wanted(replace(read, score=validate_score(read.score, limits)), options))
    except Exception as error:
        return _ERROR + describe_failure(error, limits).encode()
