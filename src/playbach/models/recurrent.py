"""Stacked LSTM layers (Hochreiter and Schmidhuber 1997), over a whole sequence or one step at a time.

Whole sequences go through torch's own layers. A single step is written as matrix products, because quantisation
shrinks those but not an LSTM operator. Knows vectors; knows nothing of symbols.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrent(nn.LSTM):
    """(B, T, size) -> (B, T, hidden), and the same one step at a time. Dropout acts between layers."""

    def __init__(self, size: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__(size, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def initial_state(self, batch: int) -> list[Tensor]:
        """Hidden and cell state (B, layers, hidden)."""
        like = next(self.parameters())
        return [like.new_zeros(batch, self.num_layers, self.hidden_size) for _ in range(2)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """x (B, size) and hidden and cell state -> (B, hidden) and the next state."""
        hidden, cell = [], []
        for layer in range(self.num_layers):
            x, c = self._cell(layer, x, state[0][:, layer], state[1][:, layer])
            hidden.append(x)
            cell.append(c)
        return x, [torch.stack(hidden, 1), torch.stack(cell, 1)]

    def _cell(self, layer: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        from_input, from_hidden = (
            nn.functional.linear(v, getattr(self, f"weight_{kind}_l{layer}"), getattr(self, f"bias_{kind}_l{layer}"))
            for v, kind in ((x, "ih"), (h, "hh"))
        )
        i, f, g, o = (from_input + from_hidden).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
