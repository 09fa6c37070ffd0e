"""A trained network, or the best one of a training that goes on: its weights, its figures, and how it was trained.

Needs torch, for the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from playbach.bundles.network import BaseModel
from playbach.data.batches import previous_of
from playbach.data.pieces import Corpus
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.evaluation.metrics import Figures
from playbach.models.base import Model
from playbach.music.arrays import Ints
from playbach.training.checkpoints import EpochResult
from playbach.training.options import TrainOptions


@dataclass(frozen=True, slots=True)
class Members:
    """N-grams that play together with a network."""

    data: bytes
    """As `ngrams.stored.as_bytes` writes them."""
    count: int
    network_share: float
    """From 0 to 1."""
    valid: Figures
    """Of the network and the n-grams together, on the validation pieces."""
    test: Figures
    """The same, on the test pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSoFar:
    """The best network of a run after some epochs, and how it was trained. Nothing is known of the test pieces, which
    are measured once, when training is over."""

    model: Model
    encoding: Encoding
    corpus: Corpus
    options: TrainOptions
    history: tuple[EpochResult, ...]
    """The results of all epochs."""
    seconds: float
    """Training time."""
    device: str
    dtype: str
    batch: int
    """Windows in a batch."""
    training_symbols: int
    """Steps of the training pieces, each in one key."""
    sample: EncodedPiece
    """A validation piece, for checking exports."""
    base: BaseModel | None = None
    """The model that training began from; None if it began with random weights."""
    teachers: tuple[BaseModel, ...] = ()
    """The models whose predictions the network learnt too."""

    @property
    def best(self) -> EpochResult:
        """The epoch whose weights were kept: the last improvement."""
        return [e for e in self.history if e.saved][-1]

    def finished(self, **known: Any) -> TrainedNetwork:
        """The same network at the end of its training; `known` are the other fields of TrainedNetwork."""
        return TrainedNetwork(**{f.name: getattr(self, f.name) for f in fields(self)}, **known)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedNetwork(NetworkSoFar):
    """A network with its best weights at the end of its training, and its figures on the test pieces."""

    alone: Figures
    """Of the network alone, measured on the test pieces."""
    members: Members | None
    """The n-grams that play together with the network; None if it plays alone."""
    baseline: Figures
    """The same pieces, predicted by the frequency of the symbols."""
    ngram: Figures | None
    """The same pieces, predicted by an n-gram of the training pieces; None if there are too many to count."""
    ngrams: Figures | None
    """The same, by the average of several n-grams."""
    stop_reason: str
    """Why training ended, in words."""

    @property
    def test(self) -> Figures:
        """Of what plays, measured on the test pieces."""
        return self.members.test if self.members else self.alone


def example_inputs(network: NetworkSoFar, steps: int = 300) -> tuple[Ints, Ints]:
    """previous (T, F) and context (T, C) of a validation piece, for checking exports."""
    previous = previous_of(network.sample.steps, network.encoding)
    return previous[:steps], network.sample.context[:steps].astype(np.int32)
