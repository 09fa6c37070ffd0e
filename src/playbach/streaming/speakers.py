"""The computer's sound output (extra `audio`): accepts blocks of sound, and waits while it has enough of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from playbach.rendering.soundfont import SAMPLE_RATE, Audio
from playbach.system.errors import MissingExtra, PlaybachError

LATENCY_SECONDS = 0.4
"""How much sound the device keeps ready. Changes take effect at bar lines, so a long latency does no harm."""


class Speakers:
    """An open sound output. The device sets the pace: `write` returns when it has room again."""

    def __init__(self, device: str | None = None) -> None:
        """`device` is a part of the device's name. None: the system's default.

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
                "the library PortAudio is not installed (on Debian: apt install libportaudio2)"
            ) from error
        self._fault: type[Exception] = sounddevice.PortAudioError
        try:
            self._stream: Any = sounddevice.OutputStream(
                samplerate=SAMPLE_RATE, channels=2, dtype="float32", latency=LATENCY_SECONDS, device=device
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise PlaybachError(
                f"no sound output ({str(error).splitlines()[0]}); connect one, or play to a MIDI port with --port"
            ) from error

    def write(self, block: Audio) -> None:
        """Play a block (2, n). Raises PlaybachError if the device has failed."""
        try:
            self._stream.write(np.ascontiguousarray(block.T, np.float32))
        except self._fault as error:
            raise PlaybachError(f"the sound output failed ({str(error).splitlines()[0]})") from error

    def close(self, at_once: bool = False) -> None:
        """Close the output after the last block has played, or at once."""
        if at_once:
            self._stream.abort()
        else:
            self._stream.stop()
        self._stream.close()
