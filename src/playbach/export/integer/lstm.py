"""The LSTM in integers: 8-bit weights, a 16-bit hidden state, and a 32-bit cell.

Inputs are 8-bit numbers from tables; each table's scale is folded into the columns of weights that read it. Gates add
up in Q12 (12 fractional bits), hidden values are Q15 and cells Q20. Sigmoid and tanh are tables with linear
interpolation. A one-hot symbol is not an input: its column of the first matrix is added instead. Uses no floats after
quantising.
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
    MAX_WEIGHT,
    Int8s,
    Integers,
    Linear,
    Reals,
    Weights,
    quantise_table,
    quantise_unscaled,
    rounding_shift,
    shared_multipliers,
)
from playbach.export.integer.heads import quantise_heads

GATE_BITS, HIDDEN_BITS, CELL_BITS = 12, 15, 20
"""Fractional bits."""
MAX_HIDDEN = (1 << HIDDEN_BITS) - 1
CURVE_LIMIT = 8
"""The curves' tables cover -8 to 8; beyond, the curves are taken as flat."""
CURVE_POINTS = 257


def _curve(values: Reals) -> npt.NDArray[np.int16]:
    return np.minimum(np.rint(values * (1 << HIDDEN_BITS)), MAX_HIDDEN).astype(np.int16)


_X = np.linspace(-CURVE_LIMIT, CURVE_LIMIT, CURVE_POINTS)
SIGMOID = _curve(1 / (1 + np.exp(-_X)))
TANH = _curve(np.tanh(_X))


def interpolate(curve: npt.NDArray[np.int16], x: Integers) -> Integers:
    """A curve's value in Q15 at x in Q12. The table has one point for every 256 steps of x."""
    at = np.clip(x, -(1 << 15), (1 << 15) - 1) + (1 << 15)
    point, beyond = at >> 8, at & 255
    table = curve.astype(np.int64)
    value: Integers = table[point] + rounding_shift((table[point + 1] - table[point]) * beyond, 8)
    return value


@dataclass(frozen=True, eq=False)
class IntegerLstmLayer:
    """One LSTM layer. Its rows are the four gates' (input, forget, cell, output, as in torch)."""

    inputs: Linear
    """For the layer's inputs."""
    hidden: Linear
    """For the layer's previous hidden values; has the same shift as `inputs`."""

    @property
    def size(self) -> int:
        return int(self.hidden.weight.shape[1])


@dataclass(frozen=True, eq=False)
class IntegerLstm(IntegerNetwork):
    """An LSTM in integers."""

    name: ClassVar[str] = "lstm"
    embedded: tuple[Int8s, ...]
    """A table (rows, width) for each field, then each context field; their rows are the first layer's inputs."""
    onehot: tuple[Int8s, ...]
    """Where symbols are one-hot: a table for each field in place of those above, with what each symbol adds to each
    gate, in 1/127."""
    layers: tuple[IntegerLstmLayer, ...]
    """From the inputs up."""

    def start(self, pieces: int) -> IntegerState:
        shape = (pieces, len(self.layers), self.layers[0].size)
        return np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: IntegerState
    ) -> tuple[Integers, IntegerState]:
        hidden, cells = (s.copy() for s in state)
        symbols = np.concatenate([previous, context], axis=1)[:, len(self.onehot) :]
        rows = [table[symbols[:, i]] for i, table in enumerate(self.embedded)]
        x: npt.NDArray[Any] = np.concatenate(rows, axis=1) if rows else np.zeros((len(previous), 0))
        for i, layer in enumerate(self.layers):
            from_inputs = layer.inputs.accumulate(x)
            for field, table in enumerate(self.onehot if i == 0 else ()):
                from_inputs += MAX_WEIGHT * table[previous[:, field]].astype(np.int64)
            x, cells[:, i] = _cell(layer, from_inputs, hidden[:, i], cells[:, i])
            hidden[:, i] = x
        return self.heads(x, context), (hidden, cells)

    @property
    def multiply_adds(self) -> int:
        layers = sum(layer.inputs.weight.size + layer.hidden.weight.size for layer in self.layers)
        return layers + self.heads.scores.weight.size


