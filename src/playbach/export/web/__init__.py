"""A model for the engine that composes in the page itself: the C engine, built for WebAssembly.

The engine reads a network's sizes and weights at run time, from a model file that is written here, so that no
compiler is needed. There is an engine for each encoding, and it computes the same numbers as
`playbach.export.integer`. Knows neither torch nor pages.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import numpy as np

from playbach.bundles.bundle import Bundle
from playbach.bundles.weights import read_weights
from playbach.encodings.base import Encoding
from playbach.encodings.fields import symbol_label
from playbach.export import integer
from playbach.export.c import music
from playbach.export.integer.lstm import SIGMOID, TANH, IntegerLstm
from playbach.export.integer.sampling import LOG2_E, POWERS
from playbach.export.web.sections import Section, write_sections
from playbach.inference.options import Sampling
from playbach.system.errors import PlaybachError, UsageError

ENGINE_FILES = {"chorale": "engine-chorale.wasm", "notes": "engine-notes.wasm"}
"""The engine of each encoding that has one."""
ENGINE_BUILD_COMMAND = "python setup.py build_engine (needs clang and lld, from Debian's packages of these names)"
"""Builds the engines in a checkout."""
MOST = {"fields": 8, "contexts": 128, "symbols": 4096, "scores": 8192, "relations": 64, "layers": 4, "hidden": 1024}
"""What the engines have room for (engine/model.h)."""
_BUILT = resources.files("playbach").joinpath("export", "web", "built")
_TABLE_TYPES: dict[str, Any] = {"pb_chord_of": np.uint16, "pb_chords": np.uint32, "pb_scales": np.int32}
"""The types of the tables in engine/vocabulary.h; the others have bytes."""


def is_built() -> bool:
    """Whether the package has the engines."""
    return all(_BUILT.joinpath(name).is_file() for name in ENGINE_FILES.values())


def engine(name: str) -> bytes:
    """The engine with this name, one of ENGINE_FILES.

    Raises:
        PlaybachError: it has not been built.
    """
    file = _BUILT.joinpath(name)
    if not file.is_file():
        raise PlaybachError(f"the page's engine has not been built; in a checkout, run: {ENGINE_BUILD_COMMAND}")
    return file.read_bytes()


def engine_file(bundle: Bundle) -> str:
    """The name of the engine that runs models of this kind. A network may still be too large for it.

    Raises:
        UsageError: no engine does; the message says why.
    """
    name, encoding = bundle.manifest["architecture"]["name"], bundle.manifest["encoding"]["name"]
    if encoding not in ENGINE_FILES:
        raise UsageError(
            f"{bundle.name}: the page's engine composes with the encodings {' and '.join(ENGINE_FILES)}, not with "
            f"{encoding}; use playbach serve for this model"
        )
    if name != "lstm":
        raise UsageError(
            f"{bundle.name}: the page's engine runs lstm networks, not {name}; use playbach serve, or train a model "
            "with --model lstm"
        )
    return ENGINE_FILES[encoding]


def quantise(bundle: Bundle) -> IntegerLstm:
    """The bundle's network in integers.

    Raises:
        UsageError: the engine cannot run it; the message says why.
        BundleError: the bundle is damaged.
    """
    engine_file(bundle)  # checks it
    name, encoding = bundle.manifest["architecture"]["name"], bundle.encoding()
    nothing = np.zeros((0, len(encoding.fields)), np.int64), np.zeros((0, len(encoding.context)), np.int64)
    net = integer.quantise(name, read_weights(bundle.weights, bundle.name), encoding, nothing)
    assert isinstance(net, IntegerLstm)
    _check_room(bundle.name, net)
    return net


def _check_room(name: str, net: IntegerLstm) -> None:
    sizes = {
        "fields": len(net.symbols),
        "contexts": len(net.context),
        "symbols": max(net.symbols),
        "scores": len(net.heads.scores.bias),
        "relations": len(net.heads.relations),
        "layers": len(net.layers),
        "hidden": net.layers[0].size,
    }
    for what, size in sizes.items():
        if size > MOST[what]:
            raise UsageError(
                f"{name}: too large for the page's engine ({what}: {size}, at most {MOST[what]}); use playbach serve "
                "for this model"
            )


def model_file(bundle: Bundle) -> bytes:
    """The file that the engine reads: network, vocabulary, and a description for the page. The same bundle gives the
    same bytes.

    Raises:
        UsageError: the engine cannot run the model; the message says why.
        BundleError: the bundle is damaged.
    """
    net, encoding = quantise(bundle), bundle.encoding()
    described = music.describe(encoding)
    assert described is not None
    headers = music.commonest_beginnings(encoding)
    about = json.dumps(_about(bundle, encoding, headers), ensure_ascii=False, separators=(",", ":")).encode()
    return write_sections(
        {
            "about": about,
            **_network(net),
            **_music(encoding, described, headers),
        }
    )


def _about(bundle: Bundle, encoding: Encoding, headers: dict[music.PieceBeginning, int]) -> dict[str, Any]:
    """What the page must know of the model."""
    sampling = Sampling(**bundle.manifest["sampling"])
    return {
        "name": bundle.name,
        "bundle": bundle.sha256,
        "engine": engine_file(bundle),
        "encoding": encoding.name,
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "fields": [
            {"name": field.name, "symbols": [symbol_label(field, i) for i in range(len(field))]}
            for field in encoding.fields
        ],
        "tracks": [{"name": t.name, "program": t.program, "drums": t.drums} for t in encoding.tracks],
        "headers": [
            {
                "tempo": 60e6 / h.microseconds,
                "pickup": h.pickup,
                "bar": h.bar,
                "meter": [h.numerator, h.denominator],
                "programs": list(h.programs),
            }
            for h in headers
        ],
    }


def _network(net: IntegerLstm) -> dict[str, Section]:
    heads = net.heads
    sections: dict[str, Section] = {
        "fields": len(net.symbols),
        "contexts": len(net.context),
        "symbols": np.array(net.symbols, np.uint16),
        "scores": len(heads.scores.bias),
        "log2_e": int(LOG2_E),
        "powers": POWERS.astype(np.uint32),
        "layers": len(net.layers),
        "hidden": net.layers[0].size,
        "first_inputs": net.layers[0].inputs.weight.shape[1],
        "sigmoid": SIGMOID,
        "tanh": TANH,
        "relation_count": len(heads.relations),
        "relations": np.array(
            [
                (r.field, r.column, heads.tables[r.classes].shape[1], r.first, r.classes, r.aspects)
                for r in heads.relations
            ],
            np.uint32,
        ),
    }
    for kind, tables in (("embedded", net.embedded), ("onehot", net.onehot)):
        sections[kind] = len(tables)
        sections[f"{kind}_widths"] = np.array([table.shape[1] for table in tables], np.uint32)
        sections |= {f"{kind}_{i}": table for i, table in enumerate(tables)}
    linears = {"heads": heads.scores}
    for i, layer in enumerate(net.layers):
        linears |= {f"inputs_{i}": layer.inputs, f"recurrent_{i}": layer.hidden}
    for name, linear in linears.items():
        sections |= {
            f"{name}_weight": linear.weight,
            f"{name}_bias": linear.bias,
            f"{name}_multiplier": linear.multiplier,
            f"{name}_shift": np.array([linear.shift], np.uint8),
        }
    sections |= {f"classes_{i}": table.astype(np.uint16) for i, table in enumerate(heads.tables)}
    return sections


def _music(
    encoding: Encoding, described: music.EncodingInC, headers: dict[music.PieceBeginning, int]
) -> dict[str, Section]:
    rows = [
        (count, h.microseconds, h.pickup, h.bar, h.meter, h.numerator, h.denominator, *h.programs)
        for h, count in headers.items()
    ]
    tables: dict[str, Section] = {
        table.name: np.array(table.rows, _TABLE_TYPES.get(table.name, np.uint8)) for table in described.tables
    }
    if encoding.name == "notes" and "pb_chord_of" not in tables:  # each symbol is a chord of its own
        tables["pb_chord_of"] = np.arange(described.numbers["PB_SYMBOLS"], dtype=np.uint16)
    return {
        "features": b"".join(feature.engine.encode("ascii") + b"\0" for feature in encoding.features),
        "tracks": len(encoding.tracks),
        "header_count": len(rows),
        "headers": np.array(rows, np.uint32),
        **described.numbers,
        **tables,
    }


__all__ = ["ENGINE_BUILD_COMMAND", "ENGINE_FILES", "engine", "engine_file", "is_built", "model_file", "quantise"]
