"""The network half of a C export: an integer network's sizes and weights as C source, and the memory they take.

Knows integer networks and the engine's structs; knows nothing of music or bundles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.export.c.source import MAX_COLUMNS, engine_file
from playbach.export.integer import IntegerNetwork
from playbach.export.integer.cnn import IntegerCnn
from playbach.export.integer.fixed import Linear
from playbach.export.integer.heads import IntegerHeads
from playbach.export.integer.lstm import SIGMOID, TANH, IntegerLstm
from playbach.export.integer.sampling import LOG2_E, POWERS

_POINTER = 4
"""Bytes, on a 32-bit machine."""
_LINEAR, _TABLE, _RELATION = 4 * _POINTER, 2 * _POINTER, 7 * _POINTER
"""Bytes of the engine's structs, on such a machine."""


@dataclass
class _Source:
    """C source text, with the number of bytes that it declares."""

    lines: list[str] = field(default_factory=list)
    size: int = 0
    """In bytes."""

    def array(self, name: str, values: npt.NDArray[Any], kind: str = "") -> str:
        """Declare an array, of the values' own type unless `kind` names another; return its name."""
        kind = kind or f"{'u' if values.dtype.kind == 'u' else ''}int{8 * values.itemsize}_t"
        self.size += values.size * values.itemsize
        self.lines.append(f"static const {kind} {name}[{max(values.size, 1)}] = {{")
        self.lines += _rows(values.ravel()) if values.size else ["0"]
        self.lines.append("};")
        return name

    def struct(self, declared: str, size: int, *rows: str) -> None:
        """Declare a struct, or an array of structs, of `size` bytes each."""
        self.size += size * len(rows)
        text = ",\n  ".join(rows) if "[" in declared else rows[0]
        self.lines.append(f"static const {declared} = {{{text}}};" if "[" in declared else f"{declared} = {text};")

    def linear(self, name: str, layer: Linear, bias: bool = True) -> str:
        """Declare a layer's arrays; return the initialiser of its struct."""
        members = [
            self.array(f"{name}_weight", layer.weight),
            self.array(f"{name}_bias", layer.bias) if bias else "0",
            self.array(f"{name}_multiplier", layer.multiplier),
        ]
        return f"{{{', '.join(members)}, {layer.shift}}}"


def _rows(values: npt.NDArray[Any]) -> Iterable[str]:
    """Numbers in lines of at most MAX_COLUMNS characters."""
    longest = max(len(str(int(values.min()))), len(str(int(values.max())))) + 1
    count = (MAX_COLUMNS + 1) // longest
    numbers = values.tolist()
    for i in range(0, len(numbers), count):
        yield ",".join(map(str, numbers[i : i + count])) + ","


def network_files(network: IntegerNetwork, name: str) -> dict[str, bytes]:
    """Make the network's C files: playbach.h, playbach.c, model.h (sizes) and weights.h.

    `name` is the model's, with only characters that are safe in a C comment.
    """
    return {
        "playbach.h": engine_file("playbach.h"),
        "playbach.c": engine_file("playbach.c"),
        "model.h": _model(network, name).encode("ascii"),
        "weights.h": "\n".join([_opening("weights", name), *_weights(network).lines, ""]).encode("ascii"),
    }


def flash_bytes(network: IntegerNetwork) -> int:
    """The bytes of all that weights.h declares, on a 32-bit machine."""
    return _weights(network).size


