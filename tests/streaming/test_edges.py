"""Streams that begin, change and end at the edges of what a programme can number: nothing fails, nothing is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import playbach
from helpers.paths import GOLDEN
from playbach.inference.composing import Composer
from playbach.inference.generation import GenerationCache, Schedule
from playbach.inference.options import ComposeOptions, Sampling
from playbach.music.events import End, Event, Meter, Note, Start, Tempo, Track
from playbach.server.messages import parse_message
from playbach.server.protocol import StartMessage
from playbach.server.schema import MessageRejected
from playbach.streaming.programme import ProgrammeEnded
from playbach.streaming.session import Session, StreamItem
from playbach.streaming.settings import MAX_PIECE_BARS, MAX_PIECES, MAX_SEED, ProgrammeChange, ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar

LAST = MAX_PIECES - 1


class OneNoteComposer:
    """Composes a note a bar, in no time. Its pieces may be longer than was asked for, as those of a network that does
    not know bars."""

    sampling = Sampling()

    def __init__(self, longer: int = 0) -> None:
        self._longer = longer

    def piece(self, seed: int, options: ComposeOptions, cache: GenerationCache) -> Iterator[Event]:
        bars = Schedule(self.sampling, options.bars, options.changes or ()).length + self._longer
        yield Start(0, seed, (Track("one", 0),), bars)
        yield Meter(0, 4, 4)
        yield Tempo(0, 120)
        for bar in range(bars):
            yield Note(bar * 1920, 60, 1920, 0, 64)
        yield End(bars * 1920)


PIECES = st.sampled_from([0, 1, 7, LAST - 1, LAST])
BARS = st.sampled_from([0, 1, 2, 4, 5, 16, 31, 32])
VALUES = {
    "temperature": st.sampled_from([None, 0, 1.0, 4.0]),
    "tempo": st.sampled_from([None, 20, 300]),
    "length": st.sampled_from([1, 2, 4, 5, 31, 32]),
}
CHANGES = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(PIECES, BARS, st.just(name), VALUES[name]))
STARTS = st.fixed_dictionaries(
    {
        "type": st.just("start"),
        "seed": st.sampled_from([0, 1, MAX_SEED]),
        "bars": st.sampled_from([4, 5, MAX_PIECE_BARS]),
        "piece": PIECES,
        "bar": BARS,
        "changes": st.lists(CHANGES, max_size=4).map(lambda rows: sorted(rows, key=lambda row: row[:2])),
    }
)
LATER = st.sampled_from([0.0, 0.01, 1.0, 5.0, 30.0])
REQUESTS = st.lists(
    st.tuples(st.just("temperature"), VALUES["temperature"], LATER)
    | st.tuples(st.just("tempo"), VALUES["tempo"], LATER)
    | st.tuples(st.just("next piece"), st.none(), LATER),
    max_size=8,
)
SHORT_OF_LENGTH = {"type": "start", "seed": 1, "bars": 8, "piece": 0, "bar": 10,
                   "changes": [(0, 2, "length", 4), (0, 10, "temperature", 1.0)]}  # fmt: skip


def read_start(message: dict[str, Any]) -> StartMessage | None:
    """The message as the server reads it; None if the server refuses it with a reason."""
    try:
        start = parse_message(json.dumps(message))
    except MessageRejected as rejected:
        assert str(rejected)
        return None
    assert isinstance(start, StartMessage)
    return start


class Immediately(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class SteppingClock:
    """A clock that jumps to the end of each wait, and makes requests on its way."""

    def __init__(self) -> None:
        self.time = 0.0
        self.requests: list[tuple[float, Any]] = []

    def now(self) -> float:
        return self.time

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(0)
        end = self.time + seconds
        while self.requests and self.requests[0][0] <= end:
            self.time = max(self.time, self.requests[0][0])
            self.requests.pop(0)[1]()
            if until.is_set():
                return
        self.time = end


def play(composer: Any, start: StartMessage, requests: list[Any], seconds: float) -> tuple[list[StreamItem], bool]:
    """What a session sends, and whether its programme has ended."""

    async def main() -> tuple[list[StreamItem], bool]:
        clock, sent = SteppingClock(), list[StreamItem]()
        stream = Stream(composer, start.settings(1), start.programme_changes(), start.piece, start.bar)
        session = Session(stream, sent.append, Immediately(), clock)
        at = 0.0
        for name, value, later in requests:
            at += later
            if name == "next piece":
                clock.requests.append((at, session.next_piece))
            else:
                clock.requests.append((at, lambda n=name, v=value: session.change(n, v)))
        task = asyncio.create_task(session.run())
        while not task.done() and clock.time < seconds:
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except ProgrammeEnded:
            return sent, True
        except asyncio.CancelledError:
            return sent, False
        raise AssertionError("a session does not just return")

    return asyncio.run(main())


@given(STARTS, REQUESTS, st.sampled_from([0, 1, 40]))
@example(SHORT_OF_LENGTH, [("temperature", 4.0, 0.0)], 0)
@example({"type": "start", "piece": LAST, "bar": 32, "bars": 4}, [("tempo", 20, 0.0)], 0)
@example({"type": "start", "piece": LAST, "bars": 4}, [("next piece", None, 5.0), ("tempo", 20, 1.0)], 0)
@settings(deadline=None)
def test_no_start_and_no_change_after_it_fails(message: dict[str, Any], requests: list[Any], longer: int) -> None:
    start = read_start(message)
    if start is None:
        return
    sent, has_ended = play(OneNoteComposer(longer), start, requests, 200.0)
    bars = [item for item in sent if isinstance(item, TimedBar)]
    assert all(bar.position[0] <= LAST for bar in bars)
    for one, two in pairwise(sent):
        if isinstance(one, TimedBar) and isinstance(two, TimedBar):
            assert two.at == pytest.approx(one.next_at)  # without a gap
    if has_ended:
        assert not bars or bars[-1].bar.is_last
    else:
        assert bars
    for change in sent:
        if isinstance(change, ProgrammeChange):  # it can be written into a link and sent again
            row = [change.piece, change.bar, change.parameter, change.value]
            assert read_start({"type": "start", "changes": [row]})


def test_the_last_piece_is_played_to_its_end() -> None:
    start = read_start({"type": "start", "piece": LAST, "bars": 4, "tempo": 120})
    assert start is not None
    sent, has_ended = play(OneNoteComposer(), start, [], 100.0)
    assert has_ended
    assert [item.position for item in sent if isinstance(item, TimedBar)] == [(LAST, bar) for bar in (1, 2, 3, 4)]


def test_a_change_near_the_end_of_the_last_piece_still_takes_effect() -> None:
    """All of the piece has been sent when it is made."""
    start = read_start({"type": "start", "piece": LAST, "bars": 4, "tempo": 120})
    assert start is not None
    sent, has_ended = play(OneNoteComposer(), start, [("tempo", 60, 4.0)], 100.0)
    assert has_ended
    [change] = [item for item in sent if isinstance(item, ProgrammeChange)]
    assert (change.piece, change.value) == (LAST, 60)
    assert sent[-1].seconds == pytest.approx(4.0)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(GOLDEN / "tiny.playbach")


@given(STARTS, st.integers(0, 4))
@example(SHORT_OF_LENGTH, 1)
@settings(deadline=None, max_examples=8)
def test_a_network_composes_from_any_place(composer: Composer, message: dict[str, Any], count: int) -> None:
    start = read_start({**message, "bars": 4})
    if start is None:
        return
    stream = Stream(composer, start.settings(1), start.programme_changes(), start.piece, start.bar)
    try:
        for _ in range(count):
            stream.next()
            stream.change("temperature", 3.0, 0.0)
            stream.end_piece_soon(0.0, 0.0)
    except ProgrammeEnded:
        assert start.piece == LAST


def test_a_stream_may_begin_with_the_greatest_seed() -> None:
    stream = Stream(OneNoteComposer(), ProgrammeSettings(MAX_SEED, 4), piece=LAST)  # type: ignore[arg-type]
    assert stream.next().bar.header.seed == MAX_SEED + LAST == (1 << 53) - 2
