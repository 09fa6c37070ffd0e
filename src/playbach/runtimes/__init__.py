"""The runtimes by name. A new one is a file here and a line in `RUNTIMES`; the conformance tests then cover it."""

from __future__ import annotations

from typing import Protocol

from playbach.bundle import Bundle
from playbach.errors import BundleError
from playbach.runtimes.base import Logits, Runtime, State


class Opener(Protocol):
    """Makes a runtime of a bundle, which computes on so many threads: for steps as small as these one is fastest."""

    def __call__(self, bundle: Bundle, threads: int = 1) -> Runtime: ...


def _onnx(bundle: Bundle, threads: int = 1) -> Runtime:
    from playbach.runtimes.onnx import OnnxRuntime

    try:
        return OnnxRuntime(bundle.onnx, threads)
    except BundleError as error:
        raise BundleError(f"{bundle.name}: {error}") from error


RUNTIMES: dict[str, Opener] = {"onnx": _onnx}

__all__ = ["RUNTIMES", "Logits", "Runtime", "State"]
