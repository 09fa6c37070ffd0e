"""The interface of integer networks: a step in integer arithmetic, identical in Python and in C."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from playbach.export.integer.fixed import Integers
from playbach.export.integer.heads import IntegerHeads

IntegerState = tuple[Integers, ...]


@dataclass(frozen=True, eq=False)
class IntegerNetwork(ABC):
    """A quantised network; all of its parameters are integers."""

    name: ClassVar[str]
    heads: IntegerHeads
    """The last layer."""
    context: tuple[int, ...]
    """The number of symbols of each context field."""

    @property
    def symbols(self) -> tuple[int, ...]:
        """The number of symbols of each field."""
        return self.heads.symbols

    @abstractmethod
    def start(self, pieces: int) -> IntegerState:
        """The state at the beginning of `pieces` pieces: arrays (pieces, …)."""

    @abstractmethod
    def step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: IntegerState
    ) -> tuple[Integers, IntegerState]:
        """previous (B, F), context (B, C) -> logits (B, sum of V_f), field after field, in 1/65,536 nat, and the next
        state. The state passed in stays unchanged."""

    @property
    @abstractmethod
    def multiply_adds(self) -> int:
        """Multiply-adds in one step."""

    def split(self, logits: Integers) -> list[Integers]:
        """Split logits (…, sum of V_f) into those of each field (…, V_f)."""
        return np.split(logits, self.heads.starts[1:-1], axis=-1)
