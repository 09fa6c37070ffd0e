"""What a model costs on this machine: size, memory, how long a step takes, how fast it composes.

Each bundle is measured with each of RUNTIMES in a process of its own, so that neither memory nor warm caches of one
are counted for another; one after the other, so that they do not disturb each other. What it is worth, its bits per
note on held-out music, is what its manifest says. Base install only, no torch. Knows nothing of how it is shown.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from playbach.bundles import bundle as bundles
from playbach.bundles import exported
from playbach.bundles.bundle import SUFFIX, Bundle
from playbach.bundles.description import BundleInfo, described
from playbach.inference.composing import Composer
from playbach.inference.runtimes import RUNTIMES, suited
from playbach.music.scores import seconds_at
from playbach.system.errors import BundleError, PlaybachError, UsageError
from playbach.system.files import shown
from playbach.system.version import installed

WARMUP = 100
"""So many steps are taken before any is timed."""
PIECES = 3
"""Pieces of seeds 0, 1 … that are composed; their length is what `compose` makes."""
MOST_STEPS, MOST_THREADS = 10_000_000, 1024
BUNDLE = "playbach"
"""The format of what was not exported."""
PACKAGES = ("numpy", "onnxruntime", "ai-edge-litert", "symusic")
"""Those whose versions decide how fast it is."""

CHECK = "check.json"
"""In a folder of C, how it was checked."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """`steps` are timed one by one, on so many `threads`."""

    steps: int = 1000
    threads: int = 1

    def __post_init__(self) -> None:
        for name, most in (("steps", MOST_STEPS), ("threads", MOST_THREADS)):
            value = getattr(self, name)
            if not (isinstance(value, int) and 1 <= value <= most):
                raise UsageError(f"{name} must be a whole number between 1 and {most:,}, not {value!r:.40}")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a fresh process found. `load_seconds`: from the file to a composer that can begin, importing the runtime
    included; `step_ms_p50` and `p99`: the network's step alone; `notes_per_second` and `times_real_time` (seconds of
    music in a second): whole pieces, with decoding, rules and performing. `peak_bytes` is the most memory that the
    process ever held, None where the system does not tell."""

    load_seconds: float
    step_ms_p50: float
    step_ms_p99: float
    steps_per_second: float
    notes_per_second: float
    times_real_time: float
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Cost:
    """One bundle or exported file with one runtime. `bits_per_note` is its own on held-out music, as it was measured
    after training or when it was exported, `ngram_bits_per_note` that of an n-gram of the same pieces on the whole
    test side; the others are an exported file's beside torch. None where the manifest has none."""

    model: str
    format: str
    path: str
    runtime: str
    architecture: str | None
    encoding: str | None
    parameters: int | None
    file_bytes: int
    network_bytes: int
    measured: Measured
    bits_per_note: float | None
    ngram_bits_per_note: float | None
    largest_logit_difference: float | None
    largest_probability_difference: float | None
    top_1: float | None


