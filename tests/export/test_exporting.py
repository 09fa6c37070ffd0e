"""Exporting a model: each file is the same network, is checked, and can be played. The formats of every architecture
are in test_every_format.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.paths import GOLDEN

pytest.importorskip("torch")
pytest.importorskip("litert_torch")

import playbach
from playbach.bundles import bundle as bundles
from playbach.bundles import exported, network
from playbach.export import checking, exporting, profiles, tflite
from playbach.export.checking import Check
from playbach.export.exporting import ExportOptions, ExportResult, export
from playbach.export.formats import FORMATS
from playbach.inference.runtimes import open_runtime
from playbach.models.base import Shape
from playbach.system.errors import BundleError, CorpusError, PlaybachError, UsageError

TINY = GOLDEN / "tiny.playbach"
SOME = ("onnx", "onnx-int8", "tflite", "tflite-fp16", "c")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    return export(TINY, tmp_path_factory.mktemp("exported"), ExportOptions(SOME, steps=200))


def test_each_format_is_written_and_checked(result: ExportResult) -> None:
    assert [w.format for w in result.written] == list(SOME)
    for written in result.written:
        check = written.check
        assert check.steps >= 200 and not check.held_out and check.music == "composed pieces"
        assert check.top_1 > 0.97 and abs(check.bits_lost) < 0.02 and not check.is_lossy
        is_exact = FORMATS[written.format].is_exact
        assert (check.largest_logit_difference < exporting.LOGIT_TOLERANCE) == is_exact
        where = written.path / "check.json" if written.path.is_dir() else exported.manifest_path(written.path)
        stored = json.loads(where.read_text("utf-8"))
        assert stored.get("export", stored)["check"] == check.manifest()
    assert result.left_out == ()


def test_exact_formats_compose_the_same_piece(result: ExportResult) -> None:
    """The bundle's own step, and the same weights in another runtime."""
    pieces = [playbach.load(TINY).compose(seed=5, bars=4, plain=True).score]
    for written in result.written:
        if FORMATS[written.format].is_exact:
            pieces.append(playbach.load(written.path).compose(seed=5, bars=4, plain=True).score)
    assert len(pieces) == 3
    notes = [[(n.time, n.duration, n.pitch) for t in piece.tracks for n in t.notes] for piece in pieces]
    assert notes[0] == notes[1] == notes[2] and len(notes[0]) > 20


def test_quantised_files_are_smaller(result: ExportResult) -> None:
    sizes = {w.format: w.bytes for w in result.written}
    assert sizes["onnx-int8"] < sizes["onnx"] and sizes["tflite-fp16"] < sizes["tflite"]


def test_exports_have_the_32_bit_weights_of_the_onnx_step() -> None:
    """The bundle's own weights, for further training, are stored in 16 bits."""
    base = network.read_base_model(TINY)
    half = base.load_network(Shape.of(base.encoding))
    before = {name: tensor.clone() for name, tensor in half.state_dict().items()}
    exact = exporting._with_exact_weights(half, base.bundle.onnx).state_dict()
    moved = [name for name, tensor in before.items() if not tensor.equal(exact[name])]
    assert len(moved) > len(before) / 2
    assert all(tensor.half().equal(exact[name].half()) for name, tensor in before.items())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    options = ExportOptions(("onnx", "c"), steps=200)
    first, again = (export(TINY, tmp_path, options).written for _ in range(2))
    assert [w.path.name for w in first] == ["tiny.onnx", "tiny-c"]
    assert [w.path.name for w in again] == ["tiny-2.onnx", "tiny-c-2"]
    assert len(list(tmp_path.iterdir())) == 6


