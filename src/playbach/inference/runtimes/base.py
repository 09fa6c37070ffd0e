"""What plays a network's step: numpy in, numpy out. Sampling stays outside, so runtimes can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

State = Any
"""A runtime's own; opaque to everyone else, and never changed in place: an old one can be stepped from again."""
Logits = list[npt.NDArray[np.float32]]


def one_by_one(
    step: Callable[[Any, Any, Any], tuple[Logits, State]], previous: Any, context: Any, states: list[State]
) -> tuple[Logits, list[State]]:
    """Steps B pieces, one after the other, where a graph has room for one: previous (B, F), context (B, C)."""
    done = [step(p, c, s) for p, c, s in zip(previous, context, states, strict=True)]
    logits = [np.stack(field) for field in zip(*(scores for scores, _ in done))]
    return logits, [after for _, after in done]


class Runtime(Protocol):
    def start(self, pieces: int | None = None) -> State:
        """The state of having seen nothing; given a number, that of so many pieces that are stepped side by side."""

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: State) -> tuple[Logits, State]:
        """previous (F,), context (C,) and a state -> F logits (V_f,) and the next state; of B pieces side by side
        (B, F), (B, C) and their state -> (B, V_f) and their next state."""
