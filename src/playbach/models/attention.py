"""The article's network of several inputs (model type 2): an embedding for each field, stacked LSTM layers, attention
over their last outputs, a softmax for each field.

The attention is Luong's (Luong, Pham and Manning, arXiv:1508.04025), with scaled products: each output asks those of
the last steps, its own among them, and what they answer goes into the softmaxes beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.models.banded import HIDDEN, attend
from playbach.models.base import Embeddings, Heads, Model, Shape, demand_shares, demand_sizes
from playbach.models.recurrent import Recurrent


@dataclass(frozen=True, slots=True)
class AttentionConfig:
    """`memory` is how many outputs, the present one included, are looked back at."""

    embedding: int = 48
    context_embedding: int = 16
    hidden: int = 300
    layers: int = 2
    memory: int = 64
    dropout: float = 0.3

    def __post_init__(self) -> None:
        demand_sizes(self, "embedding", "context_embedding", "hidden", "layers", "memory")
        demand_shares(self, "dropout")


class Attention(Model):
    name: ClassVar[str] = "attention"
    Config: ClassVar[type[Any]] = AttentionConfig

    def __init__(self, shape: Shape, config: AttentionConfig | None = None) -> None:
        super().__init__(shape)
        self.options = c = config or AttentionConfig()
        self.embed = Embeddings(shape, c.embedding, c.context_embedding)
        self.lstm = Recurrent(self.embed.size, c.hidden, c.layers, c.dropout)
        self.ask = nn.Linear(c.hidden, c.hidden, bias=False)
        self.join = nn.Linear(2 * c.hidden, c.hidden)
        self.dropout = nn.Dropout(c.dropout)
        self.heads = Heads(shape, c.hidden)

    def config(self) -> dict[str, Any]:
        return asdict(self.options)

    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        outputs, _ = self.lstm(self.dropout(self.embed(previous, context)))  # (B, T, H)
        asked, held = self.ask(outputs)[:, None], outputs[:, None]  # (B, 1, T, H): a single head
        return self._said(outputs, attend(asked, held, held, self.options.memory)[:, 0], context)

    def _said(self, output: Tensor, answer: Tensor, context: Tensor) -> list[Tensor]:
        """output and answer (…, H), context (…, C) -> F logits (…, V_f)."""
        joined = torch.tanh(self.join(torch.cat([output, answer.to(output.dtype)], dim=-1)))
        logits: list[Tensor] = self.heads(self.dropout(joined), context)
        return logits

    def initial_state(self, batch: int) -> list[Tensor]:
        """Hidden and cell state (B, layers, H), the last outputs (B, W, H), which of the W places hold one (B, W),
        and the place of the next (B, 1), all as floats."""
        c, (hidden, cell) = self.options, self.lstm.initial_state(batch)
        ring = hidden.new_zeros(batch, c.memory, c.hidden)
        return [hidden, cell, ring, hidden.new_zeros(batch, c.memory), hidden.new_zeros(batch, 1)]

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        hidden, cell, ring, held, place = state
        x, recurrent = self.lstm.step(self.embed(previous, context), [hidden, cell])
        here = torch.arange(self.options.memory, device=x.device)[None] == place  # (B, W): the oldest is written over
        ring = torch.where(here[..., None], x[:, None], ring)
        held = torch.where(here, torch.ones_like(held), held)
        scores = (self.ask(x)[:, None] @ ring.transpose(1, 2)) * self.options.hidden**-0.5  # (B, 1, W)
        answer = (scores + ((1 - held) * HIDDEN)[:, None]).softmax(-1) @ ring
        after = torch.remainder(place + 1, self.options.memory)
        return self._said(x, answer[:, 0], context), [*recurrent, ring, held, after]
