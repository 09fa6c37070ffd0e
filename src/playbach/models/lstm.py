"""The article's network (model types 1 and 3): one-hot or embedded symbols, stacked LSTM layers, dropout, a softmax
for each field."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from torch import Tensor, nn

from playbach.models.base import Embeddings, Heads, Model, OneHot, Shape
from playbach.models.configs import LstmConfig
from playbach.models.recurrent import Recurrent


class Lstm(Model):
    name: ClassVar[str] = "lstm"

    def __init__(self, shape: Shape, config: LstmConfig | None = None) -> None:
        super().__init__(shape)
        self.options = c = config or LstmConfig()
        self.embed: Embeddings | OneHot
        if c.onehot:
            self.embed = OneHot(shape, c.context_embedding)
        else:
            self.embed = Embeddings(shape, c.embedding, c.context_embedding)
        self.lstm = Recurrent(self.embed.size, c.hidden, c.layers, c.dropout)
        self.dropout = nn.Dropout(c.dropout)
        self.heads = Heads(shape, c.hidden)

    def copy_weights_from(self, old: Model) -> None:
        if isinstance(self.embed, OneHot) and isinstance(old, Lstm) and isinstance(old.embed, OneHot):
            # Each element of a one-hot vector has its column in the first layer's matrix.
            widened = old.lstm.get_parameter("weight_ih_l0")[:, self.embed.old_columns(old.embed)]
            old.lstm.weight_ih_l0 = nn.Parameter(widened.detach())
        if isinstance(old, Lstm):
            old.widen(len(self.shape.context) - len(old.shape.context), self.options.context_embedding)
        super().copy_weights_from(old)

    def widen(self, fields: int, size: int) -> None:
        """Let the first layer ignore the embeddings of more context fields, each of this size."""
        weights = self.lstm.get_parameter("weight_ih_l0")
        self.lstm.weight_ih_l0 = nn.Parameter(nn.functional.pad(weights, (0, fields * size)).detach())

    def config(self) -> dict[str, Any]:
        return asdict(self.options)

    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        outputs, _ = self.lstm(self.dropout(self.embed(previous, context)))
        logits: list[Tensor] = self.heads(self.dropout(outputs), context)
        return logits

    def initial_state(self, batch: int) -> list[Tensor]:
        """Hidden and cell state (B, layers, hidden)."""
        return self.lstm.initial_state(batch)

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        x, state = self.lstm.step(self.embed(previous, context), state)
        return self.heads(x, context), state
