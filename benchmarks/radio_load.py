"""How much load the radio carries: listeners of one station, own streams, misbehaving guests, and a long evening.

Clients that never read answer no ping, and are disconnected after 40 seconds: give the part `guests` that long to
see it.

Claim: 1,000 listeners of one station take less than 15 % of one core, and 99 of 100 messages arrive within 200 ms;
own streams run in real time, as many as the processor allows; clients that never read, send garbage or flood are
dropped or refused, while memory stays flat and other listeners are not affected; no note comes late. `playbach serve`
runs in a process of its own and the clients in this one, over loopback. A message has the time at which the server
sent it, by the stream's clock; the fastest delivery of a client's stream aligns the two clocks, so delays are
relative to it. CPU and memory are the server's own, from Linux. Each part begins when the server has composed its
stock of beginnings, which takes about a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _bench import Table, count, fail, parser, percentile, print_report, show_progress

JOIN, NEVER = b'{"type":"join"}', 10.0**9
SETTLED_SECONDS = 5.0
"""The stock of beginnings counts as complete once it has not grown for this time."""
PARTS = ("station", "streams", "guests", "evening")


class Server:
    """`playbach serve` on a free port, with its CPU time and memory."""

    def __init__(self, model: str | None, streams: int, listeners: int) -> None:
        limits = ["--streams", str(streams), "--listeners", str(listeners), "--seed", "0"]
        command = [sys.executable, "-m", "playbach", "serve", *([model] if model else []), "--port", "0", *limits]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            fail(f"{' '.join(command[1:])} did not start")
        self.port = int(self.address.rstrip("/").rpartition(":")[2])

    def cpu(self) -> float:
        """CPU seconds so far."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1000 if found else 0.0

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"{self.address}metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def settle(self) -> None:
        """Wait until the server has composed its stock of beginnings."""
        ready, grown = 0.0, time.monotonic()
        while time.monotonic() - grown < SETTLED_SECONDS:
            time.sleep(0.5)
            if (now := self.metrics()["playbach_openings"]) > ready:
                ready, grown = now, time.monotonic()


@contextlib.contextmanager
def serving(model: str | None, streams: int, listeners: int) -> Iterator[Server]:
    server = Server(model, streams, listeners)
    try:
        yield server
    finally:
        server.process.send_signal(signal.SIGINT)
        try:
            server.process.wait(10)
        except subprocess.TimeoutExpired:
            server.process.kill()


