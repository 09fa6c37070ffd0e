"""An endless mix: notes in, blocks of sound out, with the same note bank, mixer, reverb and limiter as files. Also an
MP3 encoder that returns whole frames.

All times are in samples of the stream. Notes can be added, replaced and removed until they begin, and the end of a
sounding note can change. Knows nothing of bars, models or sockets.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Hashable
from dataclasses import replace

import numpy as np
import soundfile

from playbach.rendering.audio import Limiter, Mixer, Reverb, SoundingNote
from playbach.rendering.soundfont import SAMPLE_RATE, Audio

BLOCK_MULTIPLE = Limiter.STEP
"""The length of a block is a multiple of this, in samples."""
BIT_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
"""kbit/s of MPEG-1 layer III by the header's four bits (ISO/IEC 11172-3, 2.4.2.3)."""
COMPRESSION = 0.6
"""libsndfile's setting for a constant 160 kbit/s."""


class LiveMix:
    """A mix without an end. Its output lags `Limiter.LAG` samples behind."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain
        """May be set at any time."""
        self._last_gain: float | None = None
        self._mixer, self._reverb, self._limiter = Mixer(), Reverb(), Limiter()
        self._upcoming: dict[Hashable, SoundingNote] = {}
        self._order: list[tuple[int, int, Hashable]] = []
        self._sounding: dict[Hashable, SoundingNote] = {}
        self._count = 0

    @property
    def at(self) -> int:
        """The first sample of the next block."""
        return self._mixer.at

    def start_at(self, samples: int) -> None:
        """Begin at this sample. Call it only before the first `read`."""
        self._mixer.at = samples

    def add(self, key: Hashable, voice: SoundingNote) -> None:
        """Add a note. It replaces a note with the same key that has not begun. A note whose start has passed is left
        out."""
        if voice.start < self.at:
            return
        self._upcoming[key] = voice
        self._count += 1
        bisect.insort(self._order, (voice.start, self._count, key))

    def set_end(self, key: Hashable, off: int) -> None:
        """Set the end of an upcoming or sounding note: not before now, and not after its rendered sound ends."""
        if key in self._upcoming:
            self._upcoming[key] = _with_end(self._upcoming[key], off)
        elif key in self._sounding:
            old = self._sounding[key]
            if old.off > self.at:
                self._sounding[key] = _with_end(old, max(off, self.at))
                self._mixer.replace(old, self._sounding[key])

    def remove_from(self, start: int) -> None:
        """Remove the notes that begin at this sample or later."""
        self._upcoming = {key: v for key, v in self._upcoming.items() if v.start < start}

    def release_all(self) -> None:
        """Remove all upcoming notes, and end all sounding notes now."""
        self._upcoming = {}
        for key in list(self._sounding):
            self.set_end(key, self.at)

    @property
    def is_silent(self) -> bool:
        """Whether no note sounds or is upcoming. The reverb may still ring."""
        return not self._upcoming and all(v.end <= self.at for v in self._sounding.values())

    def read(self, samples: int) -> Audio:
        """The next block (2, samples); `samples` is a multiple of BLOCK_MULTIPLE."""
        end = self.at + samples
        while self._order and self._order[0][0] < end:
            _, _, key = self._order.pop(0)
            voice = self._upcoming.get(key)
            if voice is not None and voice.start < end:  # otherwise it was removed, or replaced by a later note
                del self._upcoming[key]
                self._sounding[key] = voice
                self._mixer.add(voice)
        block = self._limiter.process(self._reverb.process(self._mixer.read(samples)) * self._gain_ramp(samples))
        self._sounding = {key: v for key, v in self._sounding.items() if v.end > self.at}
        return block

    def _gain_ramp(self, samples: int) -> Audio:
        """From the last gain to the present one, without a step."""
        before = self.gain if self._last_gain is None else self._last_gain
        self._last_gain = self.gain
        return np.linspace(before, self.gain, samples, dtype=np.float32)


def render_seconds(seconds: float) -> float:
    """How long to render a note of this duration: at least a second more, so that it can be prolonged, and rounded up
    to even seconds, so that the note bank rarely renders it again."""
    return 2.0 * math.ceil((seconds + 1) / 2)


def _with_end(old: SoundingNote, off: int) -> SoundingNote:
    sound_end = old.start + old.sound.samples.shape[1] - len(old.sound.release)
    return replace(old, off=max(old.start, min(off, max(sound_end, old.off))))


class _Pipe:
    """A file for libsndfile to which data is only appended; reading it always finds the end."""

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
    """An encoder whose blocks join without a gap. It returns whole frames, so that a player can start at any of
    them."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        options = {"bitrate_mode": "CONSTANT", "compression_level": COMPRESSION}
        self._file = soundfile.SoundFile(
            self._pipe, "w", samplerate=SAMPLE_RATE, channels=2, format="MP3", subtype="MPEG_LAYER_III", **options
        )
        self._has_begun = False

    def encode(self, block: Audio) -> bytes:
        """The frames that are complete with this block (2, n)."""
        self._file.write(np.clip(block, -1, 1).T)
        return self._complete_frames()

    def close(self) -> None:
        """Close the encoder; the last hundredths of a second, which it still holds, are lost."""
        self._file.close()

    def _complete_frames(self) -> bytes:
        """All complete frames but the first one, which holds the length of a file and no sound."""
        data, at = self._pipe.written, 0
        while at + 4 <= len(data):
            length = frame_bytes(bytes(data[at : at + 4]))
            assert length, "the encoder returned data that is not an MP3 frame"
            if at + length > len(data):
                break
            at += length
            if not self._has_begun:
                self._has_begun = True
                del data[:at]
                at = 0
        frames = bytes(data[:at])
        del data[:at]
        return frames


def frame_bytes(header: bytes) -> int:
    """The length of the MPEG-1 layer III frame with this header of four bytes; 0 if it is not a valid header."""
    word = int.from_bytes(header, "big")
    rate = BIT_RATES[word >> 12 & 15]
    if len(header) < 4 or word >> 17 != 0x7FFD or not rate or word >> 10 & 3 != 0:
        return 0
    return 144_000 * rate // SAMPLE_RATE + (word >> 9 & 1)
