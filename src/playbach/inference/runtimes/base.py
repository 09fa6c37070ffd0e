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


def select_pieces(state: State, rows: npt.NDArray[Any]) -> State:
    """The states of some pieces of a batch, in this order; a piece may be there more than once."""
    if isinstance(state, dict):
        return {name: part[rows] for name, part in state.items()}
    return [state[i] for i in rows.tolist()]


def replace_pieces(state: State, rows: npt.NDArray[Any], new: State) -> State:
    """The state of a batch with new states (those of a smaller batch) of some of its pieces."""
    if isinstance(state, dict):
        changed = {name: part.copy() for name, part in state.items()}
        for name, part in changed.items():
            part[rows] = new[name]
        return changed
    of_pieces = list(state)
    for i, one in zip(rows.tolist(), new, strict=True):
        of_pieces[i] = one
    return of_pieces


class Runtime(Protocol):
    def start(self, pieces: int | None = None) -> State:
        """The state before the first step; with a number, that of a batch of this many pieces: a dict of arrays with
        a row for each piece, or a list with a state for each piece."""

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: State) -> tuple[Logits, State]:
        """previous (F,), context (C,) and a state -> F logits (V_f,) and the next state. For a batch: (B, F), (B, C)
        and its state -> F logits (B, V_f) and the next state."""
