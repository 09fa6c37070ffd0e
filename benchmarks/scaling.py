"""How much faster several processes train than one: windows and steps of music a second, by number of processes.

Claim: two processes that share a batch need little more than half the time, since each reads and computes only its
part and only gradients travel. All processes are on this machine, each with `--threads` threads, and start as
`torchrun --standalone --nproc-per-node N` starts them. The training loop is timed: reading the windows, forward,
loss, backward, mean of the gradients, clipping, AdamW. The batch is divided among all processes, so any number of
processes trains on exactly the same data. The numbers of processes are measured in turn.

With `--device cuda` each process has a GPU of its own. The music is random and generated here (seed 0). Needs the
extra `train`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path
from time import perf_counter
from typing import Any

from _bench import Table, fail, parser, print_report, run_alternating, show_progress, spread_cells, summarise
from _bench import count as whole
from _music import generated_chorales

WARMUP = 3
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("transformer", {}),
    "article's": ("lstm", {"embedding": 50, "hidden": 300, "layers": 2}),
}


def work(network: str, batch: int, window: int, number: int, dtype: str, device_name: str) -> dict[str, float] | None:
    """One process's part in a timed run; the leader returns the rates."""
    import torch

    from playbach.models import build
    from playbach.models.base import Shape
    from playbach.training.distributed import join_process_group
    from playbach.training.optim import make_optimiser, pick_device
    from playbach.training.options import TrainOptions
    from playbach.training.steps import EpochRunner, EpochStart

    with join_process_group() as group:
        device = group.device(pick_device(device_name))
        architecture, config = NETWORKS[network]
        options = TrainOptions(model=architecture, network=config, window=window, batch=batch)
        encoding, data = generated_chorales(32)
        torch.manual_seed(0)
        model = build(architecture, Shape.of(encoding), config).to(device)
        weights = [1.0] * len(encoding.fields)
        steps = EpochRunner(
            model=model,
            optimiser=make_optimiser(model, options),
            data=data,
            options=options,
            weights=weights,
            batch=batch,
            dtype=dtype,
            device=device,
            group=group,
        )
        ready = group.wrap_model(model, device)

        def losses() -> Iterator[float]:
            for epoch in count(1):
                start = EpochStart(epoch=epoch, batches=0, step=100, rate=options.learning_rate)
                yield from steps.run_epoch(start, ready)

        training = losses()
        for _ in islice(training, WARMUP):
            pass
        began = perf_counter()
        for _ in islice(training, number):
            pass
        seconds = perf_counter() - began
        group.disconnect()
        if not group.is_leader:
            return None
        batches = (b for epoch in count(1) for b in data.epoch(epoch, options.seed, window, batch))
        timed = [b.target[..., 0] >= 0 for b in islice(batches, WARMUP, WARMUP + number)]
        return {
            "windows": sum(len(known) for known in timed) / seconds,
            "steps": sum(int(known.sum()) for known in timed) / seconds,
        }


def run_processes(processes: int, threads: int, worker_options: list[str]) -> dict[str, float]:
    """The rates of this many processes."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*start, str(Path(__file__).resolve()), "--work", *worker_options]
    # Passive: threads that spin while they wait would take the processor from the other processes.
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        fail(f"{processes} processes ended with {done.returncode}:\n{done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--processes", type=whole, nargs="+", default=[1, 2], help="numbers of processes (default: 1 and 2)"
    )
    options.add_argument("--threads", type=whole, default=1, help="threads of each process (default: %(default)s)")
    options.add_argument("--network", choices=NETWORKS, default="default", help="(default: %(default)s)")
    options.add_argument(
        "--batch", type=whole, default=16, help="windows in a batch, over all processes (default: %(default)s)"
    )
    options.add_argument(
        "--window", type=whole, default=256, help="steps of music in a window (default: %(default)s)"
    )
    options.add_argument(
        "--steps", type=whole, default=20, help="training steps timed in each run (default: %(default)s)"
    )
    options.add_argument("--runs", type=whole, default=5, help="(default: %(default)s)")
    options.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="(default: %(default)s)")
    options.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    options.add_argument("--work", action="store_true", help="run as one of the processes; for the script itself")
    args = options.parse_args()
    if args.work:
        rates = work(args.network, args.batch, args.window, args.steps, args.dtype, args.device)
        if rates is not None:
            print(json.dumps(rates))
        return
    names = ("network", "batch", "window", "steps", "dtype", "device")
    worker_options = [f"--{name}={getattr(args, name)}" for name in names]
    show_progress(f"{args.runs} runs of {args.processes} processes")
    numbers = sorted(set(args.processes))
    found = run_alternating(
        {str(n): partial(run_processes, n, args.threads, worker_options) for n in numbers}, args.runs
    )
    rates = {n: {unit: summarise(run[unit] for run in runs) for unit in runs[0]} for n, runs in found.items()}
    first = rates[str(numbers[0])]["windows"].median
    rows = [
        (
            n,
            *spread_cells(rate["windows"], 1),
            f"{rate['steps'].median:,.0f}",
            f"{rate['windows'].median / first:.2f}",
        )
        for n, rate in rates.items()
    ]
    columns = ("processes", "windows/s", "lowest–highest", "steps of music/s", f"times {numbers[0]}")
    note = (
        f"the {args.network} network, {args.dtype}, {args.device}; {args.threads} "
        f"thread{'s' * (args.threads > 1)} a process; batches of {args.batch} windows of up to {args.window} "
        f"steps over all processes; {args.steps} training steps a run; seed 0"
    )
    table = Table(columns, tuple(rows), (note,))
    print_report("Training on several processes", table, {"rates": rates}, ("torch", "numpy"), args.json)


if __name__ == "__main__":
    main()
