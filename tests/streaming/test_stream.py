"""Music that is composed while it plays: a pure function of seed, settings and changes; no gap, and nothing given too
early or too late; knobs that turn at the next bar line."""

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
from playbach.inference.generation import ParameterChange
from playbach.music.events import Note
from playbach.streaming import NEXT, Bar, Item, KnobChange, Pacing, Programme, Session, Settings, Stream, TimedBar
from playbach.system.errors import UsageError

TINY = GOLDEN / "tiny.playbach"
BARS = 5


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(TINY)


def taken(programme: Programme, count: int) -> list[Bar]:
    return [programme.next() for _ in range(count)]


def notes(bars: list[Bar]) -> list[tuple[int, ...]]:
    return [(*b.place, n.tick, n.duration, n.track, n.pitch, n.velocity) for b in bars for n in b.notes]


def test_a_programme_is_the_pieces_that_compose_makes(composer: Composer) -> None:
    programme = Programme(composer, Settings(40, BARS))
    bars = []
    while not bars or bars[-1].opening.piece < 3:
        bars.append(programme.next())
    for number in range(3):
        own = sorted((t, track, p, v, d) for k, _, t, d, track, p, v in notes(bars) if k == number)
        events = composer.piece(40 + number, bars=BARS)
        assert own == sorted(
            (n.tick, n.track, n.pitch, n.velocity, n.duration) for n in events if isinstance(n, Note)
        )


def test_bars_follow_each_other(composer: Composer) -> None:
    """In numbers, and in ticks without a gap; every piece ends, and holds what the bar before left sounding."""
    bars = taken(Programme(composer, Settings(3, BARS)), 24)
    assert {bar.opening.piece for bar in bars} >= {0, 1, 2, 3}
    for one, two in pairwise(bars):
        if one.last:
            assert two.opening.piece == one.opening.piece + 1
            assert (two.tick, two.held) == (0, ())
            assert two.number in (0, 1)
        else:
            assert two.place == (one.opening.piece, one.number + 1)
            assert two.tick == one.tick + one.ticks
            sounding = {n for n in (*one.held, *one.notes) if n.tick + n.duration > two.tick}
            assert set(two.held) == sounding
        assert all(one.tick <= n.tick < one.tick + one.ticks for n in one.notes)


def test_a_programme_can_begin_anywhere(composer: Composer) -> None:
    whole = taken(Programme(composer, Settings(3, BARS)), 12)
    place = whole[8].place
    assert taken(Programme(composer, Settings(3, BARS), piece=place[0], bar=place[1]), 4) == whole[8:]
    behind = Programme(composer, Settings(3, BARS), piece=0, bar=30)  # this piece has no such bar
    assert behind.next().opening.piece == 1


@st.composite
def turned_knobs(draw: st.DrawFn) -> list[KnobChange]:
    """Of the first two pieces, in their order."""
    places = sorted(draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, BARS)), max_size=4)))
    knobs = {"temperature": (None, 0.0, 2.5), "tempo": (None, 50.0, 120.0)}
    made = []
    for piece, bar in places:
        knob = draw(st.sampled_from(sorted(knobs)))
        made.append(KnobChange(piece, bar, knob, draw(st.sampled_from(knobs[knob]))))
    return made


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(seed=st.integers(0, 100), turned=turned_knobs())
def test_who_knows_the_changes_beforehand_hears_the_same(seed: int, turned: list[KnobChange]) -> None:
    """As one who turned the knobs while it played, each when the bars ahead of it had been given."""
    composer = playbach.load(TINY)
    known = Stream(composer, Settings(seed, BARS), turned)
    expected = [known.next() for _ in range(2 * BARS)]
    live = Stream(composer, Settings(seed, BARS))
    got: dict[tuple[int, int], TimedBar] = {}
    rest = list(turned)
    while len(got) < 2 * BARS or rest:
        for _ in range(3):
            bar = live.next()
            got = {place: b for place, b in got.items() if place < bar.place} | {bar.place: bar}
        while rest and got and max(got) >= (rest[0].piece, rest[0].bar):
            change = rest.pop(0)
            at = next(b.at for b in got.values() if b.place >= (change.piece, change.bar))
            if live.turn(change.knob, change.value, at) is not None:
                got = {place: b for place, b in got.items() if b.at < at}
    heard = [got[place] for place in sorted(got)][: 2 * BARS]
    assert [b.bar.notes for b in heard] == [b.bar.notes for b in expected][: len(heard)]
    assert [round(b.at, 6) for b in heard] == [round(b.at, 6) for b in expected][: len(heard)]


