"""One WebSocket connection: sends its messages, receives the client's, and enforces the limits for both.

Messages to the client wait in a bounded queue. A client that does not read is dropped; a client that sends an invalid
message is sent the reason, and the connection is closed. No listener makes another one wait.
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
from playbach.server.extensions import UNANSWERED, abort_connection
from playbach.server.messages import parse_message, stream_message
from playbach.server.openings import DRAWN_SEEDS
from playbach.server.protocol import (
    ClientMessage,
    ErrorMessage,
    JoinMessage,
    NextMessage,
    SetMessage,
    StartMessage,
)
from playbach.server.schema import MessageRejected, write
from playbach.server.state import ServerState
from playbach.server.station import Station
from playbach.streaming.programme import ProgrammeEnded
from playbach.streaming.session import Session, StreamItem
from playbach.streaming.stream import Stream

REJECTED, INTERNAL_ERROR, SERVER_FULL = 1008, 1011, 1013
NO_FIRST_MESSAGE, NOT_READING, TOO_MANY_MESSAGES = 4400, 4408, 4429
"""Close codes (docs/radio-protocol.md); uvicorn sends the others."""


class CloseConnection(Exception):
    """Closes the connection with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Listener:
    """A connected client. `send` may be called at any time, and never waits."""

    def __init__(self, socket: WebSocket, state: ServerState, station: Station | None) -> None:
        self._socket, self._state, self._station = socket, state, station
        self._queue: asyncio.Queue[str] = asyncio.Queue(state.limits.queue)
        self._overflow = asyncio.Event()
        self._allowance, self._last_message_at = float(state.limits.burst), time.monotonic()

    def send(self, text: str) -> None:
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self._overflow.set()

    @property
    def waiting(self) -> int:
        """The number of messages that wait to be sent."""
        return self._queue.qsize()

    async def serve(self) -> None:
        """Serve the client until it leaves or is dropped."""
        try:
            await self._socket.accept()
            await self._serve()
        except CloseConnection as closing:
            await self._close(closing)
        except WebSocketDisconnect:
            self._state.counters.dropped += UNANSWERED in self._socket.scope.get("extensions", {})
        except Exception:
            await self._close(CloseConnection(INTERNAL_ERROR, "the server had an internal error"))
            raise  # uvicorn prints it

    async def _serve(self) -> None:
        state, message = self._state, await self._first_message()
        if state.connections >= state.limits.listeners:
            raise CloseConnection(SERVER_FULL, "the server has reached its listener limit; try again later")
        state.connections += 1
        try:
            await self._answer(message)
        finally:
            state.connections -= 1

    async def _first_message(self) -> ClientMessage:
        """The first message. Until it arrives, the connection is no listener; of too many, the oldest is closed."""
        waiting, limits = self._state.waiting, self._state.limits
        try:
            async with asyncio.timeout(limits.first_message_seconds) as timeout:
                waiting[timeout] = None
                if self._state.connections + len(waiting) > limits.listeners + limits.waiting:
                    oldest = next(iter(waiting))
                    del waiting[oldest]
                    if not oldest.expired():
                        oldest.reschedule(asyncio.get_running_loop().time())
                try:
                    return await self._next_message()
                finally:
                    waiting.pop(timeout, None)
        except TimeoutError:
            raise CloseConnection(NO_FIRST_MESSAGE, "the first message must be start or join") from None

    async def _answer(self, message: ClientMessage) -> None:
        match message:
            case StartMessage():
                await self._serve_own_stream(message)
            case JoinMessage():
                await self._serve_station()
            case _:
                raise CloseConnection(REJECTED, "the first message must be start or join")

    async def _serve_own_stream(self, start: StartMessage) -> None:
        state = self._state
        if state.streams >= state.limits.streams:
            raise CloseConnection(
                SERVER_FULL,
                "the server has reached its limit of private streams; join the station, or try again later",
            )
        try:
            model, runtime, composer = state.find_composer(start.model, start.runtime)
        except MessageRejected as rejected:
            raise CloseConnection(REJECTED, str(rejected)) from rejected
        opening = state.openings.take(composer, start)
        settings = opening.settings if opening else start.settings(secrets.randbelow(DRAWN_SEEDS))
        stream = Stream(composer, settings, start.programme_changes(), start.piece, start.bar)
        encoder, sessions = MessageEncoder(composer.encoding.fields), list[Session]()

        def send(item: StreamItem) -> None:
            state.count(item)
            for message in encoder.encode(item):
                self.send(message.text_at(sessions[0].now))

        session = Session(
            stream,
            send,
            state.executor,
            pacing=state.pacing,
            statistics=state.statistics,
            opening=opening.bars if opening else (),
        )
        sessions.append(session)
        answer = stream_message(
            "own",
            composer,
            settings,
            model=model.name,
            runtime=runtime,
            changes=start.changes,
            piece=start.piece,
            ahead=state.pacing.ahead,
        )
        self.send(write(answer))
        state.streams += 1
        state.counters.started += 1
        try:
            await self._run_until_first_ends(self._receive_messages(session), session.run())
        except ProgrammeEnded as ended:
            raise CloseConnection(REJECTED, str(ended)) from ended
        finally:
            state.streams -= 1
            sessions.clear()  # breaks a reference circle, so that the music is freed at once

    async def _serve_station(self) -> None:
        if self._station is None:
            raise CloseConnection(REJECTED, "this server has no station; start a private stream")
        self._state.counters.joined += 1
        with self._station.receive_messages(self.send):
            await self._run_until_first_ends(self._receive_messages(None))

    async def _run_until_first_ends(self, *others: Coroutine[Any, Any, None]) -> None:
        """Send messages, and run the other coroutines, until one of them ends; its exception is raised."""
        self._state.queues.add(self)
        tasks = [asyncio.create_task(c) for c in (self._send_messages(), self._check_overflow(), *others)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._state.queues.discard(self)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _send_messages(self) -> None:
        while True:
            text = await self._queue.get()
            try:
                async with asyncio.timeout(self._state.limits.send_seconds):
                    await self._socket.send_text(text)
            except TimeoutError:
                raise CloseConnection(NOT_READING, "the client does not read its messages") from None
            self._state.counters.sent += 1

    async def _check_overflow(self) -> None:
        await self._overflow.wait()
        raise CloseConnection(NOT_READING, "the client does not read its messages")

    async def _receive_messages(self, session: Session | None) -> None:
        """Apply the client's messages after the first one. `session` is None for the station."""
        while True:
            match await self._next_message():
                case SetMessage(values=values) if session is not None:
                    for parameter, value in values.items():
                        session.change(parameter, value)
                case NextMessage() if session is not None:
                    session.next_piece()
                case SetMessage() | NextMessage():
                    raise CloseConnection(REJECTED, "only the server's operator can change the station")
                case _:
                    raise CloseConnection(REJECTED, "start or join can be sent only once")

    async def _next_message(self) -> ClientMessage:
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code") or 1005)
        self._check_rate()
        text = event.get("text")
        if text is None:
            raise CloseConnection(REJECTED, "a message must be text")
        try:
            return parse_message(text)
        except MessageRejected as rejected:
            raise CloseConnection(REJECTED, str(rejected)) from rejected

    def _check_rate(self) -> None:
        """A token bucket for the client's messages."""
        limits, now = self._state.limits, time.monotonic()
        refill = (now - self._last_message_at) * limits.messages_per_second
        self._allowance = min(limits.burst, self._allowance + refill) - 1
        self._last_message_at = now
        if self._allowance < 0:
            raise CloseConnection(
                TOO_MANY_MESSAGES,
                f"too many messages; at most {limits.burst} at once, then {limits.messages_per_second:g} a second",
            )

    async def _close(self, closing: CloseConnection) -> None:
        if closing.code == NOT_READING:
            self._state.counters.dropped += 1
            abort_connection(self._socket.scope)  # a client that does not read would not receive a handshake
            return
        self._state.counters.refused += 1
        try:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(2):
                    await self._socket.send_text(write(ErrorMessage(reason=closing.reason)))
                    await self._socket.close(closing.code, closing.reason[:100])
        except TimeoutError:
            abort_connection(self._socket.scope)
