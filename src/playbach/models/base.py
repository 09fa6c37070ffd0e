"""What every architecture promises: two faces that agree, `forward` over a whole sequence and `step` for one.

Knows shapes only: how many symbols each field and each context field has. Knows nothing of music.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    """The number of symbols of each field (F of them) and of each context field (C, may be none)."""

    symbols: tuple[int, ...]
    context: tuple[int, ...]


class Model(nn.Module, ABC):
    """Position t of `previous` holds the step before t (all V_f where the piece begins), position t of `context`
    what is known of step t; the logits at t are those of step t. So training can cut a piece anywhere."""

    name: ClassVar[str]
    Config: ClassVar[type[Any]]
    """A frozen dataclass of the architecture's own options."""
    shape: Shape

    def __init__(self, shape: Shape, config: Any = None) -> None:
        """A new network; `config` is an instance of `Config`, with its defaults where it is None."""
        super().__init__()
        self.shape = shape

    @abstractmethod
    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        """previous (B, T, F), context (B, T, C), int64 -> F logits (B, T, V_f)."""

    @abstractmethod
    def initial_state(self, batch: int) -> list[Tensor]:
        """Tensors (B, …) of fixed size that stand for having seen nothing."""

    @abstractmethod
    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """previous (B, F), context (B, C), int64, and a state -> F logits (B, V_f) and the next state."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What the constructor needs besides the shape, as JSON."""

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())


class Embeddings(nn.Module):
    """One embedding for each field's previous symbol and each context field, side by side."""

    def __init__(self, shape: Shape, size: int, context_size: int) -> None:
        super().__init__()
        self.fields = nn.ModuleList(nn.Embedding(v + 1, size) for v in shape.symbols)
        self.context = nn.ModuleList(nn.Embedding(v, context_size) for v in shape.context)
        self.size = size * len(shape.symbols) + context_size * len(shape.context)

    def forward(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> (…, size)."""
        parts = [embed(previous[..., i]) for i, embed in enumerate(self.fields)]
        parts += [embed(context[..., i]) for i, embed in enumerate(self.context)]
        return torch.cat(parts, dim=-1)
