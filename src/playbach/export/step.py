"""The graph that is exported: a network's step with a flat list of tensors in and out, as exporters require.

Its inputs are called `previous`, `context` (if there is one) and `state_0` …, its outputs `logits_0` … and
`next_state_0` ….
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from playbach.models.base import Model


class StepModule(nn.Module):
    """(previous, context, state) -> (*logits, *state). A network without context has no such input."""

    def __init__(self, model: Model) -> None:
        """Copy the model to the CPU; the model itself stays unchanged."""
        super().__init__()
        self.model = copy.deepcopy(model).eval().cpu()

    def forward(self, previous: Tensor, *others: Tensor | list[Tensor]) -> tuple[Tensor, ...]:
        *contexts, state = others
        assert isinstance(state, list)
        context = contexts[0] if contexts else previous[..., :0]
        assert isinstance(context, Tensor)
        logits, state = self.model.step(previous, context, state)
        return (*logits, *state)

    def example_inputs(self, batch: int) -> tuple[Tensor | list[Tensor], ...]:
        """Inputs to trace the step with. No tensor occurs twice, since exporters would tie such inputs together."""
        shape = self.model.shape
        previous = torch.zeros(batch, len(shape.symbols), dtype=torch.int64)
        context = torch.zeros(batch, len(shape.context), dtype=torch.int64)
        return (previous, *([context] if shape.context else []), self.model.initial_state(batch))

    @property
    def input_names(self) -> list[str]:
        shape = self.model.shape
        return ["previous", *["context"] * bool(shape.context), *(f"state_{i}" for i in range(self._states))]

    @property
    def output_names(self) -> list[str]:
        fields = len(self.model.shape.symbols)
        return [*(f"logits_{f}" for f in range(fields)), *(f"next_state_{i}" for i in range(self._states))]

    @property
    def _states(self) -> int:
        return len(self.model.initial_state(1))
