"""Limits of the server. Cheap to import, so that `--help` is fast."""

from __future__ import annotations

import os
from dataclasses import dataclass

from playbach.system.options import check_options, option

STREAMS_PER_CORE = 20
"""Each private stream costs about 2 % of a core."""
_MOST = 1_000_000
_SHORT_REQUESTS = 200


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits for all listeners together, and for each."""

    listeners: int = option("maximum connected listeners", default=2000, low=0, high=_MOST)
    streams: int = option(
        "maximum private streams",
        default=STREAMS_PER_CORE * (os.cpu_count() or 1),
        default_text=f"{STREAMS_PER_CORE} per processor core",
        low=0,
        high=_MOST,
    )
    audio_listeners: int = option("maximum listeners of live.mp3", default=100, low=0, high=_MOST, flag=None)
    burst: int = option("messages that a client may send at once", default=20, low=0, flag=None)
    messages_per_second: float = option(
        "messages that a client may send per second after that", default=5.0, low=0, flag=None
    )
    queue: int = option("messages that may wait for a client", default=64, above=0, flag=None)
    send_seconds: float = option("how long sending one message may take", default=20.0, above=0, flag=None)
    first_message_seconds: float = option(
        "how long the server waits for `start` or `join`", default=10.0, above=0, flag=None
    )

    waiting: int = option(
        "WebSockets that may wait for their first message when the server is full; of more, the oldest is closed",
        default=100,
        above=0,
        flag=None,
    )

    openings: int = option(
        "beginnings of pieces that are composed in advance, for streams of the first model",
        default=48,
        low=0,
        flag=None,
    )

    @property
    def connections(self) -> int:
        """The most connections that there should be, with some for short requests."""
        return self.listeners + self.audio_listeners + self.waiting + _SHORT_REQUESTS

    def __post_init__(self) -> None:
        check_options(self)
