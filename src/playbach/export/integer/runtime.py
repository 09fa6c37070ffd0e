"""An integer network as a runtime: it can be evaluated and composed with as any other, and does what the C engine
does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.export.integer.base import IntegerNetwork, State
from playbach.export.integer.fixed import LOGIT
from playbach.inference.runtimes.base import Logits


class IntegerRuntime:
    """Steps an integer network; same network: same logits, on every machine."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network

    def start(self, pieces: int | None = None) -> State:
        """See `playbach.inference.runtimes.base.Runtime`."""
        return self.network.start(pieces or 1)

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: State) -> tuple[Logits, State]:
        """See `playbach.inference.runtimes.base.Runtime`."""
        alone = np.ndim(previous) == 1
        scores, state = self.network.step(np.atleast_2d(previous), np.atleast_2d(context), state)
        logits = [(field / LOGIT).astype(np.float32) for field in self.network.split(scores)]
        return [field[0] for field in logits] if alone else logits, state
