"""A slow line to a server: a proxy on this machine with a phone's bandwidth and delay, which counts bytes.

Browsers can slow down their own network, but Chromium then spares WebSockets and the scripts of an AudioWorklet. All
connections share one line. Each begins with a handshake, and what is sent arrives in order. Knows of HTTP only that a
request begins with a line such as `GET /path`, so that bytes can be counted by path.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

_CHUNK = 4096
_OVERSLEPT = 0.03
"""Seconds by which this process may wake up late, and then catches up."""


class SlowLine:
    """The proxy, in a thread of its own. `mbit` is Mbit/s, `latency` milliseconds to and fro."""

    def __init__(self, mbit: float, latency: float) -> None:
        self._rate, self._delay = mbit * 1e6 / 8, latency / 2000
        self._target = ("", 0)
        self._free = {"up": 0.0, "down": 0.0}
        self.received: Counter[str] = Counter()
        """Bytes that the client has received, by path."""
        self.port = 0

    def forward(self, host: str, port: int) -> None:
        self._target = host, port

    @contextlib.contextmanager
    def open(self) -> Iterator[SlowLine]:
        """Open a port for clients, and set `port`."""
        loop, ready = asyncio.new_event_loop(), threading.Event()

        async def run() -> None:
            server = await asyncio.start_server(self._client, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        def work() -> None:
            loop.create_task(run())
            loop.run_forever()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * self._delay)  # the handshake
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        path = [""]
        await asyncio.gather(
            self._pump("up", reader, back, path), self._pump("down", there, writer, path), return_exceptions=True
        )

    async def _pump(
        self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter, path: list[str]
    ) -> None:
        """Carry bytes one way, later and no faster than the line allows."""
        clock, tasks = asyncio.get_running_loop().time, asyncio.Queue[tuple[float, bytes]](64)

        async def deliver() -> None:
            while True:
                due, data = await tasks.get()
                await asyncio.sleep(max(0.0, due - clock()))
                if not data:
                    sink.close()
                    return
                if way == "down":
                    self.received[path[0]] += len(data)
                sink.write(data)
                await sink.drain()

        delivering = asyncio.create_task(deliver())
        while not delivering.done():
            data = await source.read(_CHUNK)
            if way == "up" and data.startswith((b"GET ", b"POST ")):
                path[0] = data.split(b" ", 2)[1].decode("latin-1")
            began = self._free[way] if clock() - self._free[way] < _OVERSLEPT else clock()
            self._free[way] = sent = began + len(data) / self._rate
            await asyncio.sleep(max(0.0, sent - clock()))  # the line is busy
            await tasks.put((sent + self._delay, data))
            if not data:
                break
        await delivering
