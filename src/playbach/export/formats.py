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
from playbach.system.options import listed
from playbach.system.registry import Entry, by_name

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Entry[Callable[[ExportSource], "tuple[Content, Runtime]"]]):
    """A format that models can be exported to. Its code makes the file or folder, and a runtime that plays it."""

    suffix: str
    """Follows the model's name in the name of the file or folder."""
    is_exact: bool = False
    """Whether its logits must equal torch's, up to rounding."""
    architectures: tuple[str, ...] = ()
    """The architectures that it is possible for; empty: all."""

    def make(self, source: ExportSource) -> tuple[Content, Runtime]:
        """Make the file or folder.

        Raises:
            PlaybachError: this network cannot have the format.
        """
        architecture = source.model.name
        if self.architectures and architecture not in self.architectures:
            raise PlaybachError(
                f"{source.bundle.name}: the format {self.name} needs the architecture {listed(self.architectures)}, "
                f"but this network is of type {architecture}; export tflite-int8, or train another with --model"
            )
        return self.load()(source)


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

    assert isinstance(source.model, Cnn)
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


FORMATS: dict[str, Format] = by_name(
    Format(
        name="onnx",
        suffix=".onnx",
        description="32-bit floats, for ONNX Runtime: what a .playbach file plays",
        code=_onnx,
        is_exact=True,
    ),
    Format(name="onnx-int8", suffix="-int8.onnx", description="8-bit weights, for ONNX Runtime", code=_onnx_int8),
    Format(
        name="tflite",
        suffix=".tflite",
        description="32-bit floats, for LiteRT (TensorFlow Lite)",
        code=_tflite,
        is_exact=True,
    ),
    Format(name="tflite-fp16", suffix="-fp16.tflite", description="16-bit float weights", code=_tflite_fp16),
    Format(
        name="tflite-dynamic",
        suffix="-dynamic.tflite",
        description="8-bit weights, activations quantised as they come",
        code=_tflite_dynamic,
    ),
    Format(
        name="tflite-int8",
        suffix="-int8.tflite",
        description="8-bit weights and activations, calibrated",
        code=_tflite_int8,
    ),
    Format(
        name="tflite-int16x8",
        suffix="-int16x8.tflite",
        description="8-bit weights, 16-bit activations, calibrated",
        code=_tflite_int16x8,
    ),
    Format(
        name="core",
        suffix="-core-int8.tflite",
        description="cnn only: its core in 8-bit integers throughout, for accelerators",
        code=_core,
        architectures=("cnn",),
    ),
    Format(
        name="c",
        suffix="-c",
        description="a folder of C99 for microcontrollers",
        code=_c,
        architectures=("lstm", "cnn"),
    ),
)
"""By name; in the order in which `all` writes them."""
ALL = "all"
"""The value of `--format` that stands for all formats that are possible for the model."""


def select_formats(names: tuple[str, ...]) -> Iterator[Format]:
    """The formats of these names, each once, in the order of FORMATS."""
    return (f for f in FORMATS.values() if ALL in names or f.name in names)
