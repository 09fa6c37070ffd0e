"""Music that is composed while it plays: it depends only on seed, settings and changes; bars are sent in time and
without a gap; changes take effect at the next bar line."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import playbach
from helpers.paths import GOLDEN
from playbach.inference.composing import Composer
from playbach.inference.options import ComposeOptions, ParameterChange
from playbach.music.events import Note
from playbach.streaming.programme import ComposedBar, Programme
from playbach.streaming.session import Pacing, Session, StreamItem
from playbach.streaming.settings import PARAMETERS, ProgrammeChange, ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar
from playbach.system.errors import UsageError

TINY = GOLDEN / "tiny.playbach"
BARS = 5


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(TINY)


def next_bars(programme: Programme, count: int) -> list[ComposedBar]:
    return [programme.next() for _ in range(count)]


def notes(bars: list[ComposedBar]) -> list[tuple[int, ...]]:
    return [(*b.position, n.tick, n.duration, n.track, n.pitch, n.velocity) for b in bars for n in b.notes]


def test_a_programme_consists_of_the_pieces_that_compose_makes(composer: Composer) -> None:
    programme = Programme(composer, ProgrammeSettings(40, BARS))
    bars = []
    while not bars or bars[-1].header.piece < 3:
        bars.append(programme.next())
    for number in range(3):
        own = sorted((t, track, p, v, d) for k, _, t, d, track, p, v in notes(bars) if k == number)
        events = composer.piece(40 + number, ComposeOptions(bars=BARS))
        assert own == sorted(
            (n.tick, n.track, n.pitch, n.velocity, n.duration) for n in events if isinstance(n, Note)
        )


def test_bars_follow_each_other(composer: Composer) -> None:
    """Numbers and ticks have no gap, every piece ends, and `held` has the notes that go on from the last bar."""
    bars = next_bars(Programme(composer, ProgrammeSettings(3, BARS)), 24)
    assert {bar.header.piece for bar in bars} >= {0, 1, 2, 3}
    for one, two in pairwise(bars):
        if one.is_last:
            assert two.header.piece == one.header.piece + 1
            assert (two.tick, two.held) == (0, ())
            assert two.number in (0, 1)
        else:
            assert two.position == (one.header.piece, one.number + 1)
            assert two.tick == one.tick + one.ticks
            sounding = {n for n in (*one.held, *one.notes) if n.tick + n.duration > two.tick}
            assert set(two.held) == sounding
        assert all(one.tick <= n.tick < one.tick + one.ticks for n in one.notes)


def test_a_programme_can_begin_anywhere(composer: Composer) -> None:
    whole = next_bars(Programme(composer, ProgrammeSettings(3, BARS)), 12)
    position = whole[8].position
    assert (
        next_bars(Programme(composer, ProgrammeSettings(3, BARS), piece=position[0], bar=position[1]), 4) == whole[8:]
    )
    past_the_end = Programme(composer, ProgrammeSettings(3, BARS), piece=0, bar=30)  # this piece has no such bar
    assert past_the_end.next().header.piece == 1


@st.composite
def parameter_changes(draw: st.DrawFn) -> list[ProgrammeChange]:
    """Changes in the first two pieces, in their order."""
    positions = sorted(draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, BARS)), max_size=4)))
    values = {"temperature": (None, 0.0, 2.5), "tempo": (None, 50.0, 120.0)}
    changes = []
    for piece, bar in positions:
        parameter = draw(st.sampled_from(sorted(values)))
        changes.append(ProgrammeChange(piece, bar, parameter, draw(st.sampled_from(values[parameter]))))
    return changes


@settings(max_examples=6, phases=[Phase.generate])
@given(seed=st.integers(0, 100), changes=parameter_changes())
def test_a_replay_with_all_changes_is_the_same_music(seed: int, changes: list[ProgrammeChange]) -> None:
    """The same as when each change is made while it plays, after bars ahead of it have been returned."""
    composer = playbach.load(TINY)
    known = Stream(composer, ProgrammeSettings(seed, BARS), changes)
    expected = [known.next() for _ in range(2 * BARS)]
    live = Stream(composer, ProgrammeSettings(seed, BARS))
    latest: dict[tuple[int, int], TimedBar] = {}
    rest = list(changes)
    while len(latest) < 2 * BARS or rest:
        for _ in range(3):
            bar = live.next()
            latest = {position: b for position, b in latest.items() if position < bar.position} | {bar.position: bar}
        while rest and latest and max(latest) >= (rest[0].piece, rest[0].bar):
            change = rest.pop(0)
            at = next(b.at for b in latest.values() if b.position >= (change.piece, change.bar))
            if live.change(change.parameter, change.value, at) is not None:
                latest = {position: b for position, b in latest.items() if b.at < at}
    played = [latest[position] for position in sorted(latest)][: 2 * BARS]
    assert [b.bar.notes for b in played] == [b.bar.notes for b in expected][: len(played)]
    assert [round(b.at, 6) for b in played] == [round(b.at, 6) for b in expected][: len(played)]


def test_temperature_changes_notes_from_its_bar_on(composer: Composer) -> None:
    different = 0
    for seed in range(4):
        plain = next_bars(Programme(composer, ProgrammeSettings(seed, BARS)), 2 * BARS)
        hot = next_bars(
            Programme(composer, ProgrammeSettings(seed, BARS), [ProgrammeChange(0, 3, "temperature", 4.0)]), 2 * BARS
        )
        line = next(b.tick for b in plain if b.position == (0, 3))

        def onsets(bars: list[ComposedBar], line: int = line) -> list[tuple[int, ...]]:
            return [(n[2], n[4], n[5], n[6]) for n in notes(bars) if n[0] == 0 and n[2] < line]

        assert onsets(plain) == onsets(hot)
        # From its bar line on, it is the piece that `compose` makes with this change.
        piece = composer.piece(seed, ComposeOptions(bars=BARS, changes=(ParameterChange(3, 4.0),)))
        changed = sorted(
            (n.tick, n.track, n.pitch, n.velocity) for n in piece if isinstance(n, Note) and n.tick >= line
        )
        assert changed == sorted((n[2], n[4], n[5], n[6]) for n in notes(hot) if n[0] == 0 and n[2] >= line)
        different += notes(plain) != notes(hot)
    assert different >= 3


def next_timed_bars(stream: Stream, count: int) -> list[TimedBar]:
    return [stream.next() for _ in range(count)]


def test_bars_follow_each_other_in_time(composer: Composer) -> None:
    """Within a piece without a gap; between two pieces there is a breath of two quarter notes."""
    for one, two in pairwise(next_timed_bars(Stream(composer, ProgrammeSettings(3, BARS, tempo=60)), 3 * BARS)):
        assert two.at == pytest.approx(one.next_at)
        breath = 2.0 if one.bar.is_last else 0.0
        assert one.next_at - one.at - one.seconds == pytest.approx(breath)
        for note in one.notes:
            assert one.at - 1e-9 <= note.at < one.at + one.seconds
            assert note.seconds > 0


def test_the_tempo_is_the_one_asked_for(composer: Composer) -> None:
    for bar in next_timed_bars(Stream(composer, ProgrammeSettings(3, BARS, tempo=150)), BARS - 2):
        assert bar.seconds == pytest.approx(bar.bar.ticks / 480 * 60 / 150)


def test_the_last_bar_slows_down_at_any_tempo(composer: Composer) -> None:
    def lengths(tempo: float) -> list[float]:
        bars = next_timed_bars(Stream(composer, ProgrammeSettings(3, BARS, tempo=tempo)), 2 * BARS)
        return [b.seconds * tempo / b.bar.ticks for b in bars if b.position[0] == 0]

    assert lengths(40) == pytest.approx(lengths(160))
    assert lengths(40)[-1] > 1.2 * lengths(40)[0]


def test_a_note_across_a_tempo_change_gets_a_new_end(composer: Composer) -> None:
    """In `held` of the next bar, with its old onset."""
    found = 0
    for seed in range(12):
        changes = [ProgrammeChange(0, n, "tempo", 60 + 40 * (n % 2)) for n in range(1, 8)]
        bars = next_timed_bars(Stream(composer, ProgrammeSettings(seed, 8), changes), 8)
        for one, two in pairwise(bars):
            for held in two.held if not one.bar.is_last else ():
                before = next((t for t in (*one.notes, *one.held) if t.note == held.note), None)
                assert before is not None
                found += 1
                assert held.at == pytest.approx(before.at)
                rest = (held.note.tick + held.note.duration - two.bar.tick) / 480 * 60 / two.tempos[0][2]
                if len(two.tempos) == 1 or held.note.tick + held.note.duration <= two.tempos[1][0]:
                    assert held.at + held.seconds == pytest.approx(two.at + rest)
    assert found > 5


def test_a_piece_can_be_ended_soon(composer: Composer) -> None:
    stream = Stream(composer, ProgrammeSettings(3, 16))
    first_bars = next_timed_bars(stream, 4)
    change = stream.end_piece_soon(first_bars[2].at, 0.0)
    assert change is not None
    assert (change.parameter, change.piece, change.bar) == ("length", 0, first_bars[2].position[1])
    rest = next_timed_bars(stream, 4)
    assert [bar.bar.is_last for bar in rest] == [False, False, True, False]
    assert stream.end_piece_soon(rest[0].at, 0.0) is None  # it ends as soon anyway
    last = rest[2]
    assert stream.end_piece_soon(last.next_at, last.at) is None  # the change would affect the next piece


def test_a_change_to_the_same_value_changes_nothing(composer: Composer) -> None:
    stream = Stream(composer, ProgrammeSettings(3, BARS, tempo=90))
    bars = next_timed_bars(stream, 3)
    assert stream.change("tempo", 90, bars[1].at) is None
    assert stream.change("temperature", None, bars[1].at) is None
    assert stream.next().at == pytest.approx(bars[-1].next_at)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ProgrammeSettings(-1),
        lambda: ProgrammeSettings(1 << 53),
        lambda: ProgrammeSettings(1, 3),
        lambda: ProgrammeSettings(1, 33),
        lambda: ProgrammeSettings(1, 8, temperature=4.1),
        lambda: ProgrammeSettings(1, 8, tempo=19),
        lambda: ProgrammeSettings("x"),
        lambda: ProgrammeChange(-1, 0, "tempo", 60),
        lambda: ProgrammeChange(0, 33, "tempo", 60),
        lambda: ProgrammeChange(0, 1, "volume", 1),
        lambda: ProgrammeChange(0, 5, "length", 4),
        lambda: ProgrammeChange(0, 5, "length", None),
        lambda: ProgrammeChange(0, 5, "tempo", True),
    ],
)
def test_values_out_of_range_are_rejected(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_accepted_within_its_range(name: str) -> None:
    parameter = PARAMETERS[name]
    for value in (parameter.low, parameter.high):
        assert ProgrammeChange(0, 0, name, value).value == value
        if parameter.lasts:
            assert ProgrammeSettings(0, **{name: value}).values[name] == value
    for outside in (parameter.low - 1, parameter.high + 1):
        with pytest.raises(UsageError, match=f"{name} must be a (whole )?number between|{name} must be between"):
            ProgrammeChange(0, 0, name, outside)
        if parameter.lasts:
            with pytest.raises(UsageError, match=f"{name} must be a (whole )?number between|{name} must be between"):
                ProgrammeSettings(0, **{name: outside})


class JumpingClock:
    """A clock that jumps to the end of each wait. It calls the functions in `todo` at their times."""

    def __init__(self, until: float) -> None:
        self.time, self.until = 1000.0, 1000.0 + until
        self.todo: list[tuple[float, Any]] = []
        self.over = asyncio.Event()

    def now(self) -> float:
        return self.time

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        end = self.time + seconds
        while self.todo and self.todo[0][0] + 1000 <= end:
            self.time = max(self.time, self.todo[0][0] + 1000)
            self.todo.pop(0)[1]()
            if until.is_set():
                return
        self.advance_to(end)
        await asyncio.sleep(0)

    def advance_to(self, time: float) -> None:
        self.time = max(self.time, time)
        if self.time >= self.until:
            self.over.set()


class ImmediateExecutor(Executor):
    """Composes at once; the clock advances by `cost` seconds a bar."""

    def __init__(self, clock: JumpingClock, cost: float = 0.05) -> None:
        self.clock, self.cost = clock, cost

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.clock.advance_to(self.clock.time + self.cost)
        future.set_result(fn(*args, **kwargs))
        return future


Sent = list[tuple[float, StreamItem]]


def run_session(
    composer: Composer, seconds: float, *todo: tuple[float, str, float | None], cost: float = 0.05
) -> tuple[Sent, Session]:
    """What a session sends within `seconds`, each item with the stream's time. `todo` has changes and their times."""

    async def main() -> tuple[Sent, Session]:
        clock, sent = JumpingClock(seconds), []
        session = Session(
            Stream(composer, ProgrammeSettings(9, BARS, tempo=80)), lambda item: sent.append((session.now, item)),
            ImmediateExecutor(clock, cost), clock,
        )  # fmt: skip
        clock.todo = [(at, lambda p=parameter, v=value: session.change(p, v)) for at, parameter, value in todo]
        task = asyncio.create_task(session.run())
        over = asyncio.create_task(clock.over.wait())
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        assert over.done(), task.exception()
        task.cancel()
        return sent, session

    return asyncio.run(main())


