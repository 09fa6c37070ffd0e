"""A real server on loopback, in a thread of this process, and real clients for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import websockets

from helpers.paths import GOLDEN
from playbach.server import app, running, security
from playbach.server.state import Limits, ServerState, models
from playbach.server.station import Station
from playbach.streaming import Pacing, Settings

TINY = GOLDEN / "tiny.playbach"


@dataclass(frozen=True)
class Running:
    port: int
    house: ServerState
    station: Station | None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(
    limits: Limits | None = None, station: bool = True, hosts: Any = security.LOOPBACK, pacing: Pacing | None = None
) -> Iterator[Running]:
    house = ServerState(models([TINY]), limits or Limits(), pacing or Pacing())
    shared = None
    if station:
        model, runtime, composer = house.composer(None, None)
        shared = Station(house, model, runtime, composer, Settings(11, 4))
    ready = threading.Event()
    with running.listening("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        server = running.server(app.build(house, shared, hosts=hosts), 500, lambda _: ready.set())
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[opened])))
        thread.start()
        assert ready.wait(30)
        try:
            yield Running(port, house, shared)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextlib.asynccontextmanager
async def client(port: int, first: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Any]:
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None, **options) as socket:
        if first is not None:
            with contextlib.suppress(websockets.ConnectionClosed):  # told to go already; what it is told can be read
                await socket.send(json.dumps(first))
        yield socket


async def until(socket: Any, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """All messages until so many of this kind have come."""
    got: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while sum(m["type"] == kind for m in got) < count:
            got.append(json.loads(await socket.recv()))
    return got


async def closed(socket: Any) -> tuple[int, str]:
    """The code that the server closes with, and the last error that it told."""
    reason = ""
    async with asyncio.timeout(30):
        try:
            while True:
                message = json.loads(await socket.recv())
                reason = message["reason"] if message["type"] == "error" else reason
        except websockets.ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006, reason
