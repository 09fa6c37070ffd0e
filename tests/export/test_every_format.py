"""Every architecture in every format: the file is the same network in LiteRT and, where possible, in TensorFlow Lite
Micro; formats that a network cannot have are reported. Trains and converts for minutes, so `.ci/run` runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("litert_torch")

import playbach
from helpers import sample_music
from playbach.bundles import bundle as bundles
from playbach.encodings.base import Encoding
from playbach.encodings.options import NotesOptions
from playbach.export import cnn_core, tflite
from playbach.export.exporting import ExportOptions, ExportResult, FormatResult, export
from playbach.export.formats import FORMATS
from playbach.export.onnx import LOGIT_TOLERANCE
from playbach.inference.runtimes import open_runtime
from playbach.inference.runtimes.base import Runtime
from playbach.models import MODELS

pytestmark = pytest.mark.slow

NETWORKS = {
    "lstm": {"hidden": 32, "layers": 2, "embedding": 8, "context_embedding": 4},
    "attention": {"hidden": 32, "layers": 1, "embedding": 8, "context_embedding": 4, "memory": 16},
    "cnn": {"image": 16, "channels": 4, "hidden": 32},
    "transformer": {"width": 32, "layers": 2, "heads": 2, "memory": 32},
}
MICRO = ("tflite", "tflite-int8", "tflite-int16x8")
"""The formats that TensorFlow Lite Micro plays, of the architectures in MICRO_NETWORKS."""
MICRO_NETWORKS = ("lstm", "attention", "cnn")
NOTES_OPTIONS = {
    "separate": NotesOptions(durations="separate", velocities=True),
    "joined": NotesOptions(durations="joined"),
}
CASES = [(m, "separate") for m in NETWORKS] + [("lstm", "joined"), ("lstm", "onehot")]


@pytest.fixture(scope="module", params=CASES, ids=" ".join)
def exports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ExportResult]:
    """Networks of three fields with relations, or of one; trained briefly, so that no symbols are equally likely."""
    name, kind = request.param
    place = tmp_path_factory.mktemp("formats")
    music = sample_music.folder(place / "lines", sample_music.line)
    network = dict(NETWORKS[name])
    if kind == "onehot":
        network = {k: v for k, v in network.items() if k != "embedding"} | {"onehot": True}
    notes = NOTES_OPTIONS.get(kind, NOTES_OPTIONS["separate"])
    options = {"encoding": "notes", "notes": notes, "model": name, "network": network, "epochs": 15}
    path = playbach.train(music, into=place, **options).path  # type: ignore[arg-type]
    return name, export(path, place / "out", ExportOptions(steps=200), music)


def test_every_format_is_written_or_reported_as_impossible(exports: tuple[str, ExportResult]) -> None:
    name, result = exports
    assert set(NETWORKS) == set(MODELS)
    possible = {form.name for form in FORMATS.values() if name in (form.architectures or MODELS)}
    assert {w.format for w in result.written} == possible
    for line, form in zip(sorted(result.left_out), sorted(FORMATS.keys() - possible), strict=True):
        assert line.startswith(f"{form}: ") and f"this network is of type {name}" in line and "\n" not in line


def test_every_format_is_the_same_network(exports: tuple[str, ExportResult]) -> None:
    for written in exports[1].written:
        check = written.check
        assert check.held_out and check.compared >= 200 > check.steps
        if FORMATS[written.format].is_exact:
            assert check.largest_logit_difference < LOGIT_TOLERANCE and check.top_1 == 1.0
        else:
            assert abs(check.bits_lost) < 0.05 * check.torch_bits_per_note and check.top_1 > 0.8, written.format
            assert check.largest_logit_difference > 0


def test_every_file_composes(exports: tuple[str, ExportResult], tmp_path: Path) -> None:
    for written in exports[1].written:
        if written.path.is_file():
            piece = playbach.load(written.path).compose(seed=1, bars=2)
            assert piece.score.note_num() > 0, written.format


def test_exact_formats_compose_the_same_pieces(exports: tuple[str, ExportResult]) -> None:
    by_format = {w.format: w for w in exports[1].written}
    first, second = (playbach.load(by_format[f].path) for f in ("onnx", "tflite"))
    for seed in range(3):
        pieces = [c.compose(seed=seed, bars=4, plain=True).score for c in (first, second)]
        notes = [[(n.time, n.duration, n.pitch) for t in p.tracks for n in t.notes] for p in pieces]
        assert notes[0] == notes[1]


def test_tensorflow_lite_micro_plays_the_same_network(exports: tuple[str, ExportResult]) -> None:
    name, result = exports
    if name not in MICRO_NETWORKS:
        pytest.skip(f"TensorFlow Lite Micro does not have all operators of {name}")
    pytest.importorskip("tflite_micro")
    from helpers import tflite_micro

    by_format = {w.format: w for w in result.written}
    for form in MICRO:
        bundle = bundles.read(by_format[form].path)
        graph = bundle.members[bundles.TFLITE]
        small = tflite_micro.MicroRuntime(graph, *tflite_micro.signature(graph))
        worst, agreed = compare(open_runtime(bundle), small, bundle.encoding(), 200)
        assert agreed >= 0.97, form
        # XNNPACK and Micro round at different places, so they sometimes differ by a step of 8 bits.
        assert worst < {"tflite": LOGIT_TOLERANCE, "tflite-int8": 1.0, "tflite-int16x8": 0.05}[form]


def compare(one: Runtime, other: Runtime, encoding: Encoding, steps: int) -> tuple[float, float]:
    """The largest difference of a logit, and how often the most probable symbols are the same, on a random walk."""
    rng, decoder = np.random.default_rng(0), encoding.decoder(encoding.headers[0][0])
    states = [one.start(), other.start()]
    previous, worst, agreed = np.array([len(f) for f in encoding.fields]), 0.0, 0
    for _ in range(steps):
        context = decoder.context()
        both = []
        for i, runtime in enumerate((one, other)):
            logits, states[i] = runtime.step(previous, context, states[i])
            both.append(logits)
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in zip(*both, strict=True)))
        agreed += all(a.argmax() == b.argmax() for a, b in zip(*both))
        previous = np.array([rng.choice(np.flatnonzero(mask)) for mask in decoder.valid_mask()])
        decoder.feed(previous)
    return worst, agreed / steps


def core_of(exports: tuple[str, ExportResult]) -> FormatResult:
    if exports[0] != "cnn":
        pytest.skip("only a cnn has a core")
    return next(w for w in exports[1].written if w.format == "core")


def test_the_core_runs_on_an_edge_tpu(exports: tuple[str, ExportResult]) -> None:
    """It has only operators that the compiler maps, and only 8-bit integers (also in and out) and 32-bit biases."""
    from ai_edge_litert import schema_py_generated as schema

    graph = core_of(exports).path.read_bytes()
    used = tflite.operator_names(graph)
    assert used <= cnn_core.EDGE_TPU_OPERATORS and {"CONV_2D", "FULLY_CONNECTED"} <= used
    [subgraph] = schema.ModelT.InitFromPackedBuf(graph, 0).subgraphs
    integers = {schema.TensorType.INT8, schema.TensorType.INT32}
    assert {tensor.type for tensor in subgraph.tensors} <= integers
    ends = {subgraph.tensors[i].type for i in (*subgraph.inputs, *subgraph.outputs)}
    assert ends == {schema.TensorType.INT8}
    # An Edge TPU also requires static sizes.
    assert all(tensor.shapeSignature is None or (tensor.shapeSignature > 0).all() for tensor in subgraph.tensors)


def test_the_cores_shell_must_fit(exports: tuple[str, ExportResult]) -> None:
    from playbach.system.errors import BundleError

    bundle = bundles.read(core_of(exports).path)
    export_facts = bundle.manifest["export"]
    shell = export_facts["shell"]
    for damaged_shell, words in (
        ({**shell, "table": "no base64!"}, "the table in its manifest is damaged"),
        (
            {**shell, "table": shell["table"][: 4 * 16 * 16]},
            "its table does not fit its encoding",
        ),
        ({}, "the table in its manifest is damaged"),
    ):
        damaged = {**bundle.manifest, "export": {**export_facts, "shell": damaged_shell}}
        with pytest.raises(BundleError, match=words):
            open_runtime(bundles.Bundle(bundle.name, damaged, bundle.members, bundle.sha256))
