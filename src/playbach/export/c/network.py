"""The network half of a C export: an integer network's sizes and weights as text, and the memory they take.

Knows integer networks and the engine's structs; knows nothing of music or bundles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.export.integer import IntegerNetwork
from playbach.export.integer.cnn import KERNEL, STRIDE, IntegerCnn
from playbach.export.integer.fixed import Linear
from playbach.export.integer.heads import IntegerHeads
from playbach.export.integer.lstm import SIGMOID, TANH, IntegerLstm
from playbach.export.integer.sampling import LOG2_E, POWERS

WIDTH = 118
_POINTER = 4
"""Bytes, on the machines that this is for."""
_LINEAR, _TABLE, _RELATION = 4 * _POINTER, 2 * _POINTER, 7 * _POINTER
"""Bytes of the engine's structs there."""


@dataclass
class _Text:
    """C text that counts the bytes of what it declares."""

    lines: list[str] = field(default_factory=list)
    size: int = 0

    def array(self, name: str, values: npt.NDArray[Any], kind: str = "") -> str:
        """Declares an array, of its own type where no other is named; gives its name."""
        kind = kind or f"{'u' if values.dtype.kind == 'u' else ''}int{8 * values.itemsize}_t"
        self.size += values.size * values.itemsize
        self.lines.append(f"static const {kind} {name}[{max(values.size, 1)}] = {{")
        self.lines += _rows(values.ravel()) if values.size else ["0"]
        self.lines.append("};")
        return name

    def struct(self, declared: str, size: int, *rows: str) -> None:
        """Declares structs of `size` bytes, the only one or all of an array."""
        self.size += size * len(rows)
        text = ",\n  ".join(rows) if "[" in declared else rows[0]
        self.lines.append(f"static const {declared} = {{{text}}};" if "[" in declared else f"{declared} = {text};")

    def linear(self, name: str, layer: Linear, bias: bool = True) -> str:
        """Declares a layer's arrays; gives the initialiser of its struct."""
        of = [
            self.array(f"{name}_weight", layer.weight),
            self.array(f"{name}_bias", layer.bias) if bias else "0",
            self.array(f"{name}_multiplier", layer.multiplier),
        ]
        return f"{{{', '.join(of)}, {layer.shift}}}"


def _rows(values: npt.NDArray[Any]) -> Iterable[str]:
    """Numbers in lines of at most WIDTH."""
    longest = max(len(str(int(values.min()))), len(str(int(values.max())))) + 1
    some = (WIDTH + 1) // longest
    numbers = values.tolist()
    for i in range(0, len(numbers), some):
        yield ",".join(map(str, numbers[i : i + some])) + ","


def engine(name: str) -> bytes:
    """A file of the engine as it comes with the package."""
    return resources.files("playbach").joinpath("export", "c", "engine", name).read_bytes()


def files(network: IntegerNetwork, name: str) -> dict[str, bytes]:
    """playbach.h, playbach.c, model.h (sizes) and weights.h. `name` is the model's, as it may stand in a comment."""
    return {
        "playbach.h": engine("playbach.h"),
        "playbach.c": engine("playbach.c"),
        "model.h": _model(network, name).encode("ascii"),
        "weights.h": "\n".join([_opening("weights", name), *_weights(network).lines, ""]).encode("ascii"),
    }


def flash(network: IntegerNetwork) -> int:
    """Bytes of all that weights.h declares, on a machine of 32 bits."""
    return _weights(network).size


def ram(network: IntegerNetwork) -> int:
    """Bytes of a pb_network; the engine's header has its members in this order."""
    scores = len(network.heads.scores.bias)
    common = 4 * scores + 4 * max(network.symbols)
    if isinstance(network, IntegerLstm):
        layers, size = len(network.layers), network.layers[0].size
        total = common + 4 * layers * size + 2 * layers * size + 2 * size + 2 * max(_first_inputs(network), 1)
    else:
        assert isinstance(network, IntegerCnn)
        rings = KERNEL * (network.image + network.widths[0]) + network.seen * network.widths[1]
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
        "PB_MOST_SYMBOLS": max(heads.symbols),
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
            "/* How many symbols each field has. */",
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
        "PB_KERNEL": KERNEL,
        "PB_STRIDE": STRIDE,
        "PB_IMAGE": network.image,
        "PB_CHANNELS": len(network.first.bias),
        "PB_FIRST_WIDTH": network.widths[0],
        "PB_SECOND_WIDTH": network.widths[1],
        "PB_SEEN": network.seen,
        "PB_ROW_SHIFT": network.shift,
    }


# ----------------------------------------------------------------------------------------------------- weights


def _weights(network: IntegerNetwork) -> _Text:
    text = _Text()
    text.lines.append(f"#define PB_LOG2_E {LOG2_E} /* in 65,536ths */")
    text.array("pb_powers", POWERS.astype(np.uint32))
    if isinstance(network, IntegerLstm):
        _lstm(text, network)
    else:
        assert isinstance(network, IntegerCnn)
        _cnn(text, network)
    _heads(text, network.heads)
    return text


def _lstm(text: _Text, network: IntegerLstm) -> None:
    text.array("pb_sigmoid", SIGMOID)
    text.array("pb_tanh", TANH)
    for name, tables in (("embedded", network.embedded), ("onehot", network.onehot)):
        rows = [f"{{{text.array(f'pb_{name}_{i}', t)}, {t.shape[1]}}}" for i, t in enumerate(tables)]
        if rows:
            text.struct(f"pb_table pb_{name}[]", _TABLE, *rows)
    layers = []
    for i, layer in enumerate(network.layers):
        inputs = text.linear(f"pb_inputs_{i}", layer.inputs)
        layers.append(f"{{{inputs}, {text.linear(f'pb_hidden_{i}', layer.hidden, bias=False)}}}")
    text.struct("pb_layer pb_layers[PB_LAYERS]", 2 * _LINEAR, *layers)


def _cnn(text: _Text, network: IntegerCnn) -> None:
    names = [text.array(f"pb_rows_{i}", table) for i, table in enumerate(network.tables)]
    text.struct("int8_t *const pb_rows[]", _POINTER, *names)
    text.array("pb_row_multiplier", network.multiplier)
    for name in ("first", "second", "whole"):
        _only(text, name, getattr(network, name))


def _only(text: _Text, name: str, layer: Linear) -> None:
    text.struct(f"static const pb_linear pb_{name}", _LINEAR, text.linear(f"pb_{name}", layer))


def _class_type(heads: IntegerHeads) -> np.dtype[Any]:
    """The smallest that holds every relation's tables."""
    return np.result_type(np.uint8, *heads.tables)


def _heads(text: _Text, heads: IntegerHeads) -> None:
    _only(text, "heads", heads.scores)
    kind = _class_type(heads)
    names = [text.array(f"pb_classes_{i}", table.astype(kind), "pb_class") for i, table in enumerate(heads.tables)]
    rows = [
        f"{{{names[r.classes]}, {names[r.aspects]}, {heads.tables[r.classes].shape[1]}, {r.field}, {r.column}, "
        f"{heads.starts[r.field]}, {r.first}}}"
        for r in heads.relations
    ]
    if rows:
        text.struct("pb_relation pb_relations[]", _RELATION, *rows)
