"""What a network in training guesses of held-out music: `measure`, whose figures are those of `playbach evaluate`.

Always over whole pieces from their beginning, without telling how much is left, in 32-bit floats: what a listener
could have known. Needs torch; the arithmetic is that of `figures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from playbach.data.batches import previous_of
from playbach.encodings import EncodedPiece, Encoding
from playbach.encodings.base import LEFT_UNKNOWN
from playbach.evaluation.metrics import Figures, Floats, Guesses, commonest, figures, guesses
from playbach.models import Model

__all__ = ["Figures", "commonest", "measure"]

LOGITS_AT_ONCE = 1 << 22
"""Pieces are measured together as long as their logits are no more than this."""
LOGITS_AT_MOST = 1 << 27
"""A piece that has more by itself is taken step by step, as when it is played: slow, but in memory of fixed size."""


@torch.inference_mode()
def measure(model: Model, encoding: Encoding, sequences: Sequence[EncodedPiece]) -> Figures:
    """The figures of whole encoded pieces."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    ordered = sorted(sequences, key=len)
    found: list[Guesses] = []
    for group in _groups(ordered, max(map(len, encoding.fields))):
        previous, context = (torch.from_numpy(a).to(device) for a in _padded(group, encoding))
        parts: list[list[Guesses]] = [[] for _ in group]
        at = 0
        for logits in _blocks(model, previous, context, max(map(len, encoding.fields))):
            steps = logits[0].shape[1]
            for i, s in enumerate(group):
                known = s.steps[at : at + steps]
                if len(known):
                    parts[i].append(guesses([scores[i, : len(known)] for scores in logits], known))
            at += steps
        found += [Guesses(*(np.concatenate(c) for c in zip(*((p.nats, p.right) for p in part)))) for part in parts]
    model.train(was_training)
    return figures(found, ordered, encoding)


def _blocks(model: Model, previous: torch.Tensor, context: torch.Tensor, symbols: int) -> Iterator[list[Floats]]:
    """The logits (B, T', V_f) of previous (B, T, F) and context (B, T, C), some steps after the other."""
    pieces, length = previous.shape[:2]
    at_once = max(1, LOGITS_AT_ONCE // (pieces * symbols))
    if pieces * length * symbols <= LOGITS_AT_MOST:
        logits = [scores.float().cpu().numpy() for scores in model(previous, context)]
        for begin in range(0, length, at_once):
            yield [scores[:, begin : begin + at_once] for scores in logits]
        return
    state, held = model.initial_state(pieces), []
    for t in range(length):
        scores, state = model.step(previous[:, t], context[:, t], state)
        held.append([s.float().cpu().numpy() for s in scores])
        if len(held) == at_once or t + 1 == length:
            yield [np.stack(field, axis=1) for field in zip(*held)]
            held = []


def _groups(ordered: list[EncodedPiece], symbols: int) -> list[list[EncodedPiece]]:
    """Pieces of like length together, so that little is padded."""
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
    context[:, :, encoding.left_column] = LEFT_UNKNOWN
    return previous, context
