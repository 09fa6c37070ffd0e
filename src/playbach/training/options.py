"""The options of training, in one dataclass that the command line, TOML files and Python share.

Checks each option, and that no two contradict each other. Knows nothing of the training itself, nor of torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from playbach.encodings import ENCODINGS
from playbach.encodings.options import ChoraleOptions, EventsOptions, NotesOptions
from playbach.models import MODELS
from playbach.music.options import ReadingOptions
from playbach.system.errors import UsageError
from playbach.system.options import listed, option, options_of

MAX_TRAINING_SEED = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class TrainOptions(ReadingOptions):
    """All options that affect what the network learns, and when training ends."""

    encoding: str | None = option("{choices}", default=None, default_text="chosen from the music", choices=ENCODINGS)
    notes: NotesOptions = option("options of the notes encoding", factory=NotesOptions, flag=None)
    chorale: ChoraleOptions = option("options of the chorale encoding", factory=ChoraleOptions, flag=None)
    events: EventsOptions = option("options of the events encoding", factory=EventsOptions, flag=None)
    vocabulary: Literal["music", "any"] = option(
        "music: the symbols of this music; any: also those of nearly any other (notes, events), for a base model",
        default="music",
    )
    model: str = option("architecture: {choices}", default="lstm", choices=MODELS)
    network: Mapping[str, Any] = option("options of the architecture, such as `hidden`", factory=dict, flag=None)
    weights: Mapping[str, float] = option(
        "weights of the fields in the loss, such as symbol=1,duration=0.5",
        factory=dict,
        metavar="FIELD=X,…",
        default_text="1 each",
    )
    network_alone: bool = option(
        "leave out the n-grams that play together with the network where that predicts validation music better",
        default=False,
    )
    epochs: int = option("maximum number of epochs", default=200, above=0)
    max_minutes: float | None = option("maximum training time in minutes", default=None, above=0)
    patience: int = option("epochs without improvement before training stops", default=12, above=0)
    batch: int | None = option(
        "windows per training step", default=None, default_text="chosen from the music", above=0
    )
    window: int = option("maximum steps per window", default=768, above=0)
    learning_rate: float = option(
        "learning rate of AdamW after the warm-up, halved on plateaus", default=2e-3, above=0
    )
    composed: int = option("pieces that the teachers compose (with --teacher)", default=2400, above=0)
    weight_decay: float = option("weight decay of AdamW, for matrices only", default=0.1, low=0, flag=None)
    averaging: float = option(  # after Polyak and Juditsky 1992
        "decay of the exponential moving average of the weights, for each step",
        default=0.99,
        low=0,
        below=1,
        flag=None,
    )
    clip: float = option("maximum norm of the gradient; a longer one is scaled down", default=1.0, above=0, flag=None)
    seed: int = option("seed of the split, the weights and the data order", default=0, low=0, high=MAX_TRAINING_SEED)
    device: str = option("torch device: auto (the fastest), cpu, cuda or mps", default="auto")
    dtype: Literal["auto", "float32", "bfloat16"] = option(
        "number format: {choices}; auto takes bfloat16 where it is native and converges as well", default="auto"
    )

    def __post_init__(self) -> None:
        ReadingOptions.__post_init__(self)  # checks all options; `super()` does not work in a dataclass with slots
        for name, weight in self.weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
                raise UsageError(f"the weight of {name!r:.40} must be a number of 0 or more, not {weight!r:.40}")
        config = MODELS[self.model].options
        known = [described.name for described in options_of(config)]
        for name in sorted(set(self.network) - set(known)):
            raise UsageError(f"the {self.model} has no option {name!r}; it has: {listed(known, 'and')}")
        config(**self.network)  # checks its options
