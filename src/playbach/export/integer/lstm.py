"""The LSTM in integers: 8-bit weights, a 16-bit hidden state, and a 32-bit cell.

Inputs are bytes out of tables, each table's scale folded into the columns that read it. Gates add up in Q12, their
curves are tables with straight lines between the points; hidden values are Q15 and cells Q20. A one-hot symbol has no
row among the inputs: it is a column of the first matrix, which is added. Knows no floats after quantising.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from playbach.encodings import Encoding
from playbach.export.integer.base import IntegerNetwork, State
from playbach.export.integer.fixed import (
    BYTE,
    Floats,
    Ints,
    Linear,
    Weights,
    bytes_of,
    halved_up,
    multipliers,
    products,
)
from playbach.export.integer.heads import heads

GATE, HIDDEN, CELL = 12, 15, 20
"""Bits after the point."""
LARGEST = (1 << HIDDEN) - 1
EDGE = 8
"""The curves' tables go from -8 to 8; beyond, they are flat."""
POINTS = 257

Bytes = npt.NDArray[np.int8]


def _curve(values: Floats) -> npt.NDArray[np.int16]:
    return np.minimum(np.rint(values * (1 << HIDDEN)), LARGEST).astype(np.int16)


_AT = np.linspace(-EDGE, EDGE, POINTS)
SIGMOID = _curve(1 / (1 + np.exp(-_AT)))
TANH = _curve(np.tanh(_AT))


def looked_up(curve: npt.NDArray[np.int16], x: Ints) -> Ints:
    """A curve's value in Q15 at x in Q12: 256 steps of x to a point of the table."""
    at = np.clip(x, -(1 << 15), (1 << 15) - 1) + (1 << 15)
    point, beyond = at >> 8, at & 255
    table = curve.astype(np.int64)
    value: Ints = table[point] + halved_up((table[point + 1] - table[point]) * beyond, 8)
    return value


@dataclass(frozen=True, eq=False)
class Layer:
    """One LSTM layer: the four gates' rows (input, forget, cell, output, as torch has them) for its inputs and for
    its own last hidden values; both share one shift."""

    inputs: Linear
    hidden: Linear

    @property
    def size(self) -> int:
        return int(self.hidden.weight.shape[1])


@dataclass(frozen=True, eq=False)
class IntegerLstm(IntegerNetwork):
    """`embedded` has a table (rows, width) for each field and then for each context field, side by side the inputs
    of the first layer. A table in `onehot`, one for each field, is in their place where symbols are one-hot: for each
    symbol 127ths of what it adds to each gate."""

    name: ClassVar[str] = "lstm"
    embedded: tuple[Bytes, ...]
    onehot: tuple[Bytes, ...]
    layers: tuple[Layer, ...]

    def start(self, pieces: int) -> State:
        shape = (pieces, len(self.layers), self.layers[0].size)
        return np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: State) -> tuple[Ints, State]:
        hidden, cells = (s.copy() for s in state)
        symbols = np.concatenate([previous, context], axis=1)[:, len(self.onehot) :]
        pieces = [table[symbols[:, i]] for i, table in enumerate(self.embedded)]
        x: npt.NDArray[Any] = np.concatenate(pieces, axis=1) if pieces else np.zeros((len(previous), 0))
        for i, layer in enumerate(self.layers):
            known = layer.inputs.accumulated(x)
            for field, table in enumerate(self.onehot if i == 0 else ()):
                known += BYTE * table[previous[:, field]].astype(np.int64)
            x, cells[:, i] = _cell(layer, known, hidden[:, i], cells[:, i])
            hidden[:, i] = x
        return self.heads(x, context), (hidden, cells)

    @property
    def multiply_adds(self) -> int:
        layers = sum(layer.inputs.weight.size + layer.hidden.weight.size for layer in self.layers)
        return layers + self.heads.scores.weight.size


