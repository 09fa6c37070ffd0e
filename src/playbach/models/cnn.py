"""The article's network for microcontrollers and integer-only accelerators (model type 4): the last steps as a square
image, small convolutions, a softmax for each field.

It has two parts. The *shell* only looks things up: the row of the image for each step (the sum of its symbols'
embeddings), the ring buffer of the last rows, and the class of each symbol in a relation. The *core*, from the image
to the scores, has only convolutions and clipped activations, which integer arithmetic handles well; it runs on the
accelerator or microcontroller.

The convolutions have no stride along the steps. Overlapping windows of a piece therefore share their computation, and
a step costs as much in training as in playing.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.models.base import Heads, Model, Shape, SummedEmbeddings
from playbach.models.configs import CnnConfig

KERNEL, STRIDE = 3, 2
"""Of both convolutions: the kernel's size in steps and in columns, and the stride along the columns."""


class Cnn(Model):
    name: ClassVar[str] = "cnn"

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
        image = nn.functional.pad(rows, (0, 0, self.options.image - 1, 0))  # zeros before the first step
        return self.heads.combine(self.core(image), context)

    def rows(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> rows of the image (…, D), between -1 and 1, so that integers need one fixed scale."""
        rows: Tensor = self.embed(previous, context)
        if torch.compiler.is_exporting():  # TensorFlow Lite Micro has no clamp
            return torch.relu(rows + 1) - torch.relu(rows - 1) - 1
        return rows.clamp(-1, 1)

    def initial_state(self, batch: int) -> list[Tensor]:
        """The rows of the N - 1 steps before the current one (B, N - 1, D), the oldest first."""
        like, n = next(self.parameters()), self.options.image
        return [like.new_zeros(batch, n - 1, n)]

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        image = torch.cat([state[0], self.rows(previous, context)[:, None]], dim=1)
        scores = [s[:, 0] for s in self.core(image)]
        return self.heads.combine(scores, context), [image[:, 1:]]


class Core(nn.Module):
    """The part that can run in integers: an image (B, T + N - 1, D) -> the scores (B, T, …) that `Heads.scores`
    returns, for each of its T windows of N rows."""

    def __init__(self, c: CnnConfig, heads: Heads) -> None:
        super().__init__()
        columns = c.image
        for _ in range(2):
            columns = (columns - KERNEL) // STRIDE + 1
        kernel, stride = (KERNEL, KERNEL), (1, STRIDE)
        self.first = nn.Conv2d(1, c.channels, kernel, stride)
        self.second = nn.Conv2d(c.channels, 2 * c.channels, kernel, stride)
        # Its kernel covers all that is left of a window, like a dense layer.
        self.whole = nn.Conv2d(2 * c.channels, c.hidden, (c.image - 2 * (KERNEL - 1), columns))
        self.dropout = nn.Dropout(c.dropout)
        self.heads = heads

    def forward(self, image: Tensor) -> list[Tensor]:
        x = torch.relu(self.first(image[:, None]))
        x = self.dropout(torch.relu(self.second(x)))
        x = torch.relu(self.whole(x))[..., 0].transpose(1, 2)  # (B, T, hidden)
        return self.heads.scores(self.dropout(x))
