"""What each export format costs, and how good it is: the table for choosing one.

Each model is exported in all formats that it can have, calibrated on training pieces, and compared with torch on its
held-out pieces. Then every file is measured several times in fresh processes, on one thread. A folder of C is not run
here; its row has its needs, flash and RAM on a 32-bit machine and multiply-adds (tests/export/arm builds and runs one
on an emulated Cortex-M4). Claim: 8 bits cost next to nothing in music. Needs the extra `export`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from _bench import Table, count, fail, parser, print_report, show_progress, summarise


def export_model(model: str, folder: Path, music: str | None, steps: int) -> Any:
    from playbach.export.exporting import ExportOptions, export

    return export(model, folder, ExportOptions(steps=steps), music, show_progress)


def measure_costs(folder: Path, runs: int) -> dict[str, list[Any]]:
    """The results of `playbach benchmark` for each file in each run, by format."""
    from playbach.evaluation.benchmarking import BenchmarkOptions, benchmark

    found: dict[str, list[Any]] = {}
    for number in range(runs):
        show_progress(f"Measuring, run {number + 1} of {runs}")
        for cost in benchmark(folder, BenchmarkOptions(steps=2000)).costs:
            found.setdefault(cost.format, []).append(cost.measured)
    return found


def rows(model: str, found: Any, measurements: dict[str, list[Any]], boards: dict[str, Any]) -> list[tuple[str, ...]]:
    table = []
    for written in found.written:
        check, runs = written.check, measurements.get(written.format, [])
        times = ("–",) * 4
        if runs:
            p50, p99 = (summarise(getattr(m, name) for m in runs).median for name in ("step_ms_p50", "step_ms_p99"))
            notes, peak = (summarise(getattr(m, n) for m in runs).median for n in ("notes_per_second", "peak_bytes"))
            times = (f"{p50:.3f}", f"{p99:.3f}", f"{notes:,.0f}", f"{peak / 1e6:.0f}")
        size = boards[written.format] if written.format in boards else f"{written.bytes / 1000:,.0f}"
        quality = f"{check.largest_probability_difference:.2g}", f"{check.top_1:.3f}", f"{check.bits_per_note:.3f}"
        table.append((model, written.format, size, *times, *quality))
    return table


def main() -> None:
    options = parser(__doc__)
    options.add_argument("models", nargs="*", default=["bach-chorales"], metavar="MODEL",
                         help=".playbach files or shipped models' names (default: bach-chorales)")  # fmt: skip
    options.add_argument("--music", metavar="FOLDER", help="the music that the models were trained on (default: "
                         "their own corpus, if it is a built-in one)")  # fmt: skip
    options.add_argument("--steps", type=count, default=1_000_000,
                         help="check with at least this many steps of held-out pieces (default: all)")  # fmt: skip
    options.add_argument("--runs", type=count, default=3, help="runs of each measurement (default: %(default)s)")
    args = options.parse_args()

    from playbach.evaluation.benchmarking import benchmark
    from playbach.system.errors import PlaybachError

    table: list[tuple[str, ...]] = []
    data: dict[str, Any] = {}
    notes: list[str] = []
    for model in args.models:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            try:
                found = export_model(model, folder, args.music, args.steps)
                measurements = measure_costs(folder, args.runs)
                boards = benchmark(folder).boards
            except PlaybachError as error:
                fail(str(error))
            sizes = {}
            for board in boards:
                sizes["c"] = f"flash {-(-board.flash_bytes // 1024):,}, RAM {-(-board.ram_bytes // 1024):,}"
            table += rows(found.model, found, measurements, sizes)
            check = found.written[0].check
            notes.append(f"{found.model}: {check.steps:,} steps of {check.pieces} pieces, {check.music}")
            notes += [f"{b.model}: {b.multiply_adds_per_step:,} multiply-adds a step" for b in boards]
            notes += [f"not possible: {line}" for line in found.left_out]
            data[found.model] = {"export": found.manifest(), "measured": measurements, "boards": boards}
    notes.append(
        f"Medians of {args.runs} runs of fresh processes, one thread; torch has the same bits per note as onnx"
    )
    columns = (
        "model", "format", "kB", "ms/step p50", "p99", "notes/s", "peak MB", "Δ probability", "top-1", "bits/note",
    )  # fmt: skip
    shown = ("numpy", "onnxruntime", "ai-edge-litert", "litert-torch", "ai-edge-quantizer")
    print_report("What each format costs", Table(columns, tuple(table), tuple(notes)), data, shown, args.json)


if __name__ == "__main__":
    main()
