"""A real server on loopback, in a thread of this process, and real clients for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import websockets

from helpers.paths import GOLDEN
from playbach.server import app, running
from playbach.server.blind_test import BlindTest
from playbach.server.limits import ServerLimits
from playbach.server.state import ServerState, load_models
from playbach.server.station import Station
from playbach.streaming.session import Pacing
from playbach.streaming.settings import ProgrammeSettings

TINY = GOLDEN / "tiny.playbach"


@dataclass(frozen=True)
class RunningServer:
    port: int
    state: ServerState
    station: Station | None
    server: running.Server

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(
    limits: ServerLimits | None = None,
    station: bool = True,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    pacing: Pacing | None = None,
    max_connections: int = 500,
    blind_test: BlindTest | None = None,
) -> Iterator[RunningServer]:
    state = ServerState(load_models([TINY]), limits or ServerLimits(), pacing or Pacing())
    shared = None
    if station:
        model, runtime, composer = state.find_composer(None, None)
        shared = Station(state, model, runtime, composer, ProgrammeSettings(11, 4))
    ready = threading.Event()
    with running.open_socket("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        application = app.create_app(state, shared, hosts=hosts, origins=origins, blind_test=blind_test)
        server = running.create_server(application, max_connections, lambda _: ready.set())
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[opened])))
        thread.start()
        assert ready.wait(30)
        try:
            yield RunningServer(port, state, shared, server)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextlib.asynccontextmanager
async def client(port: int, first: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Any]:
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None, **options) as socket:
        if first is not None:
            with contextlib.suppress(websockets.ConnectionClosed):  # closed already; its messages can still be read
                await socket.send(json.dumps(first))
        yield socket


async def until(socket: Any, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """All messages until `count` of this kind have arrived."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while sum(m["type"] == kind for m in messages) < count:
            messages.append(json.loads(await socket.recv()))
    return messages


async def closed(socket: Any) -> tuple[int, str]:
    """The server's close code, and the reason of its last error message."""
    reason = ""
    async with asyncio.timeout(30):
        try:
            while True:
                message = json.loads(await socket.recv())
                reason = message["reason"] if message["type"] == "error" else reason
        except websockets.ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006, reason
