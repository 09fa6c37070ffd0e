"""A model into files of one format, of several or of all, each played in its own runtime beside torch before it is
written. Needs the extra `export`; onnx, onnx-int8 and c only `train`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import torch
from onnx import numpy_helper

from playbach.bundles import exported, network
from playbach.bundles.bundle import Bundle
from playbach.encodings import Encoding
from playbach.export.c.profiles import PROFILES
from playbach.export.checking import LOUD_BITS, LOUD_TOP_1, Check, check, expected
from playbach.export.formats import ALL, FORMATS, Format, Part, Subject, chosen
from playbach.export.onnx import TOLERANCE
from playbach.export.samples import LEAST_STEPS, heard
from playbach.inference.composing import Composer
from playbach.inference.runtimes import SHELL, Runtime
from playbach.inference.runtimes.core import CoreRuntime
from playbach.models import Model, Shape
from playbach.system.errors import BundleError, PlaybachError, UsageError
from playbach.system.files import made_folder, shown, writing_folder
from playbach.system.version import installed

MOST_STEPS = 10_000_000
PACKAGES = ("torch", "numpy", "onnx", "onnxruntime", "litert-torch", "ai-edge-quantizer", "ai-edge-litert")
DROPPED = ("sha256", "export")
"""Parts of a bundle's manifest that are of that file only."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`steps` are played to check a format, whole pieces until there are so many. `profile` is the kind of machine
    that the format c must fit."""

    formats: tuple[str, ...] = (ALL,)
    steps: int = 2000
    profile: str = "any"

    def __post_init__(self) -> None:
        if not self.formats:
            raise UsageError(f"no format; there are: {', '.join((*FORMATS, ALL))}")
        for name in self.formats:
            if name not in FORMATS and name != ALL:
                raise UsageError(f"no format called {name!r:.40}; there are: {', '.join((*FORMATS, ALL))}")
        if not (isinstance(self.steps, int) and LEAST_STEPS <= self.steps <= MOST_STEPS):
            raise UsageError(
                f"steps must be a whole number between {LEAST_STEPS} and {MOST_STEPS:,}, not {self.steps!r:.40}"
            )
        if self.profile not in PROFILES:
            raise UsageError(f"no profile called {self.profile!r:.40}; there are: {', '.join(PROFILES)}")
        if self.profile != "any" and not {"c", ALL} & set(self.formats):
            raise UsageError(f"the profile {self.profile} is for the format c; leave it out, or add --format c")


@dataclass(frozen=True, slots=True)
class Written:
    """One file, or folder, that was written; `bytes` is the file's size, or the flash that a folder of C needs."""

    format: str
    path: Path
    bytes: int
    check: Check


@dataclass(frozen=True, slots=True)
class Exports:
    """All that was written, and a line for each format that this model cannot have."""

    model: str
    music: str
    written: tuple[Written, ...]
    left_out: tuple[str, ...]

    def manifest(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self) | {"written": [{**asdict(w), "path": str(w.path)} for w in self.written]}


