"""The shared station: one stream, encoded once, and sent to all its listeners.

A listener who joins is sent the piece's header and the current bar first. Without listeners the station rests; when
somebody joins again, it goes on with the next piece. Only the operator sets its parameters. Knows no sockets: its
listeners are functions.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playbach.inference.composing import Composer
from playbach.server.encoder import EncodedMessage, MessageEncoder
from playbach.server.messages import stream_message
from playbach.server.protocol import StationInfo
from playbach.server.schema import write
from playbach.server.state import ServedModel, ServerState
from playbach.streaming.session import Session, StreamItem
from playbach.streaming.settings import MAX_PIECES, ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar

REST_AFTER_SECONDS = 20.0
"""The station rests after this time without a listener."""

SendMessage = Callable[[str], None]
SendBar = Callable[[TimedBar], None]


@dataclass
class Station:
    """Runs while it has listeners. Use it on the event loop only."""

    state: ServerState
    model: ServedModel
    runtime: str
    composer: Composer
    settings: ProgrammeSettings

    def __post_init__(self) -> None:
        self._message_listeners: dict[int, SendMessage] = {}
        self._bar_listeners: dict[int, SendBar] = {}
        self._number = 0
        self._messages: list[EncodedMessage] = []
        self._bars: list[TimedBar] = []
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._rest_timer: asyncio.TimerHandle | None = None
        self._next_piece = 0

    @property
    def listeners(self) -> int:
        """The number of listeners; all of live.mp3 count as one."""
        return len(self._message_listeners) + len(self._bar_listeners)

    @property
    def now(self) -> float:
        """The station's clock, in seconds."""
        return self._session.now if self._session else 0.0

    @contextlib.contextmanager
    def receive_messages(self, send: SendMessage) -> Iterator[None]:
        """Call `send` with each message, beginning with those that a new listener needs."""
        number = self._add_listener()
        self._forget_past()
        answer = stream_message(
            "station",
            self.composer,
            self.settings,
            model=self.model.name,
            runtime=self.runtime,
            piece=next((message.piece for message in self._messages if message.kind == "bar"), self._next_piece),
            ahead=self.state.pacing.ahead,
        )
        send(write(answer))
        for message in self._messages:
            send(message.text_at(self.now))
        self._message_listeners[number] = send
        try:
            yield
        finally:
            del self._message_listeners[number]
            self._rest_if_empty()

    @contextlib.contextmanager
    def receive_bars(self, send: SendBar) -> Iterator[None]:
        """Call `send` with each bar, beginning with the current one."""
        number = self._add_listener()
        self._forget_past()
        for bar in self._bars:
            send(bar)
        self._bar_listeners[number] = send
        try:
            yield
        finally:
            del self._bar_listeners[number]
            self._rest_if_empty()

    def info(self) -> StationInfo:
        """The station's entry in `api/models`."""
        return StationInfo(model=self.model.name, values=self.settings.values)

    async def close(self) -> None:
        task, self._task, self._session = self._task, None, None
        if self._rest_timer is not None:
            self._rest_timer.cancel()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _add_listener(self) -> int:
        """A number for a new listener. Starts the station if it rests."""
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        if self._task is None or self._task.done():
            self._start()
        self._number += 1
        return self._number

    def _start(self) -> None:
        self._messages, self._bars = [], []
        stream = Stream(self.composer, self.settings, piece=self._next_piece)
        encoder = MessageEncoder(self.composer.encoding.fields)

        def send(item: StreamItem) -> None:
            self.state.count(item)
            assert isinstance(item, TimedBar), "the station's parameters do not change"
            self._next_piece = (item.position[0] + 1) % MAX_PIECES
            self._bars.append(item)
            for message in encoder.encode(item):
                self._messages.append(message)
                text = message.text_at(session.now)
                for send_message in list(self._message_listeners.values()):
                    send_message(text)
            for send_bar in list(self._bar_listeners.values()):
                send_bar(item)
            self._forget_past()

        state = self.state
        session = Session(stream, send, state.executor, pacing=state.pacing, statistics=state.statistics)
        self._session = session
        self._task = asyncio.get_running_loop().create_task(session.run())

    def _rest_if_empty(self) -> None:
        if not self.listeners:
            loop = asyncio.get_running_loop()
            self._rest_timer = loop.call_later(REST_AFTER_SECONDS, self._rest)

    def _rest(self) -> None:
        self._rest_timer = None
        if self._task is not None and not self.listeners:
            self._task.cancel()
            self._task, self._session = None, None

    def _forget_past(self) -> None:
        """Forget bars and messages that a new listener does not need."""
        now = self.now
        self._bars = [bar for bar in self._bars if bar.next_at > now]
        piece = self._bars[0].position[0] if self._bars else math.inf
        self._messages = [m for m in self._messages if m.until > now and m.piece >= piece]
