"""Lists the layers of a bundle's network, without running it and without torch.

Names and shapes are read from the header of the weights, and the order of the layers from the exported step, in which
a weight's name appears where it is used first. The kind of a layer is derived from its shape, so that nothing has to
be added here for a new architecture. Knows bundles; knows nothing of how a graph is drawn.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.bundles.description import BundleInfo, describe_bundle
from playbach.system.errors import BundleError
from playbach.system.files import AnyPath, display_path

_MAX_TENSORS = 10_000
_MAX_SIDE = 1 << 31
"""The longest side of a tensor that is accepted."""
_LAYER_LABELS = {
    "qkv": "queries, keys, values",
    "out": "attention output",
    "up": "feed forward, up",
    "down": "feed forward, down",
    "ask": "attention query",
    "join": "attention output",
    "whole": "the whole image",
}
"""Labels of layers whose names do not say what they are."""
_LSTM = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)(_reverse)?$")


@dataclass(frozen=True, slots=True)
class WeightTensor:
    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NetworkLayer:
    name: str
    kind: str
    """embedding, linear, LSTM, GRU, recurrent, convolution, norm or weights."""
    shape: str
    """In words, `256 to 65`."""
    tensors: tuple[WeightTensor, ...]
    parameters: int

    @property
    def label(self) -> str:
        last = self.name.rpartition(".")[2]
        return _LAYER_LABELS.get(last, last.replace("_", " "))


@dataclass(frozen=True, slots=True)
class GraphNode:
    title: str
    lines: tuple[str, ...] = ()
    times: int = 1
    """The number of equal nodes in succession that it stands for."""


@dataclass(frozen=True, slots=True)
class NetworkGraph:
    """The layers of a network, and its graph from the inputs to the heads."""

    name: str
    architecture: str
    parameters: int
    config: dict[str, Any]
    layers: tuple[NetworkLayer, ...]
    """In the order in which they are used."""
    columns: tuple[tuple[GraphNode, ...], ...]
    """Two columns of the same number of nodes are connected one to one, others all to all."""


def network_graph(name_or_path: AnyPath) -> NetworkGraph:
    """The graph of a bundle's network.

    Raises:
        BundleError: there is no such bundle, it is damaged, or its weights are.
    """
    path = bundles.find(Path(name_or_path))
    bundle = bundles.read(path)
    return graph_of(bundle, describe_bundle(bundle, path))


def graph_of(bundle: Bundle, info: BundleInfo) -> NetworkGraph:
    layers = layers_of(tensors_of(bundle), bundle.onnx)
    every = (_inputs(bundle, info), *_columns(layers, info, _sizes(bundle, info)[0]))
    columns = tuple(column for column in every if column)
    parameters = sum(layer.parameters for layer in layers)
    return NetworkGraph(info.name, info.architecture or "unknown", parameters, info.config, layers, columns)


def tensors_of(bundle: Bundle) -> tuple[WeightTensor, ...]:
    """Names and shapes of the weights (https://huggingface.co/docs/safetensors: eight bytes of length, then JSON)."""
    data = bundle.weights
    try:
        size = int.from_bytes(data[:8], "little")
        if not 0 < size <= len(data) - 8:
            raise ValueError("its header is longer than the file")
        header = json.loads(data[8 : 8 + size])
        found = [
            WeightTensor(name, tuple(_side(n) for n in entry["shape"]))
            for name, entry in header.items()
            if name != "__metadata__"
        ]
        if not 0 < len(found) <= _MAX_TENSORS:
            raise ValueError(f"{len(found)} tensors")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        cause = ascii(str(error))[1:-1]
        raise BundleError(
            f"{display_path(bundle.name)}: its weights cannot be read ({cause:.80}); get or train it again"
        ) from error
    return tuple(found)


def _side(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_SIDE:
        raise ValueError(f"invalid shape {value!r:.20}")
    return value


# ------------------------------------------------------------------------------------------------------------ layers


def layers_of(tensors: Iterable[WeightTensor], onnx: bytes = b"") -> tuple[NetworkLayer, ...]:
    """The layers, in the order in which the exported step uses them. Layers that it does not name stay next to their
    group."""
    modules: dict[str, list[WeightTensor]] = {}
    for tensor in tensors:
        modules.setdefault(_module(tensor.name), []).append(tensor)
    place = {name: min(_place(t.name, onnx) for t in members) for name, members in modules.items()}
    group = {name: min(p for other, p in place.items() if _group(other) == _group(name)) for name in modules}
    order = sorted(modules, key=lambda name: (group[name], _natural(_group(name)), place[name], _natural(name)))
    return tuple(_layer(name, tuple(modules[name])) for name in order)


def _place(name: str, onnx: bytes) -> float:
    """Where the exported step first names a weight, with the prefix of its wrapper. In protobuf a string follows its
    length, so that a name is not found within a longer one."""
    text = f"model.{name}".encode("utf-8", "replace")
    found = onnx.find(bytes([len(text)]) + text) if len(text) < 128 else -1
    return math.inf if found < 0 else found


def _module(tensor: str) -> str:
    """The layer that a tensor belongs to. Each layer of a stacked LSTM is a layer."""
    stacked = _LSTM.search(tensor)
    if stacked:
        return f"{tensor[: stacked.start()].rstrip('.') or 'rnn'}.{stacked.group(2)}"
    return tensor.rpartition(".")[0] or tensor


def _group(module: str) -> str:
    """The group of a layer: `blocks.0` for blocks.0.qkv, `heads` for heads.symbols.1."""
    first, _, rest = module.partition(".")
    number = rest.partition(".")[0]
    return f"{first}.{number}" if number.isdecimal() else first


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key by which 10 comes after 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _layer(name: str, tensors: tuple[WeightTensor, ...]) -> NetworkLayer:
    kind, shape = _kind(name, {t.name.rpartition(".")[2]: t.shape for t in tensors})
    return NetworkLayer(name, kind, shape, tensors, sum(math.prod(t.shape) for t in tensors))


def _kind(name: str, shapes: dict[str, tuple[int, ...]]) -> tuple[str, str]:
    stacked = {key.partition("_l")[0]: shape for key, shape in shapes.items() if _LSTM.search(key)}
    into, back = stacked.get("weight_ih", ()), stacked.get("weight_hh", ())
    if len(into) == 2 and len(back) == 2 and back[1]:
        return {4: "LSTM", 3: "GRU"}.get(into[0] // back[1], "recurrent"), f"{into[1]:,} to {back[1]:,}"
    weight = shapes.get("weight", ())
    if len(weight) > 2:
        kernel = " x ".join(map(str, weight[2:]))
        return "convolution", f"{kernel}, {weight[1]:,} to {weight[0]:,} channels"
    if len(weight) == 2 and "bias" not in shapes and "embed" in name:
        return "embedding", f"{weight[0]:,} x {weight[1]:,}"
    if len(weight) == 2:
        return "linear", f"{weight[1]:,} to {weight[0]:,}"
    if len(weight) == 1:
        return "norm", f"{weight[0]:,}"
    return "weights", "; ".join(" x ".join(f"{n:,}" for n in shape) or "1" for shape in shapes.values())


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A row of a table: layers of the same kind and shape whose names differ in one number."""

    name: str
    layer: NetworkLayer
    times: int


def layer_rows(layers: Sequence[NetworkLayer]) -> list[LayerRow]:
    """The layers as rows, repeated ones in one row: `blocks.0-3.qkv`, four times."""
    alike: dict[tuple[str, str, str], list[NetworkLayer]] = {}
    for layer in layers:
        alike.setdefault((re.sub(r"\d+", "#", layer.name, count=1), layer.kind, layer.shape), []).append(layer)
    return [LayerRow(_range([m.name for m in members]), members[0], len(members)) for members in alike.values()]


def _range(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    numbers = sorted(int(re.findall(r"\d+", name)[0]) for name in names)
    whole = numbers == list(range(numbers[0], numbers[-1] + 1))
    text = f"{numbers[0]}-{numbers[-1]}" if whole else ",".join(map(str, numbers))
    return re.sub(r"\d+", text, names[0], count=1)


# ----------------------------------------------------------------------------------------------------------- columns


def _sizes(bundle: Bundle, info: BundleInfo) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The names and sizes of the fields and of the context fields, from the encoding, or else from the manifest."""
    if info.fields:
        fields, context = info.fields, info.context
        return [(f.name, len(f.symbols)) for f in fields], [(f.name, len(f.symbols)) for f in context]
    architecture = bundle.manifest.get("architecture")
    architecture = architecture if isinstance(architecture, dict) else {}

    def from_manifest(key: str, name: str) -> list[tuple[str, int]]:
        sizes = architecture.get(key)
        whole = [n for n in sizes if isinstance(n, int)] if isinstance(sizes, list) else []
        return [(f"{name} {i}" if len(whole) > 1 else name, n) for i, n in enumerate(whole, 1)]

    return from_manifest("symbols", "symbol"), from_manifest("context", "context")


def _inputs(bundle: Bundle, info: BundleInfo) -> tuple[GraphNode, ...]:
    fields, context = _sizes(bundle, info)
    nodes = [GraphNode(f"last {name}", (f"{size:,} symbols, or the start",)) for name, size in fields]
    if context:
        nodes.append(GraphNode("context", tuple(f"{name} ({size:,})" for name, size in context)))
    return tuple(nodes)


def _columns(
    layers: Sequence[NetworkLayer], info: BundleInfo, fields: Sequence[tuple[str, int]]
) -> list[tuple[GraphNode, ...]]:
    embeds = [layer for layer in layers if _has_part(layer, "embed")]
    heads = [layer for layer in layers if _has_part(layer, "heads")]
    trunk = [layer for layer in layers if layer not in embeds and layer not in heads]
    return [_embedding(embeds, info, fields), *((node,) for node in _trunk(trunk)), _heads(heads, fields)]


def _has_part(layer: NetworkLayer, word: str) -> bool:
    return word in layer.name.split(".")


def _embedding(
    layers: Sequence[NetworkLayer], info: BundleInfo, fields: Sequence[tuple[str, int]]
) -> tuple[GraphNode, ...]:
    own = [layer for layer in layers if _has_part(layer, "fields")]
    context = [layer for layer in layers if _has_part(layer, "context")]
    others = [layer for layer in layers if layer not in own and layer not in context]
    if others and not own and not context:
        return tuple(GraphNode("embedding", (layer.shape, "summed")) for layer in others)
    nodes = [GraphNode("embedding", (layer.shape,)) for layer in own]
    if not own and info.config.get("onehot"):
        nodes = [GraphNode("one-hot", (f"{size + 1:,} numbers",)) for _, size in fields]
    nodes += [GraphNode("embedding", (layer.shape,)) for layer in others]
    if context:
        widths = sorted({layer.shape.rpartition(" ")[2] for layer in context})
        each = f"of {' or '.join(widths)} each"
        nodes.append(GraphNode(f"{len(context)} embeddings" if len(context) > 1 else "embedding", (each,)))
    return tuple(nodes)


def _trunk(layers: Sequence[NetworkLayer]) -> list[GraphNode]:
    """A node for each layer or block of layers; equal blocks in succession become one node."""
    nodes: list[GraphNode] = []
    for name, members in groupby(layers, key=_part):
        inside = list(members)
        if len(inside) == 1 and not name.rpartition(".")[2].isdecimal():
            node = GraphNode(_layer_title(inside[0]), (inside[0].shape,))
        elif len(inside) == 1:
            node = GraphNode(inside[0].kind, (inside[0].shape,))
        else:
            node = GraphNode(name.partition(".")[0].removesuffix("s"), tuple(_line(layer) for layer in inside))
        if nodes and (nodes[-1].title, nodes[-1].lines) == (node.title, node.lines) and len(inside) > 1:
            nodes[-1] = GraphNode(node.title, node.lines, nodes[-1].times + 1)
        else:
            nodes.append(node)
    return nodes


def _part(layer: NetworkLayer) -> str:
    """The name of the node that a layer belongs to: a numbered block, or else the layer itself."""
    group = _group(layer.name)
    return group if group.rpartition(".")[2].isdecimal() else layer.name


def _layer_title(layer: NetworkLayer) -> str:
    last = layer.name.rpartition(".")[2]
    return _LAYER_LABELS.get(last, layer.kind)


def _line(layer: NetworkLayer) -> str:
    return f"{layer.label}: {layer.shape}"


def _heads(layers: Sequence[NetworkLayer], fields: Sequence[tuple[str, int]]) -> tuple[GraphNode, ...]:
    symbols = [layer for layer in layers if _has_part(layer, "symbols")]
    relations = sum(_has_part(layer, "classes") for layer in layers)
    more = (f"and {relations} relations",) if relations and len(symbols) == 1 else ()
    named = len(symbols) == len(fields)
    nodes = [
        GraphNode(f"next {fields[i][0]}" if named else "next symbol", (f"softmax: {layer.shape}", *more))
        for i, layer in enumerate(symbols)
    ]
    if relations and not more:
        nodes.append(GraphNode("relations", (f"{relations} tables, added to the logits",)))
    return tuple(nodes) or tuple(GraphNode("head", (layer.shape,)) for layer in layers)
