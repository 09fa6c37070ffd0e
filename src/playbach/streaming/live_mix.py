"""Sound that never ends: notes in, blocks out, through the same bank, mixer, reverb and limiter as files.

All times are in samples of the stream. Notes may be put, changed and dropped until they begin; one that sounds can be
let go at another time. Also the same as MP3, in whole frames. Knows nothing of bars, models or sockets.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import soundfile

from playbach.rendering.audio import Limiter, Mixer, Reverb, Voice
from playbach.rendering.soundfont import SAMPLE_RATE, Audio

STEP = Limiter.STEP
"""Blocks are a multiple of so many samples."""
BIT_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
"""kbit/s of MPEG-1 layer III by the header's four bits (ISO/IEC 11172-3, 2.4.2.3)."""
COMPRESSION = 0.6
"""libsndfile's word for a constant 160 kbit/s."""


class Endless:
    """A mix that goes on; what comes out lags `Limiter.LAG` samples behind."""

    def __init__(self, gain: float = 1.0) -> None:
        """`gain` may be set to another one at any time."""
        self.gain = gain
        self._last_gain: float | None = None
        self._mixer, self._reverb, self._limiter = Mixer(), Reverb(), Limiter()
        self._coming: dict[Hashable, Voice] = {}
        self._order: list[tuple[int, int, Hashable]] = []
        self._sounding: dict[Hashable, Voice] = {}
        self._count = 0

    @property
    def at(self) -> int:
        """The first sample of the next block."""
        return self._mixer.at

    def skip(self, samples: int) -> None:
        """Begin here; only before anything was read."""
        self._mixer.at = samples

    def put(self, key: Hashable, voice: Voice) -> None:
        """A note; one with the same key that has not begun is forgotten. What should have begun already is left
        out."""
        if voice.start < self.at:
            return
        self._coming[key] = voice
        self._count += 1
        bisect.insort(self._order, (voice.start, self._count, key))

    def hold(self, key: Hashable, off: int) -> None:
        """A note that sounds, or will, is let go then; as far as its sound reaches, and no earlier than now."""
        if key in self._coming:
            self._coming[key] = _let_go(self._coming[key], off)
        elif key in self._sounding:
            old = self._sounding[key]
            if old.off > self.at:
                self._sounding[key] = _let_go(old, max(off, self.at))
                self._mixer.change(old, self._sounding[key])

    def drop(self, start: int) -> None:
        """Forget what begins at this sample or later."""
        self._coming = {key: v for key, v in self._coming.items() if v.start < start}

    def release(self) -> None:
        """Nothing more begins, and all that sounds is let go."""
        self._coming = {}
        for key in list(self._sounding):
            self.hold(key, self.at)

    @property
    def silent(self) -> bool:
        """Nothing sounds and nothing is to come; the room may still ring."""
        return not self._coming and all(v.end <= self.at for v in self._sounding.values())

    def read(self, samples: int) -> Audio:
        """The next block (2, samples); a multiple of STEP."""
        end = self.at + samples
        while self._order and self._order[0][0] < end:
            _, _, key = self._order.pop(0)
            coming = self._coming.get(key)
            if coming is not None and coming.start < end:  # else it was dropped, or put again later
                del self._coming[key]
                self._sounding[key] = coming
                self._mixer.add(coming)
        block = self._limiter.process(self._reverb.process(self._mixer.read(samples)) * self._ramp(samples))
        self._sounding = {key: v for key, v in self._sounding.items() if v.end > self.at}
        return block

    def _ramp(self, samples: int) -> Audio:
        """To the gain that was asked for, within a block and without a step."""
        before = self.gain if self._last_gain is None else self._last_gain
        self._last_gain = self.gain
        return np.linspace(before, self.gain, samples, dtype=np.float32)


def longest(seconds: float) -> float:
    """For how long a note of so many seconds should be rendered: a little longer, to hold on to it, and of few
    different lengths, so that a bank rarely renders it again."""
    return 2.0 * math.ceil((seconds + 1) / 2)


def _let_go(old: Voice, off: int) -> Voice:
    reaches = old.start + old.sound.samples.shape[1] - len(old.sound.release)
    return replace(old, off=max(old.start, min(off, max(reaches, old.off))))


class _Pipe:
    """A file for libsndfile that is only ever appended to, and read from its beginning."""

    def __init__(self) -> None:
        self.written = bytearray()
        self._at = 0

    def write(self, data: bytes) -> int:
        self.written += data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset if whence == 0 else self._at
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, _: int = -1) -> bytes:
        return b""


class Mp3:
    """One encoder, so that blocks join without a seam; gives whole frames, at any of which a player can come in."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        options = {"bitrate_mode": "CONSTANT", "compression_level": COMPRESSION}
        self._file = soundfile.SoundFile(
            self._pipe, "w", samplerate=SAMPLE_RATE, channels=2, format="MP3", subtype="MPEG_LAYER_III", **options
        )
        self._begun = False

    def encode(self, block: Audio) -> bytes:
        """The frames that are complete by this block (2, n)."""
        self._file.write(np.clip(block, -1, 1).T)
        return self._frames()

    def close(self) -> None:
        """The encoder is spent; what it still held back is lost, some hundredths of a second."""
        self._file.close()

    def _frames(self) -> bytes:
        """Without the first one, which holds the length of a file and no sound."""
        data, at = self._pipe.written, 0
        while at + 4 <= len(data):
            length = frame_bytes(bytes(data[at : at + 4]))
            assert length, "the encoder gives frames"
            if at + length > len(data):
                break
            at += length
            if not self._begun:
                self._begun = True
                del data[:at]
                at = 0
        frames = bytes(data[:at])
        del data[:at]
        return frames


def frame_bytes(header: bytes) -> int:
    """How long the frame of MPEG-1 layer III is that begins with these four bytes; 0 where it is none."""
    word = int.from_bytes(header, "big")
    rate = BIT_RATES[word >> 12 & 15]
    if len(header) < 4 or word >> 17 != 0x7FFD or not rate or word >> 10 & 3 != 0:
        return 0
    return 144_000 * rate // SAMPLE_RATE + (word >> 9 & 1)
