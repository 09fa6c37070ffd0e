"""A duet over a real WebSocket: answers, refusals and limits."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import websockets

from helpers.running_server import RunningServer, closed, serving
from playbach.server.limits import ServerLimits
from playbach.server.protocol import DuetAnswer, DuetReady
from playbach.server.schema import read


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serving(station=False) as running:
        yield running


BEGIN = {"type": "begin", "meter": [4, 4], "seed": 3}


@contextlib.asynccontextmanager
async def duet(port: int, *messages: dict[str, Any]) -> AsyncIterator[Any]:
    async with websockets.connect(f"ws://127.0.0.1:{port}/duet", compression=None) as socket:
        for message in messages:
            await socket.send(json.dumps(message))
        yield socket


def step(number: int, pitch: int | None = None, plays: str = "hold") -> dict[str, Any]:
    return {"type": "step", "step": number, "plays": plays if pitch is None else "note", "pitch": pitch}


async def received(socket: Any) -> dict[str, Any]:
    async with asyncio.timeout(30):
        found: dict[str, Any] = json.loads(await socket.recv())
        return found


async def answers(port: int, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    async with duet(port, BEGIN) as socket:
        ready = await received(socket)
        assert ready.pop("type") == "ready"
        assert read(DuetReady, ready).seed == 3
        found = []
        for message in steps:
            await socket.send(json.dumps(message))
            found.append(await received(socket))
        return found


def parts(answer: dict[str, Any]) -> dict[int, int | None]:
    read(DuetAnswer, {k: v for k, v in answer.items() if k != "type"})
    return dict(answer["parts"])


def test_each_step_is_answered(server: RunningServer) -> None:
    steps = [step(0, 67), step(1), step(2, 69), step(3), step(4, 91), step(5, plays="rest")]
    found = asyncio.run(answers(server.port, steps))
    assert [answer["step"] for answer in found] == list(range(6))
    assert set(parts(found[0])) == {1, 2, 3}
    assert [answer["heard"] for answer in found] == [67, None, 69, None, 67, None]
    again = asyncio.run(answers(server.port, steps))
    assert [parts(answer) for answer in again] == [parts(answer) for answer in found]


def test_a_step_can_be_sent_again_as_a_note_but_once(server: RunningServer) -> None:
    found = asyncio.run(answers(server.port, [step(0, 67), step(1), step(1, 69), step(2)]))
    assert [answer["step"] for answer in found] == [0, 1, 1, 2]
    assert found[2]["heard"] == 69

    async def twice() -> tuple[int, str]:
        async with duet(server.port, BEGIN, step(0, 67), step(1), step(1, 69), step(1, 71)) as socket:
            return await closed(socket)

    code, reason = asyncio.run(twice())
    assert (code, "step 2" in reason) == (1008, True)


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([step(0, 67)], 1008, "first message"),
        ([BEGIN, step(1, 67)], 1008, "step 0"),
        ([BEGIN, step(0)], 1008, "begins with"),
        ([BEGIN, BEGIN], 1008, "step 0"),
        ([BEGIN, {"type": "step", "step": 0, "plays": "note"}], 1008, "pitch"),
        ([BEGIN, {"type": "step", "step": 0, "plays": "hold", "pitch": 60}], 1008, "pitch"),
        ([{"type": "start"}], 1008, "type must be one of begin, step"),
        ([{**BEGIN, "meter": [3, 8], "grid": 4}], 1008, "shorter steps"),
        ([{**BEGIN, "grid": 9}], 1008, "between 1 and 4"),
        ([{**BEGIN, "model": "nothing"}], 1008, "there are tiny"),
        ([BEGIN, *[step(i, 67) for i in range(200)]], 4429, "25 steps a second"),
    ],
)
def test_what_is_wrong_is_said_and_ends_the_duet(
    server: RunningServer, messages: list[dict[str, Any]], code: int, reason: str
) -> None:
    async def ended() -> tuple[int, str]:
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/duet", compression=None) as socket:
            with contextlib.suppress(websockets.ConnectionClosed):
                for message in messages:
                    await socket.send(json.dumps(message))
            return await closed(socket)

    found = asyncio.run(ended())
    assert found[0] == code
    assert reason in found[1]
    assert server.state.streams == 0


def test_a_full_server_and_a_silent_page_are_refused() -> None:
    async def ended(port: int) -> tuple[int, str]:
        async with duet(port) as socket:
            return await closed(socket)

    with serving(ServerLimits(streams=0), station=False) as running:
        assert asyncio.run(ended(running.port))[0] == 1013
    with serving(ServerLimits(first_message_seconds=0.2), station=False) as running:
        assert asyncio.run(ended(running.port))[0] == 4400