def test_temperature_changes_notes_from_its_bar_on(composer: Composer) -> None:
    different = 0
    for seed in range(4):
        plain = taken(Programme(composer, Settings(seed, BARS)), 2 * BARS)
        hot = taken(Programme(composer, Settings(seed, BARS), [KnobChange(0, 3, "temperature", 4.0)]), 2 * BARS)
        line = next(b.tick for b in plain if b.place == (0, 3))

        def begun(bars: list[Bar], line: int = line) -> list[tuple[int, ...]]:
            return [(n[2], n[4], n[5], n[6]) for n in notes(bars) if n[0] == 0 and n[2] < line]

        assert begun(plain) == begun(hot)
        # From its bar line on it is the piece that was asked to turn there.
        piece = composer.piece(seed, bars=BARS, changes=(ParameterChange(3, 4.0),))
        turned = sorted(
            (n.tick, n.track, n.pitch, n.velocity) for n in piece if isinstance(n, Note) and n.tick >= line
        )
        assert turned == sorted((n[2], n[4], n[5], n[6]) for n in notes(hot) if n[0] == 0 and n[2] >= line)
        different += notes(plain) != notes(hot)
    assert different >= 3


def timed(stream: Stream, count: int) -> list[TimedBar]:
    return [stream.next() for _ in range(count)]


def test_bars_follow_each_other_in_time(composer: Composer) -> None:
    """Without a gap within a piece; between two there is a breath of two quarters."""
    for one, two in pairwise(timed(Stream(composer, Settings(3, BARS, tempo=60)), 3 * BARS)):
        assert two.at == pytest.approx(one.following)
        breath = 2.0 if one.bar.last else 0.0
        assert one.following - one.at - one.seconds == pytest.approx(breath)
        for note in one.notes:
            assert one.at - 1e-9 <= note.at < one.at + one.seconds
            assert note.seconds > 0


def test_the_tempo_is_the_one_asked_for(composer: Composer) -> None:
    for bar in timed(Stream(composer, Settings(3, BARS, tempo=150)), BARS - 2):
        assert bar.seconds == pytest.approx(bar.bar.ticks / 480 * 60 / 150)


def test_the_last_bar_broadens_at_any_tempo(composer: Composer) -> None:
    def lengths(tempo: float) -> list[float]:
        bars = timed(Stream(composer, Settings(3, BARS, tempo=tempo)), 2 * BARS)
        return [b.seconds * tempo / b.bar.ticks for b in bars if b.place[0] == 0]

    assert lengths(40) == pytest.approx(lengths(160))
    assert lengths(40)[-1] > 1.2 * lengths(40)[0]


def test_a_note_across_a_change_of_tempo_is_told_its_new_end(composer: Composer) -> None:
    """In what the next bar holds, with the onset that it had."""
    found = 0
    for seed in range(12):
        turned = [KnobChange(0, n, "tempo", 60 + 40 * (n % 2)) for n in range(1, 8)]
        bars = timed(Stream(composer, Settings(seed, 8), turned), 8)
        for one, two in pairwise(bars):
            for held in two.held if not one.bar.last else ():
                before = next((t for t in (*one.notes, *one.held) if t.note == held.note), None)
                assert before is not None
                found += 1
                assert held.at == pytest.approx(before.at)
                rest = (held.note.tick + held.note.duration - two.bar.tick) / 480 * 60 / two.tempos[0][2]
                if len(two.tempos) == 1 or held.note.tick + held.note.duration <= two.tempos[1][0]:
                    assert held.at + held.seconds == pytest.approx(two.at + rest)
    assert found > 5


def test_a_piece_can_be_brought_to_its_end(composer: Composer) -> None:
    stream = Stream(composer, Settings(3, 16))
    given_bars = timed(stream, 4)
    change = stream.end_soon(given_bars[2].at, 0.0)
    assert change is not None
    assert (change.knob, change.piece, change.bar) == ("length", 0, given_bars[2].place[1])
    rest = timed(stream, 4)
    assert [bar.bar.last for bar in rest] == [False, False, True, False]
    assert stream.end_soon(rest[0].at, 0.0) is None  # it ends as soon anyway
    last = rest[2]
    assert stream.end_soon(last.following, last.at) is None  # that would be the next piece


def test_turning_to_where_it_stands_changes_nothing(composer: Composer) -> None:
    stream = Stream(composer, Settings(3, BARS, tempo=90))
    bars = timed(stream, 3)
    assert stream.turn("tempo", 90, bars[1].at) is None
    assert stream.turn("temperature", None, bars[1].at) is None
    assert stream.next().at == pytest.approx(bars[-1].following)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Settings(-1),
        lambda: Settings(1 << 53),
        lambda: Settings(1, 3),
        lambda: Settings(1, 33),
        lambda: Settings(1, 8, temperature=4.1),
        lambda: Settings(1, 8, tempo=19),
        lambda: Settings("x"),
        lambda: KnobChange(-1, 0, "tempo", 60),
        lambda: KnobChange(0, 33, "tempo", 60),
        lambda: KnobChange(0, 1, "volume", 1),
        lambda: KnobChange(0, 5, "length", 4),
        lambda: KnobChange(0, 5, "length", None),
        lambda: KnobChange(0, 5, "tempo", True),
    ],
)
def test_what_goes_too_far_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