def test_held_out_music_is_used_if_available(chorales_folder: Path, chorales_bundle: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    result = export(chorales_bundle, tmp_path, ExportOptions(("onnx",), steps=200), chorales_folder, lines.append)
    [written] = result.written
    assert written.check.held_out and "held-out test" in written.check.music
    bundle = bundles.read(chorales_bundle)
    sides = [side for side, _ in bundle.manifest["pieces"].values()]
    if written.check.pieces == sides.count("test"):
        assert written.check.bits_per_note == pytest.approx(bundle.manifest["metrics"]["test"]["bits_per_note"])
    assert written.check.torch_bits_per_note == pytest.approx(written.check.bits_per_note, abs=1e-4)
    assert not any("NOT of held-out music" in line for line in lines)


def test_music_that_was_trained_on_is_refused(chorales_folder: Path, chorales_bundle: Path, tmp_path: Path) -> None:
    bundle = bundles.read(chorales_bundle)
    for side, name in bundle.manifest["pieces"].values():
        if side == "train":
            (tmp_path / Path(name).name).write_bytes((chorales_folder / name).read_bytes())
    with pytest.raises(CorpusError, match="give music that it was not trained on"):
        export(chorales_bundle, tmp_path / "out", ExportOptions(("onnx",)), tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_large_loss_is_written_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playbach.export.onnx.quantise_dynamic", lambda graph: _damaged(graph))
    lines: list[str] = []
    [written] = export(TINY, tmp_path, ExportOptions(("onnx-int8",), steps=200), report=lines.append).written
    assert written.path.exists() and written.check.is_lossy
    [line] = [line for line in lines if "LARGE LOSS" in line]
    assert line.startswith(str(written.path)) and "bits per note compared with torch" in line


def test_an_exact_format_must_equal_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "LOGIT_TOLERANCE", 0.0)
    with pytest.raises(PlaybachError, match=r"differs from torch by .* it was not written"):
        export(TINY, tmp_path / "out", ExportOptions(("onnx",), steps=200))
    assert not (tmp_path / "out").exists()


def _damaged(graph: bytes) -> bytes:
    """The same graph with large weights doubled."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    for i, initial in enumerate(model.graph.initializer):
        array = numpy_helper.to_array(initial)
        if array.dtype == np.float32 and array.ndim == 2:
            model.graph.initializer[i].CopyFrom(numpy_helper.from_array(array * 2, initial.name))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("bits_lost", "top_1", "is_lossy"),
    [(0.0, 1.0, False), (0.06, 1.0, True), (0.0, 0.8, True), (float("nan"), 1.0, True)],
)
def test_the_limits_of_a_large_loss(bits_lost: float, top_1: float, is_lossy: bool) -> None:
    assert Check("", True, 1, 200, 200, 0.0, 0.0, top_1, 2 + bits_lost, 2.0).is_lossy == is_lossy


def test_a_format_that_a_network_cannot_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        PlaybachError, match=r"tiny: .* core needs the architecture cnn, but this network is of type lstm; export"
    ):
        export(TINY, tmp_path, ExportOptions(("core",), steps=200))
    assert list(tmp_path.iterdir()) == []


def test_a_model_too_large_for_its_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(profiles.MACHINE_PROFILES, "toy", profiles.MachineProfile("toy", 1024, 1024, "a toy"))
    with pytest.raises(UsageError, match=r"tiny needs \d+ kB of flash, but toy has 1 kB; train"):
        export(TINY, tmp_path, ExportOptions(("c",), steps=200, profile="toy"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"formats": ("gif",)}, "format must be onnx, onnx-int8, tflite, .* not 'gif'"),
        ({"formats": ()}, "no format given; the formats are: onnx"),
        ({"steps": 199}, "steps must be a whole number between 200 and"),
        ({"profile": "abacus"}, "profile must be any, cortex-m4, rp2040 or esp32, not 'abacus'"),
        ({"formats": ("onnx",), "profile": "esp32"}, "the profile esp32 applies only to the format c"),
    ],
)
def test_invalid_options_are_refused(options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ExportOptions(**options)


def test_all_weights_are_inside_the_flatbuffer(result: ExportResult) -> None:
    """Elsewhere TensorFlow Lite Micro reads zeros."""
    from ai_edge_litert import schema_py_generated as schema

    for written in result.written:
        if written.path.suffix == ".tflite":
            model = schema.ModelT.InitFromPackedBuf(written.path.read_bytes(), 0)
            assert all(buffer.offset == 0 for buffer in model.buffers)
            assert sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None) > 30_000


def test_inputs_and_outputs_have_names(result: ExportResult) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = next(w.path for w in result.written if w.format == "tflite")
    signature = Interpreter(str(path)).get_signature_list()[tflite.SIGNATURE]
    assert sorted(signature["inputs"]) == ["context", "previous", "state_0", "state_1"]
    assert sorted(signature["outputs"]) == ["logits_0", "next_state_0", "next_state_1"]


def test_a_damaged_graph_is_one_line(result: ExportResult, tmp_path: Path) -> None:
    path = next(w.path for w in result.written if w.format == "tflite")
    bundle = bundles.read(path)
    damaged = bundles.Bundle(bundle.name, bundle.manifest, {bundles.TFLITE: b"TFL3" * 9}, bundle.sha256)
    with pytest.raises(BundleError, match=r"tiny\.tflite: LiteRT cannot load the network"):
        open_runtime(damaged)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(wrong: float, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper
    from safetensors.numpy import load, save

    bundle = bundles.read(TINY)
    model, weights = onnx.load_from_string(bundle.onnx), load(bundle.weights)
    name = "heads.symbols.0.bias"
    weights[name] = np.full_like(weights[name], wrong)
    [initial] = [i for i in model.graph.initializer if i.name == f"model.{name}"]
    initial.CopyFrom(numpy_helper.from_array(weights[name].astype(np.float32), initial.name))
    members = {m: data for m, data in bundle.members.items() if m != bundles.MANIFEST}
    members |= {bundles.ONNX: model.SerializeToString(), bundles.WEIGHTS: save(weights)}
    path = bundles.write(tmp_path / "wrong.playbach", bundle.manifest, members)
    with pytest.raises(BundleError, match="its weights are not all finite numbers; train it again"):
        export(path, tmp_path / "out", ExportOptions(("onnx",), steps=200))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_refused(
    wrong: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A maximum in Python could hide NaN: of a number and NaN it takes whichever comes first."""
    runtime_logits = checking.runtime_logits
    damaged = lambda *arguments: [np.full_like(field, wrong) for field in runtime_logits(*arguments)]  # noqa: E731
    monkeypatch.setattr(checking, "runtime_logits", damaged)
    with pytest.raises(PlaybachError, match=r"computes numbers that are not finite; it was not written"):
        export(TINY, tmp_path / "out", ExportOptions(("onnx-int8",), steps=200))
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / "bad\udcff.playbach"
    path.write_bytes(TINY.read_bytes())
    [written] = export(path, tmp_path, ExportOptions(("onnx",), steps=200)).written
    assert playbach.load(written.path).compose(seed=1, bars=1).score.note_num() > 0
