"""What every integer network promises: a step in whole numbers, the same in Python and in C."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from playbach.export.integer.fixed import Ints
from playbach.export.integer.heads import IntegerHeads

State = tuple[Ints, ...]


@dataclass(frozen=True, eq=False)
class IntegerNetwork(ABC):
    """A quantised network; all that it is are integers. `context` is how many symbols each context field has."""

    name: ClassVar[str]
    heads: IntegerHeads
    context: tuple[int, ...]

    @property
    def symbols(self) -> tuple[int, ...]:
        """How many symbols each field has."""
        return self.heads.symbols

    @abstractmethod
    def start(self, pieces: int) -> State:
        """Arrays (pieces, …) that stand for having seen nothing."""

    @abstractmethod
    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: State) -> tuple[Ints, State]:
        """previous (B, F), context (B, C) -> logits (B, sum of V_f), field after field, in 65,536ths of a nat, and
        the next state; the one given stays as it is."""

    @property
    @abstractmethod
    def multiply_adds(self) -> int:
        """Multiplications of a weight in one step."""

    def split(self, logits: Ints) -> list[Ints]:
        """Logits (…, sum of V_f) -> those of each field (…, V_f)."""
        return np.split(logits, self.heads.starts[1:-1], axis=-1)
