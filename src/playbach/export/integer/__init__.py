"""Networks in integer arithmetic, for the smallest machines: the reference that the C engine must reproduce.

An integer network is computed from a trained network's weights, by torch's names for them. Knows encodings (their
symbols and relations) and how each architecture computes; uses numpy, neither torch nor, after quantising, floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import Encoding
from playbach.export.integer import cnn, lstm
from playbach.export.integer.base import IntegerNetwork
from playbach.export.integer.composing import compose
from playbach.export.integer.fixed import IntegerError
from playbach.export.integer.runtime import IntegerRuntime
from playbach.export.integer.sampling import IntegerSampling, Pcg32, draw_symbol


class Quantiser(Protocol):
    """Makes an integer network from an architecture's weights; see `quantise`."""

    def __call__(
        self,
        weights: Mapping[str, npt.NDArray[Any]],
        encoding: Encoding,
        previous: npt.NDArray[Any],
        context: npt.NDArray[Any],
    ) -> IntegerNetwork: ...


QUANTISERS: dict[str, Quantiser] = {"lstm": lstm.quantise_lstm, "cnn": cnn.quantise_cnn}
"""The architectures that have an integer form, by name."""


def quantise(
    architecture: str,
    weights: Mapping[str, npt.NDArray[Any]],
    encoding: Encoding,
    calibration: tuple[npt.NDArray[Any], npt.NDArray[Any]],
) -> IntegerNetwork:
    """Convert a trained network to integers.

    Args:
        weights: of the bundle, by torch's names.
        calibration: previous symbols (T, F) and context (T, C) of real steps, to find the range of activations.

    Raises:
        IntegerError: the architecture has no integer form, or its weights are too large.
        BundleError: the weights do not fit the architecture or the encoding.
    """
    if architecture not in QUANTISERS:
        known = " or ".join(QUANTISERS)
        raise IntegerError(
            f"{architecture} networks cannot be computed in integers alone (attention and normalisation divide); "
            f"train one with --model {known}, or export this one as onnx-int8 or tflite-dynamic"
        )
    previous, context = (np.asarray(steps, np.int64) for steps in calibration)
    return QUANTISERS[architecture](weights, encoding, previous, context)


__all__ = [
    "QUANTISERS",
    "IntegerError",
    "IntegerNetwork",
    "IntegerRuntime",
    "IntegerSampling",
    "Pcg32",
    "compose",
    "draw_symbol",
    "quantise",
]
