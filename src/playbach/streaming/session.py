"""Paces a stream: sends each bar some seconds before it is due, and applies parameter changes while it plays.

Bars are composed in a thread of an executor, never on the event loop. The caller passes the executor and the clock,
so that tests do not have to wait. Knows nothing of sockets, sound or messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from playbach.streaming.programme import ProgrammeEnded
from playbach.streaming.settings import ProgrammeChange
from playbach.streaming.stream import Stream, TimedBar

CLOCK_TOLERANCE = 0.001
"""In seconds; shorter waits are skipped, since clocks are not exact."""
_NEXT_PIECE = "next piece"
"""The key, among the requested parameter changes, of the request to end the piece."""


class Clock(Protocol):
    """A clock in seconds."""

    def now(self) -> float: ...

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        """Return after `seconds`, or earlier if the event is set."""


class RealClock:
    """The computer's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await until.wait()
        except TimeoutError:
            pass


@dataclass(frozen=True, slots=True)
class Pacing:
    """When bars are sent and changes take effect, in seconds."""

    ahead: float = 6.0
    """A bar is sent this long before it is due."""
    spare: float = 0.35
    """A change takes effect at the first bar line that leaves enough time to compose, and this much to send."""
    change_interval: float = 1.0
    """The least time between two changes."""
    preroll: float = 1.5
    """The stream starts when this much music has been composed."""


@dataclass(slots=True)
class SessionStatistics:
    """What sessions have done so far. Several sessions may share one object."""

    bars: int = 0
    notes: int = 0
    late: int = 0
    """Bars that were sent after they were due."""
    composing_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=512))
    """The time to compose each of the latest bars, including the wait for a thread."""


StreamItem = TimedBar | ProgrammeChange
"""What a session sends. A change is sent before the bars that it affects. A bar that was sent before replaces its
earlier version and all later bars."""


@dataclass
class Session:
    """One paced stream. Call `run` once; call `change` and `next_piece` at any time, on the same event loop."""

    stream: Stream
    send: Callable[[StreamItem], None]
    executor: Executor
    clock: Clock = field(default_factory=RealClock)
    pacing: Pacing = field(default_factory=Pacing)
    statistics: SessionStatistics = field(default_factory=SessionStatistics)
    opening: tuple[TimedBar, ...] = ()
    """The stream's first bars, if they are known already. They are sent in time, whenever the stream composes them
    itself; until it has, changes wait."""

    def __post_init__(self) -> None:
        self._unsent, self._uncomposed = deque(self.opening), len(self.opening)
        self._requested: dict[str, float | None] = {}
        self._wake = asyncio.Event()
        self._origin: float | None = None
        self._last_change = -self.pacing.change_interval
        self._cost = 0.3

    @property
    def now(self) -> float:
        """The stream's clock; the first bar begins at 0."""
        return 0.0 if self._origin is None else self.clock.now() - self._origin

    def change(self, parameter: str, value: float | None) -> None:
        """Change `temperature` or `tempo`. If a parameter changes several times before the first change could be
        applied, the last value counts."""
        self._requested[parameter] = value
        self._wake.set()

    def next_piece(self) -> None:
        """End the piece soon, with a cadence."""
        self.change(_NEXT_PIECE, None)

    async def run(self) -> None:
        """Play until cancelled. Raises ProgrammeEnded when the last piece has ended."""
        await self._start()
        while True:
            self._wake.clear()
            rest = self._last_change + self.pacing.change_interval - self.now
            self._send_opening(self.now + self.pacing.ahead)
            if self._requested and rest < CLOCK_TOLERANCE and not self._uncomposed:
                self._apply_changes()
            elif self._is_ahead():
                due = min(self._seconds_until_due(), self._seconds_until_opening_due())
                await self.clock.wait(self._wake, min(due, rest) if self._requested else due)
            else:
                try:
                    await self._send_next_bar()
                except ProgrammeEnded:
                    left = self.stream.next_at - self.now
                    if left < CLOCK_TOLERANCE:
                        raise
                    await self.clock.wait(self._wake, min(left, rest) if self._requested else left)

    def _is_ahead(self) -> bool:
        """Whether all bars that begin within `ahead` have been sent."""
        return self._seconds_until_due() > CLOCK_TOLERANCE

    def _seconds_until_due(self) -> float:
        return self.stream.next_at - self.pacing.ahead - self.now

    def _seconds_until_opening_due(self) -> float:
        return self._unsent[0].at - self.pacing.ahead - self.now if self._unsent else math.inf

    def _send_opening(self, until: float) -> None:
        """Send the known bars that begin before this time of the stream."""
        while self._unsent and self._unsent[0].at <= until:
            self.send(self._unsent.popleft())

    def _apply_changes(self) -> None:
        """Apply the requested changes; the bars from there on will be sent again."""
        self._send_opening(math.inf)
        requested, self._requested = self._requested, {}
        now = self.now
        earliest = now + self.pacing.spare + 1.5 * self._cost
        for parameter, value in requested.items():
            if parameter == _NEXT_PIECE:
                change = self.stream.end_piece_soon(earliest, now)
            else:
                change = self.stream.change(parameter, value, earliest)
            if change is not None:
                self._last_change = self.now
                self.send(change)

    async def _start(self) -> None:
        """Send the first bars together, since a short one, such as a pickup, leaves no time to compose the next."""
        if self.opening:
            self._origin = self.clock.now() - self.opening[0].at
            return
        first = [await self._compose_bar()]
        with contextlib.suppress(ProgrammeEnded):
            while self.stream.next_at < self.pacing.preroll:
                first.append(await self._compose_bar())
        self._origin = self.clock.now() - first[0].at
        for bar in first:
            self.send(bar)

    async def _send_next_bar(self) -> None:
        self.stream.forget_before(self.now)
        bar = await self._compose_bar()
        if self._uncomposed:
            self._uncomposed -= 1
            return
        self._send_opening(math.inf)
        self.statistics.late += self.now > bar.at + CLOCK_TOLERANCE
        self.send(bar)

    async def _compose_bar(self) -> TimedBar:
        """The next bar, composed in another thread."""
        begun = self.clock.now()
        composing = asyncio.get_running_loop().run_in_executor(self.executor, self.stream.next)
        while self._unsent and not composing.done():
            await asyncio.wait([composing], timeout=max(0.0, self._seconds_until_opening_due()))
            self._send_opening(self.now + self.pacing.ahead)
        bar = await composing
        cost = self.clock.now() - begun
        self._cost += (cost - self._cost) * (0.5 if cost > self._cost else 0.05)
        self.statistics.bars += 1
        self.statistics.notes += len(bar.notes)
        self.statistics.composing_seconds.append(cost)
        return bar
