"""The CNN in integers: 8-bit weights and activations, computed incrementally, one row for each step.

The convolutions have no stride along the steps, so each step adds one row to each of them and reuses the others. A
row of the image is a sum of 8-bit numbers from tables, clipped to Q7. Activations are unsigned bytes, scaled by the
largest value observed in calibration. Uses no floats after quantising.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import Encoding
from playbach.export.integer.base import IntegerNetwork, IntegerState
from playbach.export.integer.fixed import (
    MAX_SUM,
    MAX_WEIGHT,
    Int8s,
    Integers,
    Linear,
    Reals,
    Weights,
    quantise_linear,
    quantise_table,
    rounding_shift,
)
from playbach.export.integer.heads import quantise_heads
from playbach.system.errors import BundleError

MAX_ACTIVATION = 255
IMAGE_ZERO = 128
"""The image's 0, as an unsigned byte."""
_MAX_NUMBERS = 1 << 22
"""How many numbers calibration holds in memory at a time."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """What both convolutions have in common; `models.cnn` has the numbers."""

    kernel: int
    """Steps and columns of a window."""
    stride: int
    """Columns from a window to the next one; along the steps it is 1."""

    def windows(self, columns: int) -> int:
        """The number of windows in a row of this many columns."""
        return (columns - self.kernel) // self.stride + 1

    def patches(self, rows: npt.NDArray[Any], channels: int) -> npt.NDArray[Any]:
        """Each window's inputs: rows (B, kernel, columns * channels) -> (B, windows, kernel * kernel * channels)."""
        count, size = self.windows(rows.shape[2] // channels), self.kernel * channels
        places = np.arange(count)[:, None] * self.stride * channels + np.arange(size)
        return np.moveaxis(rows[:, :, places], 2, 1).reshape(len(rows), count, self.kernel * size)


@dataclass(frozen=True, eq=False)
class IntegerCnn(IntegerNetwork):
    """A CNN in integers. Kernels are flat, steps first, then columns, then channels."""

    name: ClassVar[str] = "cnn"
    convolution: Convolution
    """Kernel and stride of both convolutions."""
    tables: tuple[Int8s, ...]
    """A table (rows, D) for each field, then each context field; the looked-up rows add up to a row of the image."""
    multiplier: npt.NDArray[np.int32]
    """Each table's multiplier."""
    shift: int
    """The shift of that sum, in bits."""
    first: Linear
    """The first convolution: (channels, kernel * kernel)."""
    second: Linear
    """The second convolution: (channels, kernel * kernel * channels of the first)."""
    whole: Linear
    """The last layer before the heads: (hidden, steps * columns * channels)."""

    @property
    def image(self) -> int:
        """Rows of the image, and columns of each."""
        return int(self.tables[0].shape[1])

    @property
    def widths(self) -> tuple[int, int]:
        """Numbers in a row of the first and of the second convolution's output: columns times channels."""
        columns = self.convolution.windows(self.image)
        return columns * len(self.first.bias), self.convolution.windows(columns) * len(self.second.bias)

    @property
    def last_rows(self) -> int:
        """Rows of the second convolution's output that the last layer takes."""
        return self.image - 2 * (self.convolution.kernel - 1)

    def start(self, pieces: int) -> IntegerState:
        a, b = self.widths
        kernel = self.convolution.kernel
        state: IntegerState = (
            np.full((pieces, kernel, self.image), IMAGE_ZERO, np.int64),
            np.zeros((pieces, kernel, a), np.int64),
            np.zeros((pieces, self.last_rows, b), np.int64),
        )
        for _ in range(self.image - 1):
            state = self._push(np.full((pieces, self.image), IMAGE_ZERO, np.int64), state)
        return state

    def step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: IntegerState
    ) -> tuple[Integers, IntegerState]:
        symbols = np.concatenate([previous, context], axis=1)
        row = sum(
            (
                int(m) * table[symbols[:, i]].astype(np.int64)
                for i, (table, m) in enumerate(zip(self.tables, self.multiplier))
            ),
            np.zeros((len(symbols), self.image), np.int64),
        )
        state = self._push(np.clip(rounding_shift(row, self.shift), -MAX_WEIGHT, MAX_WEIGHT) + IMAGE_ZERO, state)
        hidden = np.clip(self.whole(state[2].reshape(len(symbols), -1)), 0, MAX_ACTIVATION)
        return self.heads(hidden, context), state

    def _push(self, row: Integers, state: IntegerState) -> IntegerState:
        """Add a row of the image (B, D), and the row of each convolution that follows; drop the oldest of each."""
        rows, channels = [], 1
        for last, layer in zip(state, (self.first, self.second)):
            last = np.concatenate([last[:, 1:], row[:, None]], axis=1)
            rows.append(last)
            row = np.clip(layer(self.convolution.patches(last, channels)), 0, MAX_ACTIVATION).reshape(len(row), -1)
            channels = len(layer.bias)
        return rows[0], rows[1], np.concatenate([state[2][:, 1:], row[:, None]], axis=1)

    @property
    def multiply_adds(self) -> int:
        a, b = (width // len(c.bias) for width, c in zip(self.widths, (self.first, self.second)))
        convolutions = a * self.first.weight.size + b * self.second.weight.size
        return convolutions + self.whole.weight.size + self.heads.scores.weight.size + len(self.tables) * self.image


def quantise_cnn(
    weights: Mapping[str, npt.NDArray[Any]], encoding: Encoding, previous: npt.NDArray[Any], context: npt.NDArray[Any]
) -> IntegerCnn:
    """See `playbach.export.integer.quantise`."""
    # Imported here, since importing the C export must not need torch.
    from playbach.models.cnn import KERNEL, STRIDE

    reader, convolution = Weights(weights), Convolution(KERNEL, STRIDE)
    sizes = [*(len(f) + 1 for f in encoding.fields), *(len(f) for f in encoding.context)]
    table = reader.get("embed.table.weight", sum(sizes), None)
    image = table.shape[1]
    steps, columns = image - 2 * (KERNEL - 1), convolution.windows(convolution.windows(image))
    if columns < 1 or image < 8:
        raise BundleError(f"the network's image has {image} columns; the minimum is 8; train it again")
    first = reader.get("core.first.weight", None, 1, KERNEL, KERNEL)
    second = reader.get("core.second.weight", None, len(first), KERNEL, KERNEL)
    whole = reader.get("core.whole.weight", None, len(second), steps, columns)
    kernels = [_flat(w) for w in (first, second, whole)]
    biases = [reader.get(f"core.{n}.bias", len(w)) for n, w in zip(("first", "second", "whole"), kernels)]

    parts = np.split(table, np.cumsum(sizes)[:-1])
    symbols = np.concatenate([previous, context], axis=1)
    rows = np.clip(sum((part[symbols[:, i]] for i, part in enumerate(parts)), np.zeros((len(symbols), image))), -1, 1)
    units = [most / MAX_ACTIVATION or 1.0 for most in _max_activations(rows, convolution, kernels, biases)]

    tables = [quantise_table(part) for part in parts]
    scales = np.array([unit for _, unit in tables]) * MAX_WEIGHT
    shift = int(np.floor(np.log2((MAX_SUM - 1) / (MAX_WEIGHT * (scales.sum() + 1)))))
    layers = [
        quantise_linear(kernel, bias, unit, MAX_ACTIVATION, 1 / after)
        for kernel, bias, unit, after in zip(kernels, biases, [1 / MAX_WEIGHT, *units], units)
    ]
    # The image's 0 is IMAGE_ZERO in bytes: what that adds to each sum is subtracted in the bias.
    c = layers[0]
    bias = (c.bias - IMAGE_ZERO * c.weight.astype(np.int64).sum(1)).astype(np.int32)
    return IntegerCnn(
        quantise_heads(reader, "core.heads.", encoding, len(kernels[2]), units[2], MAX_ACTIVATION),
        tuple(len(f) for f in encoding.context),
        convolution,
        tuple(t for t, _ in tables),
        np.rint(scales * 2.0**shift).astype(np.int32),
        shift,
        Linear(c.weight, bias, c.multiplier, c.shift),
        *layers[1:],
    )


def _flat(kernel: Reals) -> Reals:
    """torch's (out, in, steps, columns) -> (out, steps * columns * in)."""
    return np.ascontiguousarray(kernel.transpose(0, 2, 3, 1)).reshape(len(kernel), -1)


def _max_activations(rows: Reals, convolution: Convolution, kernels: list[Reals], biases: list[Reals]) -> list[float]:
    """The largest activation of each of the three layers, over the image's rows (T, D) of some steps."""
    image, kernel_size = rows.shape[1], convolution.kernel
    rows = np.concatenate([np.zeros((image - 1, image)), rows])
    largest, channels = [], 1
    for kernel, bias in zip(kernels[:2], biases):
        last = np.moveaxis(np.lib.stride_tricks.sliding_window_view(rows, kernel_size, axis=0), 2, 1)
        activations = np.maximum(convolution.patches(last, channels) @ kernel.T + bias, 0)
        largest.append(float(activations.max(initial=0)))
        rows, channels = activations.reshape(len(activations), -1), len(kernel)
    steps = image - 2 * (kernel_size - 1)
    views = np.lib.stride_tricks.sliding_window_view(rows, steps, axis=0)
    chunk, most = max(1, _MAX_NUMBERS // kernels[2].shape[1]), 0.0
    for at in range(0, len(views), chunk):
        inputs = np.moveaxis(views[at : at + chunk], 2, 1).reshape(-1, kernels[2].shape[1])
        most = max(most, float((inputs @ kernels[2].T + biases[2]).max()))
    return [*largest, most]