def _cell(
    layer: IntegerLstmLayer, from_inputs: Integers, hidden: Integers, cell: Integers
) -> tuple[Integers, Integers]:
    """The next hidden and cell values, from the inputs' accumulators (B, 4 size) and the last values (B, size)."""
    from_hidden = layer.hidden.accumulate(hidden)
    gates = rounding_shift(
        from_inputs * layer.inputs.multiplier + from_hidden * layer.hidden.multiplier, layer.inputs.shift
    )
    i, f, g, o = np.split(gates, 4, axis=1)
    kept = interpolate(SIGMOID, f) * cell
    added = interpolate(SIGMOID, i) * interpolate(TANH, g) * (1 << (CELL_BITS - HIDDEN_BITS))
    cell = np.clip(rounding_shift(kept + added, HIDDEN_BITS), -(1 << 31), (1 << 31) - 1)
    activation = interpolate(TANH, rounding_shift(cell, CELL_BITS - GATE_BITS))
    hidden = rounding_shift(interpolate(SIGMOID, o) * activation, HIDDEN_BITS)
    return hidden, cell


def quantise_lstm(
    weights: Mapping[str, npt.NDArray[Any]], encoding: Encoding, previous: npt.NDArray[Any], context: npt.NDArray[Any]
) -> IntegerLstm:
    """See `playbach.export.integer.quantise`. Nothing is calibrated, since all ranges are known."""
    reader = Weights(weights)
    symbols, contexts = [len(f) + 1 for f in encoding.fields], [len(f) for f in encoding.context]
    is_embedded = "embed.fields.0.weight" in reader
    names = [f"embed.fields.{i}.weight" for i in range(len(symbols))] if is_embedded else []
    names += [f"embed.context.{i}.weight" for i in range(len(contexts))]
    sizes = [*(symbols if is_embedded else []), *contexts]
    tables = [quantise_table(reader.get(name, rows, None)) for name, rows in zip(names, sizes)]
    table_width = sum(table.shape[1] for table, _ in tables)
    input_width = table_width if is_embedded else table_width + sum(symbols)

    size = reader.get("lstm.weight_hh_l0", None, None).shape[1]
    first = reader.get("lstm.weight_ih_l0", 4 * size, input_width)
    units = np.concatenate(
        [
            *([] if is_embedded else [np.full(sum(symbols), 1 / MAX_WEIGHT)]),
            *(np.full(table.shape[1], unit) for table, unit in tables),
        ]
    )
    ends = np.cumsum([0, *([] if is_embedded else symbols)]).tolist()
    one_hot = [slice(a, b) for a, b in zip(ends, ends[1:])]
    layers = [_layer(reader, 0, first * units, size, 1.0, MAX_WEIGHT, one_hot)]
    whole = layers[0].inputs
    onehot = tuple(np.ascontiguousarray(whole.weight[:, columns].T) for columns in one_hot)
    layers[0] = IntegerLstmLayer(
        Linear(np.ascontiguousarray(whole.weight[:, ends[-1] :]), whole.bias, whole.multiplier, whole.shift),
        layers[0].hidden,
    )
    while f"lstm.weight_ih_l{len(layers)}" in reader:
        weight = reader.get(f"lstm.weight_ih_l{len(layers)}", 4 * size, size)
        layers.append(_layer(reader, len(layers), weight, size, 1 / (1 << HIDDEN_BITS), MAX_HIDDEN, []))
    return IntegerLstm(
        quantise_heads(reader, "heads.", encoding, size, 1 / (1 << HIDDEN_BITS), MAX_HIDDEN),
        tuple(contexts),
        tuple(table for table, _ in tables),
        onehot,
        tuple(layers),
    )


def _layer(
    reader: Weights, number: int, inputs: Reals, size: int, unit: float, max_input: int, one_hot: list[slice]
) -> IntegerLstmLayer:
    bias = reader.get(f"lstm.bias_ih_l{number}", 4 * size) + reader.get(f"lstm.bias_hh_l{number}", 4 * size)
    hidden = reader.get(f"lstm.weight_hh_l{number}", 4 * size, size)
    x = quantise_unscaled(inputs, bias, unit, max_input, one_hot)
    h = quantise_unscaled(hidden, np.zeros(4 * size), 1 / (1 << HIDDEN_BITS), MAX_HIDDEN)
    (of_x, of_h), shift = shared_multipliers([x.scale, h.scale], 1 << GATE_BITS)
    return IntegerLstmLayer(Linear(x.weight, x.bias, of_x, shift), Linear(h.weight, h.bias, of_h, shift))
