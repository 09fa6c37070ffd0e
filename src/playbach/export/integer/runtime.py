"""An integer network as a runtime, to evaluate it and to compose with it; it computes what the C engine does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.export.integer.base import IntegerNetwork, IntegerState
from playbach.export.integer.fixed import LOGIT_SCALE
from playbach.inference.runtimes.base import Logits


class IntegerRuntime:
    """Steps an integer network. The same network gives the same logits on every machine."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network

    def start(self, pieces: int | None = None) -> IntegerState:
        """See `playbach.inference.runtimes.base.Runtime`."""
        return self.network.start(pieces or 1)

    def step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: IntegerState
    ) -> tuple[Logits, IntegerState]:
        """See `playbach.inference.runtimes.base.Runtime`."""
        is_single = np.ndim(previous) == 1
        scores, state = self.network.step(np.atleast_2d(previous), np.atleast_2d(context), state)
        logits = [(field / LOGIT_SCALE).astype(np.float32) for field in self.network.split(scores)]
        return [field[0] for field in logits] if is_single else logits, state
