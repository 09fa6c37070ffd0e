"""Runs the application with uvicorn: opens the port, and adds limits that uvicorn lacks.

A connection without a request is closed after some seconds, and before that if others need its room.
A client that does not read what it asked for is dropped. So neither can lock others out.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from playbach.server.extensions import ABORT, UNANSWERED
from playbach.server.protocol import MAX_MESSAGE_BYTES
from playbach.system.errors import PlaybachError

MAX_UNREAD_BYTES = 256 << 10
"""If more than this waits in a connection's buffer when the client pings, the connection is closed."""
PING_SECONDS = 20.0
OTHER_FILES = 100
"""Open files besides connections, at most."""
UNREAD_SECONDS = 60
"""After this time the kernel drops data that a client has not read."""
REQUEST_SECONDS = 10.0
"""A client must send a whole request within this time, also the next one on the same connection."""
STALLED_SECONDS = 20.0
"""A connection is closed if its buffer (64 kB) does not empty within this time."""
SHUTDOWN_SECONDS = 1.0
"""Responses that go on for longer when the server ends are cut off, since live.mp3 never ends."""


class _Connections(uvicorn.server.ServerState):
    """What uvicorn knows of its connections, and those without a request, the oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: dict[HttpProtocol, None] = {}


class HttpProtocol(H11Protocol):
    """uvicorn's protocol, with three additions: a connection on which no request arrives in time is closed, that of a
    client that does not read is closed too, and the application can close a connection at once."""

    def __init__(self, config: uvicorn.Config, server_state: _Connections, *others: Any, **options: Any) -> None:
        super().__init__(config, server_state, *others, **options)
        self._silent = server_state.silent
        self._request_timer: asyncio.TimerHandle | None = None
        self._stalled_timer: asyncio.TimerHandle | None = None
        self._left, self._upgraded = math.inf, False
        app = self.app

        async def app_with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[ABORT] = self.transport.abort
            await app(scope, receive, send)

        self.app = app_with_abort

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._note_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._note_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note_request()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._upgraded = True
        self._forget()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._upgraded = True
        self._forget()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled_timer is None:
            self._stalled_timer = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled_timer is not None:
            self._stalled_timer.cancel()
            self._stalled_timer = None

    def _note_request(self) -> None:
        """Note whether a request is being answered; if not, wait for one, for a limited time in all."""
        if self._upgraded or (self.cycle is not None and not self.cycle.response_complete):
            self._forget()
        elif self not in self._silent:
            self._silent[self] = None
            self._left = math.inf
            self._request_timer = self.loop.call_later(REQUEST_SECONDS, self._expire)
            oldest = next(iter(self._silent))
            if len(self.connections) >= (self.limit_concurrency or math.inf) and oldest is not self:
                oldest.close_silent()

    def _forget(self) -> None:
        self._silent.pop(self, None)
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _expire(self) -> None:
        """Close the connection, unless its client is still reading the response before."""
        left = self.transport.get_write_buffer_size()
        if 0 < left < self._left:
            self._left = left
            self._request_timer = self.loop.call_later(REQUEST_SECONDS, self._expire)
        else:
            self.close_silent()

    def close_silent(self) -> None:
        self._forget()
        self.transport.abort()


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
        self.server_state = _Connections()
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
    """A server for the application; pass the socket of `open_socket` to its `serve`.

    Args:
        app: the application.
        max_connections: how many there may be; if there are more, those without a request make room first.
        ready: is called with the port when the server listens.
    """
    _allow_open_files(max_connections + OTHER_FILES)
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
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


def _allow_open_files(count: int) -> None:
    """Raise the number of files that this process may open, as far as the system lets it. At first it is often 1,024,
    and a server that has no more cannot accept connections."""
    try:
        import resource
    except ImportError:  # on Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
