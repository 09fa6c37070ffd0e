"""Paces a stream: gives each bar a bounded time before it is due, and takes knobs while it plays.

Composing is done in a thread of the executor that is passed in, never on the event loop; the clock is passed in too,
so that tests need no time. Knows nothing of sockets, sound or messages.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from playbach.streaming.programme import KnobChange
from playbach.streaming.stream import Stream, TimedBar

NEXT = "next"
"""The knob that ends a piece soon; it has no value."""
INSTANT = 0.001
"""Seconds that nobody waits for, as clocks are not exact."""


class Clock(Protocol):
    """Seconds that pass."""

    def now(self) -> float: ...

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        """For so long, or until the event is set."""


class RealClock:
    """The computer's own, which nobody can set back."""

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
    """In seconds. Bars are given `ahead` of their time; a knob turns at the first bar line that leaves time to
    compose and `spare` to send, and the next one no earlier than `between` after it. It begins when `cushion` is
    composed."""

    ahead: float = 6.0
    spare: float = 0.35
    between: float = 1.0
    cushion: float = 1.5


@dataclass(slots=True)
class Figures:
    """What sessions have done so far; several may share one. `late` bars came when they should have begun; `costs`
    are the seconds that the latest bars took to compose, waiting for a thread included."""

    bars: int = 0
    notes: int = 0
    late: int = 0
    costs: deque[float] = field(default_factory=lambda: deque(maxlen=512))


Item = TimedBar | KnobChange
"""What a session gives: a change before the bars that it changes. A bar that was given before replaces it and all
later ones."""


@dataclass
class Session:
    """One stream, paced. `run` is to be called once; `turn` at any time, on the same event loop."""

    stream: Stream
    give: Callable[[Item], None]
    executor: Executor
    clock: Clock = field(default_factory=RealClock)
    pacing: Pacing = field(default_factory=Pacing)
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        self._turned: dict[str, float | None] = {}
        self._wake = asyncio.Event()
        self._origin: float | None = None
        self._last_turn = -self.pacing.between
        self._cost = 0.3

    @property
    def now(self) -> float:
        """The stream's clock: 0 when its first bar is given."""
        return 0.0 if self._origin is None else self.clock.now() - self._origin

    def turn(self, knob: str, value: float | None = None) -> None:
        """Turn `temperature` or `tempo`, or end the piece soon with NEXT. Of several turns of a knob that come before
        the first could be heeded, the last counts."""
        self._turned[knob] = value
        self._wake.set()

    async def run(self) -> None:
        """For ever; cancel it to end."""
        await self._begin()
        while True:
            self._wake.clear()
            rest = self._last_turn + self.pacing.between - self.now
            if self._turned and rest < INSTANT:
                self._heed()
            elif self._ahead():
                due = self._until_due()
                await self.clock.wait(self._wake, min(due, rest) if self._turned else due)
            else:
                await self._bar()

    def _ahead(self) -> bool:
        """Whether enough has been given: what begins within `ahead`."""
        return self._until_due() > INSTANT

    def _until_due(self) -> float:
        return self.stream.until - self.pacing.ahead - self.now

    def _heed(self) -> None:
        """Turn what is to be turned; the bars from there on are then given again."""
        turned, self._turned = self._turned, {}
        now = self.now
        earliest = now + self.pacing.spare + 1.5 * self._cost
        for knob, value in turned.items():
            if knob == NEXT:
                change = self.stream.end_soon(earliest, now)
            else:
                change = self.stream.turn(knob, value, earliest)
            if change is not None:
                self._last_turn = self.now
                self.give(change)

    async def _begin(self) -> None:
        """Give the first bars together, so that a short one, as a pickup is, leaves time for the next."""
        first = [await self._composed()]
        while self.stream.until < self.pacing.cushion:
            first.append(await self._composed())
        self._origin = self.clock.now() - first[0].at
        for bar in first:
            self.give(bar)

    async def _bar(self) -> None:
        self.stream.forget(self.now)
        bar = await self._composed()
        self.figures.late += self.now > bar.at + INSTANT
        self.give(bar)

    async def _composed(self) -> TimedBar:
        """The next bar, composed in another thread."""
        begun = self.clock.now()
        bar = await asyncio.get_running_loop().run_in_executor(self.executor, self.stream.next)
        cost = self.clock.now() - begun
        self._cost += (cost - self._cost) * (0.5 if cost > self._cost else 0.05)
        self.figures.bars += 1
        self.figures.notes += len(bar.notes)
        self.figures.costs.append(cost)
        return bar
