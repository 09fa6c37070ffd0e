"""Code that all benchmarks share: the machine in one line, medians with their range, an aligned table, alternating
runs.

Standard library only. Knows nothing of what is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
LOAD_BEFORE = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
"""The machine's load when the script began, before its own."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Several measurements of one thing."""

    median: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table with notes that belong to it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def summarise(values: Iterable[float]) -> Summary:
    found = sorted(values)
    return Summary(statistics.median(found), found[0], found[-1], len(found))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    found = sorted(values)
    return found[max(0, math.ceil(share * len(found)) - 1)]


def run_alternating(measures: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, list[Any]]:
    """Run each measure `runs` times and return its results; in turn, so that a busy minute affects all alike."""
    found: dict[str, list[Any]] = {name: [] for name in measures}
    for run in range(runs):
        for name, measure in measures.items():
            show_progress(f"run {run + 1} of {runs}: {name}")
            found[name].append(measure())
    return found


def spread_cells(found: Summary, digits: int = 2) -> tuple[str, str]:
    """Two cells: the median, and the range with the number of runs."""
    if found.runs == 1:
        return f"{found.median:,.{digits}f}", "1 run"
    return f"{found.median:,.{digits}f}", f"{found.low:,.{digits}f}–{found.high:,.{digits}f}, {found.runs} runs"


def show_progress(line: str) -> None:
    """Print progress to stderr if it is a terminal."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the script's docstring as its help, and the option that all scripts have."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=formatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def count(text: str) -> int:
    """For argparse: a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def machine_facts(packages: Sequence[str] = ()) -> dict[str, Any]:
    """The machine behind a figure: processor, cores, load, versions."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": LOAD_BEFORE,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("playbach", *packages)},
    }


def machine_line(found: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {v}" for name, v in found["versions"].items())
    busy = "" if found["load_before"] is None else f" (load before: {found['load_before']})"
    cores = f"{found['cores']} core{'s' * (found['cores'] != 1)}"
    return f"{found['cpu']}, {cores}{busy}, {found['system']}, Python {found['python']}, {versions}"


def print_report(title: str, table: Table, data: Mapping[str, Any], packages: Sequence[str], as_json: bool) -> None:
    """Print the result, `data` as JSON or the table, with the facts about the machine."""
    where = machine_facts(packages)
    if as_json:
        plain = {"title": title, "machine": where, "notes": list(table.notes), **data}
        print(json.dumps(plain, indent=2, ensure_ascii=False, default=asdict))
        return
    print(f"{title}\n\n{align(table)}\n")
    for note in table.notes:
        print(note)
    print(machine_line(where))


def align(table: Table) -> str:
    """Align the first column to the left, the others to the right."""
    rows = [table.columns, *table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def run_script(script: str | Path, arguments: Sequence[str], stdin: Any = None) -> Any:
    """Run a script in a fresh Python process with `stdin` as JSON; return what it prints, also JSON."""
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, input=json.dumps(stdin), capture_output=True, text=True)
    if done.returncode:
        fail(f"{Path(script).name} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def fail(message: str) -> NoReturn:
    """End the script with a one-line error."""
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    if sys.platform == "darwin":
        asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        return asked.stdout.strip() or platform.machine()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
