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
from playbach.encodings.base import LEFT_UNKNOWN, UNKNOWN
from playbach.models import Model

TOKENS_AT_ONCE = 32_768


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
    nats, hits, steps, unknown = 0.0, 0, 0, 0
    for group in _groups(sequences):
        previous, context, target = (torch.from_numpy(a).to(device) for a in _padded(group, encoding))
        logits = model(previous, context)
        for f, scores in enumerate(logits):
            wanted = target[..., f]
            cost = torch.nn.functional.cross_entropy(
                scores.float().flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
            )
            nats += float(cost)
        hits += int((logits[0].argmax(-1) == target[..., 0]).sum())
        steps += sum(len(s) for s in group)
        unknown += sum(int((s.steps == UNKNOWN).any(axis=1).sum()) for s in group)
    model.train(was_training)
    notes = sum(s.notes for s in sequences)
    bits = nats / math.log(2)
    return Figures(
        len(sequences), steps, notes, hits / steps, bits / steps / len(encoding.fields), bits / max(1, notes),
        unknown / steps,
    )  # fmt: skip


def commonest(encoding: Encoding, train: List[Sequence], held_out: List[Sequence]) -> Figures:
    """The baseline that anything must beat: every step guessed from the training pieces' symbol counts alone."""
    nats, hits, unknown = 0.0, 0, 0
    steps = sum(len(s) for s in held_out)
    for f, field in enumerate(encoding.fields):
        counts = np.ones(len(field))
        for s in train:
            counts += np.bincount(s.steps[:, f], minlength=len(field))
        cost = -np.log(counts / counts.sum())
        nats += sum(float(cost[s.steps[:, f]].sum()) for s in held_out)
        if f == 0:
            hits = sum(int((s.steps[:, f] == counts.argmax()).sum()) for s in held_out)
    unknown = sum(int((s.steps == UNKNOWN).any(axis=1).sum()) for s in held_out)
    notes = sum(s.notes for s in held_out)
    bits = nats / math.log(2)
    return Figures(
        len(held_out), steps, notes, hits / steps, bits / steps / len(encoding.fields), bits / max(1, notes),
        unknown / steps,
    )  # fmt: skip


def _groups(sequences: List[Sequence]) -> list[list[Sequence]]:
    """Pieces of like length together, so that little is padded."""
    groups: list[list[Sequence]] = []
    for sequence in sorted(sequences, key=len):
        if groups and (len(groups[-1]) + 1) * len(sequence) <= TOKENS_AT_ONCE:
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
