"""Fuzzing: thousands of damaged music files, damaged bundles and random options. Each case must succeed, or fail soon
with a one-line error.

    python tests/fuzzing/fuzz.py --cases 10000 --seed 0

prints a table of the outcomes by kind, with the time and the memory of the worst case, and the slowest cases. Memory
is what a case adds to the process that runs it and to the one that reads music, each at its peak (Linux only). A
crash is anything but success or a PlaybachError of one line, a hang is a case that takes longer than HANG_SECONDS.
Each such case is saved to a file named after the seed that makes it again. `tests/fuzzing/test_fuzz.py` runs a few
hundred cases. It trains two bundles (extra `train`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzzing.fuzz_cases import KINDS, Workspace, make_bundles
from playbach.system.errors import PlaybachError

HANG_SECONDS = 10.0
CHUNK = 250
"""The number of cases that share a process: a case that crashes it does not affect the next chunk."""


class Hang(BaseException):
    """A case takes too long. It is a BaseException, so that no `except Exception` catches it."""


@dataclass(frozen=True)
class Outcome:
    """The result of one case: done, refused, crash or hang."""

    kind: str
    seed: int
    number: int
    result: str
    seconds: float
    megabytes: float = 0.0
    """The memory that the case takes, at its peak."""
    message: str = ""
    case: str = ""


class Memory:
    """The memory of some processes at its peak, since the last start."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._before: dict[int, float] = {}

    def start(self) -> None:
        for process in self._processes():
            with contextlib.suppress(OSError):  # not Linux
                Path(f"/proc/{process}/clear_refs").write_text("5")  # the peak begins anew
            self._before[process] = _megabytes(process, "VmRSS")

    def growth(self) -> float:
        """In MB; a process that is new counts from the memory of its parent, this one."""
        parent = self._before[os.getpid()]
        return sum(max(0.0, _megabytes(p, "VmHWM") - self._before.get(p, parent)) for p in self._processes())

    def _processes(self) -> list[int]:
        readers = [worker._process for worker in self._workspace.reader._workers]
        return [os.getpid(), *(process.pid for process in readers if process is not None)]


def _megabytes(process: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def attempt(workspace: Workspace, kind: str, seed: int, number: int, case: Any) -> Outcome:
    """Run one case."""

    def late(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, late)
    # More than once, since an exception within a callback of the garbage collector is lost.
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS, HANG_SECONDS)
    memory = Memory(workspace)
    memory.start()
    began, result, message = time.perf_counter(), "done", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would be printed on the terminal
            KINDS[kind][1](workspace, case)
    except PlaybachError as error:
        result, message = "refused", str(error)
        if not message.strip() or not message.isprintable():
            result = "crash"
    except Hang:
        result, message = "hang", traceback.format_exc()
    except Exception:
        result, message = "crash", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    seconds = time.perf_counter() - began
    return Outcome(kind, seed, number, result, seconds, memory.growth(), message, ascii(case))


def run(
    workspace: Workspace, kind: str, cases: int, seed: int, on_start: Callable[[int, Any], None] | None = None
) -> list[Outcome]:
    """Run `cases` cases of one kind, which depend only on the seed."""
    found: list[Outcome] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=cases, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(KINDS[kind][0]())
    def each(case: Any) -> None:
        if on_start:
            on_start(len(found), case)
        outcome = attempt(workspace, kind, seed, len(found), case)
        if outcome.result == "hang":  # the machine may be busy; only a second time counts
            outcome = attempt(workspace, kind, seed, len(found), case)
        found.append(outcome)

    each()
    return found


def _chunk(folder: Path, bundles: tuple[Path, ...], kind: str, cases: int, seed: int, out: Path) -> None:
    """In a child process: write the outcomes as lines of JSON, and the current case to another file."""
    workspace = Workspace(folder, bundles)
    place = folder / "case"

    def record(number: int, case: Any) -> None:
        out.with_suffix(".now").write_text(f"{number} {case!a}", "utf-8")

    with workspace.reader:
        found = run(workspace, kind, cases, seed, record)
    with out.open("w", encoding="utf-8") as lines:
        for outcome in found:
            short = {} if outcome.result in ("crash", "hang") else {"case": ""}
            lines.write(json.dumps({**asdict(outcome), **short}) + "\n")
    shutil.rmtree(place, ignore_errors=True)


def fuzz(kinds: list[str], cases: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """Run the chunks, each in a process. If it dies, that is a crash of the current case."""
    bundles = make_bundles(folder)
    context = multiprocessing.get_context("fork")
    share = sum(KINDS[kind][2] for kind in kinds)
    for kind in kinds:
        left, number = math.ceil(cases * KINDS[kind][2] / share), seed * 100_000
        while left > 0:
            size, out = min(CHUNK, left), folder / f"{kind}-{number}.jsonl"
            child = context.Process(target=_chunk, args=(folder, bundles, kind, size, number, out))
            child.start()
            child.join()
            if out.exists():
                yield from (Outcome(**json.loads(line)) for line in out.read_text("utf-8").splitlines())
            else:
                where, _, case = out.with_suffix(".now").read_text("utf-8").partition(" ")
                yield Outcome(
                    kind, number, int(where), "crash", 0.0, 0.0, f"the process died ({child.exitcode})", case
                )
            left, number = left - size, number + 1
            print(f"{kind}: {left} left", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind; may be repeated")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for cases that fail")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = list(fuzz(arguments.kind or list(KINDS), arguments.cases, arguments.seed, Path(scratch)))
    bad = [o for o in found if o.result in ("crash", "hang")]
    for outcome in bad:
        arguments.failures.mkdir(exist_ok=True)
        name = f"{outcome.kind.replace(' ', '-')}-{outcome.seed}-{outcome.number}.txt"
        (arguments.failures / name).write_text(f"{outcome.message}\n{outcome.case}\n", "utf-8")
    print(f"{'kind':16}{'cases':>8}{'done':>8}{'refused':>9}{'crashes':>9}{'hangs':>7}{'slowest':>10}{'memory':>10}")
    for kind in dict.fromkeys(o.kind for o in found):
        own = [o for o in found if o.kind == kind]
        count = Counter(o.result for o in own)
        numbers = f"{count['done']:8}{count['refused']:9}{count['crash']:9}{count['hang']:7}"
        worst = f"{max(o.seconds for o in own):8.2f} s{max(o.megabytes for o in own):7.0f} MB"
        print(f"{kind:16}{len(own):8}{numbers}{worst}")
    for o in sorted(found, key=lambda o: -o.seconds)[:5]:
        print(f"slow: {o.kind}, seed {o.seed}, case {o.number}: {o.seconds:.2f} s {o.message[:80]}")
    for o in sorted(found, key=lambda o: -o.megabytes)[:5]:
        print(f"large: {o.kind}, seed {o.seed}, case {o.number}: {o.megabytes:.0f} MB {o.message[:80]}")
    for why, many in Counter(
        (o.kind, o.result, o.message.strip().rpartition("\n")[2][:150]) for o in bad
    ).most_common():
        print(f"{many} x {' '.join(why)}")
    return 1 if bad else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
