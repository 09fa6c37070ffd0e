"""Measures what models cost on this machine: size, memory, the time of a step, the speed of composing.

Each model is measured with each of its runtimes, in a process of its own, so that the memory and the warm caches of
one are not counted for another. The processes run one after the other, so that they do not disturb each other. Bits
per note are those of the manifest. Torch is not needed. Knows nothing of how results are printed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from playbach.bundles import bundle as bundles
from playbach.bundles import exported
from playbach.bundles.bundle import BUNDLE_SUFFIX, Bundle
from playbach.bundles.description import BundleInfo, describe_bundle
from playbach.evaluation.options import BenchmarkOptions
from playbach.inference.composing import Composer
from playbach.inference.runtimes import RUNTIMES, suitable_runtimes
from playbach.music.scores import ticks_to_seconds
from playbach.system.errors import BundleError, PlaybachError
from playbach.system.files import display_path
from playbach.system.progress import Report
from playbach.system.version import installed_versions

WARMUP_STEPS = 100
"""The number of steps before the first one that is timed."""
BENCHMARK_PIECES = 3
"""The number of pieces that are composed, with the seeds 0, 1 … and the default length."""
NOT_EXPORTED = "playbach"
"""The format of a bundle."""
LISTED_PACKAGES = ("numpy", "onnxruntime", "ai-edge-litert", "symusic")
"""The packages whose versions affect the speed."""

CHECK_FILE = "check.json"
"""The file in a folder of C source that says how it was checked."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured in a fresh process."""

    load_seconds: float
    """From opening the file to a composer that is ready, including the import of the runtime."""
    step_ms_p50: float
    """The median time of a network's step."""
    step_ms_p99: float
    steps_per_second: float
    notes_per_second: float
    """For whole pieces, with decoding, rules and performance."""
    times_real_time: float
    """Seconds of music that are composed in a second."""
    peak_bytes: int | None
    """The peak memory of the process; None where the system does not report it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a bundle or exported file with one runtime. Figures that the manifest does not have are None."""

    model: str
    format: str
    path: str
    runtime: str
    architecture: str | None
    encoding: str | None
    parameters: int | None
    file_bytes: int
    network_bytes: int
    measured: Measurement
    bits_per_note: float | None
    """On held-out music, measured after training or when the file was exported."""
    ngram_bits_per_note: float | None
    """Of an n-gram that was fitted to the same training pieces, on all test pieces."""
    largest_logit_difference: float | None
    """Of an exported file, compared with torch."""
    largest_probability_difference: float | None
    top_1: float | None
    """How often the most probable symbol is the same as with torch."""


