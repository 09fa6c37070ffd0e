"""The blind listening test on the server: reads the pairs, draws each listener's order, and keeps the answers.

The server alone knows which excerpt is which until a listener has given the last answer. A session is kept under a
random name, without anything that is known of its client. Knows no HTTP; `blind_test_app.py` does.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from math import comb
from pathlib import Path

from playbach.evaluation.listening_pairs import ListeningTest, PairError
from playbach.server.blind_test_protocol import (
    EXCERPT_NAMES,
    AnswerPair,
    PairShown,
    RevealedPair,
    TestInfo,
    TestResult,
)
from playbach.server.schema import MessageRejected, read
from playbach.system.errors import PlaybachError, UsageError
from playbach.system.files import display_path

MAX_PAIRS_BYTES = 64 << 20
MAX_SESSIONS = 1000
"""Of listeners who have not ended, or have ended less than LISTENER_IDLE_SECONDS ago."""
LISTENER_IDLE_SECONDS = 3600.0
"""A session without a message within this time is ended with the answers that it has."""
MAX_KEPT_SESSIONS, MAX_KEPT_BYTES = 100_000, 64 << 20
"""Sessions and bytes of the file of answers; later sessions are not kept."""


def read_pairs(path: Path) -> ListeningTest:
    """Raises PlaybachError if this is not a file of `playbach listening-test`."""
    name = display_path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PAIRS_BYTES + 1)
    except OSError as error:
        raise PlaybachError(f"{name}: cannot be read ({error.strerror})") from error
    try:
        values = json.loads(data) if len(data) <= MAX_PAIRS_BYTES else None
        if not isinstance(values, dict):
            raise ValueError("it is not a JSON object of this size")
        return read(ListeningTest, values)
    except (ValueError, RecursionError, MessageRejected, PairError) as error:
        reason = str(error)[:120]
        raise PlaybachError(
            f"{name}: this is not a file of pairs ({reason}); make one with `playbach listening-test`"
        ) from error


class AnswerFile:
    """One line of JSON for each session, appended with one write."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError if the file cannot be written, or has something else in it."""
        self._path = path
        try:
            self._open(create=True)
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"--answers {display_path(path)}: cannot be written ({error.strerror})") from error
        lines = data.splitlines()
        if lines and not lines[0].startswith(b'{"date"'):
            raise UsageError(f"--answers {display_path(path)}: this file has no answers of a listening test in it")
        self._lines, self._bytes = len(lines), len(data)
        self._broken = bool(data) and not data.endswith(b"\n")

    def append(self, values: object) -> bool:
        """Whether the line was kept."""
        line = json.dumps(values, separators=(",", ":")).encode() + b"\n"
        if self._broken:  # the machine stopped while a line was written
            line = b"\n" + line
        if self._lines >= MAX_KEPT_SESSIONS or self._bytes + len(line) > MAX_KEPT_BYTES:
            return False
        try:
            self._open(line)
        except OSError:
            return False
        self._lines, self._bytes, self._broken = self._lines + 1, self._bytes + len(line), False
        return True

    def _open(self, line: bytes = b"", create: bool = False) -> None:
        # Without O_CREAT a file that was moved away is not made again in its place.
        flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT if create else 0)
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if line and os.write(descriptor, line) < len(line):
                raise OSError("the line was not written as a whole")
        finally:
            os.close(descriptor)


@dataclass
class _Session:
    """One listener's way through the test."""

    name: str
    skill: str
    order: tuple[int, ...]
    """The indices of the pairs, in the order in which they are shown."""
    real: tuple[str, ...]
    """Which side is the real excerpt, in the same order."""
    last_used: float
    answers: list[AnswerPair] = field(default_factory=list)
    ended: bool = False
    kept: bool = False


