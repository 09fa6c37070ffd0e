"""Beginnings that are composed in advance: they are sent at once, and are the music that the stream composes."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor, Future
from typing import Any

import pytest

import playbach
from helpers.paths import GOLDEN
from helpers.running_server import RunningServer, client, serving, until
from playbach.inference.composing import Composer
from playbach.server import openings
from playbach.server.limits import ServerLimits
from playbach.server.openings import compose_opening
from playbach.streaming.session import Session, StreamItem
from playbach.streaming.settings import ProgrammeChange, ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(GOLDEN / "tiny.playbach")


class Later(Executor):
    """Composes when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    async def compose(self) -> None:
        async with asyncio.timeout(20):
            while not self.waiting:
                await asyncio.sleep(0.005)
        future, work = self.waiting.pop(0)
        future.set_result(work())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_the_first_bars_are_sent_before_anything_is_composed(composer: Composer) -> None:
    """After that the stream goes on as if it had composed them, and changes take effect."""

    async def main() -> list[StreamItem]:
        settings, sent, executor = ProgrammeSettings(7, 8), list[StreamItem](), Later()
        opening = tuple(compose_opening(composer, settings, 12.0))
        session = Session(Stream(composer, settings), sent.append, executor, opening=opening)
        task = asyncio.create_task(session.run())
        await settle()
        due = [bar for bar in opening if bar.at <= session.pacing.ahead]
        assert sent == due and len(due) >= 2
        session.change("tempo", 200.0)
        for _ in opening:
            await settle()
            assert not any(isinstance(item, ProgrammeChange) for item in sent)  # the stream is not there yet
            await executor.compose()
        await settle()
        assert sent[: len(opening)] == list(opening)  # no bar is sent twice
        assert isinstance(sent[len(opening)], ProgrammeChange)
        await executor.compose()
        await settle()
        task.cancel()
        return sent[len(opening) :]

    change, bar = asyncio.run(main())
    assert isinstance(change, ProgrammeChange) and isinstance(bar, TimedBar)
    assert bar.position == (change.piece, change.bar)
    assert bar.tempos[0][2] == pytest.approx(200)


def wait_for_openings(server: RunningServer, count: int) -> None:
    ends = time.monotonic() + 30
    while len(server.state.openings) < count:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_each_beginning_is_given_to_one_stream_and_is_its_own_music(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "OPENINGS_IDLE_SECONDS", 0.1)
    with serving(ServerLimits(openings=2, streams=8), station=False) as server:
        wait_for_openings(server, 2)

        async def main() -> list[list[dict[str, Any]]]:
            async with client(server.port, {"type": "start"}) as one, client(server.port, {"type": "start"}) as two:
                drawn = [await until(ws, "bar", 3) for ws in (one, two)]
            again = []
            for messages in drawn:
                async with client(server.port, {"type": "start", "seed": messages[0]["seed"]}) as ws:
                    again.append(await until(ws, "bar", 3))
            return [*drawn, *again]

        one, two, *again = asyncio.run(main())
        assert one[0]["seed"] != two[0]["seed"]
        for drawn, repeated in zip((one, two), again):
            notes = [[m[key] for key in ("bar", "at", "notes")] for m in drawn if m["type"] == "bar"]
            assert notes == [[m[key] for key in ("bar", "at", "notes")] for m in repeated if m["type"] == "bar"]


@pytest.mark.parametrize(
    "start", [{"seed": 5}, {"bars": 4}, {"temperature": 0.5}, {"tempo": 90}, {"piece": 1}, {"bar": 2}]
)
def test_whoever_chooses_something_is_given_what_was_chosen(
    monkeypatch: pytest.MonkeyPatch, start: dict[str, Any]
) -> None:
    monkeypatch.setattr(openings, "OPENINGS_IDLE_SECONDS", 1000.0)
    with serving(station=False) as server:
        server.state.openings._ready.append(openings.ReadyOpening(ProgrammeSettings(77), ()))

        async def main() -> list[dict[str, Any]]:
            async with client(server.port, {"type": "start", **start}) as ws:
                return await until(ws, "stream")

        [stream] = asyncio.run(main())
        assert stream["seed"] != 77
        assert len(server.state.openings) == 1
