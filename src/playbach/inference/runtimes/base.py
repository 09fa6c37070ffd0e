"""A runtime runs a network's step: numpy in, numpy out. It does not sample, so that runtimes can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

State = Any
"""What the network remembers. Only the runtime knows what it is. A state is never changed in place, so that an old
one can be used again."""
Logits = list[npt.NDArray[np.float32]]


def step_one_by_one(
    step: Callable[[Any, Any, Any], tuple[Logits, State]], previous: Any, context: Any, states: list[State]
) -> tuple[Logits, list[State]]:
    """Step B pieces one after the other, for a graph of batch 1: previous (B, F), context (B, C)."""
    done = [step(p, c, s) for p, c, s in zip(previous, context, states, strict=True)]
    logits = [np.stack(field) for field in zip(*(scores for scores, _ in done))]
    return logits, [after for _, after in done]


class Runtime(Protocol):
    def start(self, pieces: int | None = None) -> State:
        """The state before the first step; with a number, that of a batch of this many pieces."""

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: State) -> tuple[Logits, State]:
        """previous (F,), context (C,) and a state -> F logits (V_f,) and the next state. For a batch: (B, F), (B, C)
        and its state -> F logits (B, V_f) and the next state."""
