"""The article's network (model types 1 and 3): symbols one-hot or embedded, stacked LSTM layers, dropout, a softmax
for each field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from playbach.models.base import Embeddings, Heads, Model, OneHot, Shape, demand_shares, demand_sizes
from playbach.models.recurrent import Recurrent
from playbach.system.errors import UsageError

EMBEDDING = 32


@dataclass(frozen=True, slots=True)
class LstmConfig:
    """`onehot` gives the previous step's symbols one-hot and not embedded: the article's model type 1."""

    embedding: int = EMBEDDING
    context_embedding: int = 16
    hidden: int = 256
    layers: int = 1
    dropout: float = 0.4
    onehot: bool = False

    def __post_init__(self) -> None:
        demand_sizes(self, "embedding", "context_embedding", "hidden", "layers")
        demand_shares(self, "dropout")
        if not isinstance(self.onehot, bool):
            raise UsageError(f"onehot must be true or false, not {self.onehot!r:.40}")
        if self.onehot and self.embedding != EMBEDDING:
            raise UsageError("embedding and onehot contradict each other: a symbol is embedded or one-hot; drop one")


class Lstm(Model):
    name: ClassVar[str] = "lstm"
    Config: ClassVar[type[Any]] = LstmConfig

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

    def adopt(self, old: Model) -> None:
        if isinstance(self.embed, OneHot) and isinstance(old, Lstm) and isinstance(old.embed, OneHot):
            # A one-hot symbol's row is a column of the first layer's matrix.
            widened = old.lstm.get_parameter("weight_ih_l0")[:, self.embed.columns(old.embed)]
            old.lstm.weight_ih_l0 = nn.Parameter(widened.detach())
        super().adopt(old)

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