@dataclass
class Client(asyncio.Protocol):
    """A listener: sends one message and records when bars arrive."""

    first: bytes = JOIN
    """The message."""
    reads: bool = True
    arrivals: list[tuple[float, float]] = field(default_factory=list)
    """When each bar arrived, and when the server sent it."""
    spare: float = NEVER
    """The shortest time by which a bar was sent before it was due, in seconds."""
    closed: bool = False
    _data: bytearray = field(default_factory=bytearray)
    _open: bool = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True

    def data_received(self, data: bytes) -> None:
        came = time.perf_counter()
        self._data += data
        if not self._open:
            _, found, rest = bytes(self._data).partition(b"\r\n\r\n")
            if not found:
                return
            self.transport.write(frame(1, self.first))
            if not self.reads:
                self.transport.pause_reading()
            self._open, self._data = True, bytearray(rest)
        while (message := self._message()) is not None:
            kind, text = message
            if kind == 9:
                self.transport.write(frame(10, text))
            elif kind == 1 and text.startswith(b'{"type":"bar"'):
                now = float(text[text.rindex(b":") + 1 : -1])
                at = float(text[text.index(b'"at":') + 5 :].split(b",", 1)[0])
                self.arrivals.append((came, now))
                if len(self.arrivals) > 1 or now == 0:
                    self.spare = min(self.spare, at - now)

    def _message(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, begin = data[1] & 127, 2
        if size > 125:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(data[2:begin], "big")
        if len(data) < begin + size:
            return None
        kind, text = data[0] & 15, bytes(data[begin : begin + size])
        del data[: begin + size]
        return kind, text


def frame(kind: int, text: bytes) -> bytes:
    """A client's frame, masked with zeros."""
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return bytes([0x80 | kind]) + size + bytes(4) + text


def delivery_delays(clients: list[Client], shared: bool) -> list[float]:
    """Seconds by which each bar arrived later than the fastest one; a station's clients share a clock."""
    offsets = [[came - now for came, now in c.arrivals] for c in clients if c.arrivals]
    everything = [o for own in offsets for o in own]
    best = min(everything, default=0.0)
    return [o - (best if shared else min(own)) for own in offsets for o in own]


@contextlib.asynccontextmanager
async def clients(server: Server, messages: list[bytes], reads: bool = True) -> AsyncIterator[list[Client]]:
    """Open a connection for each message, fifty at a time; close them afterwards."""
    loop, made = asyncio.get_running_loop(), [Client(message, reads) for message in messages]
    try:
        for begin in range(0, len(made), 50):
            some = made[begin : begin + 50]
            await asyncio.gather(*(loop.create_connection(lambda c=c: c, "127.0.0.1", server.port) for c in some))
        yield made
    finally:
        for client in made:
            if hasattr(client, "transport"):
                client.transport.abort()
        await asyncio.sleep(0.2)


def start(seed: int) -> bytes:
    return b'{"type":"start","seed":%d}' % seed


async def measure_clients(server: Server, made: list[Client], seconds: float, shared: bool) -> dict[str, Any]:
    """Measure for some seconds what the clients cost, once all are connected."""
    for client in made:
        client.arrivals.clear()
    late, cpu, began = server.metrics()["playbach_late_bars_total"], server.cpu(), time.perf_counter()
    await asyncio.sleep(seconds)
    passed = time.perf_counter() - began
    share = (server.cpu() - cpu) / passed
    found = delivery_delays(made, shared)
    figures = await asyncio.to_thread(server.metrics)
    return {
        "clients": len(made),
        "seconds": round(passed, 1),
        "cpu_percent_of_a_core": round(100 * share, 1),
        "delivery_p50_ms": round(1000 * percentile(found, 0.5), 1) if found else None,
        "delivery_p99_ms": round(1000 * percentile(found, 0.99), 1) if found else None,
        "bars_delivered": len(found),
        "late_bars": int(figures["playbach_late_bars_total"] - late),
        "lost": sum(c.closed for c in made),
        "least_spare_s": round(min((c.spare for c in made), default=NEVER), 2),
        "bar_p99_ms": round(1000 * figures['playbach_bar_seconds{quantile="0.99"}'], 1),
        "megabytes": round(server.megabytes(), 1),
    }


async def measure_station(server: Server, seconds: float, listeners: int) -> dict[str, Any]:
    async with clients(server, [JOIN] * listeners) as made:
        await asyncio.sleep(4)
        return await measure_clients(server, made, seconds, shared=True)


async def measure_streams(server: Server, seconds: float, most: int) -> list[dict[str, Any]]:
    """Half as many again each time, until bars are late."""
    rows = []
    number = 10
    while number <= most:
        show_progress(f"{number} streams")
        async with clients(server, [start(n) for n in range(number)]) as made:
            await asyncio.sleep(min(6.0, seconds))
            rows.append(await measure_clients(server, made, seconds, shared=False))
        if rows[-1]["late_bars"]:
            break
        number = number * 3 // 2
    return rows


async def measure_guests(server: Server, seconds: float, normal: int) -> dict[str, Any]:
    """Measure normal listeners while other clients never read, send garbage, and connect in floods."""
    async with clients(server, [JOIN] * normal + [start(n) for n in range(5)]) as made:
        await asyncio.sleep(4)
        before = server.metrics()
        flooding = asyncio.create_task(_flood(server))
        async with clients(server, [JOIN, start(1)] * 10, reads=False):
            megabytes = server.megabytes()
            row = await measure_clients(server, made[:normal], seconds, shared=True)
        flooding.cancel()
        after = await asyncio.to_thread(server.metrics)
        row["megabytes_before"] = round(megabytes, 1)
        row["refused"] = int(after["playbach_refused_total"] - before["playbach_refused_total"])
        row["dropped"] = int(after["playbach_dropped_total"] - before["playbach_dropped_total"])
        row["guests_left"] = int(after["playbach_listeners"]) - len(made)
        row["own_streams_lost"] = sum(c.closed for c in made[normal:])
        return row


async def _flood(server: Server) -> None:
    """Open connections that send invalid messages, forty at a time."""
    wrong = [b"nonsense", b'{"type":"start","seed":-1}', b'{"type":"start","model":"../x"}', b"[" * 100]
    while True:
        async with clients(server, wrong * 10):
            await asyncio.sleep(0.5)


async def measure_evening(server: Server, seconds: float, listeners: int) -> dict[str, Any]:
    """Measure many listeners for a long time."""
    async with clients(server, [JOIN] * listeners + [start(n) for n in range(10)]) as made:
        await asyncio.sleep(4)
        row = await measure_clients(server, made, seconds, shared=False)
        row["own_least_spare_s"] = round(min(c.spare for c in made[listeners:]), 2)
        return row


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", help="a .playbach file (default: bach-chorales)")
    options.add_argument("--seconds", type=count, default=30, help="length of each part (default: %(default)s)")
    options.add_argument(
        "--listeners", type=count, default=1000, help="listeners of the station (default: %(default)s)"
    )
    options.add_argument(
        "--most-streams", type=count, default=200, help="limit for own streams (default: %(default)s)"
    )
    options.add_argument("--part", choices=PARTS, action="append", help="run only this part; may be repeated")
    args = options.parse_args()
    if not Path("/proc/self/stat").exists():
        fail("this benchmark needs Linux's /proc")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    found: dict[str, Any] = {}
    for part in args.part or PARTS:
        show_progress(part)
        with serving(args.model, args.most_streams + 20, args.listeners + 500) as server:
            numbers = {
                "streams": args.most_streams,
                "guests": 50,
                "evening": 100,
                "station": args.listeners,
            }
            measure = {
                "station": measure_station,
                "streams": measure_streams,
                "guests": measure_guests,
                "evening": measure_evening,
            }[part]
            server.settle()
            found[part] = asyncio.run(measure(server, args.seconds, numbers[part]))
    rows = [(part, row) for part, all_ in found.items() for row in (all_ if isinstance(all_, list) else [all_])]
    cells = tuple(
        (part, str(r["clients"]), str(r["seconds"]), f"{r['cpu_percent_of_a_core']} %", str(r["delivery_p50_ms"]),
         str(r["delivery_p99_ms"]), str(r["late_bars"]), str(r["lost"]), str(r["megabytes"]))
        for part, r in rows
    )  # fmt: skip
    columns = ("part", "clients", "seconds", "one core", "p50 ms", "p99 ms", "late bars", "lost", "MB")
    notes: list[str] = []
    if "guests" in found:
        g = found["guests"]
        notes = [
            f"guests: {g['refused']} refused, {g['dropped']} dropped, {g['guests_left']} still connected at the end; "
            f"{g['own_streams_lost']} normal streams lost; "
            f"memory {g['megabytes_before']} MB before, {g['megabytes']} MB after"
        ]
    packages = ["onnxruntime", "starlette", "uvicorn", "websockets"]
    print_report("How much load the radio carries", Table(columns, cells, tuple(notes)), found, packages, args.json)


if __name__ == "__main__":
    main()
