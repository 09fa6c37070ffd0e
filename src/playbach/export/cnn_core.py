"""The core of a `cnn` entirely in 8-bit integers, inputs and outputs included, for integer-only accelerators.

Needs the extra `export`. The shell around the core stays on the host: `inference.runtimes.core`.
"""

from __future__ import annotations

import numpy as np
import torch

from playbach.encodings.base import Encoding
from playbach.export import tflite
from playbach.inference.runtimes.core import IMAGE, Shell
from playbach.models.cnn import Cnn
from playbach.music.arrays import Ints
from playbach.system.errors import PlaybachError

EDGE_TPU_OPERATORS = frozenset(
    (  # noqa: SIM905 - a list of forty strings is no better read
        "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D EXPAND_DIMS FULLY_CONNECTED L2_NORMALIZATION "
        "LOGISTIC LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL PACK PAD PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6 "
        "RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX SPACE_TO_DEPTH SPLIT "
        "SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV"
    ).split()
)
"""The operators that the Edge TPU's compiler maps, by their names in TFLite's schema. Source: "TensorFlow models on
the Edge TPU", section "Supported operations", table 1 (coral.ai/docs/edgetpu/models-intro)."""


def quantise_core(model: Cnn, previous: Ints, context: Ints) -> bytes:
    """Convert and quantise the core, calibrated on the images of some steps: previous (T, F), context (T, C).

    Raises:
        PlaybachError: the graph has an operator that integer-only accelerators do not support.
    """
    n = model.options.image
    graph = tflite.convert_core(model.core, torch.zeros(1, n, n))
    inputs = [{IMAGE: image} for image in _images(model, previous, context)]
    quantised = tflite.quantise_static(graph, 8, inputs, integers_only=True)
    unsupported = sorted(tflite.operator_names(quantised) - EDGE_TPU_OPERATORS)
    if unsupported:
        raise PlaybachError(
            f"the core uses the operator {unsupported[0]}, which integer-only accelerators do not support; export "
            "tflite-int8 instead, and please report this with your version of litert-torch"
        )
    return quantised


@torch.inference_mode()
def _images(model: Cnn, previous: Ints, context: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The core's input at each step, (T, 1, N, N)."""
    n = model.options.image
    rows = model.rows(torch.from_numpy(previous).long(), torch.from_numpy(context).long()).numpy()
    padded = np.vstack([np.zeros((n - 1, n), np.float32), rows])
    return np.stack([padded[None, t : t + n] for t in range(len(rows))])


def shell_of(model: Cnn, encoding: Encoding) -> Shell:
    """The part of the model that the core's runtime computes on the host."""
    return Shell.of(model.embed.table.weight.detach().numpy(), encoding)
