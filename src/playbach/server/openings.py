"""Beginnings of pieces that are composed while the server has nothing better to do.

The first bar of a stream takes the longest, since the bars after it must be known too. Most listeners leave the seed
to the server: it draws one whose first bars are ready, and sends them at once. So many can press play together. A
beginning is the same music that the stream then composes itself; only the model, the seed and the defaults decide it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from playbach.inference.composing import Composer
from playbach.server.protocol import StartMessage
from playbach.streaming.programme import ProgrammeEnded
from playbach.streaming.settings import LASTING_PARAMETERS, ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar

DRAWN_SEEDS = 1 << 31
OPENINGS_IDLE_SECONDS = 3.0
"""Nothing is composed in advance until no stream has begun for this long."""
PAUSE_SHARE = 2.0
"""After each beginning the composing pauses for this many times as long as it took."""


@dataclass(frozen=True, slots=True)
class ReadyOpening:
    """The first bars of a stream that begins with the default values."""

    settings: ProgrammeSettings
    bars: tuple[TimedBar, ...]


class Openings:
    """A stock of beginnings of one model, each for one stream. Use it on the event loop only."""

    def __init__(self, composer: Composer, executor: Executor, count: int, seconds: float) -> None:
        """`count` is how many are kept, and `seconds` how much music each has at least."""
        self._composer, self._executor, self._seconds = composer, executor, seconds
        self._count = count
        self._ready: deque[ReadyOpening] = deque()
        self._task: asyncio.Task[None] | None = None
        self._last_taken_at = 0.0

    def __len__(self) -> int:
        return len(self._ready)

    def take(self, composer: Composer, start: StartMessage) -> ReadyOpening | None:
        """A beginning for this request, which nobody else is given; None if there is none."""
        self._last_taken_at = asyncio.get_running_loop().time()
        plain = StartMessage(model=start.model, runtime=start.runtime, values=dict.fromkeys(LASTING_PARAMETERS))
        if composer is not self._composer or start != plain or not self._ready:
            return None
        return self._ready.popleft()

    def start(self) -> None:
        """Compose whatever is missing, until `close`."""
        if self._count:
            self._task = asyncio.get_running_loop().create_task(self._fill())

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            idle = self._last_taken_at + OPENINGS_IDLE_SECONDS - loop.time()
            if len(self._ready) >= self._count or idle > 0:
                await asyncio.sleep(max(idle, OPENINGS_IDLE_SECONDS / 10))
                continue
            begun = loop.time()
            settings = ProgrammeSettings(secrets.randbelow(DRAWN_SEEDS))
            arguments = self._composer, settings, self._seconds
            bars = await loop.run_in_executor(self._executor, compose_opening, *arguments)
            self._ready.append(ReadyOpening(settings, tuple(bars)))
            await asyncio.sleep(PAUSE_SHARE * (loop.time() - begun))


def compose_opening(composer: Composer, settings: ProgrammeSettings, seconds: float) -> Sequence[TimedBar]:
    """The first bars of a stream, until there is so much music."""
    stream = Stream(composer, settings)
    bars: list[TimedBar] = []
    with contextlib.suppress(ProgrammeEnded):
        while stream.next_at < seconds:
            bars.append(stream.next())
    return bars
