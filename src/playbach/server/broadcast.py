"""`live.mp3`: the station as one endless MP3, rendered and encoded once for all its listeners; and the sound test.

A thread renders half a second at a time, two seconds ahead of the station's clock. The first listener is sent all
from the beginning of the current bar, and a further one the latest three seconds, so that the player has music at
once and can fill its buffer. A listener who does not read is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from playbach.rendering.audio import RENDER_BLOCK, NoteBank, TimedNote, sounding_note
from playbach.rendering.soundfont import SAMPLE_RATE, pan_gains
from playbach.server.extensions import abort_connection
from playbach.server.page import StaticFile, static_file
from playbach.server.state import ServerState
from playbach.server.station import Station
from playbach.streaming.live_audio import StreamRenderer
from playbach.streaming.live_mix import BLOCK_MULTIPLE, LiveMix, Mp3
from playbach.streaming.session import Clock, RealClock
from playbach.streaming.stream import TimedBar

BLOCK_SAMPLES = SAMPLE_RATE // 2 // BLOCK_MULTIPLE * BLOCK_MULTIPLE
AHEAD_SECONDS = 2.0
INITIAL_BLOCKS = 6
"""Blocks that a new listener is sent at once."""
MAX_WAITING_BLOCKS = 30
"""Blocks that may wait for one listener: 15 seconds."""


class AudioClient:
    """One listener of live.mp3."""

    def __init__(self) -> None:
        self.blocks: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING_BLOCKS)
        """The blocks that wait to be sent."""
        self.dropped = asyncio.Event()
        """Set when too many blocks wait, so that the client is dropped."""


class Broadcast:
    """Renders and encodes the station while it has listeners of live.mp3."""

    def __init__(self, state: ServerState, station: Station, clock: Clock | None = None) -> None:
        self._state, self._station = state, station
        self._clock = clock or RealClock()
        self._thread = ThreadPoolExecutor(1, "sound")
        self._bank = NoteBank(state.soundfont)  # keeps its sounds while nobody listens
        self._clients: set[AudioClient] = set()
        self._latest: deque[bytes] = deque(maxlen=INITIAL_BLOCKS)
        self._task: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        return self._state.audio_listeners >= self._state.limits.audio_listeners

    def add_client(self) -> AudioClient:
        """A new listener, who receives blocks from now on."""
        client = AudioClient()
        if self._task is None or self._task.done():
            self._latest.clear()
            self._task = asyncio.get_running_loop().create_task(self._run())
        for block in self._latest:
            client.blocks.put_nowait(block)
        self._clients.add(client)
        self._state.audio_listeners += 1
        return client

    def remove_client(self, client: AudioClient) -> None:
        self._clients.discard(client)
        self._state.audio_listeners -= 1
        if not self._clients and self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        """Encode and send blocks, each AHEAD_SECONDS before the station's clock reaches it."""
        loop, never = asyncio.get_running_loop(), asyncio.Event()
        renderer, bars, encoder = StreamRenderer(self._bank), deque[TimedBar](), Mp3()
        with self._station.receive_bars(bars.append):
            while not bars:
                await self._clock.wait(never, 0.02)
            renderer.start_with(bars[0])
            while True:
                due = renderer.mix.at / SAMPLE_RATE - AHEAD_SECONDS - self._station.now
                if due > 0:
                    await self._clock.wait(never, due)
                # Later bars wait: rendering them would delay the first sound.
                end = (renderer.mix.at + BLOCK_SAMPLES) / SAMPLE_RATE
                new_bars = [bars.popleft() for _ in range(sum(bar.at < end for bar in bars))]
                self._send(await loop.run_in_executor(self._thread, _encode_block, renderer, new_bars, encoder))

    def _send(self, block: bytes) -> None:
        self._latest.append(block)
        for client in list(self._clients):
            try:
                client.blocks.put_nowait(block)
            except asyncio.QueueFull:
                self._state.counters.dropped += 1
                self._clients.discard(client)
                client.dropped.set()


def _encode_block(renderer: StreamRenderer, new_bars: list[TimedBar], encoder: Mp3) -> bytes:
    for bar in new_bars:
        renderer.mix_in(renderer.render(bar))
    return encoder.encode(renderer.mix.read(BLOCK_SAMPLES))


class _LiveResponse(Response):
    """A response that does not end by itself."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"audio/mpeg"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        client = self._broadcast.add_client()
        coroutines = (_wait_for_disconnect(receive), _send_blocks(client, send), client.dropped.wait())
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if client.dropped.is_set() and abort_connection(scope):
                await tasks[0]
        finally:
            self._broadcast.remove_client(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_blocks(client: AudioClient, send: Send) -> None:
    while True:
        await send({"type": "http.response.body", "body": await client.blocks.get(), "more_body": True})


def live_response(broadcast: Broadcast) -> Response:
    """The endless MP3, or status 503 if it has too many listeners."""
    if broadcast.is_full:
        message = "live.mp3 has reached its listener limit; try again later"
        return PlainTextResponse(message, 503, {"retry-after": "10"})
    return _LiveResponse(broadcast)


CHORDS = ((48, 64, 67, 72), (53, 65, 69, 72), (55, 62, 71, 74), (48, 64, 67, 72))
"""C, F, G and C major."""
CHORD_SECONDS = 2


def sound_test(state: ServerState) -> StaticFile:
    """Four chords, as an MP3 file."""
    mix, bank, encoder = LiveMix(1.5), NoteBank(state.soundfont), Mp3()
    length = CHORD_SECONDS * SAMPLE_RATE
    for number, chord in enumerate(CHORDS):
        for pitch in chord:
            start = number * length
            note = TimedNote(
                start, start + length * 9 // 10, 0, False, pitch, 80, float(CHORD_SECONDS), pan_gains(0.0)
            )
            mix.add((number, pitch), sounding_note(bank, note))
    blocks: list[bytes] = []
    while mix.at < (len(CHORDS) + 1) * length:
        blocks.append(encoder.encode(mix.read(RENDER_BLOCK)))
    return static_file(b"".join(blocks), "audio/mpeg", "public, max-age=86400", compress=False)
