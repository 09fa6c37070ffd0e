"""The article's network with several inputs (model type 2): an embedding for each field, stacked LSTM layers,
attention over their recent outputs, a softmax for each field.

The attention is Luong's (Luong, Pham and Manning, arXiv:1508.04025) with scaled dot products: each LSTM output
attends to itself and to the outputs of the steps before it, and the softmaxes get the output and the weighted sum.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.models.banded import MASKED_SCORE, attend
from playbach.models.base import Embeddings, Heads, Model, Shape
from playbach.models.configs import AttentionConfig
from playbach.models.recurrent import Recurrent


class Attention(Model):
    name: ClassVar[str] = "attention"

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
        queries, keys = self.ask(outputs)[:, None], outputs[:, None]  # (B, 1, T, H): a single head
        return self._logits(outputs, attend(queries, keys, keys, self.options.memory)[:, 0], context)

    def _logits(self, output: Tensor, attended: Tensor, context: Tensor) -> list[Tensor]:
        """output and attended (…, H), context (…, C) -> F logits (…, V_f)."""
        joined = torch.tanh(self.join(torch.cat([output, attended.to(output.dtype)], dim=-1)))
        logits: list[Tensor] = self.heads(self.dropout(joined), context)
        return logits

    def initial_state(self, batch: int) -> list[Tensor]:
        """Hidden and cell state (B, layers, H), a ring buffer of the last W outputs (B, W, H), which of its slots are
        filled (B, W), and the next slot (B, 1); all are floats."""
        c, (hidden, cell) = self.options, self.lstm.initial_state(batch)
        ring = hidden.new_zeros(batch, c.memory, c.hidden)
        return [hidden, cell, ring, hidden.new_zeros(batch, c.memory), hidden.new_zeros(batch, 1)]

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        hidden, cell, ring, filled, slot = state
        x, recurrent = self.lstm.step(self.embed(previous, context), [hidden, cell])
        is_slot = torch.arange(self.options.memory, device=x.device)[None] == slot  # (B, W): replaces the oldest
        ring = torch.where(is_slot[..., None], x[:, None], ring)
        filled = torch.where(is_slot, torch.ones_like(filled), filled)
        scores = (self.ask(x)[:, None] @ ring.transpose(1, 2)) * self.options.hidden**-0.5  # (B, 1, W)
        attended = (scores + ((1 - filled) * MASKED_SCORE)[:, None]).softmax(-1) @ ring
        next_slot = torch.remainder(slot + 1, self.options.memory)
        return self._logits(x, attended[:, 0], context), [*recurrent, ring, filled, next_slot]
