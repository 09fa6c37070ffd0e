"""The article's network (model types 1 and 3): embeddings, stacked LSTM layers, dropout, a softmax for each field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.errors import UsageError, demand_numbers
from playbach.models.base import Embeddings, Heads, Model, Shape


@dataclass(frozen=True, slots=True)
class LstmConfig:
    embedding: int = 48
    context_embedding: int = 16
    hidden: int = 300
    layers: int = 2
    dropout: float = 0.3

    def __post_init__(self) -> None:
        sizes = ("embedding", "context_embedding", "hidden", "layers")
        demand_numbers(self, *sizes, whole=True)
        demand_numbers(self, "dropout")
        for name in sizes:
            if not 1 <= getattr(self, name) <= 8192:
                raise UsageError(f"{name} must lie between 1 and 8192, not {getattr(self, name)!r:.40}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout must be at least 0 and less than 1, not {self.dropout!r:.40}")


class Lstm(Model):
    name: ClassVar[str] = "lstm"
    Config: ClassVar[type[Any]] = LstmConfig

    def __init__(self, shape: Shape, config: LstmConfig | None = None) -> None:
        super().__init__(shape)
        self.options = c = config or LstmConfig()
        self.embed = Embeddings(shape, c.embedding, c.context_embedding)
        between = c.dropout if c.layers > 1 else 0.0
        self.lstm = nn.LSTM(self.embed.size, c.hidden, c.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(c.dropout)
        self.heads = Heads(shape, c.hidden)

    def config(self) -> dict[str, Any]:
        return asdict(self.options)

    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        outputs, _ = self.lstm(self.dropout(self.embed(previous, context)))
        logits: list[Tensor] = self.heads(self.dropout(outputs), context)
        return logits

    def initial_state(self, batch: int) -> list[Tensor]:
        """Hidden and cell state (B, layers, hidden)."""
        like = next(self.parameters())
        return [like.new_zeros(batch, self.options.layers, self.options.hidden) for _ in range(2)]

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        # Written out in matrix products: a quantised export shrinks those, but not an LSTM operator.
        x = self.embed(previous, context)
        hidden, cell = [], []
        for layer in range(self.options.layers):
            x, c = self._cell(layer, x, state[0][:, layer], state[1][:, layer])
            hidden.append(x)
            cell.append(c)
        return self.heads(x, context), [torch.stack(hidden, 1), torch.stack(cell, 1)]

    def _cell(self, layer: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        weight, bias = getattr(self.lstm, f"weight_ih_l{layer}"), getattr(self.lstm, f"bias_ih_l{layer}")
        recurrent, recurrent_bias = (
            getattr(self.lstm, f"weight_hh_l{layer}"),
            getattr(self.lstm, f"bias_hh_l{layer}"),
        )
        gates = nn.functional.linear(x, weight, bias) + nn.functional.linear(h, recurrent, recurrent_bias)
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
