"""What a network's guesses of held-out music cost: accuracy, bits per symbol, bits per note.

Always over whole pieces from their beginning, without telling how much is left, in 32-bit floats: what a listener
could have known. Needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as List
from dataclasses import asdict, dataclass

import numpy as np
import torch

from playbach.batches import IGNORED, previous_of
from playbach.encodings import Encoding, Sequence
from playbach.encodings.base import LEFT_UNKNOWN
from playbach.models import Model

LOGITS_AT_ONCE = 1 << 22
"""Pieces are measured together as long as their logits are no more than this."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`accuracy` is the share of steps whose first field's most probable symbol is right; bits count all fields;
    `unknown` is the share of steps with a symbol that training never saw."""

    pieces: int
    steps: int
    notes: int
    accuracy: float
    bits_per_symbol: float
    bits_per_note: float
    unknown: float

    def manifest(self) -> dict[str, float]:
        return asdict(self)


@torch.inference_mode()
def measure(model: Model, encoding: Encoding, sequences: List[Sequence]) -> Figures:
    """The figures of whole encoded pieces."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    nats, hits = 0.0, 0
    for group in _groups(sequences, max(map(len, encoding.fields))):
        previous, context, target = (torch.from_numpy(a).to(device) for a in _padded(group, encoding))
        logits = model(previous, context)
        for f, scores in enumerate(logits):
            wanted = target[..., f]
            cost = torch.nn.functional.cross_entropy(
                scores.float().flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
            )
            nats += float(cost)
        hits += int((logits[0].argmax(-1) == target[..., 0]).sum())
    model.train(was_training)
    return _figures(nats, hits, sequences, encoding)


def commonest(encoding: Encoding, train: List[Sequence], held_out: List[Sequence]) -> Figures:
    """The baseline that anything must beat: every step guessed from the training pieces' symbol counts alone."""
    nats, hits = 0.0, 0
    for f, field in enumerate(encoding.fields):
        counts = np.ones(len(field))
        for s in train:
            counts += np.bincount(s.steps[:, f], minlength=len(field))
        cost = -np.log(counts / counts.sum())
        nats += sum(float(cost[s.steps[:, f]].sum()) for s in held_out)
        if f == 0:
            hits = sum(int((s.steps[:, f] == counts.argmax()).sum()) for s in held_out)
    return _figures(nats, hits, held_out, encoding)


def _figures(nats: float, hits: int, sequences: List[Sequence], encoding: Encoding) -> Figures:
    """All figures of some music that cost so many nats and of which so many steps were guessed."""
    steps, notes = sum(map(len, sequences)), sum(s.notes for s in sequences)
    unknowns = encoding.unknowns()[0]
    unknown = sum(int(np.isin(s.steps[:, 0], unknowns).sum()) for s in sequences)
    bits = nats / math.log(2)
    symbols = steps * len(encoding.fields)
    return Figures(len(sequences), steps, notes, hits / steps, bits / symbols, bits / max(1, notes), unknown / steps)


def _groups(sequences: List[Sequence], symbols: int) -> list[list[Sequence]]:
    """Pieces of like length together, so that little is padded."""
    groups: list[list[Sequence]] = []
    for sequence in sorted(sequences, key=len):
        if groups and (len(groups[-1]) + 1) * len(sequence) * symbols <= LOGITS_AT_ONCE:
            groups[-1].append(sequence)
        else:
            groups.append([sequence])
    return groups


def _padded(group: list[Sequence], encoding: Encoding) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = (len(group), max(map(len, group)))
    previous = np.zeros((*shape, len(encoding.fields)), np.int64)
    context = np.zeros((*shape, len(encoding.context)), np.int64)
    target = np.full((*shape, len(encoding.fields)), IGNORED, np.int64)
    for i, sequence in enumerate(group):
        previous[i, : len(sequence)] = previous_of(sequence.steps, encoding)
        context[i, : len(sequence)] = sequence.context
        target[i, : len(sequence)] = sequence.steps
    context[:, :, encoding.left_column] = LEFT_UNKNOWN
    return previous, context, target
