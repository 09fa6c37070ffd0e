"""`playbach benchmark`: what models cost on this machine, a line for each, and what they are worth.

The table goes to stdout, or with `--json` one JSON object; talk goes to stderr. How it is measured stands in
`benchmarking`, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from playbach.cli.common import columns, result, say

if TYPE_CHECKING:
    from playbach.evaluation.benchmarking import Benchmark, Board, Cost

HEAD = (
    "model", "format", "kB", "load s", "ms/step", "p99", "notes/s", "× real time", "peak MB", "Δ logit", "Δ prob.",
    "top-1", "bits/note", "n-gram",
)  # fmt: skip
BOARDS = ("for a microcontroller", "flash kB", "RAM kB", "products/step", "Δ logit", "Δ prob.", "top-1", "bits/note")


def add(commands: Any) -> None:
    benchmark = commands.add_parser(
        "benchmark",
        help="measure what models cost on this machine",
        description="Measure size, memory and speed of a model, or of all in a folder, each in a process of its own, "
        "beside what it is worth on held-out music.",
    )
    benchmark.set_defaults(run=run)
    benchmark.add_argument("model", metavar="MODEL", help="a .playbach file, an exported file, the name of a "
                           "shipped model, or a folder of models of any format")  # fmt: skip
    benchmark.add_argument("--steps", type=int, metavar="N", help="time so many steps (default: 1000)")
    benchmark.add_argument("--threads", type=int, metavar="N", help="compute on so many threads (default: 1)")
    benchmark.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    from playbach.evaluation.benchmarking import BenchmarkOptions, benchmark

    asked = {name: getattr(given, name) for name in ("steps", "threads") if getattr(given, name) is not None}
    found = benchmark(given.model, BenchmarkOptions(**asked), say)
    result(json.dumps(found.manifest(), indent=2) if given.json else "\n".join(_text(found)))
    return 0


def _text(found: Benchmark) -> Iterator[str]:
    from playbach.evaluation.benchmarking import PIECES, WARMUP
    from playbach.inference.composing import ComposeOptions

    if found.costs:
        yield from columns([HEAD, *map(_row, found.costs)], right=set(range(2, len(HEAD))))
    if found.boards:
        yield from [""] if found.costs else []
        yield from columns([BOARDS, *map(_board, found.boards)], right=set(range(1, len(BOARDS))))
    options, machine = found.options, found.machine
    threads = f"{options.threads} thread{'s' * (options.threads != 1)}"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    yield ""
    yield f"{options.steps:,} steps of the network alone on {threads}, after {WARMUP} that do not count"
    yield f"Notes and real time: {PIECES} pieces of {ComposeOptions().bars} bars, composed from end to end"
    yield "Bits per note: of held-out music, as it was measured after training, or when the file was exported"
    if found.boards or any(cost.top_1 is not None for cost in found.costs):
        yield "Δ and top-1: the largest difference from torch, and how often the likeliest symbol is torch's"
    busy = "" if machine["load"] is None else f" (load before: {machine['load']})"
    yield f"{machine['system']}, {machine['cores']} cores{busy}, Python {machine['python']}, {versions}"


def _row(cost: Cost) -> tuple[str, ...]:
    m = cost.measured
    return (
        cost.model,
        cost.format,
        f"{cost.file_bytes / 1000:,.0f}",
        f"{m.load_seconds:.2f}",
        f"{m.step_ms_p50:.3f}",
        f"{m.step_ms_p99:.3f}",
        f"{m.notes_per_second:,.0f}",
        f"{m.times_real_time:,.0f}",
        _known(None if m.peak_bytes is None else m.peak_bytes / 1e6, ",.0f"),
        *_beside_torch(cost),
        _known(cost.ngram_bits_per_note, ".3f"),
    )


def _board(board: Board) -> tuple[str, ...]:
    sizes = (_known(None if n is None else -(-n // 1024), ",d") for n in (board.flash_bytes, board.ram_bytes))
    return (board.model, *sizes, _known(board.multiply_adds_per_step, ",d"), *_beside_torch(board))


def _beside_torch(of: Cost | Board) -> tuple[str, ...]:
    differences = (_known(d, ".2g") for d in (of.largest_logit_difference, of.largest_probability_difference))
    return (*differences, _known(of.top_1, ".3f"), _known(of.bits_per_note, ".3f"))


def _known(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
