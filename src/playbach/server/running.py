"""Runs the application with uvicorn: opens the port, and adds limits that uvicorn lacks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from playbach.server.listener import ABORT, UNANSWERED
from playbach.server.protocol import MAX_MESSAGE_BYTES
from playbach.system.errors import PlaybachError

MAX_UNREAD_BYTES = 256 << 10
"""If more than this waits in a connection's buffer when the client pings, the connection is closed."""
PING_SECONDS = 20.0
UNREAD_SECONDS = 60
"""After this time the kernel drops data that a client has not read."""
SHUTDOWN_SECONDS = 1.0
"""Responses that go on for longer when the server ends are cut off, since live.mp3 never ends."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with two additions: the application can close a connection without a handshake, and the
    connection of a client that does not read or does not answer a ping is closed in the same way."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][ABORT] = self.transport.abort

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()
        else:
            super().handle_ping()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.scope["extensions"][UNANSWERED] = {}
        self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn's server, with two additions: it calls `ready` with its port when it listens, and on shutdown it cuts
    off responses that go on (if uvicorn did that itself, it would log an error)."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit and sockets:
            self._ready(sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = asyncio.get_running_loop().call_later(SHUTDOWN_SECONDS, self._abort_connections)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport is not None:
                transport.abort()


def create_server(app: ASGIApp, max_connections: int, ready: Callable[[int], None] = lambda port: None) -> Server:
    """A server for the application; pass the socket of `open_socket` to its `serve`."""
    config = uvicorn.Config(
        app,
        ws=WebSocketProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=max_connections,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
    )
    return Server(config, ready)


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at this address; port 0 chooses a free one.

    Raises:
        PlaybachError: the port is in use, or the address does not belong to this computer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PlaybachError(
            f"cannot listen on {host}:{port} ({error.strerror or error}); choose another with --host or --port"
        ) from error
    return listener
