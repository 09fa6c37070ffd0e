"""Compares an exported network, run in its own runtime, with torch on the same music.

Knows runtimes; does not know formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from playbach.data.batches import previous_of
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.evaluation.metrics import Predictions, compute_figures, predictions_from_logits
from playbach.export.samples import Samples
from playbach.inference.runtimes.base import Runtime
from playbach.models.base import Model
from playbach.system.errors import PlaybachError

MAX_BITS_LOST, MIN_TOP_1 = 0.05, 0.9
"""A format that loses more bits per note, or agrees with torch in fewer steps, is written, but with a warning."""

_Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Check:
    """How an exported network compares with torch."""

    music: str
    """Which pieces were used."""
    held_out: bool
    """Whether the model was trained on none of them."""
    pieces: int
    """The pieces that bits per note are measured on."""
    steps: int
    """The steps of those pieces."""
    compared: int
    """The number of steps for differences and `top_1`: all of `steps` and, if these are few, some of known pieces."""
    largest_logit_difference: float
    """Over all symbols and steps."""
    largest_probability_difference: float
    """Over all symbols and steps."""
    top_1: float
    """The share of steps whose most probable symbol is the same as torch's."""
    bits_per_note: float
    """Of the exported network."""
    torch_bits_per_note: float
    """Of torch, on the same pieces."""

    @property
    def bits_lost(self) -> float:
        """How many more bits per note the exported network needs than torch."""
        return self.bits_per_note - self.torch_bits_per_note

    @property
    def is_lossy(self) -> bool:
        # Negated, so that NaN counts as lossy.
        return not (self.bits_lost <= MAX_BITS_LOST and self.top_1 >= MIN_TOP_1)

    def manifest(self) -> dict[str, Any]:
        return asdict(self)


@torch.inference_mode()
def torch_logits(model: Model, encoding: Encoding, pieces: Sequence[EncodedPiece]) -> list[list[_Array]]:
    """Run torch over each piece; return its logits (T, V_f) of each field."""
    model = model.eval()
    logits = []
    for piece in pieces:
        previous = torch.from_numpy(previous_of(piece.steps, encoding)).long()[None]
        fields = model(previous, torch.from_numpy(piece.context).long()[None])
        logits.append([field[0].numpy() for field in fields])
    return logits


def runtime_logits(runtime: Runtime, encoding: Encoding, piece: EncodedPiece) -> list[_Array]:
    """Step a runtime over a piece; return its logits (T, V_f) of each field."""
    previous, state, steps = previous_of(piece.steps, encoding), runtime.start(), []
    for p, c in zip(previous, piece.context):
        logits, state = runtime.step(p, c, state)
        steps.append(logits)
    return [np.stack(field) for field in zip(*steps)]


def compare_with_torch(
    runtime: Runtime, expected: Sequence[Sequence[_Array]], encoding: Encoding, samples: Samples
) -> Check:
    """Compare a runtime with torch over `samples.compared`; `expected` are torch's logits of these (`torch_logits`).

    Raises:
        PlaybachError: a logit of the runtime is not finite.
    """
    logit = probability = 0.0
    agreed = answers = 0
    ours: list[Predictions] = []
    theirs: list[Predictions] = []
    for piece, wanted in zip(samples.compared, expected, strict=True):
        logits = runtime_logits(runtime, encoding, piece)
        if not all(np.isfinite(field).all() for field in logits):
            raise PlaybachError(
                "the exported network computes numbers that are not finite; it was not written; choose another format"
            )
        for a, b in zip(logits, wanted, strict=True):
            logit = max(logit, _largest(a - b))
            probability = max(probability, _largest(_softmax(a) - _softmax(b)))
            agreed += int((a.argmax(axis=1) == b.argmax(axis=1)).sum())
            answers += len(a)
        ours.append(predictions_from_logits(logits, piece.steps))
        theirs.append(predictions_from_logits(list(wanted), piece.steps))
    counted = len(samples.check)
    bits, torch_bits = (compute_figures(g[:counted], samples.check, encoding).bits_per_note for g in (ours, theirs))
    return Check(
        music=samples.description,
        held_out=samples.held_out,
        pieces=counted,
        steps=sum(map(len, samples.check)),
        compared=sum(map(len, samples.compared)),
        largest_logit_difference=logit,
        largest_probability_difference=probability,
        top_1=agreed / answers,
        bits_per_note=bits,
        torch_bits_per_note=torch_bits,
    )


def _largest(difference: _Array) -> float:
    return float(np.abs(difference).max())


def _softmax(logits: _Array) -> _Array:
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
