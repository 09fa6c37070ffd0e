"""What guesses of held-out music cost, from any guesser: the arithmetic that training and evaluation share.

A guesser gives, for each step of whole pieces, the nats that the true symbols cost it and whether its most probable
one was right; how it came by them is its own affair. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings import EncodedPiece, Encoding
from playbach.music.arrays import Ints
from playbach.music.events import TICKS_PER_QUARTER

SIXTEENTH = TICKS_PER_QUARTER // 4

Floats = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Guesses:
    """One piece guessed: nats (T, F) that each field of each step cost, and whether its most probable symbol was
    right (T, F)."""

    nats: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Head:
    """What one field came to: the share of steps whose most probable symbol is right, and bits a step."""

    field: str
    accuracy: float
    bits: float


@dataclass(frozen=True, slots=True)
class Figures:
    """`accuracy` is the share of steps whose first field's most probable symbol is right; bits count all fields;
    `unknown` is the share of steps with a symbol that training never saw.

    `nats_per_sixteenth` is everything that the pieces cost, in all voices, over their length. `changes` is the share
    of steps that do not merely go on with what sounds; their accuracy and bits leave all others out. Where there are
    none, both are 0. `heads` has a line for each field, where there are several.
    """

    pieces: int
    steps: int
    notes: int
    accuracy: float
    bits_per_symbol: float
    bits_per_note: float
    unknown: float
    nats_per_sixteenth: float = 0.0
    changes: float = 0.0
    accuracy_of_changes: float = 0.0
    bits_per_change: float = 0.0
    heads: tuple[Head, ...] = ()

    def manifest(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Figures:
        return cls(**{**data, "heads": tuple(Head(**head) for head in data.get("heads", ()))})


def guesses(scores: Sequence[Floats], steps: Ints) -> Guesses:
    """From each field's logits, or logarithms of chances, (T, V_f) before each of the steps (T, F)."""
    rows, nats = np.arange(len(steps)), np.zeros(steps.shape)
    for f, given in enumerate(scores):
        shifted = given.astype(np.float64) - given.max(axis=1, keepdims=True)
        nats[:, f] = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, steps[:, f]]
    best = [given.argmax(axis=1) for given in scores]
    return Guesses(nats, np.stack(best, axis=1) == steps)


def figures(guessed: Iterable[Guesses], sequences: Sequence[EncodedPiece], encoding: Encoding) -> Figures:
    """All figures of some pieces, one or more, and how they were guessed."""
    found = list(guessed)
    costs = np.concatenate([g.nats for g in found])
    hits = np.concatenate([g.right for g in found])
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
        unknown=float(np.isin(steps[:, 0], encoding.unknowns()[0]).mean()),
        nats_per_sixteenth=float(nats.sum() / (sum(s.ticks for s in sequences) / SIXTEENTH)),
        changes=float(changes.mean()),
        accuracy_of_changes=float(right[changes].mean()) if changes.any() else 0.0,
        bits_per_change=float(nats[changes].mean() / math.log(2)) if changes.any() else 0.0,
        heads=_heads(encoding, costs, hits),
    )


def _heads(encoding: Encoding, nats: Floats, right: npt.NDArray[np.bool_]) -> tuple[Head, ...]:
    if len(encoding.fields) == 1:
        return ()
    bits, accuracies = nats.mean(axis=0) / math.log(2), right.mean(axis=0)
    return tuple(Head(f.name, float(a), float(b)) for f, a, b in zip(encoding.fields, accuracies, bits))


def commonest(encoding: Encoding, train: Iterable[EncodedPiece], held_out: Sequence[EncodedPiece]) -> Figures:
    """The baseline that anything must beat: every step guessed from the training pieces' symbol counts alone."""
    counts = [np.ones(len(field)) for field in encoding.fields]
    for s in train:
        for f, field in enumerate(encoding.fields):
            counts[f] += np.bincount(s.steps[:, f], minlength=len(field))
    costs, best = [-np.log(c / c.sum()) for c in counts], np.array([c.argmax() for c in counts])
    found = []
    for s in held_out:
        nats = np.stack([cost[s.steps[:, f]] for f, cost in enumerate(costs)], axis=1)
        found.append(Guesses(nats, s.steps == best))
    return figures(found, held_out, encoding)
