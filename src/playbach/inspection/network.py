"""The layers of a network, as its bundle's files tell them, without running it and without torch.

Names and shapes are read from the weights' header; the order in which layers are used, from the exported step, where
each weight's name stands first where it is first used. So a new architecture needs no word here: what a layer is, is
seen from its shape. Knows bundles; knows nothing of how a graph is drawn.
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
from playbach.bundles.description import BundleInfo, described
from playbach.system.errors import BundleError
from playbach.system.files import AnyPath, shown

MOST_TENSORS = 10_000
LARGEST = 1 << 31
"""No side of a tensor is longer."""
WORDS = {
    "qkv": "queries, keys, values",
    "out": "what was heard",
    "up": "feed forward, up",
    "down": "feed forward, down",
    "ask": "attention: what to look for",
    "join": "attention: joined with what was found",
    "whole": "the whole image",
}
"""What people call a layer that its name does not tell."""
_LSTM = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)(_reverse)?$")


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """`kind` is embedding, linear, LSTM, GRU, convolution, norm or weights; `shape` as people say it."""

    name: str
    kind: str
    shape: str
    tensors: tuple[Tensor, ...]
    parameters: int

    @property
    def words(self) -> str:
        last = self.name.rpartition(".")[2]
        return WORDS.get(last, last.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the graph: a title, what there is to say of it, and how many of it follow each other."""

    title: str
    lines: tuple[str, ...] = ()
    times: int = 1


@dataclass(frozen=True, slots=True)
class Graph:
    """`columns` follow each other from the inputs to the heads. Two columns of as many boxes are joined box by box,
    others each with each. `layers` are in the order in which they are used."""

    name: str
    architecture: str
    parameters: int
    config: dict[str, Any]
    layers: tuple[Layer, ...]
    columns: tuple[tuple[Box, ...], ...]


def graph(name_or_path: AnyPath) -> Graph:
    """The graph of a bundle's network.

    Raises:
        BundleError: there is no such bundle, it is damaged, or its weights are.
    """
    path = bundles.find(Path(name_or_path))
    bundle = bundles.read(path)
    return graph_of(bundle, described(bundle, path))


def graph_of(bundle: Bundle, info: BundleInfo) -> Graph:
    layers = layers_of(tensors_of(bundle), bundle.onnx)
    every = (_inputs(bundle, info), *_columns(layers, info, _sizes(bundle, info)[0]))
    columns = tuple(column for column in every if column)
    parameters = sum(layer.parameters for layer in layers)
    return Graph(info.name, info.architecture or "unknown", parameters, info.config, layers, columns)


def tensors_of(bundle: Bundle) -> tuple[Tensor, ...]:
    """The weights' names and shapes (https://huggingface.co/docs/safetensors: eight bytes of length, then JSON)."""
    data = bundle.weights
    try:
        size = int.from_bytes(data[:8], "little")
        if not 0 < size <= len(data) - 8:
            raise ValueError("its header is longer than the file")
        header = json.loads(data[8 : 8 + size])
        found = [Tensor(name, tuple(_side(n) for n in entry["shape"]))
                 for name, entry in header.items() if name != "__metadata__"]  # fmt: skip
        if not 0 < len(found) <= MOST_TENSORS:
            raise ValueError(f"{len(found)} tensors")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        said = ascii(str(error))[1:-1]
        raise BundleError(
            f"{shown(bundle.name)}: its weights cannot be read ({said:.80}); get or train it again"
        ) from error
    return tuple(found)


