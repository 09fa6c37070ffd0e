"""The runtimes by name. A new one is a file here and a line in `RUNTIMES`; the conformance tests then cover it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playbach.bundles.bundle import ONNX, TFLITE, Bundle
from playbach.inference.runtimes.base import Logits, Runtime, State
from playbach.system.errors import BundleError, UsageError
from playbach.system.files import shown

SHELL = "shell"
"""What the manifest of an exported core has of its shell, under `export`."""


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
class Opener:
    """Makes a runtime of what a bundle has under `member`."""

    name: str
    member: str
    make: Callable[[Bundle, int], Runtime]
    elsewhere: str
    """What to do with a bundle that has no such member."""

    def __call__(self, bundle: Bundle, threads: int = 1) -> Runtime:
        """A runtime that computes on so many threads: for steps as small as these one is fastest.

        Raises:
            BundleError: the bundle has nothing for this runtime, or it cannot be loaded.
            MissingExtra: the runtime is not installed.
        """
        if self.member not in bundle.members:
            raise BundleError(f"{shown(bundle.name)}: the runtime {self.name} cannot play this; {self.elsewhere}")
        try:
            return self.make(bundle, threads)
        except BundleError as error:
            raise BundleError(f"{shown(bundle.name)}: {error}") from error


_ALL = (
    Opener("onnx", ONNX, _onnx, "give a .playbach or .onnx file; .tflite files are for the runtime litert"),
    Opener(
        "litert",
        TFLITE,
        _litert,
        "export it first (playbach export MODEL --format tflite -o FOLDER), and give the .tflite file",
    ),
)
RUNTIMES: dict[str, Opener] = {opener.name: opener for opener in _ALL}


def suited(bundle: Bundle) -> list[str]:
    """The runtimes that can play a bundle, the usual one first."""
    return [name for name, opener in RUNTIMES.items() if opener.member in bundle.members]


def opened(bundle: Bundle, name: str | None = None) -> Runtime:
    """A bundle in the runtime of this name, by default the first that suits it.

    Raises:
        UsageError: there is no such runtime.
        BundleError: the runtime cannot play this bundle.
        MissingExtra: the runtime is not installed.
    """
    if name is None:
        name = suited(bundle)[0]
    if name not in RUNTIMES:
        raise UsageError(f"no runtime called {name!r:.40}; there are: {', '.join(RUNTIMES)}")
    return RUNTIMES[name](bundle)


__all__ = ["RUNTIMES", "Logits", "Opener", "Runtime", "State", "opened", "suited"]
