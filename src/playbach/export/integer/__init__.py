"""Networks in whole numbers alone, as the smallest machines compute them: the reference of the C engine.

Knows encodings (their symbols and relations) and no architecture's code: a network is what its weights say, by the
names that torch gives them. numpy only; no torch, and no floats once a network is quantised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from playbach.encodings import Encoding
from playbach.export.integer import cnn, lstm
from playbach.export.integer.base import IntegerNetwork
from playbach.export.integer.composing import compose
from playbach.export.integer.fixed import IntegerError
from playbach.export.integer.runtime import IntegerRuntime
from playbach.export.integer.sampling import IntegerSampling, Pcg32, draw

Steps = npt.NDArray[Any]


class Quantiser(Protocol):
    """Makes an integer network of an architecture's weights; see `quantised`."""

    def __call__(
        self, weights: Mapping[str, npt.NDArray[Any]], encoding: Encoding, previous: Steps, context: Steps
    ) -> IntegerNetwork: ...


ARCHITECTURES: dict[str, Quantiser] = {"lstm": lstm.quantised, "cnn": cnn.quantised}
"""The architectures that have an integer form, by name."""


def quantised(
    architecture: str,
    weights: Mapping[str, npt.NDArray[Any]],
    encoding: Encoding,
    calibration: tuple[Steps, Steps],
) -> IntegerNetwork:
    """A trained network in integers. `weights` are those of the bundle, by torch's names; `calibration` are the
    previous symbols (T, F) and the context (T, C) of real steps, which tell how large activations become.

    Raises:
        IntegerError: the architecture has no integer form, or its weights are too large.
        BundleError: the weights do not fit the architecture or the encoding.
    """
    if architecture not in ARCHITECTURES:
        known = " or ".join(ARCHITECTURES)
        raise IntegerError(
            f"{architecture} networks cannot be computed in integers alone (attention and normalisation divide); "
            f"train one with --model {known}, or export this one as onnx-int8 or tflite-dynamic"
        )
    previous, context = (np.asarray(steps, np.int64) for steps in calibration)
    return ARCHITECTURES[architecture](weights, encoding, previous, context)


__all__ = [
    "ARCHITECTURES",
    "IntegerError",
    "IntegerNetwork",
    "IntegerRuntime",
    "IntegerSampling",
    "Pcg32",
    "compose",
    "draw",
    "quantised",
]
