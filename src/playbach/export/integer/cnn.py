"""The CNN in integers: 8-bit weights and activations, computed row by row as time goes on.

The convolutions have no stride along the steps: of each step one new row of each is enough, beside the last ones.
A row of the image is a sum of bytes out of tables, clipped to Q7; activations are bytes from 0 on, whose scales are
the largest values that calibration met. Knows no floats after quantising.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from playbach.encodings import Encoding
from playbach.export.integer.base import IntegerNetwork, State
from playbach.export.integer.fixed import BYTE, MOST_SUM, Floats, Ints, Linear, Weights, bytes_of, halved_up, linear
from playbach.export.integer.heads import heads
from playbach.system.errors import BundleError

KERNEL, STRIDE = 3, 2
"""Of both convolutions: so many steps and columns wide; the stride is along the columns alone."""
FULL = 255
"""The largest activation."""
MIDDLE = 128
"""The image's 0, as a byte from 0 on."""
MOST_AT_ONCE = 1 << 22
"""Numbers that calibration holds of its windows at a time."""

Bytes = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class IntegerCnn(IntegerNetwork):
    """`tables` (rows, D) of each field and then each context field add up to a row of the image, each times its
    multiplier. Kernels are flat: of the convolutions (channels, KERNEL * KERNEL * channels before), steps first, then
    columns; of the last (hidden, steps * columns * channels)."""

    name: ClassVar[str] = "cnn"
    tables: tuple[Bytes, ...]
    multiplier: npt.NDArray[np.int32]
    shift: int
    first: Linear
    second: Linear
    whole: Linear

    @property
    def image(self) -> int:
        """Rows of the image, and columns of each."""
        return int(self.tables[0].shape[1])

    @property
    def widths(self) -> tuple[int, int]:
        """Numbers in a row of what the first and the second convolution give: columns times channels."""
        columns = windows(self.image)
        return columns * len(self.first.bias), windows(columns) * len(self.second.bias)

    @property
    def seen(self) -> int:
        """Rows of the second convolution that the last layer sees."""
        return self.image - 2 * (KERNEL - 1)

    def start(self, pieces: int) -> State:
        a, b = self.widths
        state: State = (
            np.full((pieces, KERNEL, self.image), MIDDLE, np.int64),
            np.zeros((pieces, KERNEL, a), np.int64),
            np.zeros((pieces, self.seen, b), np.int64),
        )
        for _ in range(self.image - 1):
            state = self._fed(np.full((pieces, self.image), MIDDLE, np.int64), state)
        return state

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: State) -> tuple[Ints, State]:
        symbols = np.concatenate([previous, context], axis=1)
        row = sum(
            (int(m) * table[symbols[:, i]].astype(np.int64)
             for i, (table, m) in enumerate(zip(self.tables, self.multiplier))),
            np.zeros((len(symbols), self.image), np.int64),
        )  # fmt: skip
        state = self._fed(np.clip(halved_up(row, self.shift), -BYTE, BYTE) + MIDDLE, state)
        hidden = np.clip(self.whole(state[2].reshape(len(symbols), -1)), 0, FULL)
        return self.heads(hidden, context), state

    def _fed(self, row: Ints, state: State) -> State:
        """The rows after one more row of the image (B, D), the oldest of each gone."""
        rows, channels = [], 1
        for kept, convolution in zip(state, (self.first, self.second)):
            kept = np.concatenate([kept[:, 1:], row[:, None]], axis=1)
            rows.append(kept)
            row = np.clip(convolution(patches(kept, channels)), 0, FULL).reshape(len(row), -1)
            channels = len(convolution.bias)
        return rows[0], rows[1], np.concatenate([state[2][:, 1:], row[:, None]], axis=1)

    @property
    def multiply_adds(self) -> int:
        a, b = (width // len(c.bias) for width, c in zip(self.widths, (self.first, self.second)))
        convolutions = a * self.first.weight.size + b * self.second.weight.size
        return convolutions + self.whole.weight.size + self.heads.scores.weight.size + len(self.tables) * self.image


def windows(columns: int) -> int:
    """How many windows a convolution sees in so many columns."""
    return (columns - KERNEL) // STRIDE + 1


def patches(rows: npt.NDArray[Any], channels: int) -> npt.NDArray[Any]:
    """What a convolution sees: rows (B, KERNEL, columns * channels) -> (B, windows, KERNEL * KERNEL * channels)."""
    count, size = windows(rows.shape[2] // channels), KERNEL * channels
    places = np.arange(count)[:, None] * STRIDE * channels + np.arange(size)
    return np.moveaxis(rows[:, :, places], 2, 1).reshape(len(rows), count, KERNEL * size)


def quantised(
    weights: Mapping[str, npt.NDArray[Any]], encoding: Encoding, previous: npt.NDArray[Any], context: npt.NDArray[Any]
) -> IntegerCnn:
    """See `playbach.export.integer.quantised`."""
    given = Weights(weights)
    sizes = [*(len(f) + 1 for f in encoding.fields), *(len(f) for f in encoding.context)]
    table = given.get("embed.table.weight", sum(sizes), None)
    image = table.shape[1]
    if windows(windows(image)) < 1 or image < 8:
        raise BundleError(f"the network's image has {image} columns; there must be 8 or more; train it again")
    first = given.get("core.first.weight", None, 1, KERNEL, KERNEL)
    second = given.get("core.second.weight", None, len(first), KERNEL, KERNEL)
    steps, columns = image - 2 * (KERNEL - 1), windows(windows(image))
    whole = given.get("core.whole.weight", None, len(second), steps, columns)
    kernels = [_flat(w) for w in (first, second, whole)]
    biases = [given.get(f"core.{n}.bias", len(w)) for n, w in zip(("first", "second", "whole"), kernels)]

    parts = np.split(table, np.cumsum(sizes)[:-1])
    symbols = np.concatenate([previous, context], axis=1)
    rows = np.clip(sum((part[symbols[:, i]] for i, part in enumerate(parts)), np.zeros((len(symbols), image))), -1, 1)
    units = [most / FULL or 1.0 for most in _largest(rows, kernels, biases)]

    tables = [bytes_of(part) for part in parts]
    worths = np.array([unit for _, unit in tables]) * BYTE
    shift = int(np.floor(np.log2((MOST_SUM - 1) / (BYTE * (worths.sum() + 1)))))
    convolutions = [
        linear(kernel, bias, unit, FULL, 1 / after)
        for kernel, bias, unit, after in zip(kernels, biases, [1 / BYTE, *units], units)
    ]
    # The image's 0 is MIDDLE: what that adds is taken off again.
    c = convolutions[0]
    bias = (c.bias - MIDDLE * c.weight.astype(np.int64).sum(1)).astype(np.int32)
    return IntegerCnn(
        heads(given, "core.heads.", encoding, len(kernels[2]), units[2], FULL),
        tuple(len(f) for f in encoding.context),
        tuple(t for t, _ in tables),
        np.rint(worths * 2.0**shift).astype(np.int32),
        shift,
        Linear(c.weight, bias, c.multiplier, c.shift),
        *convolutions[1:],
    )


def _flat(kernel: Floats) -> Floats:
    """torch's (out, in, steps, columns) -> (out, steps * columns * in)."""
    return np.ascontiguousarray(kernel.transpose(0, 2, 3, 1)).reshape(len(kernel), -1)


def _largest(rows: Floats, kernels: list[Floats], biases: list[Floats]) -> list[float]:
    """The largest activation of each of the three layers over rows of the image (T, D) of a piece's steps."""
    image = rows.shape[1]
    rows = np.concatenate([np.zeros((image - 1, image)), rows])
    found, channels = [], 1
    for kernel, bias in zip(kernels[:2], biases):
        kept = np.moveaxis(np.lib.stride_tricks.sliding_window_view(rows, KERNEL, axis=0), 2, 1)
        seen = np.maximum(patches(kept, channels) @ kernel.T + bias, 0)
        found.append(float(seen.max(initial=0)))
        rows, channels = seen.reshape(len(seen), -1), len(kernel)
    steps = image - 2 * (KERNEL - 1)
    views = np.lib.stride_tricks.sliding_window_view(rows, steps, axis=0)
    some, most = max(1, MOST_AT_ONCE // kernels[2].shape[1]), 0.0
    for at in range(0, len(views), some):
        seen = np.moveaxis(views[at : at + some], 2, 1).reshape(-1, kernels[2].shape[1])
        most = max(most, float((seen @ kernels[2].T + biases[2]).max()))
    return [*found, most]
