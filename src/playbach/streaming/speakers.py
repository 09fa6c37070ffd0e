"""The computer's own sound output (extra `audio`): takes blocks, and waits while it has enough of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from playbach.rendering.soundfont import SAMPLE_RATE, Audio
from playbach.system.errors import MissingExtra, PlaybachError

LATENCY = 0.4
"""Seconds that lie ready for the device; knobs turn at bar lines, so nobody waits for them."""


class Speakers:
    """Open until it is closed. Its device sets the pace: `write` returns when there is room again."""

    def __init__(self, device: str | None = None) -> None:
        """`device` is a part of its name, None: the system's own choice.

        Raises:
            MissingExtra: sounddevice is not installed.
            PlaybachError: there is no such output, or PortAudio is missing.
        """
        try:
            import sounddevice
        except ModuleNotFoundError as error:
            raise MissingExtra("playing through the speakers", "audio", str(error.name)) from error
        except OSError as error:
            raise PlaybachError(
                "sounddevice needs the library PortAudio, which is not there (on Debian: apt install libportaudio2)"
            ) from error
        self._fault: type[Exception] = sounddevice.PortAudioError
        try:
            self._stream: Any = sounddevice.OutputStream(
                samplerate=SAMPLE_RATE, channels=2, dtype="float32", latency=LATENCY, device=device
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise PlaybachError(
                f"no sound output ({str(error).splitlines()[0]}); connect one, or play to a MIDI port with --port"
            ) from error

    def write(self, block: Audio) -> None:
        """A block (2, n). Raises PlaybachError where the device is gone."""
        try:
            self._stream.write(np.ascontiguousarray(block.T, np.float32))
        except self._fault as error:
            raise PlaybachError(f"the sound output has failed ({str(error).splitlines()[0]})") from error

    def close(self, at_once: bool = False) -> None:
        """What was written is still heard, unless at once."""
        if at_once:
            self._stream.abort()
        else:
            self._stream.stop()
        self._stream.close()
