"""`playbach benchmark`: what models cost on this machine, a line for each, and what they are worth.

The table goes to stdout, or with `--json` one JSON object; talk goes to stderr. How it is measured stands in
`benchmarking`, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from playbach.commands import columns, result, say

if TYPE_CHECKING:
    from playbach.benchmarking import Benchmark, Cost

HEAD = (
    "model", "runtime", "file kB", "network kB", "parameters", "load s", "ms/step p50", "p99", "steps/s", "notes/s",
    "× real time", "peak MB", "bits/note", "n-gram",
)  # fmt: skip


def add(commands: Any) -> None:
    benchmark = commands.add_parser(
        "benchmark",
        help="measure what models cost on this machine",
        description="Measure size, memory and speed of a model, or of all in a folder, each in a process of its own, "
        "beside what it is worth on held-out music.",
    )
    benchmark.set_defaults(run=run)
    benchmark.add_argument("model", metavar="MODEL", help="a .playbach file, the name of a shipped model, or a "
                           "folder of models")  # fmt: skip
    benchmark.add_argument("--steps", type=int, metavar="N", help="time so many steps (default: 1000)")
    benchmark.add_argument("--threads", type=int, metavar="N", help="compute on so many threads (default: 1)")
    benchmark.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    from playbach.benchmarking import BenchmarkOptions, benchmark

    asked = {name: getattr(given, name) for name in ("steps", "threads") if getattr(given, name) is not None}
    found = benchmark(given.model, BenchmarkOptions(**asked), say)
    result(json.dumps(found.manifest(), indent=2) if given.json else "\n".join(_text(found)))
    return 0


def _text(found: Benchmark) -> Iterator[str]:
    from playbach.benchmarking import PIECES, WARMUP
    from playbach.composing import ComposeOptions

    yield from columns([HEAD, *map(_row, found.costs)], right=set(range(2, len(HEAD))))
    options, machine = found.options, found.machine
    threads = f"{options.threads} thread{'s' * (options.threads != 1)}"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    yield ""
    yield f"{options.steps:,} steps of the network alone on {threads}, after {WARMUP} that do not count"
    yield f"Notes and real time: {PIECES} pieces of {ComposeOptions().bars} bars, composed from end to end"
    yield "Bits per note: of held-out music, as it was measured after training"
    busy = "" if machine["load"] is None else f" (load before: {machine['load']})"
    yield f"{machine['system']}, {machine['cores']} cores{busy}, Python {machine['python']}, {versions}"


def _row(cost: Cost) -> tuple[str, ...]:
    m = cost.measured
    return (
        cost.model,
        cost.runtime,
        f"{cost.file_bytes / 1000:,.0f}",
        f"{cost.network_bytes / 1000:,.0f}",
        _known(cost.parameters, ",d"),
        f"{m.load_seconds:.2f}",
        f"{m.step_ms_p50:.3f}",
        f"{m.step_ms_p99:.3f}",
        f"{m.steps_per_second:,.0f}",
        f"{m.notes_per_second:,.0f}",
        f"{m.times_real_time:,.0f}",
        _known(None if m.peak_bytes is None else m.peak_bytes / 1e6, ",.0f"),
        _known(cost.bits_per_note, ".3f"),
        _known(cost.ngram_bits_per_note, ".3f"),
    )


def _known(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
