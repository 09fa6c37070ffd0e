"""A network's layers are read from its bundle, in the order of their use, and drawn for every architecture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.bundles.description import describe_bundle
from playbach.inspection import network_picture
from playbach.inspection.network import (
    GraphNode,
    NetworkGraph,
    WeightTensor,
    graph_of,
    layer_rows,
    layers_of,
    network_graph,
    tensors_of,
)
from playbach.rendering.canvas import PAPER
from playbach.system.errors import BundleError


def weights(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """A safetensors file of zeros, with the names in this order."""
    header, at = {}, 0
    for name in sorted(shapes):
        size = 2 * int(np.prod(shapes[name]))
        header[name] = {"dtype": "F16", "shape": list(shapes[name]), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(at)


def step(*names: str) -> bytes:
    """The names as they appear in an exported step."""
    return b"\x08\x0a" + b"".join(bytes([len(n) + 6]) + b"model." + n.encode() + b"\x12\x01x" for n in names)


def bundle(shapes: dict[str, tuple[int, ...]], onnx: bytes = b"", **architecture: Any) -> Bundle:
    manifest = {"format": 1, "architecture": {"name": "new", "config": {}, **architecture}, "encoding": {}}
    members = {bundles.WEIGHTS: weights(shapes), bundles.ONNX: onnx, bundles.MANIFEST: b"", bundles.CARD: b""}
    return Bundle("made", manifest, members, "0" * 64)


def graph_from(made: Bundle, tmp_path: Path) -> NetworkGraph:
    (tmp_path / "made.playbach").touch()
    return graph_of(made, describe_bundle(made, tmp_path / "made.playbach"))


def built(name: str, tmp_path: Path, config: dict[str, Any]) -> NetworkGraph:
    """The graph of a new network with two fields and three context fields."""
    torch = pytest.importorskip("torch")
    from playbach.export import onnx
    from playbach.models import build
    from playbach.models.base import Shape

    torch.manual_seed(0)
    model = build(name, Shape((11, 5), (7, 3, 4)), config).eval()
    for parameter in model.parameters():  # as after training: no two alike
        torch.nn.init.normal_(parameter)
    made = bundle(
        {k: tuple(v.shape) for k, v in model.state_dict().items()},
        onnx.export_step(model),
        name=name,
        config=model.config(),
        symbols=[11, 5],
        context=[7, 3, 4],
    )
    found = graph_from(made, tmp_path)
    assert found.parameters == model.parameter_count()
    return found


SMALL: dict[str, dict[str, Any]] = {
    "transformer": {"width": 16, "heads": 2, "layers": 3, "memory": 8},
    "lstm": {"hidden": 12, "layers": 2, "embedding": 6},
    "attention": {"hidden": 12, "layers": 1, "embedding": 6, "memory": 8},
    "cnn": {"image": 8, "channels": 2, "hidden": 12},
}


def titles(found: NetworkGraph) -> list[list[str]]:
    return [[box.title for box in column] for column in found.columns]


# ------------------------------------------------------------------------------------------------------------ layers


def test_layers_come_in_the_order_of_their_use() -> None:
    shapes = {"zero": (9, 4), "alpha": (4, 8), "blocks.10.up": (8, 4), "blocks.2.up": (8, 4), "norm": (4,),
              "blocks.2.norm": (4,)}  # fmt: skip
    used = ("zero", "blocks.2.norm", "blocks.10.up", "norm", "blocks.2.up", "alpha")
    tensors = [WeightTensor(f"{name}.weight", shape) for name, shape in shapes.items()]
    found = layers_of(tensors, step(*(f"{name}.weight" for name in used)))
    # the layers of a block stay together; `norm` is not found within `blocks.2.norm`
    assert [layer.name for layer in found] == [
        "zero",
        "blocks.2.norm",
        "blocks.2.up",
        "blocks.10.up",
        "norm",
        "alpha",
    ]
    unnamed = [layer.name for layer in layers_of(tensors)]
    assert unnamed.index("blocks.2.up") < unnamed.index("blocks.10.up")
    assert sorted(unnamed) == sorted(shapes)


def test_what_a_layer_is_is_seen_from_its_shape() -> None:
    shapes = {
        "embed.table.weight": (30, 8),
        "rnn.weight_ih_l0": (48, 8), "rnn.weight_hh_l0": (48, 12), "rnn.bias_ih_l0": (48,), "rnn.bias_hh_l0": (48,),
        "rnn.weight_ih_l1": (48, 12), "rnn.weight_hh_l1": (48, 12),
        "gru.weight_ih_l0": (36, 8), "gru.weight_hh_l0": (36, 12),
        "conv.weight": (16, 4, 3, 5), "conv.bias": (16,),
        "wide.weight": (1200, 40), "wide.bias": (1200,),
        "norm.weight": (8,),
        "scale": (),
    }  # fmt: skip
    found = {layer.name: layer for layer in layers_of(WeightTensor(n, s) for n, s in shapes.items())}
    assert {name: (layer.kind, layer.shape, layer.parameters) for name, layer in found.items()} == {
        "embed.table": ("embedding", "30 x 8", 240),
        "rnn.0": ("LSTM", "8 to 12", 48 * 22),
        "rnn.1": ("LSTM", "12 to 12", 48 * 24),
        "gru.0": ("GRU", "8 to 12", 36 * 20),
        "conv": ("convolution", "3 x 5, 4 to 16 channels", 976),
        "wide": ("linear", "40 to 1,200", 49_200),
        "norm": ("norm", "8", 8),
        "scale": ("weights", "1", 1),
    }


def test_layers_that_are_alike_are_one_row() -> None:
    shapes = {f"blocks.{i}.up": (8, 4) for i in range(12)} | {"blocks.12.up": (6, 4), "up": (8, 4), "x.1": (4,),
                                                              "x.7": (4,)}  # fmt: skip
    found = layer_rows(layers_of(WeightTensor(f"{n}.weight", s) for n, s in shapes.items()))
    assert [(r.name, r.times) for r in found] == [
        ("blocks.0-11.up", 12),
        ("blocks.12.up", 1),
        ("up", 1),
        ("x.1,7", 2),
    ]


def damaged(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        tensors_of(Bundle("made", {}, {bundles.WEIGHTS: data}, ""))
    line = str(caught.value)
    assert line.startswith("made: its weights cannot be read (")
    assert line.isprintable()
    return line


def test_damaged_weights_cost_one_line() -> None:
    def framed(text: bytes) -> bytes:
        return len(text).to_bytes(8, "little") + text

    for data in (b"", b"\xff" * 8, framed(b""), framed(b"{}"), framed(b"[]"), framed(b"{"), framed(b"\xff\xfe\x00"),
                 framed(b'{"a": 1}'), framed(b'{"a": {"shape": 3}}'), framed(b'{"a": {"shape": [-1]}}'),
                 framed(b'{"a": {"shape": [1e400]}}'), framed(b'{"a": {"shape": [true]}}'),
                 framed(b'{"a": {"shape": ["\\u001b"]}}'), framed(b"[" * 100_000)):  # fmt: skip
        damaged(data)


# ------------------------------------------------------------------------------------------------- every architecture


def test_every_architecture_is_drawn_here() -> None:
    pytest.importorskip("torch")
    from playbach.models import MODELS

    assert set(SMALL) == set(MODELS)


@pytest.mark.parametrize("name", SMALL)
def test_an_architectures_graph(name: str, tmp_path: Path) -> None:
    found = built(name, tmp_path, SMALL[name])
    columns = titles(found)
    assert columns[0] == ["last symbol 1", "last symbol 2", "context"]
    assert columns[-1] == ["next symbol 1", "next symbol 2"]
    assert all("embedding" in title for title in columns[1])
    assert [len(column) for column in columns[2:-1]] == [1] * (len(columns) - 3) != []
    summed = name in ("transformer", "cnn")
    assert len(columns[1]) == (1 if summed else 3)
    trunk = [box.title for column in found.columns[2:-1] for box in column]
    assert (
        trunk
        == {
            "transformer": ["block", "norm"],
            "lstm": ["LSTM", "LSTM"],
            "attention": ["LSTM", "attention query", "attention output"],
            "cnn": ["convolution", "convolution", "the whole image"],
        }[name]
    )
    if name == "transformer":
        assert found.columns[2][0].times == 3


def test_one_hot_input_has_no_table(tmp_path: Path) -> None:
    found = built("lstm", tmp_path, {"hidden": 12, "layers": 2, "onehot": True})
    assert titles(found)[1] == ["one-hot", "one-hot", "3 embeddings"]
    assert found.columns[1][0].lines == ("12 numbers",)


def test_an_architecture_that_nobody_knows(tmp_path: Path) -> None:
    shapes = {"input.weight": (8, 3), "mix.weight": (4, 8), "mix.bias": (4,), "output": (4, 2)}
    found = graph_from(bundle(shapes, step("input.weight", "mix.bias", "mix.weight", "output")), tmp_path)
    assert (found.architecture, found.parameters) == ("new", 24 + 36 + 8)
    assert [box.title for column in found.columns for box in column if column] == ["linear", "linear", "weights"]
    for suffix in network_picture._DRAWERS:
        network_picture.write(found, tmp_path / f"a{suffix}")


def test_a_bundles_graph_names_fields_and_contexts(chorales_bundle: Path) -> None:
    found = network_graph(chorales_bundle)
    manifest = bundles.read(chorales_bundle).manifest["architecture"]
    assert found.parameters == manifest["parameters"]
    assert titles(found)[0] == ["last symbol", "context"]
    context = found.columns[0][1].lines
    assert context[0] == f"voice ({manifest['context'][0]})"
    assert len(context) == len(manifest["context"])
    assert found.columns[-1][0].lines[1] == "and 10 relations"


# --------------------------------------------------------------------------------------------------------- drawings


def drawn(columns: tuple[tuple[GraphNode, ...], ...], **others: Any) -> network_picture.Drawing:
    given: dict[str, Any] = {"name": "x", "architecture": "y", "parameters": 1, "config": {}, "layers": ()}
    return network_picture.layout(NetworkGraph(**{**given, **others}, columns=columns))


def test_nothing_overlaps_and_all_is_on_the_paper() -> None:
    columns = tuple(
        tuple(
            GraphNode(f"box {i} {j}", tuple(f"a line of it {k}" for k in range(i * j)), times=1 + j)
            for j in range(1 + i)
        )
        for i in range(4)
    )
    found = drawn(columns, config={f"option {i}": i for i in range(40)})
    boxes = [i for i in found.items if isinstance(i, network_picture.Rectangle)]
    words = [i for i in found.items if isinstance(i, network_picture.Text)]
    fronts = [b for b in boxes if any(w.text.startswith("box") and w.x == b.x0 + network_picture._PADDING
                                      and b.y0 < w.y < b.y1 for w in words)]  # fmt: skip
    assert all(0 < b.x0 < b.x1 < found.width and 0 < b.y0 < b.y1 < found.height for b in boxes)
    assert all(w.x > 0 and w.x + network_picture._width(w.text, w.size) < found.width for w in words)
    assert all(0 < w.y < found.height - 4 for w in words)
    for a in fronts:
        inside = [w for w in words if a.x0 <= w.x <= a.x1 and a.y0 <= w.y <= a.y1]
        assert all(w.x + network_picture._width(w.text, w.size) < a.x1 for w in inside)
    arrows = [i for i in found.items if isinstance(i, network_picture.Arrow)]
    assert len(arrows) == 1 * 2 + 2 * 3 + 3 * 4
    assert all(a.x0 < a.x1 for a in arrows)


def test_columns_of_as_many_boxes_are_joined_box_by_box() -> None:
    found = drawn(((GraphNode("a"), GraphNode("b")), (GraphNode("c"), GraphNode("d"))))
    assert sum(isinstance(i, network_picture.Arrow) for i in found.items) == 2


def test_svg_is_xml_with_the_words_in_it_whatever_they_are() -> None:
    evil = '<script>&"\x1b'
    found = drawn(((GraphNode(evil),), (GraphNode("b" * 500, (evil,) * 50),)), config={"k": evil}, name=evil)
    text = network_picture.svg(found).decode()
    root = ElementTree.fromstring(text)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert '<script>&"?' in words
    assert "and 37 more" in words
    assert not re.search(r"<script|\x1b", text)
    assert max(len(w or "") for w in words) <= 60


def test_png_and_svg_have_one_size(tmp_path: Path) -> None:
    found = drawn(((GraphNode("a"),), (GraphNode("b"),)))
    path = tmp_path / "a.png"
    path.write_bytes(network_picture.png(found))
    with Image.open(path) as picture:
        assert picture.size == (found.width, found.height)
        pixels = np.asarray(picture)
    assert (pixels[0, 0] == PAPER).all()
    box = next(i for i in found.items if isinstance(i, network_picture.Rectangle))
    assert (pixels[round(box.y1) - 8, round(box.x1) - 8] == box.fill).all()
    assert f'width="{found.width}" height="{found.height}"' in network_picture.svg(found).decode()