@dataclass(frozen=True, slots=True)
class MicrocontrollerCost:
    """The cost of a folder of C source on a microcontroller, as its files state it; nothing is run."""

    model: str
    path: str
    flash_bytes: int | None
    ram_bytes: int | None
    multiply_adds_per_step: int | None
    bits_per_note: float | None
    largest_logit_difference: float | None
    largest_probability_difference: float | None
    top_1: float | None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The costs of one or more models, in the order of their file names."""

    options: BenchmarkOptions
    machine: dict[str, Any]
    costs: tuple[Cost, ...]
    boards: tuple[MicrocontrollerCost, ...]
    left_out: tuple[str, ...]
    """A line for each model that could not be measured."""

    def manifest(self) -> dict[str, Any]:
        """The results as JSON."""
        return asdict(self)


def benchmark(
    name_or_path: str | Path, options: BenchmarkOptions | None = None, report: Report = lambda line: None
) -> Benchmark:
    """Measure a model, or all models in a folder, without its subfolders: bundles, exported files and folders of C.

    Args:
        report: receives lines about the progress, and about models that are left out.

    Raises:
        BundleError: there is no such model, it is damaged, or no model in the folder can be measured.
        PlaybachError: the folder cannot be read, or no process can be started.
    """
    options, machine = options or BenchmarkOptions(), _machine()
    costs: list[Cost] = []
    left_out: list[str] = []
    is_folder, paths = _find_models(name_or_path)
    for path in paths:
        try:
            costs += _costs(path, options, report)
        except BundleError as error:
            if not is_folder:
                raise
            left_out.append(str(error))
            report(f"left out: {error}")
    boards = tuple(_c_folder_costs(Path(name_or_path))) if is_folder else ()
    if not costs and not boards:
        raise BundleError(
            f"{display_path(name_or_path)}: none of the {len(left_out)} models in this folder can be measured; "
            "give another folder, or a model"
        )
    return Benchmark(options, machine, tuple(costs), boards, tuple(left_out))


def _find_models(name_or_path: str | Path) -> tuple[bool, list[Path]]:
    """Whether a folder was given, and the files. A model is preferred to a folder of its name, as in every
    command."""
    try:
        return False, [bundles.find(name_or_path)]
    except BundleError:
        if not os.path.isdir(name_or_path):  # noqa: PTH112 - Path.is_dir raises on a name that is too long
            raise
        return True, _bundles_in(Path(name_or_path))


def _bundles_in(folder: Path) -> list[Path]:
    try:
        # A hidden file is one that is still being written.
        paths = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise PlaybachError(
            f"{display_path(folder)}: the folder cannot be read ({error.strerror}); give another folder"
        ) from error
    models = [p for p in paths if p.suffix == BUNDLE_SUFFIX or exported.is_exported(p)]
    if not models and not any(map(_is_c_folder, [folder, *paths])):
        raise BundleError(
            f"{display_path(folder)}: no {BUNDLE_SUFFIX} file and no exported model in this folder; give another"
        )
    return models


def _is_c_folder(path: Path) -> bool:
    return path.is_dir() and (path / "playbach.c").is_file() and (path / CHECK_FILE).is_file()


def _c_folder_costs(folder: Path) -> Iterator[MicrocontrollerCost]:
    """The costs of the folders of C source in a folder."""
    for path in filter(_is_c_folder, [folder, *sorted(folder.iterdir())]):
        facts: dict[str, Any] = {}
        for name in ("manifest.json", CHECK_FILE):
            try:
                data = json.loads(exported.read_bytes(path / name))
                facts |= data.get("export", data)
            except (BundleError, ValueError, TypeError, AttributeError):
                continue
        sizes = facts.get("bytes") if isinstance(facts.get("bytes"), dict) else {}
        yield MicrocontrollerCost(
            model=path.name,
            path=str(path),
            flash_bytes=_number(sizes, "flash", int),
            ram_bytes=_number(sizes, "ram", int),
            multiply_adds_per_step=_number(facts, "multiply_adds_per_step", int),
            **_check_results(facts),
        )


def _number(data: Any, name: str, kind: type | Any = int | float) -> Any:
    """A value of a dict, or None if it is not a number."""
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _check_results(export: Any) -> dict[str, Any]:
    """The results of an export's check; bits per note only if the music was held out."""
    check = export.get("check") if isinstance(export, dict) else None
    names = ("largest_logit_difference", "largest_probability_difference", "top_1")
    is_held_out = isinstance(check, dict) and check.get("held_out") is True
    bits = _number(check, "bits_per_note") if is_held_out else None
    return {"bits_per_note": bits, **{name: _number(check, name) for name in names}}


def _costs(path: Path, options: BenchmarkOptions, report: Report) -> Iterator[Cost]:
    bundle = bundles.read(path)
    info = describe_bundle(bundle, path)
    if info.problem:
        raise BundleError(f"{display_path(path)}: {info.problem}")
    for runtime in suitable_runtimes(bundle):
        report(f"Measuring {info.name} with {runtime}")
        yield _cost(bundle, info, runtime, _measure_in_process(path, runtime, options))


def _cost(bundle: Bundle, info: BundleInfo, runtime: str, measured: Measurement) -> Cost:
    export = bundle.manifest.get("export")
    results = _check_results(export)
    if export is None:
        results["bits_per_note"] = info.metrics.get("test", {}).get("bits_per_note")
    format_name = export.get("format") if isinstance(export, dict) else NOT_EXPORTED
    return Cost(
        model=info.name,
        format=str(format_name),
        path=info.path,
        runtime=runtime,
        architecture=info.architecture,
        encoding=info.encoding,
        parameters=info.parameters,
        file_bytes=info.bytes,
        network_bytes=len(bundle.members[RUNTIMES[runtime].member]),
        measured=measured,
        ngram_bits_per_note=info.metrics.get("ngram", {}).get("bits_per_note"),
        **results,
    )


