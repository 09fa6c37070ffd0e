"""Measures a torch network on held-out music. The figures are those of `playbach evaluate`.

Whole pieces are predicted from their beginning, in 32-bit floats, and the network does not know how many bars are
left. Needs torch; the arithmetic is that of `metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from playbach.data.batches import previous_of
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.evaluation.metrics import (
    Figures,
    Predictions,
    compute_figures,
    frequency_baseline,
    predictions_from_logits,
)
from playbach.models.base import Model

__all__ = ["Figures", "frequency_baseline", "measure_network"]

_Logits = npt.NDArray[Any]

LOGITS_AT_ONCE = 1 << 22
"""The number of logits up to which pieces are measured in one batch."""
LOGITS_AT_MOST = 1 << 27
"""A piece with more logits than this is predicted step by step, which is slower but needs memory of fixed size."""


@torch.inference_mode()
def measure_network(model: Model, encoding: Encoding, sequences: Sequence[EncodedPiece]) -> Figures:
    """The figures of a network on encoded pieces."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    ordered = sorted(sequences, key=len)
    found: list[Predictions] = []
    for group in _groups(ordered, max(map(len, encoding.fields))):
        previous, context = (torch.from_numpy(a).to(device) for a in _padded(group, encoding))
        parts: list[list[Predictions]] = [[] for _ in group]
        at = 0
        for logits in _blocks(model, previous, context, max(map(len, encoding.fields))):
            steps = logits[0].shape[1]
            for i, s in enumerate(group):
                known = s.steps[at : at + steps]
                if len(known):
                    parts[i].append(predictions_from_logits([scores[i, : len(known)] for scores in logits], known))
            at += steps
        found += [
            Predictions(*(np.concatenate(c) for c in zip(*((p.nats, p.right) for p in part)))) for part in parts
        ]
    model.train(was_training)
    return compute_figures(found, ordered, encoding)


def _blocks(model: Model, previous: torch.Tensor, context: torch.Tensor, symbols: int) -> Iterator[list[_Logits]]:
    """The logits (B, T', V_f) for previous (B, T, F) and context (B, T, C), in blocks of T' steps."""
    pieces, length = previous.shape[:2]
    at_once = max(1, LOGITS_AT_ONCE // (pieces * symbols))
    if pieces * length * symbols <= LOGITS_AT_MOST:
        logits = [scores.float().cpu().numpy() for scores in model(previous, context)]
        for begin in range(0, length, at_once):
            yield [scores[:, begin : begin + at_once] for scores in logits]
        return
    state, block = model.initial_state(pieces), []
    for t in range(length):
        scores, state = model.step(previous[:, t], context[:, t], state)
        block.append([s.float().cpu().numpy() for s in scores])
        if len(block) == at_once or t + 1 == length:
            yield [np.stack(field, axis=1) for field in zip(*block)]
            block = []


def _groups(ordered: list[EncodedPiece], symbols: int) -> list[list[EncodedPiece]]:
    """Group pieces of similar length, so that little is padded."""
    groups: list[list[EncodedPiece]] = []
    for sequence in ordered:
        if groups and (len(groups[-1]) + 1) * len(sequence) * symbols <= LOGITS_AT_ONCE:
            groups[-1].append(sequence)
        else:
            groups.append([sequence])
    return groups


def _padded(group: list[EncodedPiece], encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(group), max(map(len, group)))
    previous = np.zeros((*shape, len(encoding.fields)), np.int64)
    context = np.zeros((*shape, len(encoding.context)), np.int64)
    for i, sequence in enumerate(group):
        previous[i, : len(sequence)] = previous_of(sequence.steps, encoding)
        context[i, : len(sequence)] = sequence.context
    context[:, :, encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    return previous, context
