"""An exported network, in its own runtime, beside torch on the same music. Knows runtimes, no formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from playbach.data.batches import previous_of
from playbach.encodings import EncodedPiece, Encoding
from playbach.evaluation.metrics import Guesses, figures, guesses
from playbach.export.samples import Heard
from playbach.inference.runtimes import Runtime
from playbach.models import Model
from playbach.system.errors import PlaybachError

LOUD_BITS, LOUD_TOP_1 = 0.05, 0.9
"""A format that loses more bits per note, or agrees less often with torch, is written, but said loudly."""

Floats = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Check:
    """`largest_*_difference` of any symbol's logit or probability at any step; `top_1` the share of steps whose most
    probable symbol is torch's, both over `compared` steps. `bits_per_note` and torch's are of `pieces` pieces of
    `steps` steps, and honest where `held_out`."""

    music: str
    held_out: bool
    pieces: int
    steps: int
    compared: int
    largest_logit_difference: float
    largest_probability_difference: float
    top_1: float
    bits_per_note: float
    torch_bits_per_note: float

    @property
    def lost(self) -> float:
        """Bits per note more than torch."""
        return self.bits_per_note - self.torch_bits_per_note

    @property
    def loud(self) -> bool:
        # NaN is not within any bound.
        return not (self.lost <= LOUD_BITS and self.top_1 >= LOUD_TOP_1)

    def manifest(self) -> dict[str, Any]:
        return asdict(self)


@torch.inference_mode()
def expected(model: Model, encoding: Encoding, sequences: Sequence[EncodedPiece]) -> list[list[Floats]]:
    """For each piece torch's logits (T, V_f) of each field."""
    model = model.eval()
    found = []
    for s in sequences:
        previous = torch.from_numpy(previous_of(s.steps, encoding)).long()[None]
        logits = model(previous, torch.from_numpy(s.context).long()[None])
        found.append([field[0].numpy() for field in logits])
    return found


def stepped(runtime: Runtime, encoding: Encoding, s: EncodedPiece) -> list[Floats]:
    """A runtime's logits (T, V_f) of each field over a piece."""
    previous, state, found = previous_of(s.steps, encoding), runtime.start(), []
    for p, c in zip(previous, s.context):
        logits, state = runtime.step(p, c, state)
        found.append(logits)
    return [np.stack(field) for field in zip(*found)]


def check(runtime: Runtime, truth: Sequence[Sequence[Floats]], encoding: Encoding, music: Heard) -> Check:
    """A runtime beside what torch says (`expected`) of the pieces that `music` has to be compared.

    Raises:
        PlaybachError: it gives what is no finite number.
    """
    logit = probability = 0.0
    agreed = answers = 0
    ours: list[Guesses] = []
    theirs: list[Guesses] = []
    for s, wanted in zip(music.compared, truth, strict=True):
        given = stepped(runtime, encoding, s)
        if not all(np.isfinite(field).all() for field in given):
            raise PlaybachError(
                "the exported network gives numbers that are not finite; it was not written; choose another format"
            )
        for a, b in zip(given, wanted, strict=True):
            logit = max(logit, _largest(a - b))
            probability = max(probability, _largest(_softmax(a) - _softmax(b)))
            agreed += int((a.argmax(axis=1) == b.argmax(axis=1)).sum())
            answers += len(a)
        ours.append(guesses(given, s.steps))
        theirs.append(guesses(list(wanted), s.steps))
    counted = len(music.check)
    bits, torch_bits = (figures(g[:counted], music.check, encoding).bits_per_note for g in (ours, theirs))
    return Check(
        music=music.words,
        held_out=music.held_out,
        pieces=counted,
        steps=sum(map(len, music.check)),
        compared=sum(map(len, music.compared)),
        largest_logit_difference=logit,
        largest_probability_difference=probability,
        top_1=agreed / answers,
        bits_per_note=bits,
        torch_bits_per_note=torch_bits,
    )


def _largest(difference: Floats) -> float:
    return float(np.abs(difference).max())


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
