"""The formats of `playbach export`, by name.

To add one, write a function that turns an `ExportSource` into the file's bytes (or a folder's files) and a runtime
that plays them, and add a `Format` with it to `FORMATS`, at the end of this file. The rest follows from that entry:
the check against torch, the manifest, `--help`, the test of every format.

Cheap to import: whatever a format needs is imported by its function, when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from playbach.system.errors import PlaybachError

if TYPE_CHECKING:
    import numpy as np

    from playbach.bundles.bundle import Bundle
    from playbach.encodings.base import Encoding
    from playbach.inference.runtimes.base import Runtime
    from playbach.models.base import Model
    from playbach.music.arrays import Ints


@dataclass(frozen=True)
class ExportSource:
    """What is exported. What several formats start from is computed once, on first use."""

    bundle: Bundle
    """The model's bundle."""
    model: Model
    """Its network in torch, with exactly the weights of its ONNX step."""
    encoding: Encoding
    """Its encoding."""
    calibration: tuple[Ints, Ints]
    """Previous symbols (T, F) and context (T, C) of real steps, to calibrate on."""
    profile: str
    """The name of the machine that the format c must fit."""

    @cached_property
    def tflite(self) -> bytes:
        """The step as a TFLite graph in 32-bit floats."""
        from playbach.export import tflite

        return tflite.convert_step(self.model)

    @property
    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The network's weights, by torch's names."""
        return {name: tensor.numpy() for name, tensor in self.model.state_dict().items()}

    @cached_property
    def tflite_inputs(self) -> list[Mapping[str, np.ndarray[Any, Any]]]:
        """All inputs of the TFLite step, over the steps to calibrate on."""
        from playbach.export import tflite

        return list(tflite.step_inputs(self.tflite, *self.calibration))


Content = bytes | Mapping[str, bytes]
"""A file's bytes, or the files of a folder by name."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format that models can be exported to."""

    name: str
    """The value of `--format`."""
    suffix: str
    """Follows the model's name in the name of the file or folder."""
    description: str
    """One phrase, for the manifest."""
    make: Callable[[ExportSource], tuple[Content, Runtime]]
    """Makes the file or folder, and a runtime that plays it here."""
    is_exact: bool = False
    """Whether its logits must equal torch's, up to rounding."""


def _onnx_of(graph: bytes) -> tuple[bytes, Runtime]:
    from playbach.inference.runtimes.onnx import OnnxRuntime

    return graph, OnnxRuntime(graph)


def _litert_of(graph: bytes) -> tuple[bytes, Runtime]:
    from playbach.inference.runtimes.litert import LiteRtRuntime

    return graph, LiteRtRuntime(graph)


def _onnx(source: ExportSource) -> tuple[Content, Runtime]:
    return _onnx_of(source.bundle.onnx)


def _onnx_int8(source: ExportSource) -> tuple[Content, Runtime]:
    from playbach.export import onnx

    return _onnx_of(onnx.quantise_dynamic(source.bundle.onnx))


def _tflite(source: ExportSource) -> tuple[Content, Runtime]:
    return _litert_of(source.tflite)


def _tflite_fp16(source: ExportSource) -> tuple[Content, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.cast_to_float16(source.tflite))


def _tflite_dynamic(source: ExportSource) -> tuple[Content, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.quantise_dynamic(source.tflite))


def _tflite_int8(source: ExportSource) -> tuple[Content, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.quantise_static(source.tflite, 8, source.tflite_inputs))


def _tflite_int16x8(source: ExportSource) -> tuple[Content, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.quantise_static(source.tflite, 16, source.tflite_inputs))


def _core(source: ExportSource) -> tuple[Content, Runtime]:
    from playbach.export import cnn_core
    from playbach.inference.runtimes.core import CoreRuntime
    from playbach.models.cnn import Cnn

    if not isinstance(source.model, Cnn):
        raise PlaybachError(
            f"{source.bundle.name}: the format core needs a cnn, but this network is of type {source.model.name}; "
            "train one with --model cnn, or export tflite-int8"
        )
    graph = cnn_core.quantise_core(source.model, *source.calibration)
    return graph, CoreRuntime(graph, cnn_core.shell_of(source.model, source.encoding))


def _c(source: ExportSource) -> tuple[Content, Runtime]:
    from playbach.export import c
    from playbach.export.c.music import music_files
    from playbach.export.integer import IntegerRuntime

    profile = c.find_profile(source.profile)
    music = music_files(source.encoding, source.bundle)
    network = c.quantise(source.bundle, source.weights, source.calibration)
    return c.folder_from_network(source.bundle, network, music, profile), IntegerRuntime(network)


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("onnx", ".onnx", "32-bit floats, for ONNX Runtime: what a .playbach file plays", _onnx, is_exact=True),
        Format("onnx-int8", "-int8.onnx", "8-bit weights, for ONNX Runtime", _onnx_int8),
        Format("tflite", ".tflite", "32-bit floats, for LiteRT (TensorFlow Lite)", _tflite, is_exact=True),
        Format("tflite-fp16", "-fp16.tflite", "16-bit float weights", _tflite_fp16),
        Format(
            "tflite-dynamic", "-dynamic.tflite", "8-bit weights, activations quantised as they come", _tflite_dynamic
        ),
        Format("tflite-int8", "-int8.tflite", "8-bit weights and activations, calibrated", _tflite_int8),
        Format("tflite-int16x8", "-int16x8.tflite", "8-bit weights, 16-bit activations, calibrated", _tflite_int16x8),
        Format(
            "core", "-core-int8.tflite", "cnn only: its core in 8-bit integers throughout, for accelerators", _core
        ),
        Format("c", "-c", "a folder of C99 for microcontrollers", _c),
    )
}
"""By name; in the order in which `all` writes them."""
ALL = "all"
"""The value of `--format` that stands for all formats that are possible for the model."""


def select_formats(names: tuple[str, ...]) -> Iterator[Format]:
    """The formats of these names, each once, in the order of FORMATS."""
    return (f for f in FORMATS.values() if ALL in names or f.name in names)