def _side(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LARGEST:
        raise ValueError(f"a shape of {value!r:.20}")
    return value


# ------------------------------------------------------------------------------------------------------------ layers


def layers_of(tensors: Iterable[Tensor], onnx: bytes = b"") -> tuple[Layer, ...]:
    """The layers, in the order in which the exported step uses them; those that it does not name stay with those of
    their group."""
    modules: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        modules.setdefault(_module(tensor.name), []).append(tensor)
    place = {name: min(_place(t.name, onnx) for t in members) for name, members in modules.items()}
    group = {name: min(p for other, p in place.items() if _group(other) == _group(name)) for name in modules}
    order = sorted(modules, key=lambda name: (group[name], _natural(_group(name)), place[name], _natural(name)))
    return tuple(_layer(name, tuple(modules[name])) for name in order)


def _place(name: str, onnx: bytes) -> float:
    """Where the exported step names a weight first, in the wrapper that is exported. In protobuf a string's length
    stands before it, so that no name is found within a longer one."""
    text = f"model.{name}".encode("utf-8", "replace")
    found = onnx.find(bytes([len(text)]) + text) if len(text) < 128 else -1
    return math.inf if found < 0 else found


def _module(tensor: str) -> str:
    """The layer that a tensor belongs to; each layer of a stacked LSTM counts for itself."""
    stacked = _LSTM.search(tensor)
    if stacked:
        return f"{tensor[: stacked.start()].rstrip('.') or 'rnn'}.{stacked.group(2)}"
    return tensor.rpartition(".")[0] or tensor


def _group(module: str) -> str:
    """What a layer is a part of: `blocks.0` of blocks.0.qkv, `heads` of heads.symbols.1."""
    first, _, rest = module.partition(".")
    number = rest.partition(".")[0]
    return f"{first}.{number}" if number.isdecimal() else first


def _natural(name: str) -> list[tuple[int, str]]:
    """So that 10 comes after 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _layer(name: str, tensors: tuple[Tensor, ...]) -> Layer:
    kind, shape = _kind(name, {t.name.rpartition(".")[2]: t.shape for t in tensors})
    return Layer(name, kind, shape, tensors, sum(math.prod(t.shape) for t in tensors))


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
class Row:
    """Layers of one kind and shape that differ in a number of their name only, as one line of a table."""

    name: str
    layer: Layer
    times: int


def rows(layers: Sequence[Layer]) -> list[Row]:
    """The layers with repeated ones as one: `blocks.0-3.qkv`, four times. The order is that of the first of each."""
    alike: dict[tuple[str, str, str], list[Layer]] = {}
    for layer in layers:
        alike.setdefault((re.sub(r"\d+", "#", layer.name, count=1), layer.kind, layer.shape), []).append(layer)
    return [Row(_range([m.name for m in members]), members[0], len(members)) for members in alike.values()]


def _range(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    numbers = sorted(int(re.findall(r"\d+", name)[0]) for name in names)
    whole = numbers == list(range(numbers[0], numbers[-1] + 1))
    text = f"{numbers[0]}-{numbers[-1]}" if whole else ",".join(map(str, numbers))
    return re.sub(r"\d+", text, names[0], count=1)


# ----------------------------------------------------------------------------------------------------------- columns


def _sizes(bundle: Bundle, info: BundleInfo) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Names and sizes of the fields and of the context, from the encoding, else as the manifest counts them."""
    if info.fields:
        fields, context = info.fields, info.context
        return [(f.name, len(f.symbols)) for f in fields], [(f.name, len(f.symbols)) for f in context]
    said = bundle.manifest.get("architecture")
    said = said if isinstance(said, dict) else {}

    def counted(key: str, name: str) -> list[tuple[str, int]]:
        sizes = said.get(key)
        whole = [n for n in sizes if isinstance(n, int)] if isinstance(sizes, list) else []
        return [(f"{name} {i}" if len(whole) > 1 else name, n) for i, n in enumerate(whole, 1)]

    return counted("symbols", "symbol"), counted("context", "context")


def _inputs(bundle: Bundle, info: BundleInfo) -> tuple[Box, ...]:
    fields, context = _sizes(bundle, info)
    boxes = [Box(f"last {name}", (f"{size:,} symbols, or the start",)) for name, size in fields]
    if context:
        boxes.append(Box("context", tuple(f"{name} ({size:,})" for name, size in context)))
    return tuple(boxes)


def _columns(layers: Sequence[Layer], info: BundleInfo, fields: Sequence[tuple[str, int]]) -> list[tuple[Box, ...]]:
    embeds = [layer for layer in layers if _is(layer, "embed")]
    heads = [layer for layer in layers if _is(layer, "heads")]
    trunk = [layer for layer in layers if layer not in embeds and layer not in heads]
    return [_embedding(embeds, info, fields), *((box,) for box in _trunk(trunk)), _heads(heads, fields)]


def _is(layer: Layer, word: str) -> bool:
    return word in layer.name.split(".")


def _embedding(layers: Sequence[Layer], info: BundleInfo, fields: Sequence[tuple[str, int]]) -> tuple[Box, ...]:
    own = [layer for layer in layers if _is(layer, "fields")]
    context = [layer for layer in layers if _is(layer, "context")]
    others = [layer for layer in layers if layer not in own and layer not in context]
    if others and not own and not context:
        return tuple(Box("embedding", (layer.shape, "summed")) for layer in others)
    boxes = [Box("embedding", (layer.shape,)) for layer in own]
    if not own and info.config.get("onehot"):
        boxes = [Box("one-hot", (f"{size + 1:,} numbers",)) for _, size in fields]
    boxes += [Box("embedding", (layer.shape,)) for layer in others]
    if context:
        widths = sorted({layer.shape.rpartition(" ")[2] for layer in context})
        each = f"of {' or '.join(widths)} each"
        boxes.append(Box(f"{len(context)} embeddings" if len(context) > 1 else "embedding", (each,)))
    return tuple(boxes)


def _trunk(layers: Sequence[Layer]) -> list[Box]:
    """A box for each layer, or for each block of layers; blocks that are alike become one."""
    boxes: list[Box] = []
    for name, members in groupby(layers, key=_part):
        inside = list(members)
        if len(inside) == 1 and not name.rpartition(".")[2].isdecimal():
            box = Box(_titled(inside[0]), (inside[0].shape,))
        elif len(inside) == 1:
            box = Box(inside[0].kind, (inside[0].shape,))
        else:
            box = Box(name.partition(".")[0].removesuffix("s"), tuple(_line(layer) for layer in inside))
        if boxes and (boxes[-1].title, boxes[-1].lines) == (box.title, box.lines) and len(inside) > 1:
            boxes[-1] = Box(box.title, box.lines, boxes[-1].times + 1)
        else:
            boxes.append(box)
    return boxes


def _part(layer: Layer) -> str:
    """What is drawn as one box: a numbered block, or else the layer itself."""
    group = _group(layer.name)
    return group if group.rpartition(".")[2].isdecimal() else layer.name


def _titled(layer: Layer) -> str:
    last = layer.name.rpartition(".")[2]
    return WORDS.get(last, layer.kind)


def _line(layer: Layer) -> str:
    return f"{layer.words}: {layer.shape}"


def _heads(layers: Sequence[Layer], fields: Sequence[tuple[str, int]]) -> tuple[Box, ...]:
    symbols = [layer for layer in layers if _is(layer, "symbols")]
    relations = sum(_is(layer, "classes") for layer in layers)
    more = (f"and {relations} relations of it",) if relations and len(symbols) == 1 else ()
    named = len(symbols) == len(fields)
    boxes = [
        Box(f"next {fields[i][0]}" if named else "next symbol", (f"softmax: {layer.shape}", *more))
        for i, layer in enumerate(symbols)
    ]
    if relations and not more:
        boxes.append(Box("relations", (f"{relations} tables, added",)))
    return tuple(boxes) or tuple(Box("head", (layer.shape,)) for layer in layers)
