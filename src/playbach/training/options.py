"""The options of training, in one dataclass that the command line, TOML files and Python share.

Checks each option, and that no two contradict each other; knows nothing of the training itself. Needs torch, for the
options of the architectures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playbach.encodings import ENCODINGS, OPTIONS
from playbach.encodings.options import EventsOptions, NotesOptions
from playbach.models import MODELS
from playbach.system.errors import UsageError, require_numbers

DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """All options that affect what the network learns, and when training ends."""

    encoding: str | None = None
    """The encoding's name; None chooses one that suits the music."""
    notes: NotesOptions = field(default_factory=NotesOptions)
    """Options of the `notes` encoding."""
    events: EventsOptions = field(default_factory=EventsOptions)
    """Options of the `events` encoding."""
    model: str = "lstm"
    """The network architecture's name."""
    network: Mapping[str, Any] = field(default_factory=dict)
    """Options of the architecture, such as `hidden`."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The weight of each field's loss, by the field's name; 1 for a field that is not named."""
    epochs: int = 200
    """Maximum number of epochs."""
    max_minutes: float | None = None
    """Maximum training time, in minutes."""
    patience: int = 12
    """Number of epochs without improvement after which training stops."""
    batch: int | None = None
    """Windows in a batch; None chooses a number from the amount of music."""
    window: int = 768
    """Maximum length of a window, in steps."""
    learning_rate: float = 2e-3
    """Learning rate of AdamW after the warm-up; halved when validation stops improving."""
    weight_decay: float = 0.1
    """Weight decay of AdamW; applies to matrices only."""
    averaging: float = 0.99
    """Decay of the exponential moving average of the weights, for each step (after Polyak and Juditsky 1992)."""
    clip: float = 1.0
    """Maximum norm of the gradient; a longer one is scaled down."""
    seed: int = 0
    """Seed of the split, the initial weights, the dropout and the order of the music."""
    device: str = "auto"
    """The torch device: `cpu`, `cuda`, `mps`, or `auto` for the fastest."""
    dtype: str = "auto"
    """The number format: `float32`, `bfloat16`, or `auto` for bfloat16 where it is native and converges as well."""

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
        config(**self.network)  # checks its options
        if not isinstance(self.device, str):
            raise UsageError(f"device must be a name, not {self.device!r:.40}")
        if self.dtype not in DTYPES:
            raise UsageError(f"no dtype called {self.dtype!r:.40}; there are: {', '.join(DTYPES)}")
        batch = ["batch"] if self.batch is not None else []
        minutes = ["max_minutes"] if self.max_minutes is not None else []
        require_numbers(self, "epochs", "patience", "window", "seed", *batch, whole=True)
        require_numbers(self, "learning_rate", "weight_decay", "averaging", "clip", *minutes)
        for name in ("epochs", "patience", "window", "learning_rate", "clip", *batch, *minutes):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} must be a number above 0, not {getattr(self, name)!r:.40}")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(f"weight_decay must be 0 or more, not {self.weight_decay!r:.40}")
        if not 0 <= self.averaging < 1:
            raise UsageError(f"averaging must be at least 0 and less than 1, not {self.averaging!r:.40}")
        if not 0 <= self.seed < 1 << 63:
            raise UsageError(f"seed must be between 0 and 2^63 - 1, not {self.seed!r:.40}")
