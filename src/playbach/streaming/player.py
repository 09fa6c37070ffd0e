"""Plays a stream on this computer, through its speakers or to a MIDI port, until somebody ends it.

The first request to end brings the piece to a cadence, the second one stops at once. Knows neither devices nor
terminals: the caller passes objects that accept notes or sound, and a function that is called when a bar begins.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from playbach.music.midi.writing import DRUM_CHANNEL
from playbach.rendering.soundfont import SAMPLE_RATE, Audio
from playbach.streaming.session import Clock, RealClock, Session, StreamItem
from playbach.streaming.settings import ProgrammeChange
from playbach.streaming.stream import Stream, TimedBar, note_key

if TYPE_CHECKING:  # a MIDI port needs no sound, nor the packages that make it
    from playbach.streaming.live_audio import StreamRenderer

DELAY_SECONDS = 0.15
"""Notes are sent this long after their time in the stream, so that none is late."""
SPEAKER_BLOCK = 3776
"""In samples; together with the reverb's tail, a block exactly fills a Fourier transform of 2^16 samples."""
RING_SECONDS = 1.0
"""How long the last chord rings."""


class MidiDevice(Protocol):
    """Accepts notes; streaming/port.py has one."""

    def on(self, channel: int, pitch: int, velocity: int) -> None: ...

    def off(self, channel: int, pitch: int) -> None: ...

    def program(self, channel: int, number: int) -> None: ...

    def silence(self) -> None: ...


class AudioDevice(Protocol):
    """Accepts blocks of sound, and waits while it has enough; streaming/speakers.py has one."""

    def write(self, block: Audio) -> None: ...


class StreamOutput(Protocol):
    """Plays the bars of a stream."""

    clock: Clock

    def schedule(self, bar: TimedBar) -> None:
        """Play this bar when it is due. It replaces everything scheduled from its beginning on."""

    def set_instrument(self, program: int | None) -> None:
        """Play all voices with this instrument. None: each voice's own."""

    async def run(self, now: Callable[[], float]) -> None:
        """Play what is scheduled until cancelled. `now` is the stream's clock."""

    def silence(self) -> None:
        """End all sound."""


@dataclass(frozen=True, slots=True)
class _NoteEvent:
    """The beginning or the end of a note."""

    at: float
    is_onset: bool
    key: tuple[int, ...]
    channel: int
    pitch: int
    velocity: int


