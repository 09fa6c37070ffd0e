"""The costs of models are measured in fresh processes, whatever is in the folder. No duration is asserted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles import exported
from playbach.evaluation import benchmarking
from playbach.evaluation.benchmarking import BenchmarkOptions, Cost, Measurement, benchmark, peak_bytes, step_seconds
from playbach.inference import composing
from playbach.inference.runtimes import RUNTIMES
from playbach.system.errors import BundleError, PlaybachError, UsageError

TINY = GOLDEN / "tiny.playbach"
EXPORTED = TINY.with_name("tiny-int8.tflite")
FEW = BenchmarkOptions(steps=20)
MADE_UP = Measurement(0.5, 0.1, 0.2, 9000.0, 100.0, 50.0, 1 << 20)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Starts no process; a list of what would have been measured."""
    asked: list[tuple[str, str]] = []

    def pretend(path: Path, runtime: str, options: BenchmarkOptions) -> Measurement:
        asked.append((path.name, runtime))
        return MADE_UP

    monkeypatch.setattr(benchmarking, "_measure_in_process", pretend)
    return asked


def test_a_model_is_measured_in_a_process_of_its_own() -> None:
    ballast = np.ones(40_000_000)  # 320 MB of this process, which must not be counted
    found = benchmark(TINY, FEW)
    [cost] = found.costs
    bundle, m = bundles.read(TINY), cost.measured
    assert (cost.model, cost.runtime, cost.file_bytes) == ("tiny", "onnx", TINY.stat().st_size)
    assert cost.network_bytes == len(bundle.onnx)
    assert cost.parameters == bundle.manifest["architecture"]["parameters"]
    assert cost.bits_per_note == bundle.manifest["metrics"]["test"]["bits_per_note"]
    assert 0 < m.step_ms_p50 <= m.step_ms_p99
    assert min(m.load_seconds, m.steps_per_second, m.notes_per_second, m.times_real_time) > 0
    here = peak_bytes()
    if m.peak_bytes is not None and here is not None:
        assert 10e6 < m.peak_bytes < here
        assert here > ballast.nbytes
    assert found.left_out == ()
    assert json.loads(json.dumps(found.manifest()))["costs"][0]["measured"]["peak_bytes"] == m.peak_bytes


def test_every_runtime_is_measured(unmeasured: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIMES, "another", replace(RUNTIMES["onnx"], name="another", member=bundles.WEIGHTS))
    costs = benchmark(TINY).costs
    assert unmeasured == [("tiny.playbach", "onnx"), ("tiny.playbach", "another")]
    members = bundles.read(TINY).members
    assert [c.network_bytes for c in costs] == [len(members[m]) for m in (bundles.ONNX, bundles.WEIGHTS)]


def test_exported_files_and_folders_of_c_are_in_the_same_table(
    tmp_path: Path, unmeasured: list[tuple[str, str]]
) -> None:
    for path in (TINY, EXPORTED, exported.manifest_path(EXPORTED)):
        shutil.copy(path, tmp_path)
    (tmp_path / "stray.tflite").write_bytes(b"nothing")
    board = tmp_path / "tiny-c"
    board.mkdir()
    (board / "playbach.c").write_text("/* the engine */")
    (board / "manifest.json").write_text(
        json.dumps({"export": {"bytes": {"flash": 30_594, "ram": 8098}, "multiply_adds_per_step": 7500}})
    )
    check = {"held_out": True, "bits_per_note": 2.5, "top_1": 0.99, "largest_logit_difference": 0.1}
    (board / "check.json").write_text(json.dumps({"check": check}))
    found = benchmark(tmp_path)
    assert [(c.model, c.format, c.runtime) for c in found.costs] == [
        ("tiny-int8.tflite", "tflite-int8", "litert"),
        ("tiny", "playbach", "onnx"),
    ]
    said = json.loads(exported.manifest_path(EXPORTED).read_text("utf-8"))["export"]["check"]
    assert found.costs[0].top_1 == said["top_1"] and found.costs[1].top_1 is None
    assert found.costs[0].bits_per_note is None and not said["held_out"]  # composed pieces are not held-out music
    [c] = found.boards
    assert (c.flash_bytes, c.ram_bytes, c.multiply_adds_per_step) == (30_594, 8098, 7500)
    assert (c.bits_per_note, c.top_1, c.largest_probability_difference) == (2.5, 0.99, None)
    assert "stray.tflite.json is missing" in found.left_out[0]


