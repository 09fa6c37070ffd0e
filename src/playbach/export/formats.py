"""The formats of `playbach export`, by name. A new one is an entry here. What a format needs is imported when it is
made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from playbach.bundles.bundle import Bundle
from playbach.encodings import Encoding
from playbach.inference.runtimes import Runtime
from playbach.models import Model
from playbach.models.cnn import Cnn
from playbach.music.arrays import Ints
from playbach.system.errors import PlaybachError

Calibration = tuple[Ints, Ints]
"""Previous symbols (T, F) and context (T, C) of real steps."""


@dataclass(frozen=True)
class Subject:
    """What is exported: a bundle, its network in torch with the very weights that its ONNX step has, and steps to
    calibrate with. What several formats begin with is made once."""

    bundle: Bundle
    model: Model
    encoding: Encoding
    calibration: Calibration
    profile: str

    @cached_property
    def tflite(self) -> bytes:
        from playbach.export import tflite

        return tflite.converted(self.model)

    @property
    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """By torch's names."""
        return {name: tensor.numpy() for name, tensor in self.model.state_dict().items()}

    @cached_property
    def feeds(self) -> list[Mapping[str, np.ndarray[Any, Any]]]:
        """All inputs of the TFLite step over the steps to calibrate with."""
        from playbach.export import tflite

        return list(tflite.fed(self.tflite, *self.calibration))


Part = bytes | Mapping[str, bytes]
"""A file, or the files of a folder by name."""


@dataclass(frozen=True, slots=True)
class Format:
    """`suffix` goes after the model's name; `make` gives the file or folder and what plays it here. An `exact` one
    must be torch's equal."""

    name: str
    suffix: str
    says: str
    make: Callable[[Subject], tuple[Part, Runtime]]
    exact: bool = False


def _onnx_of(graph: bytes) -> tuple[bytes, Runtime]:
    from playbach.inference.runtimes.onnx import OnnxRuntime

    return graph, OnnxRuntime(graph)


def _litert_of(graph: bytes) -> tuple[bytes, Runtime]:
    from playbach.inference.runtimes.litert import LiteRtRuntime

    return graph, LiteRtRuntime(graph)


def _onnx(subject: Subject) -> tuple[Part, Runtime]:
    return _onnx_of(subject.bundle.onnx)


def _onnx_int8(subject: Subject) -> tuple[Part, Runtime]:
    from playbach.export import onnx

    return _onnx_of(onnx.dynamic(subject.bundle.onnx))


def _tflite(subject: Subject) -> tuple[Part, Runtime]:
    return _litert_of(subject.tflite)


def _fp16(subject: Subject) -> tuple[Part, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.half(subject.tflite))


def _dynamic(subject: Subject) -> tuple[Part, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.dynamic(subject.tflite))


def _int8(subject: Subject) -> tuple[Part, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.static(subject.tflite, 8, subject.feeds))


def _int16x8(subject: Subject) -> tuple[Part, Runtime]:
    from playbach.export import tflite

    return _litert_of(tflite.static(subject.tflite, 16, subject.feeds))


def _core(subject: Subject) -> tuple[Part, Runtime]:
    from playbach.export import cnn_core
    from playbach.inference.runtimes.core import CoreRuntime

    if not isinstance(subject.model, Cnn):
        raise PlaybachError(
            f"{subject.bundle.name}: the format core is for cnn, and this is a {subject.model.name}; train one with "
            "--model cnn, or take tflite-int8"
        )
    graph = cnn_core.integers(subject.model, *subject.calibration)
    return graph, CoreRuntime(graph, cnn_core.shell(subject.model, subject.encoding))


def _c(subject: Subject) -> tuple[Part, Runtime]:
    from playbach.export import c
    from playbach.export.c import music
    from playbach.export.c.profiles import profile
    from playbach.export.integer import IntegerRuntime

    chosen, notes = profile(subject.profile), music.files(subject.encoding, subject.bundle)
    network = c.quantised(subject.bundle, subject.weights, subject.calibration)
    return c.written(subject.bundle, network, notes, chosen), IntegerRuntime(network)


_ALL = (
    Format("onnx", ".onnx", "32-bit floats, for ONNX Runtime: what a .playbach file plays", _onnx, exact=True),
    Format("onnx-int8", "-int8.onnx", "8-bit weights, for ONNX Runtime", _onnx_int8),
    Format("tflite", ".tflite", "32-bit floats, for LiteRT (TensorFlow Lite)", _tflite, exact=True),
    Format("tflite-fp16", "-fp16.tflite", "16-bit float weights", _fp16),
    Format("tflite-dynamic", "-dynamic.tflite", "8-bit weights, activations quantised as they come", _dynamic),
    Format("tflite-int8", "-int8.tflite", "8-bit weights and activations, calibrated", _int8),
    Format("tflite-int16x8", "-int16x8.tflite", "8-bit weights, 16-bit activations, calibrated", _int16x8),
    Format("core", "-core-int8.tflite", "cnn only: its core in 8-bit integers throughout, for accelerators", _core),
    Format("c", "-c", "a folder of C99 for microcontrollers", _c),
)
FORMATS: dict[str, Format] = {f.name: f for f in _ALL}
ALL = "all"


def chosen(names: tuple[str, ...]) -> Iterator[Format]:
    """The formats of these names, each once, in the order of FORMATS."""
    return (f for f in _ALL if ALL in names or f.name in names)
