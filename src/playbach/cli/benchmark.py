"""`playbach benchmark`: measures what models cost on this machine and lists their figures, one model a line.

The table, or one JSON object with `--json`, goes to stdout; progress goes to stderr. The measuring is in
`evaluation.benchmarking`, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from playbach.cli import options
from playbach.cli.common import Command, format_table, print_message, print_result
from playbach.evaluation.options import BenchmarkOptions
from playbach.system.options import given

if TYPE_CHECKING:
    from playbach.evaluation.benchmarking import Benchmark, Cost, MicrocontrollerCost

MODEL_COLUMNS = (
    "model",
    "format",
    "kB",
    "load s",
    "ms/step",
    "p99",
    "notes/s",
    "× real time",
    "peak MB",
    "Δ logit",
    "Δ prob.",
    "top-1",
    "bits/note",
    "n-gram",
)
BOARD_COLUMNS = (
    "for a microcontroller",
    "flash kB",
    "RAM kB",
    "products/step",
    "Δ logit",
    "Δ prob.",
    "top-1",
    "bits/note",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a .playbach file, an exported file, a shipped model, or a folder of models"
    )
    options.add_options(parser, BenchmarkOptions)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    from playbach.evaluation.benchmarking import benchmark

    report = benchmark(arguments.model, BenchmarkOptions(**given(BenchmarkOptions, vars(arguments))), print_message)
    print_result(json.dumps(report.manifest(), indent=2) if arguments.json else "\n".join(_text(report)))
    return 0


def _text(report: Benchmark) -> Iterator[str]:
    from playbach.evaluation.benchmarking import BENCHMARK_PIECES, WARMUP_STEPS
    from playbach.inference.options import ComposeOptions

    if report.costs:
        yield from format_table([MODEL_COLUMNS, *map(_row, report.costs)], right=set(range(2, len(MODEL_COLUMNS))))
    if report.boards:
        yield from [""] if report.costs else []
        yield from format_table([BOARD_COLUMNS, *map(_board, report.boards)], right=set(range(1, len(BOARD_COLUMNS))))
    options, machine = report.options, report.machine
    threads = f"{options.threads} thread{'s' * (options.threads != 1)}"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    yield ""
    yield f"Steps: {options.steps:,} steps of the network on {threads}, after {WARMUP_STEPS} warm-up steps"
    yield f"Notes and real time: {BENCHMARK_PIECES} pieces of {ComposeOptions().bars} bars, composed completely"
    yield "Bits per note: on held-out music, as measured after training or at export"
    if report.boards or any(cost.top_1 is not None for cost in report.costs):
        yield "Δ: largest difference from torch; top-1: share of steps with the same most probable symbol"
    busy = "" if machine["load"] is None else f" (load average before: {machine['load']})"
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
        _or_dash(None if m.peak_bytes is None else m.peak_bytes / 1e6, ",.0f"),
        *_compared_with_torch(cost),
        _or_dash(cost.ngram_bits_per_note, ".3f"),
    )


def _board(board: MicrocontrollerCost) -> tuple[str, ...]:
    sizes = (_or_dash(None if n is None else -(-n // 1024), ",d") for n in (board.flash_bytes, board.ram_bytes))
    return (board.model, *sizes, _or_dash(board.multiply_adds_per_step, ",d"), *_compared_with_torch(board))


def _compared_with_torch(row: Cost | MicrocontrollerCost) -> tuple[str, ...]:
    differences = (_or_dash(d, ".2g") for d in (row.largest_logit_difference, row.largest_probability_difference))
    return (*differences, _or_dash(row.top_1, ".3f"), _or_dash(row.bits_per_note, ".3f"))


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


COMMAND = Command(
    "Measure the size, memory and speed of a model, or of all models in a folder, each in its own process. The table "
    "also shows the accuracy on held-out music that is stored with each model.",
    add_options=add_options,
    run=run,
)
