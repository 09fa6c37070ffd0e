"""Exports a model in one format, several or all. Each is compared with torch in its own runtime before it is written.

Needs the extra `export`; the formats onnx, onnx-int8 and c need only `train`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import torch
from onnx import numpy_helper

from playbach.bundles import exported, network
from playbach.bundles.bundle import Bundle
from playbach.encodings.base import Encoding
from playbach.export.checking import MAX_BITS_LOST, MIN_TOP_1, Check, compare_with_torch, torch_logits
from playbach.export.formats import Content, ExportSource, Format, select_formats
from playbach.export.onnx import LOGIT_TOLERANCE
from playbach.export.options import ExportOptions
from playbach.export.samples import choose_samples
from playbach.inference.composing import Composer
from playbach.inference.runtimes.base import Runtime
from playbach.inference.runtimes.core import SHELL, CoreRuntime
from playbach.models.base import Model, Shape
from playbach.system.errors import BundleError, PlaybachError
from playbach.system.files import display_path, output_folder, pending_folder
from playbach.system.progress import Report
from playbach.system.version import installed_versions

_PACKAGES = ("torch", "numpy", "onnx", "onnxruntime", "litert-torch", "ai-edge-quantizer", "ai-edge-litert")
_BUNDLE_KEYS = ("sha256", "export")
"""Keys of a bundle's manifest that describe the bundle's own file."""


@dataclass(frozen=True, slots=True)
class FormatResult:
    """A file, or a folder, that was written."""

    format: str
    """The format's name."""
    path: Path
    """Where it is."""
    bytes: int
    """The file's size; for a folder of C, the flash that it needs."""
    check: Check
    """How it compares with torch."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """All that was written, and what was not."""

    model: str
    """The model's name."""
    music: str
    """Which pieces the formats were checked with."""
    written: tuple[FormatResult, ...]
    """One for each file or folder."""
    left_out: tuple[str, ...]
    """One line for each format that is not possible for this model."""

    def manifest(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self) | {"written": [{**asdict(w), "path": str(w.path)} for w in self.written]}


def export(
    name_or_path: str | Path,
    into: str | Path,
    options: ExportOptions | None = None,
    folder: str | Path | None = None,
    report: Report = lambda line: None,
) -> ExportResult:
    """Export a model into the folder `into`, which is made if it is missing. No file is overwritten.

    Args:
        folder: the music that the model was trained on, to calibrate and check with. None stands for the model's own
            corpus if that is a built-in one, otherwise for pieces that the model composes.
        report: receives each line of progress, such as a warning about a large loss.

    Raises:
        UsageError: an option is invalid, or the model is too large for the profile.
        BundleError: the model does not exist, is damaged, or is itself an export.
        CorpusError: the folder has no music to check with.
        MissingExtra: a format needs a package that is not installed.
        PlaybachError: a named format is not possible for the model, or the files cannot be written.
    """
    options = options or ExportOptions()
    base = network.read_base_model(name_or_path)
    if exported.NGRAMS in base.bundle.members:
        report(
            f"{base.name}: the n-grams that play together with the network are left out, so the exported network "
            "plays alone"
        )
    composer = Composer(base.bundle)
    samples = choose_samples(composer, folder, options.steps, report)
    model = _with_exact_weights(base.load_network(Shape.of(base.encoding)), base.bundle.onnx).eval()
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        raise BundleError(f"{base.name}: its weights are not all finite numbers; train it again")
    source = ExportSource(base.bundle, model, base.encoding, samples.inputs(base.encoding), options.profile)
    expected = torch_logits(model, base.encoding, samples.compared)
    written: list[FormatResult] = []
    left_out: list[str] = []
    with output_folder(Path(into)) as place:
        for form in select_formats(options.formats):
            report(f"Exporting {form.name}")
            try:
                content, runtime = form.make(source)
                check = compare_with_torch(runtime, expected, base.encoding, samples)
                _demand_exact(form, check)
            except PlaybachError as error:
                if form.name in options.formats:
                    raise
                left_out.append(f"{form.name}: {error}")
                report(f"left out: {left_out[-1]}")
                continue
            path = place / f"{base.path.stem}{form.suffix}"
            written.append(_write(form, path, content, runtime, source, check))
            if check.is_lossy:
                report(_loss_warning(written[-1]))
    return ExportResult(base.bundle.name, samples.description, tuple(written), tuple(left_out))


def _with_exact_weights(model: Model, graph: bytes) -> Model:
    """Give a network the 32-bit weights of its ONNX step, in place of those that the bundle stores in 16 bits.

    Weights are matched by their values in 16 bits, since the exporter renames and transposes some of them.
    """
    exact: dict[Any, Any] = {}
    for initial in onnx_format.load_from_string(graph).graph.initializer:
        array = numpy_helper.to_array(initial)
        if array.dtype == np.float32:
            exact |= {_key(a): a for a in (array, array.T)}
    state = model.state_dict()
    for name, tensor in state.items():
        match = exact.get(_key(tensor.numpy()))
        if match is not None:
            state[name] = torch.from_numpy(match.copy())
    model.load_state_dict(state)
    return model


def _key(array: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], bytes]:
    with np.errstate(over="ignore"):
        return array.shape, array.astype(np.float16).tobytes()


def _demand_exact(form: Format, check: Check) -> None:
    if form.is_exact and not check.largest_logit_difference <= LOGIT_TOLERANCE:
        raise PlaybachError(
            f"the exported step ({form.name}) differs from torch by {check.largest_logit_difference:.2g} in a logit "
            f"(allowed: {LOGIT_TOLERANCE}); it was not written; please report this with your versions of torch and "
            "of the runtime"
        )


def _loss_warning(result: FormatResult) -> str:
    check = result.check
    return (
        f"{display_path(result.path)}: LARGE LOSS: {check.bits_lost:+.3f} bits per note compared with torch, and the "
        f"same most probable symbol in {check.top_1:.1%} of steps (limits: {MAX_BITS_LOST} bits, {MIN_TOP_1:.0%})"
    )


def _write(
    form: Format, path: Path, content: Content, runtime: Runtime, source: ExportSource, check: Check
) -> FormatResult:
    manifest = {k: v for k, v in source.bundle.manifest.items() if k not in _BUNDLE_KEYS}
    facts = _facts(form, source.bundle, source.encoding, check)
    if isinstance(runtime, CoreRuntime):
        facts[SHELL] = runtime.shell.manifest()
    if isinstance(content, bytes):
        path = exported.write(path, content, manifest, facts)
        return FormatResult(form.name, path, len(content), check)
    with pending_folder(path) as draft:
        for name, data in content.items():
            (draft.temporary / name).write_bytes(data)
        (draft.temporary / "check.json").write_bytes(exported.manifest_text(facts))
    flash = json.loads(content["manifest.json"])["export"]["bytes"]["flash"]
    return FormatResult(form.name, draft.path, flash, check)


def _facts(form: Format, bundle: Bundle, encoding: Encoding, check: Check) -> dict[str, Any]:
    """The manifest's entry about an export, with the vocabulary in words, for readers without playbach."""
    return {
        "format": form.name,
        "says": form.description,
        "bundle": bundle.sha256,
        "check": check.manifest(),
        "vocabulary": {field.name: list(field.symbols) for field in encoding.fields},
        "context": {field.name: list(field.symbols) for field in encoding.context},
        "versions": installed_versions(_PACKAGES),
    }
