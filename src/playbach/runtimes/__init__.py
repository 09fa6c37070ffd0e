"""The runtimes by name. A new one is a file here and a line in `RUNTIMES`; the conformance tests then cover it."""

from __future__ import annotations

from collections.abc import Callable

from playbach.bundle import Bundle
from playbach.errors import BundleError
from playbach.runtimes.base import Logits, Runtime, State


def _onnx(bundle: Bundle) -> Runtime:
    from playbach.runtimes.onnx import OnnxRuntime

    try:
        return OnnxRuntime(bundle.onnx)
    except BundleError as error:
        raise BundleError(f"{bundle.name}: {error}") from error


RUNTIMES: dict[str, Callable[[Bundle], Runtime]] = {"onnx": _onnx}

__all__ = ["RUNTIMES", "Logits", "Runtime", "State"]