def export(
    name_or_path: str | Path,
    into: str | Path,
    options: ExportOptions | None = None,
    folder: str | Path | None = None,
    report: Report = lambda line: None,
) -> Exports:
    """Export a model into files in the folder `into`, which is made where it is missing; nothing is overwritten.

    Args:
        folder: of the music that the model was trained on, to calibrate and check with; None means its own corpus
            where that is a built-in one, else pieces that it composes.
        report: told each line of talk, such as a format that loses much.

    Raises:
        UsageError: an option that makes no sense, or a model that is too large for the profile.
        BundleError: there is no such model, it is damaged, or it is an export itself.
        CorpusError: there is no music to check with in the folder.
        MissingExtra: a format needs a package that is not installed.
        PlaybachError: a format, named alone, that this model cannot have; or the files cannot be written.
    """
    options = options or ExportOptions()
    base = network.read_base(name_or_path)
    composer = Composer(base.bundle)
    music = heard(composer, folder, options.steps, report)
    model = _exactly(base.network(Shape.of(base.encoding)), base.bundle.onnx).eval()
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        raise BundleError(f"{base.name}: its weights are not all finite numbers; train it again")
    calibration = music.inputs(base.encoding)
    subject = Subject(base.bundle, model, base.encoding, calibration, options.profile)
    truth = expected(model, base.encoding, music.compared)
    written: list[Written] = []
    left_out: list[str] = []
    with made_folder(Path(into)) as place:
        for form in chosen(options.formats):
            report(f"Exporting {form.name}")
            try:
                part, runtime = form.make(subject)
                found = check(runtime, truth, base.encoding, music)
                _demand_exact(form, found)
            except PlaybachError as error:
                if form.name in options.formats:
                    raise
                left_out.append(f"{form.name}: {error}")
                report(f"left out: {left_out[-1]}")
                continue
            path = place / f"{base.path.stem}{form.suffix}"
            written.append(_written(form, path, part, runtime, subject, found))
            if found.loud:
                report(_loud(written[-1]))
    return Exports(base.bundle.name, music.words, tuple(written), tuple(left_out))


def _exactly(model: Model, graph: bytes) -> Model:
    """The network with the 32-bit weights of its ONNX step; a bundle keeps those to train on in 16 bits, by which
    they are recognised, as the exporter renames and turns some."""
    exact: dict[Any, Any] = {}
    for initial in onnx_format.load_from_string(graph).graph.initializer:
        array = numpy_helper.to_array(initial)
        if array.dtype == np.float32:
            exact |= {_key(a): a for a in (array, array.T)}
    state = model.state_dict()
    for name, tensor in state.items():
        found = exact.get(_key(tensor.numpy()))
        if found is not None:
            state[name] = torch.from_numpy(found.copy())
    model.load_state_dict(state)
    return model


def _key(array: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], bytes]:
    with np.errstate(over="ignore"):
        return array.shape, array.astype(np.float16).tobytes()


def _demand_exact(form: Format, found: Check) -> None:
    if form.exact and not found.largest_logit_difference <= TOLERANCE:
        raise PlaybachError(
            f"the exported step ({form.name}) differs from torch by {found.largest_logit_difference:.2g} in a logit "
            f"(allowed: {TOLERANCE}); it was not written; please report this with your versions of torch and of the "
            "runtime"
        )


def _loud(written: Written) -> str:
    found = written.check
    said = f"{shown(written.path)}: LOSES MUCH: {found.lost:+.3f} bits per note beside torch, the same most probable "
    said += f"symbol in {found.top_1:.1%} of steps (more than {LOUD_BITS} or less than {LOUD_TOP_1:.0%} is said)"
    return said


def _written(form: Format, path: Path, part: Part, runtime: Runtime, subject: Subject, found: Check) -> Written:
    manifest = {k: v for k, v in subject.bundle.manifest.items() if k not in DROPPED}
    facts = _facts(form, subject.bundle, subject.encoding, found)
    if isinstance(runtime, CoreRuntime):
        facts[SHELL] = runtime.shell.manifest()
    if isinstance(part, bytes):
        path = exported.write(path, part, manifest, facts)
        return Written(form.name, path, len(part), found)
    with writing_folder(path) as draft:
        for name, data in part.items():
            (draft.temporary / name).write_bytes(data)
        (draft.temporary / "check.json").write_bytes(exported.text_of(facts))
    return Written(form.name, draft.path, json.loads(part["manifest.json"])["export"]["bytes"]["flash"], found)


def _facts(form: Format, bundle: Bundle, encoding: Encoding, found: Check) -> dict[str, Any]:
    """What the manifest says of an export; the vocabulary in words, for those who read the file with other tools."""
    return {
        "format": form.name,
        "says": form.says,
        "bundle": bundle.sha256,
        "check": found.manifest(),
        "vocabulary": {field.name: list(field.symbols) for field in encoding.fields},
        "context": {field.name: list(field.symbols) for field in encoding.context},
        "versions": installed(PACKAGES),
    }
