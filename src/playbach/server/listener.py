"""One connection: what it is sent, how fast it is sent it, and what it may say.

What waits to be sent lies in a bounded queue; who does not read is dropped, who says what he may not is told why and
closed. Nothing here waits for one listener while another one is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from playbach.server.encoder import MessageEncoder
from playbach.server.messages import Join, Next, Refused, Said, Set, StartOwn, error_message, parse, stream_message
from playbach.server.state import ServerState
from playbach.server.station import Station
from playbach.streaming import NEXT, Item, Session, Stream

REFUSED, FULL, SILENT, SLOW, FLOOD = 1008, 1013, 4400, 4408, 4429
"""The codes that connections are closed with (docs/radio-protocol.md); the others there are uvicorn's."""
ABORT = "playbach.abort"
"""The extension of the ASGI scope that cuts a connection to whom nothing can be said any more."""

UNANSWERED = "playbach.unanswered"
"""Stands among the extensions of a connection that was cut since it answered no ping."""


class Closing(Exception):
    """The connection is to be closed with this code, and this reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Listener:
    """`send` takes a text for it at any time and never waits."""

    def __init__(self, socket: WebSocket, house: ServerState, station: Station | None) -> None:
        self._socket, self._house, self._station = socket, house, station
        self._queue: asyncio.Queue[str] = asyncio.Queue(house.limits.queue)
        self._overflown = asyncio.Event()
        self._words, self._heard = float(house.limits.burst), time.monotonic()

    def send(self, text: str) -> None:
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self._overflown.set()

    @property
    def waiting(self) -> int:
        """How many texts it has not been sent yet."""
        return self._queue.qsize()

    async def serve(self) -> None:
        """Until it goes, or has to."""
        house = self._house
        await self._socket.accept()
        house.sockets += 1
        try:
            if house.sockets > house.limits.sockets:
                raise Closing(FULL, "the house is full; try again later")
            await self._serve()
        except Closing as closing:
            await self._close(closing)
        except WebSocketDisconnect:
            house.counts.dropped += UNANSWERED in self._socket.scope.get("extensions", {})
        finally:
            house.sockets -= 1

    async def _serve(self) -> None:
        try:
            async with asyncio.timeout(self._house.limits.first_word):
                said = await self._said()
        except TimeoutError:
            raise Closing(SILENT, "say start or join first") from None
        match said:
            case StartOwn():
                await self._own(said)
            case Join():
                await self._shared()
            case _:
                raise Closing(REFUSED, "say start or join first")

    async def _own(self, start: StartOwn) -> None:
        house = self._house
        if house.streams >= house.limits.streams:
            raise Closing(FULL, "as many streams are played as this computer can; join the station, or try later")
        try:
            model, runtime, composer = house.composer(start.model, start.runtime)
        except Refused as refused:
            raise Closing(REFUSED, str(refused)) from refused
        settings, fields = start.settings(secrets.randbelow(1 << 31)), composer.encoding.fields
        stream = Stream(composer, settings, start.changes, start.piece, start.bar)
        teller, playing = MessageEncoder(fields), list[Session]()

        def give(item: Item) -> None:
            house.heard(item)
            for told in teller.texts(item):
                self.send(told.sent(playing[0].now))

        session = Session(stream, give, house.executor, pacing=house.pacing, figures=house.figures)
        playing.append(session)
        sha, ahead = composer.bundle.sha256, house.pacing.ahead
        self.send(
            stream_message("own", model.name, sha, runtime, settings, start.changes, start.piece, ahead, fields)
        )
        house.streams += 1
        house.counts.started += 1
        try:
            await self._together(self._hear(session), session.run())
        finally:
            house.streams -= 1
            playing.clear()  # which the session knows too: its music would lie in memory until the collector comes

    async def _shared(self) -> None:
        if self._station is None:
            raise Closing(REFUSED, "this house has no station; start a stream of your own")
        self._house.counts.joined += 1
        with self._station.listening(self.send):
            await self._together(self._hear(None))

    async def _together(self, *others: Coroutine[Any, Any, None]) -> None:
        """Send, and do the others, until the first of them ends; what it ends with is raised."""
        self._house.queues.add(self)
        tasks = [asyncio.create_task(c) for c in (self._sending(), self._watching(), *others)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._house.queues.discard(self)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _sending(self) -> None:
        patience = self._house.limits.patience
        while True:
            text = await self._queue.get()
            try:
                async with asyncio.timeout(patience):
                    await self._socket.send_text(text)
            except TimeoutError:
                raise Closing(SLOW, "you did not read what you were sent") from None
            self._house.counts.sent += 1

    async def _watching(self) -> None:
        await self._overflown.wait()
        raise Closing(SLOW, "you did not read what you were sent")

    async def _hear(self, session: Session | None) -> None:
        """What it says while it listens."""
        while True:
            match await self._said():
                case Set(knobs) if session is not None:
                    for knob, value in knobs:
                        session.turn(knob, value)
                case Next() if session is not None:
                    session.turn(NEXT)
                case Set() | Next():
                    raise Closing(REFUSED, "the station's knobs are its operator's")
                case _:
                    raise Closing(REFUSED, "start and join are said once")

    async def _said(self) -> Said:
        """The next message, if it is one."""
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code") or 1005)
        self._allow()
        text = event.get("text")
        if text is None:
            raise Closing(REFUSED, "a message must be a text")
        try:
            return parse(text)
        except Refused as refused:
            raise Closing(REFUSED, str(refused)) from refused

    def _allow(self) -> None:
        """A bucket of words, which fills as time passes."""
        limits, now = self._house.limits, time.monotonic()
        self._words = min(limits.burst, self._words + (now - self._heard) * limits.a_second) - 1
        self._heard = now
        if self._words < 0:
            raise Closing(FLOOD, f"more than {limits.burst} messages at once, or {limits.a_second:g} a second")

    async def _close(self, closing: Closing) -> None:
        if closing.code == SLOW:
            self._house.counts.dropped += 1
            self._cut()
            return
        self._house.counts.refused += 1
        try:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(2):
                    await self._socket.send_text(error_message(closing.reason))
                    await self._socket.close(closing.code, closing.reason[:100])
        except TimeoutError:
            self._cut()

    def _cut(self) -> None:
        """Nothing can be said to who does not read, not even goodbye."""
        abort = self._socket.scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort()
