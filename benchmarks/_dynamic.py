"""What a network predicts of a piece, as it is trained or learning on within the piece.

Dynamic evaluation (Krause et al. 2018): a piece is predicted in segments, and after each one the weights take a
gradient step on it, scaled by the usual size of each weight's gradient, and are pulled back towards the weights of
training, with which each piece begins. Needs torch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SEGMENT = 32
"""Steps that are predicted before the weights change."""
PULL = 0.02
"""The share of the way back to the weights of training, after each segment."""
SEGMENTS_MEASURED = 64
"""Segments of training pieces from which the usual size of the gradients is taken."""
SMALLEST_SIZE = 1e-3
"""As a share of the mean size of all gradients: the least by which a gradient is divided."""


def log_chances(model: Any, encoding: Any, sequence: Any) -> npt.NDArray[np.float32]:
    """The log probabilities (T, V) of a piece's steps in the first field, with bars left unknown."""
    with torch.inference_mode():
        return _as_logs(model(*inputs(encoding, sequence))[0][0])


def gradient_sizes(model: Any, encoding: Any, sequences: Sequence[Any]) -> list[Tensor]:
    """The root mean square of each weight's gradient, over segments of training pieces."""
    rng, totals = np.random.default_rng(0), [torch.zeros_like(p) for p in model.parameters()]
    for _ in range(SEGMENTS_MEASURED):
        sequence = sequences[rng.integers(len(sequences))]
        begin = int(rng.integers(max(1, len(sequence) - SEGMENT + 1)))
        _backward(model, encoding, sequence, begin, begin + SEGMENT)
        for total, p in zip(totals, model.parameters()):
            if p.grad is not None:
                total += p.grad.square() / SEGMENTS_MEASURED
    sizes = [total.sqrt() for total in totals]
    mean = sum(float(s.sum()) for s in sizes) / sum(s.numel() for s in sizes)
    return [s + SMALLEST_SIZE * mean for s in sizes]


def log_chances_learning(
    model: Any, encoding: Any, sequence: Any, sizes: Sequence[Tensor], rate: float
) -> npt.NDArray[np.float32]:
    """As `log_chances`, with a gradient step after each segment."""
    learner = copy.deepcopy(model).eval()
    found = []
    for begin in range(0, len(sequence), SEGMENT):
        found.append(_backward(learner, encoding, sequence, begin, begin + SEGMENT))
        with torch.no_grad():
            for p, start, size in zip(learner.parameters(), model.parameters(), sizes):
                if p.grad is not None:
                    p.sub_(rate * p.grad / size)
                    p.lerp_(start, PULL)
    return np.concatenate(found)


def _backward(model: Any, encoding: Any, sequence: Any, begin: int, end: int) -> npt.NDArray[np.float32]:
    """Set the gradients of a segment's mean cost; return its log probabilities, which are of before any step."""
    previous, context = (x[:, :end] for x in inputs(encoding, sequence))
    logits = model(previous, context)[0][0, begin:]
    target = torch.from_numpy(sequence.steps[begin:end, 0].astype(np.int64))
    model.zero_grad(set_to_none=True)
    nn.functional.cross_entropy(logits, target).backward()  # type: ignore[no-untyped-call]
    return _as_logs(logits.detach())


def inputs(encoding: Any, sequence: Any) -> tuple[Tensor, Tensor]:
    """previous (1, T, F) and context (1, T, C)."""
    from playbach.data.batches import previous_of
    from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT

    context = sequence.context.astype(np.int64)
    context[:, encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    previous = previous_of(sequence.steps, encoding).astype(np.int64)
    return torch.from_numpy(previous)[None], torch.from_numpy(context)[None]


def _as_logs(logits: Tensor) -> npt.NDArray[np.float32]:
    return logits.double().log_softmax(-1).float().numpy()
