"""A duet over a WebSocket: the page tells what the player does at each step, and is answered what the other voices do
(docs/radio-protocol.md). The page keeps the time; the server answers as soon as it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import get_args

from starlette.websockets import WebSocket, WebSocketDisconnect

from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.inference.answering import Accompanist, Moves, duet_header
from playbach.inference.composing import new_seed
from playbach.inference.options import Sampling
from playbach.inference.sampling import random_numbers
from playbach.server.harmonising import harmonising_model, network_of
from playbach.server.listener import NO_FIRST_MESSAGE, REJECTED, SERVER_FULL, TOO_MANY_MESSAGES, CloseConnection
from playbach.server.messages import json_object, voice
from playbach.server.protocol import (
    DUET_CLIENT_MESSAGES,
    DuetAnswer,
    DuetBegin,
    DuetPart,
    DuetReady,
    DuetStep,
    ErrorMessage,
)
from playbach.server.requests import RequestRefused
from playbach.server.schema import MessageRejected, read, write
from playbach.server.state import ServerState
from playbach.system.errors import PlaybachError, UsageError

DUET_IDLE_SECONDS = 30.0
"""A page that sends no step within this time has left."""
STEPS_PER_SECOND = 25.0
"""Twice as many as sixteenths at the fastest tempo of the page."""
STEPS_AT_ONCE = 50
_KINDS = {kind.type: kind for kind in get_args(DUET_CLIENT_MESSAGES)}


class Duet:
    """A connected page."""

    def __init__(self, socket: WebSocket, state: ServerState) -> None:
        self._socket, self._state = socket, state
        self._allowance, self._last_at = float(STEPS_AT_ONCE), time.monotonic()

    async def serve(self) -> None:
        """Serve the page until it leaves or is refused."""
        state = self._state
        await self._socket.accept()
        if state.streams >= state.limits.streams or state.connections >= state.limits.listeners:
            await self._close(CloseConnection(SERVER_FULL, "the server has reached its limit; try again later"))
            return
        state.connections += 1
        state.streams += 1
        try:
            await self._play()
        except CloseConnection as closing:
            state.counters.refused += 1
            await self._close(closing)
        except WebSocketDisconnect:
            pass
        finally:
            state.connections -= 1
            state.streams -= 1

    async def _play(self) -> None:
        begin = await self._next(self._state.limits.first_message_seconds)
        if not isinstance(begin, DuetBegin):
            raise CloseConnection(REJECTED, "the first message must be begin")
        accompanist = await self._begin(begin)
        loop = asyncio.get_running_loop()
        last = -1
        can_take_back = False
        while True:
            message = await self._next(DUET_IDLE_SECONDS)
            again = isinstance(message, DuetStep) and message.step == last and can_take_back
            if not isinstance(message, DuetStep) or not (again or message.step == last + 1):
                raise CloseConnection(
                    REJECTED, f"the next message must be step {last + 1}, or step {last} once again"
                )
            began = time.perf_counter()
            if again:
                accompanist.take_back()
            try:
                moves = await loop.run_in_executor(self._state.executor, _answer, accompanist, message)
            except UsageError as error:
                raise CloseConnection(REJECTED, str(error)) from error
            last, can_take_back = message.step, not again
            answer = DuetAnswer(
                step=last,
                parts=tuple(DuetPart(number, pitch) for number, pitch in sorted(moves.items())),
                heard=None if message.pitch is None else accompanist.heard(message.pitch),
                seconds=round(time.perf_counter() - began, 4),
            )
            await self._send(answer)

    async def _begin(self, begin: DuetBegin) -> Accompanist:
        try:
            model = harmonising_model(self._state, begin.model)
            header = duet_header(begin.meter, begin.pickup, begin.grid)
        except (RequestRefused, UsageError) as error:
            raise CloseConnection(REJECTED, str(error)) from error
        composer, encoding = model.composer, model.composer.encoding
        assert isinstance(encoding, ChoraleEncoding)
        seed = new_seed(begin.seed)
        usual = composer.sampling
        sampling = usual if begin.temperature is None else Sampling(begin.temperature, usual.top_p)
        await self._send(DuetReady(model=model.name, seed=seed, voices=tuple(map(voice, composer.tracks))))
        return Accompanist(
            network_of(composer),
            encoding,
            header,
            grid=begin.grid,
            sampling=sampling,
            rng=random_numbers(seed),
        )

    async def _next(self, seconds: float) -> DuetBegin | DuetStep:
        try:
            async with asyncio.timeout(seconds):
                event = await self._socket.receive()
        except TimeoutError:
            raise CloseConnection(NO_FIRST_MESSAGE, f"no message came for {seconds:g} s") from None
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code") or 1005)
        self._check_rate()
        if event.get("text") is None:
            raise CloseConnection(REJECTED, "a message must be text")
        try:
            message = json_object(event["text"])
            kind = message.pop("type", None)
            if not isinstance(kind, str) or kind not in _KINDS:
                raise MessageRejected(f"type must be one of {', '.join(_KINDS)}")
            found: DuetBegin | DuetStep = read(_KINDS[kind], message)
        except PlaybachError as error:
            raise CloseConnection(REJECTED, str(error)) from error
        return found

    def _check_rate(self) -> None:
        now = time.monotonic()
        refill = (now - self._last_at) * STEPS_PER_SECOND
        self._allowance, self._last_at = min(STEPS_AT_ONCE, self._allowance + refill) - 1, now
        if self._allowance < 0:
            raise CloseConnection(TOO_MANY_MESSAGES, f"more than {STEPS_PER_SECOND:g} steps a second")

    async def _send(self, message: DuetReady | DuetAnswer | ErrorMessage) -> None:
        try:
            async with asyncio.timeout(self._state.limits.send_seconds):
                await self._socket.send_text(write(message))
        except TimeoutError:
            raise WebSocketDisconnect(1006) from None
        self._state.counters.sent += 1

    async def _close(self, closing: CloseConnection) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._send(ErrorMessage(reason=closing.reason))
            await self._socket.close(closing.code, closing.reason[:100])


def _answer(accompanist: Accompanist, message: DuetStep) -> Moves:
    if message.pitch is not None:
        return accompanist.begin_note(message.pitch)
    return accompanist.rest() if message.plays == "rest" else accompanist.hold()