def test_bars_are_sent_in_time_and_not_too_early(composer: Composer) -> None:
    sent, session = run_session(composer, 120)
    ahead = Pacing().ahead
    bars = [(now, item) for now, item in sent if isinstance(item, TimedBar)]
    assert bars[-1][1].next_at > 115
    for now, bar in bars:
        assert bar.at - ahead - 0.1 <= now <= bar.at
    for (_, one), (_, two) in pairwise(bars):
        assert two.at == pytest.approx(one.next_at)
    assert session.statistics.late == 0
    assert session.statistics.bars == len(bars)


def test_late_bars_are_counted(composer: Composer) -> None:
    _, session = run_session(composer, 60, cost=4.0)
    assert session.statistics.late > 5


@pytest.mark.parametrize(("parameter", "value"), [("temperature", 3.0), ("tempo", 200.0)])
def test_a_change_takes_effect_within_a_bar(composer: Composer, parameter: str, value: float) -> None:
    """Bars of three seconds that were sent ahead are sent again, after the change and before they are due."""
    sent, _ = run_session(composer, 30, (10.0, parameter, value))
    at = next(i for i, (_, item) in enumerate(sent) if isinstance(item, ProgrammeChange))
    change = sent[at][1]
    assert isinstance(change, ProgrammeChange)
    assert (change.parameter, change.value) == (parameter, value)
    now, first = sent[at + 1]
    assert isinstance(first, TimedBar)
    assert first.position == (change.piece, change.bar)
    sent_before = [item for _, item in sent[:at] if isinstance(item, TimedBar)]
    assert first.position in {bar.position for bar in sent_before}
    assert 9.9 < now <= first.at <= 10 + 3 + 1
    later = [item for _, item in sent[at + 1 :] if isinstance(item, TimedBar)]
    for one, two in pairwise(later):
        assert two.at == pytest.approx(one.next_at)
    assert all(bar.temperature == (3.0 if parameter == "temperature" else 1.0) for bar in later)


def test_a_moving_slider_changes_at_most_once_a_second(composer: Composer) -> None:
    """The last value counts."""
    moves = [(10 + i / 20, "temperature", 0.5 + i / 20) for i in range(40)]
    sent, _ = run_session(composer, 30, *moves)
    changes = [item for _, item in sent if isinstance(item, ProgrammeChange)]
    assert 2 <= len(changes) <= 4
    assert changes[-1].value == moves[-1][2]


def test_next_ends_the_piece(composer: Composer) -> None:
    async def main() -> list[TimedBar]:
        clock, sent = JumpingClock(40), []
        session = Session(
            Stream(composer, ProgrammeSettings(9, 32, tempo=80)), sent.append, ImmediateExecutor(clock), clock
        )
        clock.todo = [(10.0, lambda: session.next_piece())]
        task = asyncio.create_task(session.run())
        over = asyncio.create_task(clock.over.wait())
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        assert over.done(), task.exception()
        task.cancel()
        return [item for item in sent if isinstance(item, TimedBar)]

    last = next(bar for bar in asyncio.run(main()) if bar.bar.is_last)
    assert last.position[0] == 0
    assert last.at < 22
