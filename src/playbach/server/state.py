"""What all listeners of one server share: models, limits, threads for composing, and statistics.

The operator names the models, which are loaded once; a listener chooses one by name. Knows no sockets.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from playbach.bundles import bundle as bundles
from playbach.inference.composing import Composer
from playbach.inference.runtimes import open_runtime, suitable_runtimes
from playbach.rendering.soundfont import SoundFont, default_soundfont
from playbach.server.engines import engine_addresses
from playbach.server.limits import ServerLimits
from playbach.server.messages import voice
from playbach.server.openings import Openings
from playbach.server.protocol import ModelInfo
from playbach.server.schema import MessageRejected
from playbach.streaming.session import Pacing, SessionStatistics, StreamItem
from playbach.streaming.settings import ProgrammeChange
from playbach.system.errors import UsageError


@dataclass(frozen=True)
class ServedModel:
    """A model that listeners can choose."""

    name: str
    composers: dict[str, Composer]
    """A composer for each runtime; the first is the default."""

    @property
    def composer(self) -> Composer:
        return next(iter(self.composers.values()))

    def info(self) -> ModelInfo:
        """The model's entry in `api/models`."""
        composer = self.composer
        architecture = composer.bundle.manifest.get("architecture")
        parameters = architecture.get("parameters") if isinstance(architecture, dict) else None
        return ModelInfo(
            name=self.name,
            bundle=composer.bundle.sha256,
            runtimes=tuple(self.composers),
            voices=tuple(map(voice, composer.tracks)),
            fields=tuple(field.name for field in composer.encoding.fields),
            temperature=composer.sampling.temperature,
            top_p=composer.sampling.top_p,
            parameters=parameters if isinstance(parameters, int) else None,
            engine=engine_addresses(composer.bundle),
        )


def load_models(names: Sequence[str | Path], runtime: str | None = None) -> dict[str, ServedModel]:
    """The models with these names or paths, in their order; the default shipped model if there are none. If `runtime`
    is None, each model gets a composer for every runtime that can run it.

    Raises:
        BundleError: there is no such model, it is damaged, or the runtime cannot run it.
        UsageError: two models have the same name.
    """
    models: dict[str, ServedModel] = {}
    for name in names or [bundles.DEFAULT_MODEL]:
        path = bundles.find(name) if names else bundles.shipped_models()[bundles.DEFAULT_MODEL]
        bundle = bundles.read(path)
        if bundle.name in models:
            raise UsageError(f"two models are called {bundle.name!r}; rename one of the files")
        models[bundle.name] = ServedModel(bundle.name, _composers(bundle, runtime))
    return models


def _composers(bundle: bundles.Bundle, runtime: str | None) -> dict[str, Composer]:
    names = suitable_runtimes(bundle) if runtime is None else [runtime]
    return {name: Composer(bundle, open_runtime(bundle, name)) for name in names}


@dataclass
class Counters:
    """Counts since the server started."""

    joined: int = 0
    """Listeners who joined the station."""
    started: int = 0
    """Private streams."""
    changes: int = 0
    """Parameter changes."""
    dropped: int = 0
    """Listeners dropped because they did not read."""
    refused: int = 0
    """Connections closed with a reason, such as an invalid message or a full server."""
    sent: int = 0
    """Messages."""


class MessageQueue(Protocol):
    """A listener's queue, for the metrics."""

    @property
    def waiting(self) -> int: ...


@dataclass
class ServerState:
    """The shared state of one server."""

    models: dict[str, ServedModel]
    """By name; at least one. The first is the default."""
    limits: ServerLimits = field(default_factory=ServerLimits)
    pacing: Pacing = field(default_factory=Pacing)
    soundfont_path: Path = field(default_factory=default_soundfont)
    statistics: SessionStatistics = field(default_factory=SessionStatistics)
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.executor = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "composing")
        self.started_at = time.monotonic()
        self.connections = self.streams = self.audio_listeners = 0
        self.queues: set[MessageQueue] = set()
        self.waiting: dict[asyncio.Timeout, None] = {}  # for a first message, the oldest first
        count = min(self.limits.openings, self.limits.streams)
        self.openings = Openings(self.default_model.composer, self.executor, count, 2 * self.pacing.ahead)
        self.soundfont = SoundFont(self.soundfont_path)  # raises at once if the file is damaged

    @property
    def default_model(self) -> ServedModel:
        return next(iter(self.models.values()))

    def find_composer(self, model_name: str | None, runtime: str | None) -> tuple[ServedModel, str, Composer]:
        """The model, the runtime and the composer. None: the first. Raises MessageRejected if one does not exist."""
        model = self.default_model if model_name is None else self.models.get(model_name)
        if model is None:
            raise MessageRejected(f"no such model; this server has {', '.join(self.models)}")
        name = next(iter(model.composers)) if runtime is None else runtime
        if name not in model.composers:
            raise MessageRejected(f"no such runtime; {model.name} has {', '.join(model.composers)}")
        return model, name, model.composers[name]

    def count(self, item: StreamItem) -> None:
        """Count what a session has sent."""
        if isinstance(item, ProgrammeChange):
            self.counters.changes += 1

    def close(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