def ram_bytes(network: IntegerNetwork) -> int:
    """The bytes of a pb_network; its members are in the order of the engine's header."""
    scores = len(network.heads.scores.bias)
    common = 4 * scores + 4 * max(network.symbols)
    if isinstance(network, IntegerLstm):
        layers, size = len(network.layers), network.layers[0].size
        total = common + 4 * layers * size + 2 * layers * size + 2 * size + 2 * max(_first_inputs(network), 1)
    else:
        assert isinstance(network, IntegerCnn)
        kernel = network.convolution.kernel
        rings = kernel * (network.image + network.widths[0]) + network.last_rows * network.widths[1]
        total = common + 2 * len(network.whole.bias) + rings + 2
    return -(-total // 4) * 4


def _opening(what: str, name: str) -> str:
    return f"/* The {what} of {name}, written by playbach export; see playbach.h. */"


# ------------------------------------------------------------------------------------------------------- sizes


def _model(network: IntegerNetwork, name: str) -> str:
    heads = network.heads
    macros = {
        "PB_FIELDS": len(heads.symbols),
        "PB_CONTEXTS": len(network.context),
        "PB_MAX_SYMBOLS": max(heads.symbols),
        "PB_LOGITS": sum(heads.symbols),
        "PB_SCORES": len(heads.scores.bias),
        "PB_RELATIONS": len(heads.relations),
        "PB_LSTM": int(isinstance(network, IntegerLstm)),
        **(_lstm_sizes(network) if isinstance(network, IntegerLstm) else {}),
        **(_cnn_sizes(network) if isinstance(network, IntegerCnn) else {}),
    }
    return "\n".join(
        [
            _opening("sizes", name),
            *("#ifndef PB_MODEL_H", "#define PB_MODEL_H", "", "#include <stdint.h>", ""),
            *(f"#define {key} {value}" for key, value in macros.items()),
            "",
            f"typedef uint{8 * _class_type(heads).itemsize}_t pb_class;",
            "",
            "/* The number of symbols of each field. */",
            f"static const uint16_t pb_symbols[PB_FIELDS] = {{{', '.join(map(str, heads.symbols))}}};",
            *("", "#endif", ""),
        ]
    )


def _first_inputs(network: IntegerLstm) -> int:
    return int(network.layers[0].inputs.weight.shape[1])


def _lstm_sizes(network: IntegerLstm) -> dict[str, int]:
    return {
        "PB_LAYERS": len(network.layers),
        "PB_HIDDEN": network.layers[0].size,
        "PB_FIRST_INPUTS": _first_inputs(network),
        "PB_INPUTS": max(_first_inputs(network), 1),
        "PB_EMBEDDED": len(network.embedded),
        "PB_ONEHOT": len(network.onehot),
    }


def _cnn_sizes(network: IntegerCnn) -> dict[str, int]:
    return {
        "PB_HIDDEN": len(network.whole.bias),
        "PB_KERNEL": network.convolution.kernel,
        "PB_STRIDE": network.convolution.stride,
        "PB_IMAGE": network.image,
        "PB_CHANNELS": len(network.first.bias),
        "PB_FIRST_WIDTH": network.widths[0],
        "PB_SECOND_WIDTH": network.widths[1],
        "PB_LAST_ROWS": network.last_rows,
        "PB_ROW_SHIFT": network.shift,
    }


# ----------------------------------------------------------------------------------------------------- weights


def _weights(network: IntegerNetwork) -> _Source:
    source = _Source()
    source.lines.append(f"#define PB_LOG2_E {LOG2_E} /* in 1/65,536 */")
    source.array("pb_powers", POWERS.astype(np.uint32))
    if isinstance(network, IntegerLstm):
        _lstm(source, network)
    else:
        assert isinstance(network, IntegerCnn)
        _cnn(source, network)
    _heads(source, network.heads)
    return source


def _lstm(source: _Source, network: IntegerLstm) -> None:
    source.array("pb_sigmoid", SIGMOID)
    source.array("pb_tanh", TANH)
    for name, tables in (("embedded", network.embedded), ("onehot", network.onehot)):
        rows = [f"{{{source.array(f'pb_{name}_{i}', t)}, {t.shape[1]}}}" for i, t in enumerate(tables)]
        if rows:
            source.struct(f"pb_table pb_{name}[]", _TABLE, *rows)
    layers = []
    for i, layer in enumerate(network.layers):
        inputs = source.linear(f"pb_inputs_{i}", layer.inputs)
        layers.append(f"{{{inputs}, {source.linear(f'pb_hidden_{i}', layer.hidden, bias=False)}}}")
    source.struct("pb_layer pb_layers[PB_LAYERS]", 2 * _LINEAR, *layers)


def _cnn(source: _Source, network: IntegerCnn) -> None:
    names = [source.array(f"pb_rows_{i}", table) for i, table in enumerate(network.tables)]
    source.struct("int8_t *const pb_rows[]", _POINTER, *names)
    source.array("pb_row_multiplier", network.multiplier)
    for name in ("first", "second", "whole"):
        _single(source, name, getattr(network, name))


def _single(source: _Source, name: str, layer: Linear) -> None:
    source.struct(f"static const pb_linear pb_{name}", _LINEAR, source.linear(f"pb_{name}", layer))


def _class_type(heads: IntegerHeads) -> np.dtype[Any]:
    """The smallest type that holds every relation's tables."""
    return np.result_type(np.uint8, *heads.tables)


def _heads(source: _Source, heads: IntegerHeads) -> None:
    _single(source, "heads", heads.scores)
    kind = _class_type(heads)
    names = [source.array(f"pb_classes_{i}", table.astype(kind), "pb_class") for i, table in enumerate(heads.tables)]
    rows = [
        f"{{{names[r.classes]}, {names[r.aspects]}, {heads.tables[r.classes].shape[1]}, {r.field}, {r.column}, "
        f"{heads.starts[r.field]}, {r.first}}}"
        for r in heads.relations
    ]
    if rows:
        source.struct("pb_relation pb_relations[]", _RELATION, *rows)
