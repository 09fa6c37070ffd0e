"""Listening over WebSockets on loopback: private streams, the station, parameter changes, and misbehaving clients."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.running_server import RunningServer, client, closed, serving, until
from playbach.server.limits import ServerLimits
from playbach.streaming.stream import Stream


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serving(ServerLimits(streams=8)) as running:
        yield running


def music(messages: list[dict[str, Any]]) -> dict[tuple[int, int], list[Any]]:
    """The notes of each bar. A bar that is sent again replaces all bars from there on."""
    bars: dict[tuple[int, int], list[Any]] = {}
    for m in messages:
        if m["type"] == "bar":
            position = m["piece"], m["bar"]
            notes = [[n[k] for k in ("at", "voice", "pitch", "velocity", "tick")] for n in m["notes"]]
            bars = {p: n for p, n in bars.items() if p < position} | {position: notes}
    return bars


def test_the_first_bars_are_sent_at_once(server: RunningServer) -> None:
    async def main() -> list[dict[str, Any]]:
        async with client(server.port, {"type": "start", "seed": 3, "bars": 4}) as ws:
            return await until(ws, "bar", 2)

    stream, piece, *bars = asyncio.run(main())
    assert (stream["type"], stream["kind"], stream["seed"], stream["bars"]) == ("stream", "own", 3, 4)
    assert stream["fields"] == ["symbol"]
    assert (piece["type"], piece["seed"], [v["name"] for v in piece["voices"]]) == (
        "piece", 3, ["Soprano", "Alto", "Tenor", "Bass"],
    )  # fmt: skip
    assert bars[0]["at"] == 0
    assert bars[1]["at"] == pytest.approx(bars[0]["seconds"], abs=0.002)
    note = bars[0]["notes"][0]
    assert set(note) == {"voice", "pitch", "velocity", "tick", "ticks", "at", "seconds", "chosen"}
    [[name, probability, others]] = note["chosen"]
    assert isinstance(name, str)
    assert 0 < probability <= 1
    assert len(others) <= 3


def test_a_start_message_with_changes_replays_them(server: RunningServer) -> None:
    """The same seed, settings and changes give the same notes at the same times."""

    async def change() -> list[dict[str, Any]]:
        async with client(server.port, {"type": "start", "seed": 3, "bars": 4}) as ws:
            messages = await until(ws, "bar", 2)
            await ws.send('{"type":"set","temperature":3,"tempo":300}')
            messages += await until(ws, "change", 2)
            return messages + await until(ws, "bar", 4)

    first = asyncio.run(change())
    changes = [m["change"] for m in first if m["type"] == "change"]
    assert sorted(c[2] for c in changes) == ["temperature", "tempo"]
    assert len({(c[0], c[1]) for c in changes}) == 1

    async def replay() -> list[dict[str, Any]]:
        start = {"type": "start", "seed": 3, "bars": 4, "changes": changes}
        async with client(server.port, start) as ws:
            return await until(ws, "bar", len(music(first)))

    played, replayed = music(first), music(asyncio.run(replay()))
    common = sorted(set(played) & set(replayed))
    assert max(common) >= (changes[0][0], changes[0][1])
    assert [replayed[p] for p in common] == [played[p] for p in common]


def test_a_stream_can_be_resumed_at_a_bar(server: RunningServer) -> None:
    async def main(start: dict[str, Any]) -> list[dict[str, Any]]:
        async with client(server.port, {"type": "start", "seed": 5, "bars": 4, "tempo": 300, **start}) as ws:
            return await until(ws, "bar", 6)

    whole = [m for m in asyncio.run(main({})) if m["type"] == "bar"]
    rest = [m for m in asyncio.run(main({"piece": whole[3]["piece"], "bar": whole[3]["bar"]})) if m["type"] == "bar"]
    assert rest[0]["at"] == 0
    for one, two in zip(whole[3:], rest):
        assert [n["pitch"] for n in one["notes"]] == [n["pitch"] for n in two["notes"]]


def test_all_listeners_of_the_station_get_the_same_bars_from_the_current_one_on(server: RunningServer) -> None:
    async def main() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        async with client(server.port, {"type": "join"}) as one:
            early = await until(one, "bar", 3)
            async with client(server.port, {"type": "join"}) as two:
                late = await until(two, "bar", 1)
                return early + await until(one, "bar", 1), late + await until(two, "bar", 2)

    early, late = asyncio.run(main())
    assert early[0]["kind"] == late[0]["kind"] == "station"
    assert late[1]["type"] == "piece"
    first = late[2]
    assert first["at"] <= first["now"] + 0.01 or first["bar"] <= 1
    assert first["at"] + first["seconds"] > first["now"]
    one, two = music(early), music(late)
    common = set(one) & set(two)
    assert common
    assert all(one[p] == two[p] for p in common)


@pytest.mark.parametrize(
    ("messages", "code", "word"),
    [
        (["nonsense"], 1008, "JSON"),
        ([b"\x00\x01"], 1008, "text"),
        (['{"type":"start","model":"../../etc/passwd"}'], 1008, "no such model"),
        (['{"type":"start","runtime":"torch"}'], 1008, "no such runtime"),
        (['{"type":"set","tempo":90}'], 1008, "first"),
        (['{"type":"join"}', '{"type":"join"}'], 1008, "once"),
        (['{"type":"join"}', '{"type":"set","tempo":90}'], 1008, "operator"),
        (['{"type":"start","seed":1}', '{"type":"set","tempo":9000}'], 1008, "tempo"),
        (['{"type":"start","seed":1}', *['{"type":"next"}'] * 40], 4429, "messages"),
        (["x" * 20_000], 1009, ""),
    ],
)  # fmt: skip
def test_rejected_messages_are_answered_with_a_reason(
    server: RunningServer, messages: list[Any], code: int, word: str
) -> None:
    async def main() -> tuple[int, str]:
        async with client(server.port) as ws:
            for message in messages:
                await ws.send(message)
            return await closed(ws)

    received, reason = asyncio.run(main())
    assert received == code
    assert word in reason


def test_a_programme_that_has_ended_says_so(server: RunningServer) -> None:
    async def main() -> tuple[int, str]:
        start = {"type": "start", "seed": 1, "bars": 4, "piece": 999_999, "bar": 32}  # this piece has no such bar
        async with client(server.port, start) as ws:
            await ws.send('{"type":"set","tempo":90}')
            await ws.send('{"type":"next"}')
            return await closed(ws)

    code, reason = asyncio.run(main())
    assert code == 1008
    assert "ends with piece 999,999" in reason


@pytest.mark.parametrize(
    "place",
    [
        {"piece": 999_999},
        {"bar": 32},
        {"bar": 10, "changes": [[0, 2, "length", 4], [0, 10, "temperature", 1.0]]},
        {"piece": 999_998, "bar": 4, "changes": [[999_998, 4, "length", 32]]},
    ],
)
def test_changes_at_the_edges_are_taken(server: RunningServer, place: dict[str, Any]) -> None:
    async def main() -> list[dict[str, Any]]:
        start = {"type": "start", "seed": 1, "bars": 4, "tempo": 60, **place}
        async with client(server.port, start) as ws:
            await until(ws, "bar")
            await ws.send('{"type":"set","tempo":90,"temperature":0.5}')
            await ws.send('{"type":"next"}')
            return await until(ws, "change", 2)

    changes = [m["change"][2:] for m in asyncio.run(main()) if m["type"] == "change"]
    assert sorted(changes) == [["temperature", 0.5], ["tempo", 90]]


def test_an_internal_error_has_a_close_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Stream) -> None:
        raise ArithmeticError("made for this test")

    monkeypatch.setattr(Stream, "next", fail)

    async def main() -> tuple[int, str]:
        async with client(running.port, {"type": "start", "seed": 1}) as ws:
            return await closed(ws)

    with serving(station=False) as running:
        assert asyncio.run(main()) == (1011, "the server had an internal error")
    assert "made for this test" in capfd.readouterr().err  # the operator sees it


def test_a_server_that_ends_says_so() -> None:
    """So that players wait a little, and try again."""

    async def main() -> list[int]:
        with serving() as running:
            async with (
                client(running.port, {"type": "join"}) as one,
                client(running.port, {"type": "start", "seed": 1}) as two,
                client(running.port) as silent,
            ):
                await until(one, "bar")
                await until(two, "bar")
                running.server.should_exit = True
                return [(await closed(ws))[0] for ws in (one, two, silent)]

    assert asyncio.run(main()) == [1012] * 3


def test_a_client_that_sends_nothing_is_disconnected() -> None:
    with serving(ServerLimits(first_message_seconds=0.2)) as running:

        async def main() -> tuple[int, str]:
            async with client(running.port) as ws:
                return await closed(ws)

        assert asyncio.run(main()) == (4400, "the first message must be start or join")


def test_pages_of_other_origins_are_rejected(server: RunningServer) -> None:
    async def main(origin: str) -> bool:
        try:
            async with client(server.port, {"type": "join"}, origin=origin) as ws:
                return bool(await until(ws, "stream"))
        except OSError:
            return False
        except Exception as error:
            assert "403" in str(error)
            return False

    assert asyncio.run(main(server.address))
    for origin in ("http://evil.example", "https://127.0.0.1.evil.example", "null", f"{server.address}1", "file://"):
        assert not asyncio.run(main(origin)), origin


def test_a_full_server_says_so() -> None:
    with serving(ServerLimits(streams=1, listeners=2)) as running:

        async def main() -> list[tuple[int, str]]:
            async with client(running.port, {"type": "start", "seed": 1}) as one:
                await until(one, "stream")
                async with client(running.port, {"type": "start", "seed": 2}) as two:
                    no_stream = await closed(two)
                async with client(running.port, {"type": "join"}) as three:
                    await until(three, "stream")
                    async with client(running.port, {"type": "join"}) as four:
                        return [no_stream, await closed(four)]

        (code, reason), (other, full) = asyncio.run(main())
        assert (code, other) == (1013, 1013)
        assert "station" in reason
        assert "limit" in full


def test_a_client_that_never_reads_is_dropped_and_the_others_are_not_affected() -> None:
    """The client joins with a raw socket and never reads: its buffers fill, and then its queue."""
    with serving(ServerLimits(queue=8, send_seconds=0.5)) as running:

        async def main() -> list[dict[str, Any]]:
            stuck = socket.create_connection(("127.0.0.1", running.port))
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.sendall(
                b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            assert await asyncio.to_thread(stuck.recv, 1000)  # the response to the handshake, and nothing after that
            text = b'{"type":"join"}'
            stuck.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
            async with client(running.port, {"type": "join"}) as ws:
                messages = await until(ws, "bar", 1)
                while running.state.connections < 2:
                    await asyncio.sleep(0.02)
                # More than its buffers can hold: each message is a megabyte.
                listeners = list(running.state.queues)
                for _ in range(20):
                    for listener in listeners:
                        if listener.waiting < 6:
                            listener.send(json.dumps({"type": "filler", "x": "x" * 1_000_000}))  # type: ignore[attr-defined]
                    await asyncio.sleep(0.05)
                    messages += [json.loads(await ws.recv()) for _ in range(1)]
                async with asyncio.timeout(20):
                    while running.state.connections > 1:
                        messages.append(json.loads(await ws.recv()))
                messages += await until(ws, "bar", 1)
            stuck.close()
            return messages

        messages = asyncio.run(main())
        assert running.state.counters.dropped == 1
        bars = [m for m in messages if m["type"] == "bar"]
        for one, two in zip(bars, bars[1:]):
            assert two["at"] >= one["at"] + one["seconds"] - 0.002  # no bar is missing
        assert not any(m["type"] == "error" for m in messages)


def test_a_client_that_answers_no_ping_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playbach.server.running.PING_SECONDS", 0.3)
    with serving() as running:

        async def main() -> int:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(
                b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            text = b'{"type":"join"}'
            writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
            async with client(running.port, {"type": "join"}) as ws, asyncio.timeout(20):
                await until(ws, "bar")
                while running.state.connections > 1:
                    await asyncio.sleep(0.05)
                writer.close()
                return running.state.counters.dropped

        assert asyncio.run(main()) == 1


def test_many_short_connections_leave_nothing_behind(server: RunningServer) -> None:
    async def one(number: int) -> int:
        async with client(server.port, {"type": "start", "seed": number} if number % 2 else {"type": "join"}):
            return 1

    async def main() -> None:
        async with client(server.port, {"type": "join"}) as ws:
            await until(ws, "stream")
            for _ in range(4):
                assert sum(await asyncio.gather(*(one(n) for n in range(25)))) == 25
            await until(ws, "bar", 1)

    asyncio.run(main())
    ends = time.monotonic() + 20
    while (server.state.connections or server.state.streams or server.state.queues) and time.monotonic() < ends:
        time.sleep(0.05)
    assert (server.state.connections, server.state.streams, len(server.state.queues)) == (0, 0, 0)
