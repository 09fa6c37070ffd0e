"""A network and n-grams that predict together: the mean of their probabilities, in learnt shares.

Knows neither torch nor sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.bundles.bundle import NGRAMS, Bundle
from playbach.encodings.base import EncodedPiece
from playbach.inference.runtimes import onnx
from playbach.inference.runtimes.base import Logits, Runtime, State, step_one_by_one
from playbach.music.arrays import Ints
from playbach.ngrams import stored
from playbach.ngrams.ngram import NGramAverage, StepPredictor
from playbach.system.errors import BundleError, PlaybachError

SMALLEST = 1e-30


@dataclass(frozen=True, slots=True)
class MembersState:
    """What the members remember of one piece."""

    network: State
    steps: Ints
    """(T, F): the piece so far."""
    context: Ints
    """(T, C): the context of each of these steps."""


class MembersRuntime:
    """Steps a network and n-grams."""

    def __init__(self, network: Runtime, ngrams: NGramAverage, share: float) -> None:
        """`share` is that of the network, from 0 to 1."""
        self.network, self.ngrams, self.share = network, ngrams, share
        self._start = np.array([len(field) for field in ngrams.encoding.fields])

    def start(self, pieces: int | None = None) -> Any:
        fields, columns = len(self._start), len(self.ngrams.encoding.context)
        steps, context = np.zeros((0, fields), np.int32), np.zeros((0, columns), np.int32)
        if pieces is None:
            return MembersState(self.network.start(), steps, context)
        return [MembersState(self.network.start(), steps, context) for _ in range(pieces)]

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: Any) -> tuple[Logits, Any]:
        if np.ndim(previous) == 1:
            return self._step(previous, context, state)
        return step_one_by_one(self._step, previous, context, state)

    def _step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: MembersState
    ) -> tuple[Logits, MembersState]:
        logits, network = self.network.step(previous, context, state.network)
        steps = state.steps
        if not (previous == self._start).all():
            steps = np.concatenate([steps, np.asarray(previous, np.int32)[None]])
        found = [StepPredictor(m, steps, state.context).predict(context) for m in self.ngrams.members]
        mixed = [self._mixed(scores, np.mean(field, axis=0)) for scores, field in zip(logits, zip(*found))]
        known = np.concatenate([state.context[: len(steps)], np.asarray(context, np.int32)[None]])
        return mixed, MembersState(network, steps, known)

    def mix(self, logits: Logits, piece: EncodedPiece) -> Logits:
        """The network's logits (T, V_f) of all steps of a piece, mixed with what the n-grams say."""
        return [self._mixed(s, p) for s, p in zip(logits, self.ngrams.probabilities(piece))]

    def _mixed(self, scores: npt.NDArray[np.float32], ngrams: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Logits (…, V), and probabilities (…, V) -> logits of the mixture."""
        weights = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
        mixture = self.share * weights / weights.sum(axis=-1, keepdims=True) + (1 - self.share) * ngrams
        return np.asarray(np.log(np.maximum(mixture, SMALLEST)), np.float32)


def open_bundle(bundle: Bundle, threads: int) -> MembersRuntime:
    """The runtime of a bundle that has n-grams beside its ONNX step.

    Raises:
        BundleError: the n-grams are damaged.
    """
    network = onnx.open_bundle(bundle, threads)
    try:
        ngrams, share = stored.from_bytes(bundle.members[NGRAMS], bundle.encoding())
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, PlaybachError) as error:
        cause = f"{type(error).__name__}: {ascii(str(error))[1:-1]:.100}"
        raise BundleError(f"its n-grams cannot be read ({cause}); get or train it again") from error
    return MembersRuntime(network, ngrams, share)