def _cell(layer: Layer, known: Ints, hidden: Ints, cell: Ints) -> tuple[Ints, Ints]:
    """The next hidden and cell values, of accumulators of the inputs (B, 4 size) and the last ones (B, size)."""
    heard = layer.hidden.accumulated(hidden)
    gates = halved_up(known * layer.inputs.multiplier + heard * layer.hidden.multiplier, layer.inputs.shift)
    i, f, g, o = np.split(gates, 4, axis=1)
    kept = looked_up(SIGMOID, f) * cell
    new = looked_up(SIGMOID, i) * looked_up(TANH, g) * (1 << (CELL - HIDDEN))
    cell = np.clip(halved_up(kept + new, HIDDEN), -(1 << 31), (1 << 31) - 1)
    shown = looked_up(TANH, halved_up(cell, CELL - GATE))
    hidden = halved_up(looked_up(SIGMOID, o) * shown, HIDDEN)
    return hidden, cell


def quantised(
    weights: Mapping[str, npt.NDArray[Any]], encoding: Encoding, previous: npt.NDArray[Any], context: npt.NDArray[Any]
) -> IntegerLstm:
    """See `playbach.export.integer.quantised`. Nothing is calibrated: every range is known."""
    given = Weights(weights)
    symbols, contexts = [len(f) + 1 for f in encoding.fields], [len(f) for f in encoding.context]
    embedded = "embed.fields.0.weight" in given
    names = [f"embed.fields.{i}.weight" for i in range(len(symbols))] if embedded else []
    names += [f"embed.context.{i}.weight" for i in range(len(contexts))]
    sizes = [*(symbols if embedded else []), *contexts]
    tables = [bytes_of(given.get(name, rows, None)) for name, rows in zip(names, sizes)]
    width = sum(table.shape[1] for table, _ in tables)
    wide = width if embedded else width + sum(symbols)

    size = given.get("lstm.weight_hh_l0", None, None).shape[1]
    first = given.get("lstm.weight_ih_l0", 4 * size, wide)
    units = np.concatenate([*([] if embedded else [np.full(sum(symbols), 1 / BYTE)]),
                            *(np.full(table.shape[1], unit) for table, unit in tables)])  # fmt: skip
    ends = np.cumsum([0, *([] if embedded else symbols)]).tolist()
    alone = [slice(a, b) for a, b in zip(ends, ends[1:])]
    layers = [_layer(given, 0, first * units, size, 1.0, BYTE, alone)]
    whole = layers[0].inputs
    onehot = tuple(np.ascontiguousarray(whole.weight[:, columns].T) for columns in alone)
    layers[0] = Layer(
        Linear(np.ascontiguousarray(whole.weight[:, ends[-1] :]), whole.bias, whole.multiplier, whole.shift),
        layers[0].hidden,
    )
    while f"lstm.weight_ih_l{len(layers)}" in given:
        weight = given.get(f"lstm.weight_ih_l{len(layers)}", 4 * size, size)
        layers.append(_layer(given, len(layers), weight, size, 1 / (1 << HIDDEN), LARGEST, []))
    return IntegerLstm(
        heads(given, "heads.", encoding, size, 1 / (1 << HIDDEN), LARGEST),
        tuple(contexts),
        tuple(table for table, _ in tables),
        onehot,
        tuple(layers),
    )


def _layer(
    given: Weights, number: int, inputs: Floats, size: int, unit: float, largest: int, alone: list[slice]
) -> Layer:
    bias = given.get(f"lstm.bias_ih_l{number}", 4 * size) + given.get(f"lstm.bias_hh_l{number}", 4 * size)
    hidden = given.get(f"lstm.weight_hh_l{number}", 4 * size, size)
    x = products(inputs, bias, unit, largest, alone)
    h = products(hidden, np.zeros(4 * size), 1 / (1 << HIDDEN), LARGEST)
    (of_x, of_h), shift = multipliers([x.scale, h.scale], 1 << GATE)
    return Layer(Linear(x.weight, x.bias, of_x, shift), Linear(h.weight, h.bias, of_h, shift))
