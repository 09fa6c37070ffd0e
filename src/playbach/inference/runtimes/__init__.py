"""The runtimes by name. A new runtime is a file here and an entry of `RUNTIMES`; the conformance tests cover it.

Cheap to import: a runtime's code is imported when it opens a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbach.bundles.exported import MEMBER_OF_SUFFIX, NGRAMS
from playbach.system.errors import BundleError, UsageError
from playbach.system.files import display_path
from playbach.system.options import listed
from playbach.system.registry import Entry, by_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from playbach.bundles.bundle import Bundle
    from playbach.inference.runtimes.base import Runtime

    OpenBundle = Callable[[Bundle, int], Runtime]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOpener(Entry["OpenBundle"]):
    """An entry whose code makes a runtime from a bundle and a number of threads."""

    files: str
    """The files that it plays, in words."""
    member: str
    """The member of a bundle that it plays."""
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
            return self.load()(bundle, threads)
        except BundleError as error:
            raise BundleError(f"{display_path(bundle.name)}: {error}") from error


RUNTIMES: dict[str, RuntimeOpener] = by_name(
    RuntimeOpener(
        name="members",
        description="the network in ONNX Runtime, together with n-grams",
        code="playbach.inference.runtimes.members:open_bundle",
        files=".playbach files with n-grams",
        member=NGRAMS,
        remedy="use the runtime onnx: this model has no n-grams",
    ),
    RuntimeOpener(
        name="onnx",
        description="ONNX Runtime",
        code="playbach.inference.runtimes.onnx:open_bundle",
        files=".playbach and .onnx files (the network alone)",
        member=MEMBER_OF_SUFFIX[".onnx"],
        remedy="give a .playbach or .onnx file, or use the runtime litert",
    ),
    RuntimeOpener(
        name="litert",
        description="LiteRT, formerly TensorFlow Lite",
        code="playbach.inference.runtimes.core:open_bundle",
        extra="litert",
        files=".tflite files",
        member=MEMBER_OF_SUFFIX[".tflite"],
        remedy="export the model (playbach export MODEL --format tflite -o FOLDER), and give the .tflite file",
    ),
)


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
        raise UsageError(f"runtime must be {listed(RUNTIMES)}, not {name!r:.40}")
    return RUNTIMES[name](bundle)
