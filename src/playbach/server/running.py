"""The application under uvicorn: host, port, and two limits that uvicorn lacks. Blocks until it is told to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from playbach.server.listener import ABORT, UNANSWERED
from playbach.server.messages import MOST_BYTES
from playbach.system.errors import PlaybachError

MOST_UNREAD = 256 << 10
"""Bytes that may wait in a connection's buffer before a client's pings are no longer answered but ended."""
PING_SECONDS = 20.0
UNREAD_SECONDS = 60
LEAVING_SECONDS = 1.0
"""So long may answers go on when the server ends: live.mp3 has no end, and who does not read puts off any other."""


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's, which answers pings whether or not the answers are read, waits for ever for what a silent client has
    not read, and cannot be made to cut a connection."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][ABORT] = self.transport.abort

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > MOST_UNREAD:
            self.transport.abort()
        else:
            super().handle_ping()

    def keepalive_timeout(self) -> None:
        """The client has not answered a ping: it is cut, and so is what it has not read."""
        super().keepalive_timeout()
        self.scope["extensions"][UNANSWERED] = {}
        self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn's, that says when it listens, and where, and that cuts what still goes on when it ends; uvicorn breaks
    off what then answers, which is told as a fault of ours."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit and sockets:
            self._ready(sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cut = asyncio.get_running_loop().call_later(LEAVING_SECONDS, self._cut)
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport is not None:
                transport.abort()


def server(app: ASGIApp, most_connections: int, ready: Callable[[int], None] = lambda port: None) -> Server:
    """To be run with the sockets that `listening` opens."""
    config = uvicorn.Config(
        app,
        ws=Socket,
        ws_max_size=MOST_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=most_connections,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
    )
    return Server(config, ready)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    Raises:
        PlaybachError: the port is taken, or the host is not this computer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # what a dropped client never reads is thrown away by then
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        opened.bind((host, port))
        opened.listen(2048)
    except OSError as error:
        opened.close()
        raise PlaybachError(
            f"cannot listen on {host}:{port} ({error.strerror or error}); choose another with --host or --port"
        ) from error
    return opened
