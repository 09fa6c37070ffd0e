"""A network's step with a flat list of tensors in and out, as exporters want it, and what its inputs and outputs are
called: `previous`, `context` (where there is one) and `state_i` in, `logits_f` and `next_state_i` out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from playbach.models import Model


class Step(nn.Module):
    """(previous, context, state) -> (*logits, *state); without a context it is not asked for."""

    def __init__(self, model: Model) -> None:
        """A copy, to compute with on a CPU; the model stays as it is."""
        super().__init__()
        self.model = copy.deepcopy(model).eval().cpu()

    def forward(self, previous: Tensor, *others: Tensor | list[Tensor]) -> tuple[Tensor, ...]:
        *context, state = others
        assert isinstance(state, list)
        told = context[0] if context else previous[..., :0]
        assert isinstance(told, Tensor)
        logits, state = self.model.step(previous, told, state)
        return (*logits, *state)

    def examples(self, batch: int) -> tuple[Tensor | list[Tensor], ...]:
        """What it can be traced with: no tensor twice, which would tie inputs to each other."""
        shape = self.model.shape
        previous = torch.zeros(batch, len(shape.symbols), dtype=torch.int64)
        context = torch.zeros(batch, len(shape.context), dtype=torch.int64)
        return (previous, *([context] if shape.context else []), self.model.initial_state(batch))

    @property
    def inputs(self) -> list[str]:
        shape = self.model.shape
        return ["previous", *["context"] * bool(shape.context), *(f"state_{i}" for i in range(self._states))]

    @property
    def outputs(self) -> list[str]:
        fields = len(self.model.shape.symbols)
        return [*(f"logits_{f}" for f in range(fields)), *(f"next_state_{i}" for i in range(self._states))]

    @property
    def _states(self) -> int:
        return len(self.model.initial_state(1))
