"""How long it takes until there is music: whole processes from start to end, and the network's step alone.

Claim: composing starts at once and needs no GPU. Each command is a fresh `python -m playbach` that writes a new file
(seed 0); commands run in turn, after a first round that does not count. An interpreter that does nothing is the lower
limit for anything in Python. The step is timed in this process with the default ONNX runtime, one step at a time, on
random steps and contexts (seed 0), which do not affect its cost.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from _bench import Table, count, fail, parser, percentile, print_report, run_alternating, spread_cells, summarise

OUTPUTS = (".mid", ".wav", ".png")
WARMUP_STEPS = 100


def run_seconds(command: list[str]) -> float:
    """The seconds that a process takes, in an empty temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        seconds = perf_counter() - began
    if done.returncode:
        fail(f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr.strip()}")
    return seconds


def commands(model: str, bars: int) -> dict[str, list[str]]:
    """The commands, by their names in the table."""
    playbach = [sys.executable, "-m", "playbach"]
    compose = [*playbach, "compose", model, "--seed", "0", "--bars", str(bars), "--output"]
    return {
        "python, doing nothing": [sys.executable, "-c", ""],
        "playbach --help": [*playbach, "--help"],
        **{f"playbach compose, {bars} bars to {end}": [*compose, f"piece{end}"] for end in OUTPUTS},
    }


def step_times(path: Path, steps: int) -> dict[str, float]:
    """p50 and p99 of a step in milliseconds."""
    import numpy as np

    from playbach.bundles import bundle as bundles
    from playbach.inference.runtimes import RUNTIMES

    bundle = bundles.read(path)
    encoding, runtime = bundle.encoding(), RUNTIMES["onnx"](bundle)
    rng, total = np.random.default_rng(0), steps + WARMUP_STEPS
    previous = np.stack([rng.integers(0, len(f), total) for f in encoding.fields], axis=1)
    columns = [rng.integers(0, len(f), total) for f in encoding.context]
    context = np.stack(columns, axis=1) if columns else np.zeros((total, 0), np.int64)
    state, times = runtime.start(), []
    for symbols, known in zip(previous, context):
        began = perf_counter()
        _, state = runtime.step(symbols, known, state)
        times.append((perf_counter() - began) * 1000)
    counted = times[WARMUP_STEPS:]
    return {"p50": percentile(counted, 0.5), "p99": percentile(counted, 0.99)}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="bach-chorales", help="a .playbach file or a shipped model's name")
    options.add_argument("--bars", type=count, default=16, help="bars in each piece (default: %(default)s)")
    options.add_argument("--runs", type=count, default=7, help="runs of each command (default: %(default)s)")
    options.add_argument("--steps", type=count, default=2000, help="steps of the network (default: %(default)s)")
    args = options.parse_args()

    from playbach.bundles import bundle as bundles
    from playbach.system.errors import PlaybachError

    try:
        path = bundles.find(args.model).absolute()
        bundle = bundles.read(path)
    except PlaybachError as error:
        fail(str(error))

    measures: dict[str, Any] = {
        name: lambda command=command: run_seconds(command) for name, command in commands(str(path), args.bars).items()
    }
    run_alternating(measures, 1)
    step = f"the network's step, {args.steps:,} of them"
    found = run_alternating({**measures, step: lambda: step_times(path, args.steps)}, args.runs)
    times = found.pop(step)

    whole = {name: summarise(seconds) for name, seconds in found.items()}
    alone = {f"{step}: {p}": summarise(run[p] for run in times) for p in ("p50", "p99")}
    rows = [(name, "s", *spread_cells(s, 3)) for name, s in whole.items()]
    rows += [(name, "ms", *spread_cells(s, 3)) for name, s in alone.items()]
    architecture = bundle.manifest["architecture"]
    notes = (
        f"Model {bundle.name}: {architecture['name']} of {architecture['parameters']:,} parameters, "
        f"{path.stat().st_size / 1e6:.1f} MB",
        "Disk cache and bytecode are warm after one round of all commands; seed 0 everywhere",
    )
    table = Table(("what", "unit", "median", "lowest–highest"), tuple(rows), notes)
    data = {"model": bundle.name, "seconds": whole, "milliseconds": alone}
    print_report("From start to end", table, data, ("numpy", "onnxruntime", "symusic", "soundfile"), args.json)


if __name__ == "__main__":
    main()
