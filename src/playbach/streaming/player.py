"""A stream on this computer: through its speakers, or as notes to a MIDI port, until somebody ends it.

Ending is musical: the piece is brought to a cadence first. Told a second time, it falls silent at once. Knows neither
devices nor terminals: it is given something that takes blocks or notes, and tells of bars when they begin.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from playbach.rendering.soundfont import SAMPLE_RATE, Audio
from playbach.streaming.programme import KnobChange
from playbach.streaming.session import NEXT, Clock, Item, RealClock, Session
from playbach.streaming.stream import Stream, TimedBar, key

if TYPE_CHECKING:  # a MIDI port needs no sound, nor the packages that make it
    from playbach.streaming.live_audio import Sounding

DRUMS = 9
"""General MIDI's channel of drums, counted from 0."""
LEAD = 0.15
"""Seconds by which notes lag behind the stream's clock, so that none is late."""
BLOCK = 3776
"""Samples: with the reverb's tail behind it this just fills a transform of 2^16."""
RING = 1.0
"""Seconds that a last chord is left to ring."""


class Notes(Protocol):
    """What takes notes, as outputs/port.py does."""

    def on(self, channel: int, pitch: int, velocity: int) -> None: ...

    def off(self, channel: int, pitch: int) -> None: ...

    def program(self, channel: int, number: int) -> None: ...

    def silence(self) -> None: ...


class Blocks(Protocol):
    """What takes sound, as outputs/speakers.py does, and waits while it has enough."""

    def write(self, block: Audio) -> None: ...


class Sink(Protocol):
    """Where a stream goes."""

    clock: Clock

    def lay(self, bar: TimedBar) -> None:
        """Play this bar when it is due; it takes the place of all that was laid from there on."""

    def program(self, number: int | None) -> None:
        """Another instrument for all voices; None: the piece's own."""

    async def run(self, now: Callable[[], float]) -> None:
        """Play what is laid, on the stream's clock, until it is cancelled."""

    def silence(self) -> None:
        """Nothing sounds any more."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A note to begin or to end."""

    at: float
    begins: bool
    name: tuple[int, ...]
    channel: int
    pitch: int
    velocity: int


