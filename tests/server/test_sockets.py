"""Clients that say nothing or read nothing: they are dropped, cost no memory, and lock nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from helpers.running_server import RunningServer, client, closed, serving, until
from playbach.server import broadcast, running
from playbach.server.files import BLOCK_BYTES
from playbach.server.limits import ServerLimits
from playbach.server.page import static_file

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


LARGE = np.random.default_rng(1).bytes(8 << 20)
"""More than a connection's buffers hold."""


@pytest.fixture(autouse=True, scope="module")
def large_page() -> Iterator[None]:
    """A page with a large file."""
    files = {"/large": static_file(LARGE, "application/octet-stream", "", compress=False)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playbach.server.app.page_files", lambda: files)
        yield


@pytest.fixture(scope="module")
def server(large_page: None) -> Iterator[RunningServer]:
    with serving() as running_server:
        yield running_server


def connect(server: RunningServer, text: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    opened = socket.socket()
    if receive_buffer is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    opened.settimeout(30)
    opened.connect(("127.0.0.1", server.port))
    opened.sendall(text)
    return opened


def read_to_end(opened: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := opened.recv(1 << 16):
            received += data
    return received


def ping(server: RunningServer) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/ping")
    status = connection.getresponse().status
    connection.close()
    return status


def wait_for(condition: object, *arguments: object) -> None:
    ends = time.monotonic() + 60
    while not condition(*arguments):  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.parametrize(
    "text",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: local", HANDSHAKE[:-2], REQUEST % b"/ping" + b"GET /p",
     b"POST /ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf"],
)  # fmt: skip
def test_a_connection_without_a_whole_request_is_closed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(running, "REQUEST_SECONDS", 0.2)
    with serving(station=False) as server, connect(server, text) as silent:
        read_to_end(silent)
        wait_for(lambda: not server.server.server_state.connections)


def test_slow_headers_do_not_keep_a_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "REQUEST_SECONDS", 0.3)
    with serving(station=False) as server, connect(server, b"GET / HTTP/1.1\r\n") as slow:
        with pytest.raises(ConnectionError):
            for number in range(3000):
                slow.sendall(b"X-%d: 1\r\n" % number)
                time.sleep(0.01)
        assert ping(server) == 200


def test_silent_connections_lock_nobody_out() -> None:
    """Though there are many more of them than the server has room for, and none of them has expired."""
    with serving(station=False, max_connections=15) as server, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(server, b"GET /" * (n % 2))) for n in range(60)]
        assert [ping(server) for _ in range(3)] == [200] * 3
        assert read_to_end(silent[0]) == b""  # the oldest has made room
        assert len(server.server.server_state.connections) <= 15


def test_idle_connections_lock_nobody_out_either() -> None:
    with serving(station=False, max_connections=15) as server, contextlib.ExitStack() as stack:
        for _ in range(40):
            idle = stack.enter_context(connect(server, REQUEST % b"/ping"))
            assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        assert ping(server) == 200


def test_websockets_without_a_first_message_lock_nobody_out() -> None:
    with serving(ServerLimits(listeners=2, waiting=5)) as server:

        async def main() -> None:
            async with contextlib.AsyncExitStack() as stack:
                silent = [await stack.enter_async_context(client(server.port)) for _ in range(40)]
                assert await closed(silent[0]) == (4400, "the first message must be start or join")
                for _ in range(2):
                    listener = await stack.enter_async_context(client(server.port, {"type": "join"}))
                    assert await until(listener, "stream")
                assert len(server.state.waiting) <= 5

        asyncio.run(main())
        wait_for(lambda: not server.state.waiting)


def test_all_who_come_at_once_are_served(server: RunningServer) -> None:
    """As after a restart: the server sees many connections before it sees a request."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(server)) for _ in range(300)]
        for connection in opened:
            connection.sendall(REQUEST % b"/ping")
        for connection in opened:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_all_who_join_at_once_are_listeners() -> None:
    async def join(server: RunningServer) -> None:
        async with client(server.port, {"type": "join"}) as listener:
            assert await until(listener, "stream")

    with serving(ServerLimits(listeners=150, waiting=1)) as server:

        async def main() -> None:
            await asyncio.gather(*(join(server) for _ in range(150)))

        asyncio.run(main())


def test_downloads_that_nobody_reads_wait_in_little_memory(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        unread = [stack.enter_context(connect(server, REQUEST % b"/large", 4096)) for _ in range(100)]
        for opened in unread:
            assert opened.recv(12) == b"HTTP/1.1 200"
        assert ping(server) == 200
        buffered = [c.transport.get_write_buffer_size() for c in server.server.server_state.connections]
        assert len(buffered) >= 100
        assert 0 < max(buffered) <= 2 * BLOCK_BYTES + 1000


def test_a_client_that_does_not_read_its_download_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STALLED_SECONDS", 0.3)
    with serving(station=False) as server, connect(server, REQUEST % b"/large", 4096):
        wait_for(lambda: server.server.server_state.connections)
        wait_for(lambda: not server.server.server_state.connections)


def test_a_client_that_does_not_read_live_mp3_is_dropped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its queue is full before the connection counts as stalled."""
    encode_block = broadcast._encode_block
    monkeypatch.setattr(broadcast, "_encode_block", lambda *given: encode_block(*given) + b"x" * 1_000_000)
    monkeypatch.setattr(broadcast, "AHEAD_SECONDS", 60)
    monkeypatch.setattr(broadcast, "MAX_WAITING_BLOCKS", 8)
    monkeypatch.setattr(running, "STALLED_SECONDS", 1000.0)
    with serving() as server, connect(server, REQUEST % b"/live.mp3", 4096):
        wait_for(lambda: server.state.audio_listeners == 1)
        wait_for(lambda: not server.server.server_state.connections)
        wait_for(lambda: server.state.audio_listeners == 0)
        assert server.state.counters.dropped == 1
    assert capfd.readouterr().err == ""


def test_a_slow_reader_receives_all(server: RunningServer) -> None:
    """Blocks arrive whole and in their order."""
    with connect(server, b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 4096) as slow:
        time.sleep(0.2)
        body = read_to_end(slow).partition(b"\r\n\r\n")[2]
    assert body == LARGE
