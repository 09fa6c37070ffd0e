"""A network and n-grams that predict together, in shares that follow how well each has predicted the piece so far.

Knows neither torch nor sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.bundles.bundle import MALFORMED, Bundle, cause_of
from playbach.bundles.exported import NGRAMS
from playbach.encodings.base import EncodedPiece
from playbach.inference.runtimes import onnx
from playbach.inference.runtimes.base import Logits, Runtime, State, step_one_by_one
from playbach.music.arrays import Ints
from playbach.ngrams import stored
from playbach.ngrams.mixing import SMALLEST, mix, network_share, next_lead
from playbach.ngrams.ngram import NGramAverage, StepPredictor
from playbach.system.errors import BundleError, PlaybachError


@dataclass(frozen=True, slots=True)
class MembersState:
    """What the members remember of one piece."""

    network: State
    steps: Ints
    """(T, F): the piece so far."""
    context: Ints
    """(T, C): the context of each of these steps."""
    lead: npt.NDArray[np.float64]
    """(F,): the network's, see `ngrams.mixing`."""
    predictions: tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.float64]]] | None = None
    """What the network and the n-grams predicted of the next step."""


class MembersRuntime:
    """Steps a network and n-grams."""

    def __init__(self, network: Runtime, ngrams: NGramAverage, share: float) -> None:
        """`share` is that of the network at the beginning of a piece, above 0 and below 1."""
        self.network, self.ngrams, self.share = network, ngrams, share
        self._start = np.array([len(field) for field in ngrams.encoding.fields])

    def start(self, pieces: int | None = None) -> Any:
        fields, columns = len(self._start), len(self.ngrams.encoding.context)
        steps, context = np.zeros((0, fields), np.int32), np.zeros((0, columns), np.int32)
        states = [MembersState(self.network.start(), steps, context, np.zeros(fields)) for _ in range(pieces or 1)]
        return states[0] if pieces is None else states

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: Any) -> tuple[Logits, Any]:
        if np.ndim(previous) == 1:
            return self._step(previous, context, state)
        return step_one_by_one(self._step, previous, context, state)

    def _step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: MembersState
    ) -> tuple[Logits, MembersState]:
        logits, network = self.network.step(previous, context, state.network)
        steps, lead = state.steps, state.lead
        if len(state.context) and not (previous == self._start).any():  # otherwise the piece begins
            steps = np.concatenate([steps, np.asarray(previous, np.int32)[None]])
            lead = lead if state.predictions is None else next_lead(lead, *state.predictions, steps[-1])
        found = [StepPredictor(m, steps, state.context).predict(context) for m in self.ngrams.members]
        of_network = [_softmax(scores) for scores in logits]
        of_ngrams = [np.mean(field, axis=0) for field in zip(*found)]
        shares = network_share(self.share, lead)
        mixed = [_logits(w * p + (1 - w) * q) for w, p, q in zip(shares, of_network, of_ngrams)]
        known = np.concatenate([state.context[: len(steps)], np.asarray(context, np.int32)[None]])
        return mixed, MembersState(network, steps, known, lead, (of_network, of_ngrams))

    def mix(self, logits: Logits, piece: EncodedPiece) -> Logits:
        """The network's logits (T, V_f) of all steps of a piece, mixed with what the n-grams say."""
        mixed = mix([_softmax(s) for s in logits], self.ngrams.probabilities(piece), piece.steps, self.share)
        return [_logits(field) for field in mixed]


def _softmax(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    weights = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _logits(probabilities: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(np.log(np.maximum(probabilities, SMALLEST)), np.float32)


def open_bundle(bundle: Bundle, threads: int) -> MembersRuntime:
    """The runtime of a bundle that has n-grams beside its ONNX step.

    Raises:
        BundleError: the n-grams are damaged.
    """
    network = onnx.open_bundle(bundle, threads)
    try:
        ngrams, share = stored.from_bytes(bundle.members[NGRAMS], bundle.encoding())
    except (*MALFORMED, PlaybachError) as error:
        raise BundleError(f"its n-grams cannot be read ({cause_of(error)}); get or train it again") from error
    return MembersRuntime(network, ngrams, share)