class BlindTest:
    """All sessions of one server."""

    def __init__(
        self,
        test: ListeningTest,
        answers: AnswerFile | None = None,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._test, self._answers = test, answers
        self._rng, self._clock, self._today = rng or secrets.SystemRandom(), clock, today
        self._sessions: dict[str, _Session] = {}

    def info(self) -> TestInfo:
        test = self._test
        voices = {(voice.program, voice.drums): voice for pair in test.pairs for voice in pair.voices}
        return TestInfo(
            pairs=len(test.pairs),
            bars=test.excerpt_bars,
            composer=test.composer,
            kept=self._answers is not None,
            voices=tuple(voices.values()),
        )

    def begin(self, skill: str) -> PairShown | TestResult:
        self._make_room()
        count = len(self._test.pairs)
        session = _Session(
            name=secrets.token_urlsafe(18),
            skill=skill,
            order=tuple(self._rng.sample(range(count), count)),
            # Independent of each other, so that half are right by chance, whatever a listener's way of guessing is.
            real=tuple(self._rng.choice(EXCERPT_NAMES) for _ in range(count)),
            last_used=self._clock(),
        )
        self._sessions[session.name] = session
        return self._next(session)

    def resume(self, name: str) -> PairShown | TestResult:
        """The pair that is not yet answered, or the result. Raises MessageRejected if there is no such session."""
        return self._next(self._find(name))

    def answer(self, answer: AnswerPair) -> PairShown | TestResult:
        """What follows an answer. Raises MessageRejected if the pair has not been shown."""
        session = self._find(answer.session)
        expected = len(session.answers) + 1
        if answer.pair > expected or (session.ended and answer.pair >= expected):
            raise MessageRejected(f"pair {answer.pair} has not been shown; the next one is {expected}")
        if answer.pair == expected:
            session.answers.append(answer)
            if expected == len(session.order):
                self._end(session)
        return self._next(session)

    def stop(self, name: str) -> PairShown | TestResult:
        """End a session before its last pair."""
        session = self._find(name)
        self._end(session)
        return self._next(session)

    def close(self) -> None:
        """End all sessions."""
        for session in self._sessions.values():
            self._end(session)
        self._sessions.clear()

    def _find(self, name: str) -> _Session:
        self._end_idle()
        session = self._sessions.get(name)
        if session is None:
            raise MessageRejected("this session has ended; begin the test again")
        session.last_used = self._clock()
        return session

    def _end_idle(self) -> None:
        earliest = self._clock() - LISTENER_IDLE_SECONDS
        for session in [s for s in self._sessions.values() if s.last_used < earliest]:
            self._end(session)
            del self._sessions[session.name]

    def _make_room(self) -> None:
        """Of too many sessions, end the one that was not used for the longest time, one without answers first."""
        self._end_idle()
        if len(self._sessions) >= MAX_SESSIONS:
            oldest = min(self._sessions.values(), key=lambda s: (bool(s.answers) and not s.ended, s.last_used))
            self._end(oldest)
            del self._sessions[oldest.name]

    def _end(self, session: _Session) -> None:
        """End a session and keep its answers, if it has any."""
        if session.ended:
            return
        session.ended = True
        if session.answers and self._answers is not None:
            session.kept = self._answers.append(self._record(session))

    def _record(self, session: _Session) -> dict[str, object]:
        """What is kept of a session: the order that was drawn, the answers, and the listener's skill."""
        answered = zip(session.order, session.real, session.answers)
        return {
            "date": self._today().isoformat(),
            "model": self._test.model,
            "bundle": self._test.bundle,
            "test_seed": self._test.seed,
            "skill": session.skill,
            "complete": len(session.answers) == len(session.order),
            "answers": [
                {"pair": index + 1, "piece": self._test.pairs[index].piece, "seed": self._test.pairs[index].seed}
                | {"real": real, "chosen": answer.chosen, "sure": answer.sure}
                for index, real, answer in answered
            ],
        }

    def _next(self, session: _Session) -> PairShown | TestResult:
        if session.ended:
            return self._result(session)
        number = len(session.answers)
        pair = self._test.pairs[session.order[number]]
        first, second = (pair.real, pair.composed) if session.real[number] == "a" else (pair.composed, pair.real)
        return PairShown(
            session=session.name,
            pair=number + 1,
            pairs=len(session.order),
            voices=pair.voices,
            a=first,
            b=second,
        )

    def _result(self, session: _Session) -> TestResult:
        answers = []
        for index, real, answer in zip(session.order, session.real, session.answers):
            pair = self._test.pairs[index]
            answers.append(
                RevealedPair(
                    chosen=answer.chosen,
                    real=real,
                    piece=pair.piece,
                    seed=pair.seed,
                    bars=pair.bars,
                    tempo=pair.tempo,
                )
            )
        right = sum(answer.chosen == answer.real for answer in answers)
        return TestResult(
            right=right,
            pairs=len(session.order),
            chance=round(by_guessing(right, len(answers)), 4),
            kept=session.kept,
            model=self._test.model,
            bundle=self._test.bundle,
            answers=tuple(answers),
        )


def by_guessing(right: int, pairs: int) -> float:
    """The probability of at least this number of right answers by guessing."""
    return float(sum(comb(pairs, k) for k in range(right, pairs + 1)) / 2**pairs)
