"""Everything that decides what a training learns, in one dataclass: the command line, TOML files and Python share it.

Checks each option and those that contradict each other; knows nothing of how training goes. Needs torch, for the
architectures' own options.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playbach.encodings import ENCODINGS, OPTIONS, EventsOptions, NotesOptions
from playbach.models import MODELS
from playbach.system.errors import UsageError, demand_numbers

DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Everything that decides what is learnt. Times in minutes, windows in steps; None is chosen from the music.
    `network` sets options of the architecture's own, such as `hidden`; `weights` how much a field's cost counts while
    learning, 1 where it is not named; `averaging` is how much of the averaged weights each step leaves as they are
    (Polyak and Juditsky 1992, as an exponential mean)."""

    encoding: str | None = None
    notes: NotesOptions = field(default_factory=NotesOptions)
    events: EventsOptions = field(default_factory=EventsOptions)
    model: str = "lstm"
    network: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    epochs: int = 200
    max_minutes: float | None = None
    patience: int = 12
    batch: int | None = None
    window: int = 768
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    averaging: float = 0.99
    clip: float = 1.0
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if self.encoding is not None and self.encoding not in tuple(ENCODINGS):
            raise UsageError(f"no encoding called {self.encoding!r:.40}; there are: {', '.join(ENCODINGS)}")
        if self.model not in tuple(MODELS):
            raise UsageError(f"no model called {self.model!r:.40}; there are: {', '.join(MODELS)}")
        for name, kind in OPTIONS.items():
            if not isinstance(getattr(self, name), kind):
                what = f"playbach.encodings.{kind.__name__}"
                raise UsageError(f"{name} must be a {what}, not {getattr(self, name)!r:.40}")
        for name in ("network", "weights"):
            if not isinstance(getattr(self, name), Mapping):
                raise UsageError(f"{name} must be a dict, not {getattr(self, name)!r:.40}")
        for name, weight in self.weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
                raise UsageError(f"the weight of {name!r:.40} must be a number of 0 or more, not {weight!r:.40}")
        config = MODELS[self.model].Config
        unknown = sorted(set(self.network) - set(config.__dataclass_fields__))
        if unknown:
            has = ", ".join(config.__dataclass_fields__)
            raise UsageError(f"the {self.model} has no option {unknown[0]!r}; it has: {has}")
        config(**self.network)  # has checks of its own
        if not isinstance(self.device, str):
            raise UsageError(f"device must be a name, not {self.device!r:.40}")
        if self.dtype not in DTYPES:
            raise UsageError(f"no dtype called {self.dtype!r:.40}; there are: {', '.join(DTYPES)}")
        batch = ["batch"] if self.batch is not None else []
        minutes = ["max_minutes"] if self.max_minutes is not None else []
        demand_numbers(self, "epochs", "patience", "window", "seed", *batch, whole=True)
        demand_numbers(self, "learning_rate", "weight_decay", "averaging", "clip", *minutes)
        for name in ("epochs", "patience", "window", "learning_rate", "clip", *batch, *minutes):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} must be a number above 0, not {getattr(self, name)!r:.40}")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(f"weight_decay must be 0 or more, not {self.weight_decay!r:.40}")
        if not 0 <= self.averaging < 1:
            raise UsageError(f"averaging must be at least 0 and less than 1, not {self.averaging!r:.40}")
        if not 0 <= self.seed < 1 << 63:
            raise UsageError(f"seed must lie between 0 and 2^63 - 1, not {self.seed!r:.40}")