class At:
    """A clock that jumps to where it is told to wait for, and does something on the way."""

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
        self.pass_until(end)
        await asyncio.sleep(0)

    def pass_until(self, time: float) -> None:
        self.time = max(self.time, time)
        if self.time >= self.until:
            self.over.set()


class Here(Executor):
    """Composes at once, on the clock so many seconds a bar."""

    def __init__(self, clock: At, cost: float = 0.05) -> None:
        self.clock, self.cost = clock, cost

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.clock.pass_until(self.clock.time + self.cost)
        future.set_result(fn(*args, **kwargs))
        return future


Given = list[tuple[float, Item]]


def played(
    composer: Composer, seconds: float, *todo: tuple[float, str, float | None], cost: float = 0.05
) -> tuple[Given, Session]:
    """What a session gives in so many seconds, each with the stream's time; `todo` are knobs turned at a time."""

    async def main() -> tuple[Given, Session]:
        clock, got = At(seconds), []
        session = Session(
            Stream(composer, Settings(9, BARS, tempo=80)), lambda item: got.append((session.now, item)),
            Here(clock, cost), clock,
        )  # fmt: skip
        clock.todo = [(at, lambda k=knob, v=value: session.turn(k, v)) for at, knob, value in todo]
        task = asyncio.create_task(session.run())
        over = asyncio.create_task(clock.over.wait())
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        assert over.done(), task.exception()
        task.cancel()
        return got, session

    return asyncio.run(main())


def test_bars_are_given_in_time_and_not_too_early(composer: Composer) -> None:
    got, session = played(composer, 120)
    ahead = Pacing().ahead
    bars = [(now, item) for now, item in got if isinstance(item, TimedBar)]
    assert bars[-1][1].following > 115
    for now, bar in bars:
        assert bar.at - ahead - 0.1 <= now <= bar.at
    for (_, one), (_, two) in pairwise(bars):
        assert two.at == pytest.approx(one.following)
    assert session.figures.late == 0
    assert session.figures.bars == len(bars)


def test_what_comes_late_is_counted(composer: Composer) -> None:
    _, session = played(composer, 60, cost=4.0)
    assert session.figures.late > 5


@pytest.mark.parametrize(("knob", "value"), [("temperature", 3.0), ("tempo", 200.0)])
def test_a_knob_is_heard_within_a_bar(composer: Composer, knob: str, value: float) -> None:
    """Of a bar of three seconds; bars given ahead are given again, after the change, and before they are due."""
    got, _ = played(composer, 30, (10.0, knob, value))
    at = next(i for i, (_, item) in enumerate(got) if isinstance(item, KnobChange))
    change = got[at][1]
    assert isinstance(change, KnobChange)
    assert (change.knob, change.value) == (knob, value)
    now, first = got[at + 1]
    assert isinstance(first, TimedBar)
    assert first.place == (change.piece, change.bar)
    given_before = [item for _, item in got[:at] if isinstance(item, TimedBar)]
    assert first.place in {bar.place for bar in given_before}
    assert 9.9 < now <= first.at <= 10 + 3 + 1
    later = [item for _, item in got[at + 1 :] if isinstance(item, TimedBar)]
    for one, two in pairwise(later):
        assert two.at == pytest.approx(one.following)
    assert all(bar.temperature == (3.0 if knob == "temperature" else 1.0) for bar in later)


def test_a_slider_that_is_pulled_composes_once_a_second(composer: Composer) -> None:
    """The last value counts."""
    pulled = [(10 + i / 20, "temperature", 0.5 + i / 20) for i in range(40)]
    got, _ = played(composer, 30, *pulled)
    turned = [item for _, item in got if isinstance(item, KnobChange)]
    assert 2 <= len(turned) <= 4
    assert turned[-1].value == pulled[-1][2]


def test_next_ends_the_piece(composer: Composer) -> None:
    async def main() -> list[TimedBar]:
        clock, got = At(40), []
        session = Session(Stream(composer, Settings(9, 32, tempo=80)), got.append, Here(clock), clock)
        clock.todo = [(10.0, lambda: session.turn(NEXT))]
        task = asyncio.create_task(session.run())
        over = asyncio.create_task(clock.over.wait())
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        assert over.done(), task.exception()
        task.cancel()
        return [item for item in got if isinstance(item, TimedBar)]

    last = next(bar for bar in asyncio.run(main()) if bar.bar.last)
    assert last.place[0] == 0
    assert last.at < 22
