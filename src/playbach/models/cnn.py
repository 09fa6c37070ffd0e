"""The article's network for microcontrollers and integer-only accelerators (model type 4): the last steps seen as a
square image, small convolutions, a softmax for each field.

In two parts. The *shell* looks things up: a row of the image for each step (the sum of its symbols' rows in a table),
the ring of the last rows, and which class of a relation each symbol belongs to. The *core*, from the image to scores,
has convolutions and clipped activations only, which integer arithmetic does well; it is what such a machine runs.

The convolutions take no stride along the steps, so that over a whole piece all windows share their work, and training
costs per step what playing does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.models.base import Heads, Model, Shape, SummedEmbeddings, demand_shares, demand_sizes
from playbach.system.errors import UsageError

KERNEL, STRIDE = 3, 2
"""Of both convolutions: so many steps and columns wide; the stride is along the columns alone."""


@dataclass(frozen=True, slots=True)
class CnnConfig:
    """The image has `image` rows, one a step, and as many columns. `channels` are those of the first convolution, the
    second has twice as many; `hidden` is what the image comes down to."""

    image: int = 32
    channels: int = 16
    hidden: int = 160
    dropout: float = 0.3
    symbol_dropout: float = 0.1

    def __post_init__(self) -> None:
        demand_sizes(self, "image", "channels", "hidden")
        demand_shares(self, "dropout", "symbol_dropout")
        if not 8 <= self.image <= 256:
            raise UsageError(f"image must lie between 8 and 256, not {self.image}")


class Cnn(Model):
    name: ClassVar[str] = "cnn"
    Config: ClassVar[type[Any]] = CnnConfig

    def __init__(self, shape: Shape, config: CnnConfig | None = None) -> None:
        super().__init__(shape)
        self.options = c = config or CnnConfig()
        self.embed = SummedEmbeddings(shape, c.image, c.symbol_dropout)
        self.core = Core(c, Heads(shape, c.hidden))

    @property
    def heads(self) -> Heads:
        return self.core.heads

    def config(self) -> dict[str, Any]:
        return asdict(self.options)

    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        rows = self.rows(previous, context)  # (B, T, D)
        image = nn.functional.pad(rows, (0, 0, self.options.image - 1, 0))  # before the beginning all is 0
        return self.heads.together(self.core(image), context)

    def rows(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> rows of the image (…, D), within -1 and 1: one fixed scale in integers."""
        rows: Tensor = self.embed(previous, context)
        if torch.compiler.is_exporting():  # TensorFlow Lite Micro has no clamp
            return torch.relu(rows + 1) - torch.relu(rows - 1) - 1
        return rows.clamp(-1, 1)

    def initial_state(self, batch: int) -> list[Tensor]:
        """The rows of the last steps but the present one (B, N - 1, D), the oldest first."""
        like, n = next(self.parameters()), self.options.image
        return [like.new_zeros(batch, n - 1, n)]

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        image = torch.cat([state[0], self.rows(previous, context)[:, None]], dim=1)
        scores = [s[:, 0] for s in self.core(image)]
        return self.heads.together(scores, context), [image[:, 1:]]


class Core(nn.Module):
    """What runs in integers: an image (B, T + N - 1, D) -> the scores of each of the T windows of N rows, as
    `Heads.apart` gives them, (B, T, …)."""

    def __init__(self, c: CnnConfig, heads: Heads) -> None:
        super().__init__()
        columns = c.image
        for _ in range(2):
            columns = (columns - KERNEL) // STRIDE + 1
        kernel, stride = (KERNEL, KERNEL), (1, STRIDE)
        self.first = nn.Conv2d(1, c.channels, kernel, stride)
        self.second = nn.Conv2d(c.channels, 2 * c.channels, kernel, stride)
        # All that is left of a window at once: what elsewhere is a dense layer.
        self.whole = nn.Conv2d(2 * c.channels, c.hidden, (c.image - 2 * (KERNEL - 1), columns))
        self.dropout = nn.Dropout(c.dropout)
        self.heads = heads

    def forward(self, image: Tensor) -> list[Tensor]:
        x = torch.relu(self.first(image[:, None]))
        x = self.dropout(torch.relu(self.second(x)))
        x = torch.relu(self.whole(x))[..., 0].transpose(1, 2)  # (B, T, hidden)
        return self.heads.apart(self.dropout(x))