@dataclass(frozen=True, slots=True)
class Board:
    """A folder of C: what it needs on a microcontroller, in bytes, and what it is worth; nothing is run."""

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
    """The costs in the order of the files' names, on this machine, and the folders of C; `left_out` says what could
    not be measured, each in a line."""

    options: BenchmarkOptions
    machine: dict[str, Any]
    costs: tuple[Cost, ...]
    boards: tuple[Board, ...]
    left_out: tuple[str, ...]

    def manifest(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def benchmark(
    name_or_path: str | Path, options: BenchmarkOptions | None = None, report: Report = lambda line: None
) -> Benchmark:
    """Measure a model, or all that lie in a folder (not below it): bundles, exported files and folders of C.

    Args:
        report: told each line of talk, such as a bundle that is left out and why.

    Raises:
        BundleError: there is no such model, or it is damaged; or there is none in the folder that can be measured.
        PlaybachError: the folder cannot be read, or no process can be started.
    """
    options, machine = options or BenchmarkOptions(), _machine()
    costs: list[Cost] = []
    left_out: list[str] = []
    several, paths = _meant(name_or_path)
    for path in paths:
        try:
            costs += _costs(path, options, report)
        except BundleError as error:
            if not several:
                raise
            left_out.append(str(error))
            report(f"left out: {error}")
    boards = tuple(_boards(Path(name_or_path))) if several else ()
    if not costs and not boards:
        raise BundleError(
            f"{shown(name_or_path)}: none of the {len(left_out)} models in this folder can be measured; "
            "give another folder, or a model"
        )
    return Benchmark(options, machine, tuple(costs), boards, tuple(left_out))


def _meant(name_or_path: str | Path) -> tuple[bool, list[Path]]:
    """Whether it is a folder, and the files. A model comes before a folder of its name, as in every command."""
    try:
        return False, [bundles.find(name_or_path)]
    except BundleError:
        if not os.path.isdir(name_or_path):  # noqa: PTH112 - Path.is_dir raises on a name that is too long
            raise
        return True, _bundles_in(Path(name_or_path))


def _bundles_in(folder: Path) -> list[Path]:
    try:
        # What is hidden is not finished.
        there = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise PlaybachError(
            f"{shown(folder)}: this folder cannot be read ({error.strerror}); give another"
        ) from error
    found = [p for p in there if p.suffix == SUFFIX or exported.is_exported(p)]
    if not found and not any(map(_is_board, [folder, *there])):
        raise BundleError(
            f"{shown(folder)}: there is no {SUFFIX} file and no exported model in this folder; give another"
        )
    return found


def _is_board(path: Path) -> bool:
    return path.is_dir() and (path / "playbach.c").is_file() and (path / CHECK).is_file()


def _boards(folder: Path) -> Iterator[Board]:
    """What the folders of C in a folder say of themselves."""
    for path in filter(_is_board, [folder, *sorted(folder.iterdir())]):
        said: dict[str, Any] = {}
        for name in ("manifest.json", CHECK):
            try:
                told = json.loads(exported.contents(path / name))
                said |= told.get("export", told)
            except (BundleError, ValueError, TypeError, AttributeError):
                continue
        sizes = said.get("bytes") if isinstance(said.get("bytes"), dict) else {}
        yield Board(
            model=path.name,
            path=str(path),
            flash_bytes=_number(sizes, "flash", int),
            ram_bytes=_number(sizes, "ram", int),
            multiply_adds_per_step=_number(said, "multiply_adds_per_step", int),
            **_checked(said),
        )


def _number(data: Any, name: str, kind: type | Any = int | float) -> Any:
    """What a dict says of a name, None where that is no number."""
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _checked(export: Any) -> dict[str, Any]:
    """What an export's check found; bits per note only where the music was held out."""
    check = export.get("check") if isinstance(export, dict) else None
    names = ("largest_logit_difference", "largest_probability_difference", "top_1")
    honest = isinstance(check, dict) and check.get("held_out") is True
    bits = _number(check, "bits_per_note") if honest else None
    return {"bits_per_note": bits, **{name: _number(check, name) for name in names}}


def _costs(path: Path, options: BenchmarkOptions, report: Report) -> Iterator[Cost]:
    bundle = bundles.read(path)
    info = described(bundle, path)
    if info.problem:
        raise BundleError(f"{shown(path)}: {info.problem}")
    for runtime in suited(bundle):
        report(f"Measuring {info.name} with {runtime}")
        yield _cost(bundle, info, runtime, _in_a_process(path, runtime, options))


def _cost(bundle: Bundle, info: BundleInfo, runtime: str, measured: Measured) -> Cost:
    export = bundle.manifest.get("export")
    checked = _checked(export)
    if export is None:
        checked["bits_per_note"] = info.metrics.get("test", {}).get("bits_per_note")
    form = export.get("format") if isinstance(export, dict) else BUNDLE
    return Cost(
        model=info.name,
        format=str(form),
        path=info.path,
        runtime=runtime,
        architecture=info.architecture,
        encoding=info.encoding,
        parameters=info.parameters,
        file_bytes=info.bytes,
        network_bytes=len(bundle.members[RUNTIMES[runtime].member]),
        measured=measured,
        ngram_bits_per_note=info.metrics.get("ngram", {}).get("bits_per_note"),
        **checked,
    )


def _machine() -> dict[str, Any]:
    """`load` is how many processes wanted to compute when it began: figures of a busy machine tell little."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {
        "system": system,
        "cores": cores,
        "load": load,
        "python": platform.python_version(),
        "versions": installed(PACKAGES),
    }


# ------------------------------------------------------------------------------------------------- a fresh process

_CODE = "from playbach.evaluation.benchmarking import answer; answer()"


def _in_a_process(path: Path, runtime: str, options: BenchmarkOptions) -> Measured:
    """What `measure` finds in a process that has done nothing else."""
    request = json.dumps([os.fspath(path.absolute()), runtime, options.steps, options.threads])
    ours = str(Path(bundles.__file__).parent.parent)
    paths = os.pathsep.join(p for p in (ours, os.environ.get("PYTHONPATH")) if p)
    # -P: what lies in the current folder is no module of ours.
    command = [sys.executable, "-P", "-c", _CODE]
    try:
        done = subprocess.run(
            command, input=request, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
        )
    except OSError as error:
        raise PlaybachError(
            f"no process can be started to measure in ({error.strerror}); close other programs"
        ) from error
    try:
        answered = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}"
        raise BundleError(f"{shown(path)}: measuring it with {runtime} crashed ({said:.200})") from None
    if "error" in answered:
        raise BundleError(answered["error"])
    return Measured(**answered)


def answer() -> None:
    """In the fresh process: the request from stdin, what was measured, or what is wrong, to stdout as JSON."""
    path, runtime, steps, threads = json.load(sys.stdin)
    try:
        found = asdict(measure(Path(path), runtime, BenchmarkOptions(steps, threads)))
    except PlaybachError as error:
        found = {"error": str(error)}
    print(json.dumps(found))


def measure(path: Path, runtime: str, options: BenchmarkOptions) -> Measured:
    """Measure a bundle in this process, whose peak of memory is that of all it has done so far.

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
    for seed in range(PIECES):
        began = perf_counter()
        score = composer.compose(seed=seed).score
        spent += perf_counter() - began
        notes += score.note_num()
        music += float(seconds_at(score, np.array([score.end()]))[0])
    return Measured(
        load, p50 * 1000, p99 * 1000, len(times) / float(times.sum()), notes / spent, music / spent, peak_bytes()
    )


def step_seconds(composer: Composer, steps: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(steps,) how long each step of the network took. They and their contexts are drawn at random: what it costs
    does not depend on them."""
    encoding, runtime, rng = composer.encoding, composer.runtime, np.random.default_rng(0)
    sizes = [[len(f) for f in fields] for fields in (encoding.fields, encoding.context)]
    times, state = np.zeros(steps), runtime.start()
    for t in range(-WARMUP, steps):
        previous, context = (rng.integers(0, size) for size in sizes)
        began = perf_counter()
        _, state = runtime.step(previous, context, state)
        if t >= 0:
            times[t] = perf_counter() - began
    return times


def peak_bytes() -> int | None:
    """The most memory that this process has held, resident; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage also counts what the process held that started this one
        peaks = [line for line in status.read_text("utf-8", errors="replace").splitlines() if line[:6] == "VmHWM:"]
        return int(peaks[0].split()[1]) * 1024 if peaks else None
    try:
        import resource
    except ModuleNotFoundError:  # Windows has none
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
