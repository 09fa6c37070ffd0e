"""Figures of predictions of held-out music, which training and evaluation share.

A predictor gives, for each step of whole pieces, the cost of the true symbols in nats, and whether its most probable
symbols were right. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.voices import SIXTEENTH
from playbach.music.arrays import Ints

_Logits = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Predictions:
    """How well one piece was predicted."""

    nats: npt.NDArray[np.float64]
    """(T, F) the cost of each field's true symbol: minus the logarithm of its probability."""
    right: npt.NDArray[np.bool_]
    """(T, F) whether each field's most probable symbol was right."""


@dataclass(frozen=True, slots=True)
class FieldFigures:
    """The figures of one field."""

    field: str
    accuracy: float
    """The share of steps whose most probable symbol is right."""
    bits: float
    """Bits per step."""


@dataclass(frozen=True, slots=True)
class Figures:
    pieces: int
    steps: int
    notes: int
    accuracy: float
    """The share of steps whose first field's most probable symbol is right."""
    bits_per_symbol: float
    bits_per_note: float
    """The cost of all fields together."""
    unknown: float
    """The share of steps with a symbol that training never saw."""
    nats_per_sixteenth: float = 0.0
    """The cost of all voices, divided by the length of the pieces."""
    changes: float = 0.0
    """The share of steps that are changes: in which a note or a silence begins, not only continues."""
    accuracy_of_changes: float = 0.0
    """The accuracy on these steps; 0 if there are none."""
    bits_per_change: float = 0.0
    heads: tuple[FieldFigures, ...] = ()
    """The figures of each field; empty if there is only one."""

    def manifest(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Figures:
        return cls(**{**data, "heads": tuple(FieldFigures(**head) for head in data.get("heads", ()))})


def predictions_from_logits(scores: Sequence[_Logits], steps: Ints) -> Predictions:
    """Compare each field's logits, or logarithms of probabilities, (T, V_f) with the true steps (T, F)."""
    rows, nats = np.arange(len(steps)), np.zeros(steps.shape)
    for f, logits in enumerate(scores):
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        nats[:, f] = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, steps[:, f]]
    best = [logits.argmax(axis=1) for logits in scores]
    return Predictions(nats, np.stack(best, axis=1) == steps)


class Predictor(Protocol):
    """What predicts the steps of a whole piece, such as an n-gram."""

    def probabilities(self, piece: EncodedPiece) -> Sequence[npt.NDArray[np.floating[Any]]]:
        """For each field, the probability of each symbol before each step (T, V_f)."""


def predictions_of(predictor: Predictor, piece: EncodedPiece) -> Predictions:
    """How each step of a piece was predicted."""
    return predictions_from_logits([np.log(p) for p in predictor.probabilities(piece)], piece.steps)


def predictor_figures(predictor: Predictor, pieces: Sequence[EncodedPiece], encoding: Encoding) -> Figures:
    """The figures of a predictor on one or more pieces."""
    return compute_figures((predictions_of(predictor, piece) for piece in pieces), pieces, encoding)


def compute_figures(
    predictions: Iterable[Predictions], sequences: Sequence[EncodedPiece], encoding: Encoding
) -> Figures:
    """The figures of one or more pieces."""
    listed = list(predictions)
    costs = np.concatenate([p.nats for p in listed])
    hits = np.concatenate([p.right for p in listed])
    nats, right = costs.sum(axis=1), hits[:, 0]
    steps = np.concatenate([s.steps for s in sequences])
    changes = ~encoding.is_continuation(steps)
    bits, symbols = nats.sum() / math.log(2), len(steps) * len(encoding.fields)
    return Figures(
        pieces=len(sequences),
        steps=len(steps),
        notes=(notes := sum(s.notes for s in sequences)),
        accuracy=float(right.mean()),
        bits_per_symbol=float(bits / symbols),
        bits_per_note=float(bits / max(1, notes)),
        unknown=float(np.isin(steps[:, 0], encoding.unknown_symbols()[0]).mean()),
        nats_per_sixteenth=float(nats.sum() / (sum(s.ticks for s in sequences) / SIXTEENTH)),
        changes=float(changes.mean()),
        accuracy_of_changes=float(right[changes].mean()) if changes.any() else 0.0,
        bits_per_change=float(nats[changes].mean() / math.log(2)) if changes.any() else 0.0,
        heads=_heads(encoding, costs, hits),
    )


def _heads(encoding: Encoding, nats: _Logits, right: npt.NDArray[np.bool_]) -> tuple[FieldFigures, ...]:
    if len(encoding.fields) == 1:
        return ()
    bits, accuracies = nats.mean(axis=0) / math.log(2), right.mean(axis=0)
    return tuple(FieldFigures(f.name, float(a), float(b)) for f, a, b in zip(encoding.fields, accuracies, bits))


def frequency_baseline(
    encoding: Encoding, train: Iterable[EncodedPiece], held_out: Sequence[EncodedPiece]
) -> Figures:
    """The figures of predicting every step from the symbol frequencies of the training pieces."""
    counts = [np.ones(len(field)) for field in encoding.fields]
    for s in train:
        for f, field in enumerate(encoding.fields):
            counts[f] += np.bincount(s.steps[:, f], minlength=len(field))
    costs, best = [-np.log(c / c.sum()) for c in counts], np.array([c.argmax() for c in counts])
    predictions = []
    for s in held_out:
        nats = np.stack([cost[s.steps[:, f]] for f, cost in enumerate(costs)], axis=1)
        predictions.append(Predictions(nats, s.steps == best))
    return compute_figures(predictions, held_out, encoding)
