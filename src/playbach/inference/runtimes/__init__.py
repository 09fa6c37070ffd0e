"""The runtimes by name. A new runtime is a file here and an entry of `RUNTIMES`; the conformance tests cover it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playbach.bundles.bundle import ONNX, TFLITE, Bundle
from playbach.inference.runtimes.base import Logits, Runtime, State
from playbach.system.errors import BundleError, UsageError
from playbach.system.files import display_path

SHELL = "shell"
"""The key of the shell in the entry `export` of an exported core's manifest."""


def _onnx(bundle: Bundle, threads: int) -> Runtime:
    from playbach.inference.runtimes.onnx import OnnxRuntime

    return OnnxRuntime(bundle.members[ONNX], threads)


def _litert(bundle: Bundle, threads: int) -> Runtime:
    graph, shell = bundle.members[TFLITE], bundle.manifest["export"].get(SHELL)
    if shell is not None:
        from playbach.inference.runtimes.core import CoreRuntime, Shell

        return CoreRuntime(graph, Shell.from_manifest(shell, bundle.encoding()), threads)
    from playbach.inference.runtimes.litert import LiteRtRuntime

    return LiteRtRuntime(graph, threads)


@dataclass(frozen=True, slots=True)
class RuntimeOpener:
    """Makes a runtime from a bundle."""

    name: str
    member: str
    """The member of the bundle that the runtime plays."""
    make: Callable[[Bundle, int], Runtime]
    remedy: str
    """What to do with a bundle that has no such member."""

    def __call__(self, bundle: Bundle, threads: int = 1) -> Runtime:
        """Make a runtime that computes on this many threads; one is fastest for small networks.

        Raises:
            BundleError: the bundle does not have the member, or it cannot be loaded.
            MissingExtra: the runtime is not installed.
        """
        if self.member not in bundle.members:
            name = display_path(bundle.name)
            raise BundleError(f"{name}: the runtime {self.name} cannot play this file; {self.remedy}")
        try:
            return self.make(bundle, threads)
        except BundleError as error:
            raise BundleError(f"{display_path(bundle.name)}: {error}") from error


_ALL = (
    RuntimeOpener("onnx", ONNX, _onnx, "give a .playbach or .onnx file, or use the runtime litert"),
    RuntimeOpener(
        "litert",
        TFLITE,
        _litert,
        "export the model (playbach export MODEL --format tflite -o FOLDER), and give the .tflite file",
    ),
)
RUNTIMES: dict[str, RuntimeOpener] = {opener.name: opener for opener in _ALL}


def suitable_runtimes(bundle: Bundle) -> list[str]:
    """The names of the runtimes that can play a bundle, the default first."""
    return [name for name, opener in RUNTIMES.items() if opener.member in bundle.members]


def open_runtime(bundle: Bundle, name: str | None = None) -> Runtime:
    """Open a bundle in the runtime of this name, by default in the first that can play it.

    Raises:
        UsageError: there is no such runtime.
        BundleError: the runtime cannot play this bundle.
        MissingExtra: the runtime is not installed.
    """
    if name is None:
        name = suitable_runtimes(bundle)[0]
    if name not in RUNTIMES:
        raise UsageError(f"no runtime called {name!r:.40}; the runtimes are: {', '.join(RUNTIMES)}")
    return RUNTIMES[name](bundle)


__all__ = ["RUNTIMES", "Logits", "Runtime", "RuntimeOpener", "State", "open_runtime", "suitable_runtimes"]