class MidiOutput:
    """Sends notes to a MIDI device when they are due."""

    def __init__(self, device: MidiDevice, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or RealClock()
        self._device = device
        self._events: list[_NoteEvent] = []
        self._sounding: dict[tuple[int, ...], _NoteEvent] = {}
        self._program: int | None = None
        self._sent_programs: dict[int, int] = {}
        self._track_programs: dict[int, int] = {}
        self._wake = asyncio.Event()

    def schedule(self, bar: TimedBar) -> None:
        replaced = {event.key for event in self._events if event.is_onset and event.at >= bar.at - 1e-6}
        self._events = [event for event in self._events if event.key not in replaced]
        tracks = bar.bar.header.tracks
        for timed, is_onset in (*((t, False) for t in bar.held), *((t, True) for t in bar.notes)):
            note = timed.note
            key = (bar.position[0], *note_key(note))
            track = tracks[note.track]
            channel = DRUM_CHANNEL if track.drums else note.track + (note.track >= DRUM_CHANNEL)
            self._events = [event for event in self._events if event.is_onset or event.key != key]
            if is_onset:
                self._events.append(_NoteEvent(timed.at, True, key, channel, note.pitch, note.velocity))
            elif key not in self._sounding and all(event.key != key for event in self._events):
                continue  # it began before this stream, or has ended
            self._events.append(_NoteEvent(timed.at + timed.seconds, False, key, channel, note.pitch, 0))
            self._track_programs[channel] = track.program
        # At the same time, ends come before onsets, so that a note can be struck again.
        self._events.sort(key=lambda event: (event.at, event.is_onset))
        self._wake.set()

    def set_instrument(self, program: int | None) -> None:
        self._program = program
        for channel in self._track_programs:
            self._send_program(channel)

    def _send_program(self, channel: int) -> None:
        program = self._program
        if program is None or channel == DRUM_CHANNEL:
            program = self._track_programs[channel]
        if self._sent_programs.get(channel) != program:
            self._sent_programs[channel] = program
            self._device.program(channel, program)

    async def run(self, now: Callable[[], float]) -> None:
        while True:
            self._wake.clear()
            while self._events and self._events[0].at + DELAY_SECONDS <= now() + 0.0005:
                self._send(self._events.pop(0))
            wait = self._events[0].at + DELAY_SECONDS - now() if self._events else 1.0
            await self.clock.wait(self._wake, max(wait, 0.0))

    def _send(self, event: _NoteEvent) -> None:
        if event.is_onset:
            self._send_program(event.channel)
            self._sounding[event.key] = event
            self._device.on(event.channel, event.pitch, event.velocity)
        elif self._sounding.pop(event.key, None) is not None and not self._is_held_by_another(event):
            self._device.off(event.channel, event.pitch)

    def _is_held_by_another(self, event: _NoteEvent) -> bool:
        """Whether another note sounds at the same pitch of the same channel."""
        return any((e.channel, e.pitch) == (event.channel, event.pitch) for e in self._sounding.values())

    def silence(self) -> None:
        self._events, self._sounding = [], {}
        self._device.silence()


class AudioOutput:
    """Mixes sound and writes it to an audio device.

    The number of written samples is the clock. The writing thread waits for the device. Notes are rendered in another
    thread, since that can take longer than the device waits.
    """

    def __init__(self, device: AudioDevice, renderer: StreamRenderer) -> None:
        self.clock: Clock = _SampleClock(self)
        self._device, self._renderer = device, renderer
        self._lock = threading.Lock()
        self._fault: Exception | None = None
        self._thread = ThreadPoolExecutor(1, "sound")
        self._bars: list[TimedBar] = []
        self._started, self._ended = threading.Event(), threading.Event()

    @property
    def seconds(self) -> float:
        """The duration of what was written to the device."""
        return self._renderer.mix.at / SAMPLE_RATE

    def schedule(self, bar: TimedBar) -> None:
        self._bars = [b for b in self._bars if self.seconds < b.next_at and b.at < bar.at] + [bar]
        self._thread.submit(self._render, bar)

    def set_instrument(self, program: int | None) -> None:
        self._renderer.program = program
        for bar in [b for b in self._bars if b.at > self.seconds]:
            self._thread.submit(self._render, bar)

    def _render(self, bar: TimedBar) -> None:
        if self._ended.is_set():
            return
        try:
            rendered = self._renderer.render(bar)
            with self._lock:
                self._renderer.mix_in(rendered)
        except Exception as error:  # nothing waits for this thread, so the writing thread raises the error
            self._fault = error
        self._started.set()

    async def run(self, now: Callable[[], float]) -> None:
        try:
            await asyncio.to_thread(self._write)
        finally:
            self._ended.set()
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _write(self) -> None:
        while not self._ended.is_set():
            if not self._started.wait(0.05):
                continue
            if self._fault is not None:
                raise self._fault
            with self._lock:
                block = self._renderer.mix.read(SPEAKER_BLOCK)
            self._device.write(block)

    def silence(self) -> None:
        with self._lock:
            self._renderer.mix.release_all()
        self._ended.set()


class _SampleClock:
    def __init__(self, output: AudioOutput) -> None:
        self._output = output

    def now(self) -> float:
        return self._output.seconds

    async def wait(self, until: asyncio.Event, seconds: float) -> None:
        await RealClock().wait(until, seconds)


class Player:
    """Plays a stream to an output. `report` is called with each bar when it begins, and with each change."""

    def __init__(
        self, stream: Stream, output: StreamOutput, executor: Executor, report: Callable[[StreamItem], None]
    ) -> None:
        self.output = output
        self._report = report
        self._session = Session(stream, self._receive, executor, output.clock)
        self._bars: list[TimedBar] = []
        self._unreported: list[TimedBar] = []
        self._end_requests, self._end_requested_at = 0, 0.0
        self._wake = asyncio.Event()

    def change(self, parameter: str, value: float | None) -> None:
        """Change `temperature` or `tempo`; None: the default of the model or of the piece."""
        self._session.change(parameter, value)

    def next_piece(self) -> None:
        """End this piece soon, with a cadence, and go on with the next one."""
        self._session.next_piece()

    def end(self) -> None:
        """End with a cadence; the second call ends at once."""
        self._end_requests += 1
        if self._end_requests == 1:
            self._end_requested_at = self._session.now
            self._session.next_piece()
        self._wake.set()

    def end_now(self) -> None:
        self._end_requests += 2
        self._wake.set()

    async def run(self) -> bool:
        """Play until the end; return whether it was a cadence. However playing ends, nothing sounds afterwards."""
        coroutines = (self._session.run(), self.output.run(lambda: self._session.now))
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        try:
            while True:
                for task in tasks:
                    if task.done():
                        task.result()
                self._report_bars()
                if self._end_requests >= 2 or self._has_ended():
                    return self._end_requests < 2
                self._wake.clear()
                await self.output.clock.wait(self._wake, 0.05)
        finally:
            self.output.silence()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _receive(self, item: StreamItem) -> None:
        if isinstance(item, ProgrammeChange):
            self._report(item)
            return
        self._bars = [b for b in self._bars if b.at < item.at and b.next_at > self._session.now - 5] + [item]
        self._unreported = [b for b in self._unreported if b.at < item.at] + [item]
        self.output.schedule(item)

    def _report_bars(self) -> None:
        """Report the bars that have begun."""
        while self._unreported and self._unreported[0].at <= self._session.now - DELAY_SECONDS:
            self._report(self._unreported.pop(0))

    def _has_ended(self) -> bool:
        """Whether, after a request to end, the last chord has rung, or the next piece would begin."""
        if not self._end_requests:
            return False
        last = next((b for b in self._bars if b.bar.is_last and b.next_at > self._end_requested_at), None)
        if last is None:
            return False
        silent_at = last.at + last.seconds + DELAY_SECONDS + RING_SECONDS
        return self._session.now >= min(silent_at, last.next_at)
