"""The shared station: one stream, made into texts once, sent to all who listen.

Who comes late gets the piece's header and comes in at the current bar. With nobody there the station rests, and goes
on with the next piece when somebody comes. Its knobs are the operator's. Knows no sockets: listeners are functions.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playbach.inference.composing import Composer
from playbach.server.encoder import MessageEncoder, Told
from playbach.server.messages import stream_message
from playbach.server.state import Model, ServerState
from playbach.streaming import Item, Session, Settings, Stream, TimedBar

REST_AFTER = 20.0
"""Seconds without a listener."""

Send = Callable[[str], None]
Hear = Callable[[TimedBar], None]


@dataclass
class Station:
    """`listening` while it lasts; on the event loop alone."""

    house: ServerState
    model: Model
    runtime: str
    composer: Composer
    settings: Settings

    def __post_init__(self) -> None:
        self._sends: dict[int, Send] = {}
        self._hears: dict[int, Hear] = {}
        self._number = 0
        self._told: list[Told] = []
        self._bars: list[TimedBar] = []
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._next_piece = 0

    @property
    def listeners(self) -> int:
        return len(self._sends) + len(self._hears)

    @property
    def now(self) -> float:
        """The station's clock, in seconds."""
        return self._session.now if self._session else 0.0

    @contextlib.contextmanager
    def listening(self, send: Send) -> Iterator[None]:
        """Give `send` each text from now on: first what is needed to come in."""
        number = self._come()
        self._trim()
        fields, ahead = self.composer.encoding.fields, self.house.pacing.ahead
        piece = next((told.piece for told in self._told if told.kind == "bar"), self._next_piece)
        sha = self.composer.bundle.sha256
        send(stream_message("station", self.model.name, sha, self.runtime, self.settings, (), piece, ahead, fields))
        for told in self._told:
            send(told.sent(self.now))
        self._sends[number] = send
        try:
            yield
        finally:
            del self._sends[number]
            self._go()

    @contextlib.contextmanager
    def hearing(self, hear: Hear) -> Iterator[None]:
        """Give `hear` the bars themselves, from the current one on."""
        number = self._come()
        self._trim()
        for bar in self._bars:
            hear(bar)
        self._hears[number] = hear
        try:
            yield
        finally:
            del self._hears[number]
            self._go()

    async def close(self) -> None:
        task, self._task, self._session = self._task, None, None
        if self._rest is not None:
            self._rest.cancel()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _come(self) -> int:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._task is None or self._task.done():
            self._begin()
        self._number += 1
        return self._number

    def _begin(self) -> None:
        self._told, self._bars = [], []
        stream = Stream(self.composer, self.settings, piece=self._next_piece)
        teller = MessageEncoder(self.composer.encoding.fields)

        def give(item: Item) -> None:
            self.house.heard(item)
            assert isinstance(item, TimedBar), "a station's knobs are not turned"
            self._next_piece = item.place[0] + 1
            self._bars.append(item)
            for told in teller.texts(item):
                self._told.append(told)
                text = told.sent(session.now)
                for send in list(self._sends.values()):
                    send(text)
            for hear in list(self._hears.values()):
                hear(item)
            self._trim()

        house = self.house
        session = Session(stream, give, house.executor, pacing=house.pacing, figures=house.figures)
        self._session = session
        self._task = asyncio.get_running_loop().create_task(session.run())

    def _go(self) -> None:
        if not self.listeners:
            loop = asyncio.get_running_loop()
            self._rest = loop.call_later(REST_AFTER, self._end)

    def _end(self) -> None:
        self._rest = None
        if self._task is not None and not self.listeners:
            self._task.cancel()
            self._task, self._session = None, None

    def _trim(self) -> None:
        """Forget what is over."""
        now = self.now
        self._bars = [bar for bar in self._bars if bar.following > now]
        piece = self._bars[0].place[0] if self._bars else math.inf
        self._told = [told for told in self._told if told.until > now and told.piece >= piece]