class NotesSink:
    """Sends notes in time."""

    def __init__(self, notes: Notes, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or RealClock()
        self._notes = notes
        self._due: list[_Due] = []
        self._begun: dict[tuple[int, ...], _Due] = {}
        self._program: int | None = None
        self._told: dict[int, int] = {}
        self._own: dict[int, int] = {}
        self._wake = asyncio.Event()

    def lay(self, bar: TimedBar) -> None:
        dropped = {due.name for due in self._due if due.begins and due.at >= bar.at - 1e-6}
        self._due = [due for due in self._due if due.name not in dropped]
        tracks = bar.bar.opening.tracks
        for timed, begins in (*((t, False) for t in bar.held), *((t, True) for t in bar.notes)):
            note = timed.note
            name = (bar.place[0], *key(note))
            track = tracks[note.track]
            channel = DRUMS if track.drums else note.track + (note.track >= DRUMS)
            self._due = [due for due in self._due if due.begins or due.name != name]
            if begins:
                self._due.append(_Due(timed.at, True, name, channel, note.pitch, note.velocity))
            elif name not in self._begun and all(due.name != name for due in self._due):
                continue  # it had begun before this stream did, or has ended
            self._due.append(_Due(timed.at + timed.seconds, False, name, channel, note.pitch, 0))
            self._own[channel] = track.program
        # What ends comes before what begins then, so that a note can be struck again.
        self._due.sort(key=lambda due: (due.at, due.begins))
        self._wake.set()

    def program(self, number: int | None) -> None:
        self._program = number
        for channel in self._own:
            self._choose(channel)

    def _choose(self, channel: int) -> None:
        wanted = self._own[channel] if self._program is None or channel == DRUMS else self._program
        if self._told.get(channel) != wanted:
            self._told[channel] = wanted
            self._notes.program(channel, wanted)

    async def run(self, now: Callable[[], float]) -> None:
        while True:
            self._wake.clear()
            while self._due and self._due[0].at + LEAD <= now() + 0.0005:
                self._play(self._due.pop(0))
            wait = self._due[0].at + LEAD - now() if self._due else 1.0
            await self.clock.wait(self._wake, max(wait, 0.0))

    def _play(self, due: _Due) -> None:
        if due.begins:
            self._choose(due.channel)
            self._begun[due.name] = due
            self._notes.on(due.channel, due.pitch, due.velocity)
        elif self._begun.pop(due.name, None) is not None and not self._doubled(due):
            self._notes.off(due.channel, due.pitch)

    def _doubled(self, due: _Due) -> bool:
        """Whether another note holds the same key of the same channel."""
        return any((d.channel, d.pitch) == (due.channel, due.pitch) for d in self._begun.values())

    def silence(self) -> None:
        self._due, self._begun = [], {}
        self._notes.silence()


class SoundSink:
    """Mixes, in a thread of its own that the device keeps waiting: the device's samples are the clock. Notes are
    rendered in another one, as that takes longer than the device waits."""

    def __init__(self, blocks: Blocks, sounding: Sounding) -> None:
        self.clock: Clock = _SampleClock(self)
        self._blocks, self._sounding = blocks, sounding
        self._lock = threading.Lock()
        self._fault: Exception | None = None
        self._renderer = ThreadPoolExecutor(1, "sound")
        self._bars: list[TimedBar] = []
        self._begun, self._over = threading.Event(), threading.Event()

    @property
    def seconds(self) -> float:
        """How much has been given to the device."""
        return self._sounding.mix.at / SAMPLE_RATE

    def lay(self, bar: TimedBar) -> None:
        self._bars = [b for b in self._bars if self.seconds < b.following and b.at < bar.at] + [bar]
        self._renderer.submit(self._lay, bar)

    def program(self, number: int | None) -> None:
        self._sounding.program = number
        for bar in [b for b in self._bars if b.at > self.seconds]:
            self._renderer.submit(self._lay, bar)

    def _lay(self, bar: TimedBar) -> None:
        if self._over.is_set():
            return
        try:
            laid = self._sounding.ready(bar)
            with self._lock:
                self._sounding.lay(laid)
        except Exception as error:  # nobody waits for this thread: who writes raises it
            self._fault = error
        self._begun.set()

    async def run(self, now: Callable[[], float]) -> None:
        try:
            await asyncio.to_thread(self._write)
        finally:
            self._over.set()
            self._renderer.shutdown(wait=False, cancel_futures=True)

    def _write(self) -> None:
        while not self._over.is_set():
            if not self._begun.wait(0.05):
                continue
            if self._fault is not None:
                raise self._fault
            with self._lock:
                block = self._sounding.mix.read(BLOCK)
            self._blocks.write(block)

    def silence(self) -> None:
        with self._lock:
            self._sounding.mix.release()
        self._over.set()


class _SampleClock:
    def __init__(self, sink: SoundSink) -> None:
        self._sink = sink

    def now(self) -> float:
        return self._sink.seconds

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        await RealClock().wait(until, seconds)


class Player:
    """Plays a stream into a sink. `tell` hears of each bar when it begins, and of each change."""

    def __init__(self, stream: Stream, sink: Sink, executor: Executor, tell: Callable[[Item], None]) -> None:
        self.sink = sink
        self._tell = tell
        self._session = Session(stream, self._give, executor, sink.clock)
        self._bars: list[TimedBar] = []
        self._untold: list[TimedBar] = []
        self._endings, self._asked = 0, 0.0
        self._wake = asyncio.Event()

    def turn(self, knob: str, value: float | None = None) -> None:
        self._session.turn(knob, value)

    def end(self) -> None:
        """On a cadence; called again, at once."""
        self._endings += 1
        if self._endings == 1:
            self._asked = self._session.now
            self._session.turn(NEXT)
        self._wake.set()

    def end_now(self) -> None:
        self._endings += 2
        self._wake.set()

    async def run(self) -> bool:
        """Until it has ended; whether it ended on a cadence. However it ends, nothing sounds any more."""
        tasks = [asyncio.create_task(c) for c in (self._session.run(), self.sink.run(lambda: self._session.now))]
        try:
            while True:
                for task in tasks:
                    if task.done():
                        task.result()
                self._tell_begun()
                if self._endings >= 2 or self._played_out():
                    return self._endings < 2
                self._wake.clear()
                await self.sink.clock.wait(self._wake, 0.05)
        finally:
            self.sink.silence()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _give(self, item: Item) -> None:
        if isinstance(item, KnobChange):
            self._tell(item)
            return
        self._bars = [b for b in self._bars if b.at < item.at and b.following > self._session.now - 5] + [item]
        self._untold = [b for b in self._untold if b.at < item.at] + [item]
        self.sink.lay(item)

    def _tell_begun(self) -> None:
        while self._untold and self._untold[0].at <= self._session.now - LEAD:
            self._tell(self._untold.pop(0))

    def _played_out(self) -> bool:
        """Whether it is to end, and the last chord of the piece has rung, or the next piece would begin."""
        if not self._endings:
            return False
        last = next((b for b in self._bars if b.bar.last and b.following > self._asked), None)
        if last is None:
            return False
        rung = last.at + last.seconds + LEAD + RING
        return self._session.now >= min(rung, last.following)