def _machine() -> dict[str, Any]:
    """The machine, and the versions of its software. `load` is the load average at the beginning: on a busy machine
    the figures are unreliable."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {
        "system": system,
        "cores": cores,
        "load": load,
        "python": platform.python_version(),
        "versions": installed_versions(LISTED_PACKAGES),
    }


# ------------------------------------------------------------------------------------------------- a fresh process

_CODE = "from playbach.evaluation.benchmarking import answer_request; answer_request()"


def _measure_in_process(path: Path, runtime: str, options: BenchmarkOptions) -> Measurement:
    """Run `measure_bundle` in a fresh process."""
    request = json.dumps([os.fspath(path.absolute()), runtime, options.steps, options.threads])
    source = str(Path(__file__).parents[2])  # the folder that has the package
    paths = os.pathsep.join(p for p in (source, os.environ.get("PYTHONPATH")) if p)
    # -P: do not import from the current folder.
    command = [sys.executable, "-P", "-c", _CODE]
    try:
        done = subprocess.run(
            command, input=request, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
        )
    except OSError as error:
        raise PlaybachError(
            f"cannot start a process to measure in ({error.strerror}); close other programs"
        ) from error
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        cause = done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
        raise BundleError(f"{display_path(path)}: measuring it with {runtime} failed ({cause:.200})") from None
    if "error" in answer:
        raise BundleError(answer["error"])
    return Measurement(**answer)


def answer_request() -> None:
    """Runs in the fresh process: reads a request from stdin, and writes the measurement or the error to stdout."""
    path, runtime, steps, threads = json.load(sys.stdin)
    try:
        answer = asdict(measure_bundle(Path(path), runtime, BenchmarkOptions(steps, threads)))
    except PlaybachError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def measure_bundle(path: Path, runtime: str, options: BenchmarkOptions) -> Measurement:
    """Measure a bundle in this process. The peak memory includes all that the process has done before.

    Raises:
        BundleError: the bundle is damaged.
    """
    began = perf_counter()
    bundle = bundles.read(path)
    composer = Composer(bundle, RUNTIMES[runtime](bundle, options.threads))
    load = perf_counter() - began
    times = step_seconds(composer, options.steps)
    p50, p99 = np.percentile(times, [50, 99], method="inverted_cdf").tolist()
    notes, music, spent = 0, 0.0, 0.0
    for seed in range(BENCHMARK_PIECES):
        began = perf_counter()
        score = composer.compose(seed=seed).score
        spent += perf_counter() - began
        notes += score.note_num()
        music += float(ticks_to_seconds(score, np.array([score.end()]))[0])
    return Measurement(
        load, p50 * 1000, p99 * 1000, len(times) / float(times.sum()), notes / spent, music / spent, peak_bytes()
    )


def step_seconds(composer: Composer, steps: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(steps,) the time of each step of the network. Steps and contexts are random, since the time does not depend on
    them."""
    encoding, runtime, rng = composer.encoding, composer.runtime, np.random.default_rng(0)
    sizes = [[len(f) for f in fields] for fields in (encoding.fields, encoding.context)]
    times, state = np.zeros(steps), runtime.start()
    for t in range(-WARMUP_STEPS, steps):
        previous, context = (rng.integers(0, size) for size in sizes)
        began = perf_counter()
        _, state = runtime.step(previous, context, state)
        if t >= 0:
            times[t] = perf_counter() - began
    return times


def peak_bytes() -> int | None:
    """The peak of this process's resident memory; None where the system does not report it."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, getrusage includes the memory of the parent process
        peaks = [line for line in status.read_text("utf-8", errors="replace").splitlines() if line[:6] == "VmHWM:"]
        return int(peaks[0].split()[1]) * 1024 if peaks else None
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
