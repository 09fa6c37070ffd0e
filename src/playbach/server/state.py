"""What all listeners of one server share: models, limits, threads to compose in, and figures.

Models are named by the operator and loaded once; a listener chooses by name. Knows no sockets.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from playbach.bundles import bundle as bundles
from playbach.inference.composing import Composer
from playbach.inference.runtimes import opened, suited
from playbach.rendering.soundfont import SoundFont, default_path
from playbach.server.messages import Refused, voice
from playbach.streaming import Figures, Item, KnobChange, Pacing
from playbach.system.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """`streams` are own ones, which cost about 2 % of a core each; `sockets` all connections; a client may say
    `burst` messages at once and `a_second` after that; what it has not read is kept up to `queue` messages, and each
    must be gone in `patience` seconds; it has `first_word` seconds to say what it wants to hear."""

    streams: int = 20 * (os.cpu_count() or 1)
    sockets: int = 2000
    audio: int = 100
    burst: int = 20
    a_second: float = 5.0
    queue: int = 64
    patience: float = 20.0
    first_word: float = 10.0

    def __post_init__(self) -> None:
        for name in ("streams", "sockets", "audio"):
            if not isinstance(getattr(self, name), int) or not 0 <= getattr(self, name) <= 1_000_000:
                raise UsageError(f"{name} must be a whole number up to 1,000,000, not {getattr(self, name)!r:.40}")


@dataclass(frozen=True)
class Model:
    """A bundle that can be listened to, with a composer for each runtime that plays it; the first is the default."""

    name: str
    composers: dict[str, Composer]

    @property
    def composer(self) -> Composer:
        return next(iter(self.composers.values()))

    def told(self) -> dict[str, Any]:
        """As `api/models` says it."""
        composer = self.composer
        architecture = composer.bundle.manifest.get("architecture")
        parameters = architecture.get("parameters") if isinstance(architecture, dict) else None
        return {
            "name": self.name,
            "bundle": composer.bundle.sha256,
            "runtimes": list(self.composers),
            "voices": [voice(track) for track in composer.tracks],
            "fields": [f.name for f in composer.encoding.fields],
            "temperature": composer.sampling.temperature,
            "top_p": composer.sampling.top_p,
            "parameters": parameters if isinstance(parameters, int) else None,
        }


def models(names: Sequence[str | Path], runtime: str | None = None) -> dict[str, Model]:
    """The models of these names or paths, in their order; the shipped one where there are none. With a `runtime` they
    are played by that one alone.

    Raises:
        BundleError: there is no such model, it is damaged, or the runtime cannot play it.
        UsageError: two have the same name.
    """
    found: dict[str, Model] = {}
    for name in names or [bundles.DEFAULT]:
        path = bundles.find(name) if names else bundles.shipped()[bundles.DEFAULT]
        bundle = bundles.read(path)
        if bundle.name in found:
            raise UsageError(f"two models are called {bundle.name!r}; rename one of the files")
        found[bundle.name] = Model(bundle.name, _composers(bundle, runtime))
    return found


def _composers(bundle: bundles.Bundle, runtime: str | None) -> dict[str, Composer]:
    """By the runtimes that can play it."""
    names = suited(bundle) if runtime is None else [runtime]
    return {name: Composer(bundle, opened(bundle, name)) for name in names}


@dataclass
class Counts:
    """Since the server began. `dropped` did not read, `refused` said what they may not, or came when all was full."""

    joined: int = 0
    started: int = 0
    turned: int = 0
    dropped: int = 0
    refused: int = 0
    sent: int = 0


class Queue(Protocol):
    """A listener, as far as the house knows it."""

    @property
    def waiting(self) -> int: ...


@dataclass
class ServerState:
    """`models` has one at least. `sockets`, `streams` and `audio` are how many of each there are now, `queues` who is
    being sent music."""

    models: dict[str, Model]
    limits: Limits = field(default_factory=Limits)
    pacing: Pacing = field(default_factory=Pacing)
    soundfont_path: Path = field(default_factory=default_path)
    figures: Figures = field(default_factory=Figures)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.executor = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "composing")
        self.began = time.monotonic()
        self.sockets = self.streams = self.audio = 0
        self.queues: set[Queue] = set()
        self.soundfont = SoundFont(self.soundfont_path)  # says at once what is wrong with it

    @property
    def default(self) -> Model:
        return next(iter(self.models.values()))

    def composer(self, model: str | None, runtime: str | None) -> tuple[Model, str, Composer]:
        """Raises Refused where the house has no such model or runtime."""
        chosen = self.default if model is None else self.models.get(model)
        if chosen is None:
            raise Refused(f"there is no such model here; there are {', '.join(self.models)}")
        name = next(iter(chosen.composers)) if runtime is None else runtime
        if name not in chosen.composers:
            raise Refused(f"{chosen.name} has no such runtime; it has {', '.join(chosen.composers)}")
        return chosen, name, chosen.composers[name]

    def heard(self, item: Item) -> None:
        """Something was composed for somebody."""
        if isinstance(item, KnobChange):
            self.counts.turned += 1

    def close(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
