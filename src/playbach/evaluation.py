"""What a network in training guesses of held-out music: `measure`, whose figures are those of `playbach evaluate`.

Always over whole pieces from their beginning, without telling how much is left, in 32-bit floats: what a listener
could have known. Needs torch; the arithmetic is that of `figures`.
"""

from __future__ import annotations

from collections.abc import Sequence as List

import numpy as np
import torch

from playbach.batches import previous_of
from playbach.encodings import Encoding, Sequence
from playbach.encodings.base import LEFT_UNKNOWN
from playbach.figures import Figures, commonest, figures, guesses
from playbach.models import Model

__all__ = ["Figures", "commonest", "measure"]

LOGITS_AT_ONCE = 1 << 22
"""Pieces are measured together as long as their logits are no more than this."""


@torch.inference_mode()
def measure(model: Model, encoding: Encoding, sequences: List[Sequence]) -> Figures:
    """The figures of whole encoded pieces."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    ordered = sorted(sequences, key=len)
    found = []
    for group in _groups(ordered, max(map(len, encoding.fields))):
        previous, context = (torch.from_numpy(a).to(device) for a in _padded(group, encoding))
        logits = [scores.float().cpu().numpy() for scores in model(previous, context)]
        found += [guesses([scores[i, : len(s)] for scores in logits], s.steps) for i, s in enumerate(group)]
    model.train(was_training)
    return figures(found, ordered, encoding)


def _groups(ordered: list[Sequence], symbols: int) -> list[list[Sequence]]:
    """Pieces of like length together, so that little is padded."""
    groups: list[list[Sequence]] = []
    for sequence in ordered:
        if groups and (len(groups[-1]) + 1) * len(sequence) * symbols <= LOGITS_AT_ONCE:
            groups[-1].append(sequence)
        else:
            groups.append([sequence])
    return groups


def _padded(group: list[Sequence], encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(group), max(map(len, group)))
    previous = np.zeros((*shape, len(encoding.fields)), np.int64)
    context = np.zeros((*shape, len(encoding.context)), np.int64)
    for i, sequence in enumerate(group):
        previous[i, : len(sequence)] = previous_of(sequence.steps, encoding)
        context[i, : len(sequence)] = sequence.context
    context[:, :, encoding.left_column] = LEFT_UNKNOWN
    return previous, context