def test_a_folder_gives_its_bundles_and_names_the_damaged(tmp_path: Path, unmeasured: list[tuple[str, str]]) -> None:
    for name in ("b", "a", ".hidden"):
        shutil.copy(TINY, tmp_path / f"{name}.playbach")
    (tmp_path / "below").mkdir()
    shutil.copy(TINY, tmp_path / "below" / "c.playbach")
    (tmp_path / "aa.playbach").write_bytes(TINY.read_bytes()[:-900])
    (tmp_path / "folder.playbach").mkdir()
    said: list[str] = []
    found = benchmark(tmp_path, report=said.append)
    assert unmeasured == [("a.playbach", "onnx"), ("b.playbach", "onnx")]
    assert [c.model for c in found.costs] == ["a", "b"]
    assert len(found.left_out) == 2
    assert "aa.playbach: not a playbach bundle, or damaged" in found.left_out[0]
    assert "folder.playbach" in found.left_out[1]
    assert [line for line in said if line.startswith("left out: ")] == [f"left out: {x}" for x in found.left_out]


def test_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no \.playbach file and no exported model in this folder"):
        benchmark(tmp_path)
    (tmp_path / "a.playbach").write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"none of the 1 models in this folder can be measured"):
        benchmark(tmp_path)
    with pytest.raises(BundleError, match=r"a\.playbach: not a playbach bundle"):
        benchmark(tmp_path / "a.playbach")
    with pytest.raises(BundleError, match="no such model"):
        benchmark(tmp_path / "missing")


def test_a_model_comes_before_a_folder_of_its_name(
    tmp_path: Path, unmeasured: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bach-chorales").mkdir()
    assert [c.model for c in benchmark("bach-chorales").costs] == ["bach-chorales"]


def test_what_fails_in_the_process_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that contradicts its manifest is detected in the process, and a crash of the process is reported."""
    found = bundles.read(TINY)
    members = {name: data for name, data in found.members.items() if name != bundles.MANIFEST}
    members[bundles.ONNX] = b"no network"
    path = bundles.write(tmp_path / "a.playbach", found.manifest, members)
    with pytest.raises(BundleError, match=r"a: onnxruntime cannot load the network"):
        benchmark(path, FEW)
    monkeypatch.setattr(benchmarking, "_CODE", "import os; os.abort()")
    with pytest.raises(BundleError, match=r"tiny\.playbach: measuring it with onnx failed \(status -?\d+\)"):
        benchmark(TINY, FEW)
    monkeypatch.setattr(benchmarking.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(PlaybachError, match="cannot start a process"):
        benchmark(TINY, FEW)


def test_steps_are_the_networks_and_the_warm_ones_only() -> None:
    composer, stepped = composing.load(TINY), []
    step = composer.runtime.step

    def counting(previous: np.ndarray, context: np.ndarray, state: object) -> object:
        assert all(0 <= s < len(f) for s, f in zip(previous, composer.encoding.fields, strict=True))
        assert all(0 <= c < len(f) for c, f in zip(context, composer.encoding.context, strict=True))
        stepped.append(1)
        return step(previous, context, state)

    composer.runtime.step = counting  # type: ignore[assignment,method-assign]
    times = step_seconds(composer, 7)
    assert times.shape == (7,) and (times > 0).all()
    assert len(stepped) == 7 + benchmarking.WARMUP_STEPS


@pytest.mark.parametrize("options", [{"steps": 0}, {"steps": 1.5}, {"threads": 0}, {"threads": "2"}])
def test_options_that_make_no_sense(options: dict) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(options))} must be a whole number between 1 and"):
        BenchmarkOptions(**options)


def test_what_a_manifest_does_not_say_is_none(unmeasured: list[tuple[str, str]], tmp_path: Path) -> None:
    found = bundles.read(TINY)
    members = {name: data for name, data in found.members.items() if name != bundles.MANIFEST}
    manifest = {k: v for k, v in found.manifest.items() if k != "metrics"}
    cost: Cost = benchmark(bundles.write(tmp_path / "a.playbach", manifest, members)).costs[0]
    assert cost.bits_per_note is None and cost.ngram_bits_per_note is None
