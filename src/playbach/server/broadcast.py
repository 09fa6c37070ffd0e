"""`live.mp3`: the station as one endless MP3, rendered and encoded once for all its listeners; and the sound test.

Sound is made in a thread of its own, half a second at a time, two seconds ahead of the station's clock; who comes
gets the latest three seconds at once, so that a player has something to begin with. Who does not read is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from playbach.rendering.audio import BLOCK, Cue, NoteBank, voice
from playbach.rendering.soundfont import SAMPLE_RATE, place
from playbach.server.page import File, file_of
from playbach.server.state import ServerState
from playbach.server.station import Station
from playbach.streaming import Clock, RealClock, TimedBar
from playbach.streaming.live_audio import Sounding
from playbach.streaming.live_mix import STEP, Endless, Mp3

BLOCK_SAMPLES = SAMPLE_RATE // 2 // STEP * STEP
AHEAD = 2.0
BURST = 6
"""Blocks that a listener who comes is sent at once."""
MOST_UNREAD = 30
"""Blocks that may wait for one listener: a quarter of a minute."""


class AudioClient:
    """One listener: the blocks that wait for it, and whether it has let too many of them wait."""

    def __init__(self) -> None:
        self.blocks: asyncio.Queue[bytes] = asyncio.Queue(MOST_UNREAD)
        self.dropped = asyncio.Event()


class Broadcast:
    """Runs while somebody listens."""

    def __init__(self, house: ServerState, station: Station, clock: Clock | None = None) -> None:
        self._house, self._station = house, station
        self._clock = clock or RealClock()
        self._thread = ThreadPoolExecutor(1, "sound")
        self._ears: set[AudioClient] = set()
        self._latest: deque[bytes] = deque(maxlen=BURST)
        self._task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        return self._house.audio >= self._house.limits.audio

    def come(self) -> AudioClient:
        """Somebody who hears from now on."""
        ear = AudioClient()
        if self._task is None or self._task.done():
            self._latest.clear()
            self._task = asyncio.get_running_loop().create_task(self._run())
        for block in self._latest:
            ear.blocks.put_nowait(block)
        self._ears.add(ear)
        self._house.audio += 1
        return ear

    def go(self, ear: AudioClient) -> None:
        self._ears.discard(ear)
        self._house.audio -= 1
        if not self._ears and self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        """Blocks, each AHEAD of the station's clock."""
        loop, never = asyncio.get_running_loop(), asyncio.Event()
        sounding, bars = Sounding(NoteBank(self._house.soundfont)), deque[TimedBar]()
        encoder = Mp3()
        with self._station.hearing(bars.append):
            while not bars:
                await self._clock.wait(never, 0.02)
            sounding.begin(self._station.now)
            while True:
                due = sounding.mix.at / SAMPLE_RATE - AHEAD - self._station.now
                if due > 0:
                    await self._clock.wait(never, due)
                ready = [bars.popleft() for _ in range(len(bars))]
                self._send(await loop.run_in_executor(self._thread, _block, sounding, ready, encoder))

    def _send(self, block: bytes) -> None:
        self._latest.append(block)
        for ear in list(self._ears):
            try:
                ear.blocks.put_nowait(block)
            except asyncio.QueueFull:
                self._house.counts.dropped += 1
                self._ears.discard(ear)
                ear.dropped.set()


def _block(sounding: Sounding, bars: list[TimedBar], encoder: Mp3) -> bytes:
    for bar in bars:
        sounding.lay(sounding.ready(bar))
    return encoder.encode(sounding.mix.read(BLOCK_SAMPLES))


class _Audio(Response):
    """An answer that never ends of itself."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"audio/mpeg"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        ear = self._broadcast.come()
        ends = [asyncio.create_task(c) for c in (_gone(receive), _send_all(ear, send), ear.dropped.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._broadcast.go(ear)
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_all(ear: AudioClient, send: Send) -> None:
    while True:
        await send({"type": "http.response.body", "body": await ear.blocks.get(), "more_body": True})


def audio_response(broadcast: Broadcast) -> Response:
    """The endless answer, or word that the house is full."""
    if broadcast.full:
        return PlainTextResponse("as many listen to live.mp3 as this house lets", 503, {"retry-after": "10"})
    return _Audio(broadcast)


CHORDS = ((48, 64, 67, 72), (53, 65, 69, 72), (55, 62, 71, 74), (48, 64, 67, 72))
"""C, F, G and C major."""
CHORD_SECONDS = 2


def sound_test(house: ServerState) -> File:
    """Four chords, as a file."""
    mix, bank, encoder = Endless(1.5), NoteBank(house.soundfont), Mp3()
    length = CHORD_SECONDS * SAMPLE_RATE
    for number, chord in enumerate(CHORDS):
        for pitch in chord:
            start = number * length
            cue = Cue(start, start + length * 9 // 10, 0, False, pitch, 80, float(CHORD_SECONDS), place(0.0))
            mix.put((number, pitch), voice(bank, cue))
    blocks: list[bytes] = []
    while mix.at < (len(CHORDS) + 1) * length:
        blocks.append(encoder.encode(mix.read(BLOCK)))
    return file_of(b"".join(blocks), "audio/mpeg", "public, max-age=86400", pack=False)
