"""How much faster several processes train than one: windows and steps of music a second, by number of processes.

Claim: a batch that is shared by two processes is learnt in little more than half the time, as each reads and computes
only its part, and only gradients travel. All processes are on this machine, each with as many threads as `--threads`
says, and begin as `torchrun --standalone --nproc-per-node N` begins them. What is timed is the loop of training:
reading the windows, forward, loss, backward, mean of the gradients, clipping, AdamW. The batch is that of all
processes together, so that all numbers of processes learn the very same. They take their turns.

With `--device cuda` each process has a GPU of its own. The music is random and made here (seed 0). Needs the extra
`train`.
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

from _bench import Table, alternating, fail, parser, report, say, spread, summary
from _bench import count as whole
from _music import chorale_data

WARMUP = 3
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("transformer", {}),
    "article's": ("lstm", {"embedding": 50, "hidden": 300, "layers": 2}),
}


def work(network: str, batch: int, window: int, number: int, dtype: str, device_name: str) -> dict[str, float] | None:
    """One process's part in a timed run; the leading one gives the rates."""
    import torch

    from playbach.models import Shape, build
    from playbach.training.distributed import joined
    from playbach.training.optim import optimiser_of, pick_device
    from playbach.training.options import TrainOptions
    from playbach.training.worker import Place, Steps

    with joined() as world:
        device = world.device(pick_device(device_name))
        architecture, config = NETWORKS[network]
        options = TrainOptions(model=architecture, network=config, window=window, batch=batch)
        encoding, data = chorale_data(32)
        torch.manual_seed(0)
        model = build(architecture, Shape.of(encoding), config).to(device)
        weights = [1.0] * len(encoding.fields)
        steps = Steps(model, data, optimiser_of(model, options), options, weights, batch, dtype, device, world)
        ready = world.network(model, device)

        def taken() -> Iterator[float]:
            for epoch in count(1):
                yield from steps.through(Place(epoch, 0, 100, options.learning_rate), ready)

        going = taken()
        for _ in islice(going, WARMUP):
            pass
        began = perf_counter()
        for _ in islice(going, number):
            pass
        seconds = perf_counter() - began
        world.leave()
        if not world.leads:
            return None
        batches = (b for epoch in count(1) for b in data.epoch(epoch, options.seed, window, batch))
        timed = [b.target[..., 0] >= 0 for b in islice(batches, WARMUP, WARMUP + number)]
        return {
            "windows": sum(len(known) for known in timed) / seconds,
            "steps": sum(int(known.sum()) for known in timed) / seconds,
        }


def started(processes: int, threads: int, arguments: list[str]) -> dict[str, float]:
    """The rates of so many processes."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*start, str(Path(__file__).resolve()), "--work", *arguments]
    # Passive: threads that wait for each other in a loop take the processor from the other processes.
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        fail(f"{processes} processes ended with {done.returncode}:\n{done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--processes", type=whole, nargs="+", default=[1, 2], help="numbers of them (default: 1 and 2)"
    )
    options.add_argument("--threads", type=whole, default=1, help="of each process (default: %(default)s)")
    options.add_argument("--network", choices=NETWORKS, default="default", help="(default: %(default)s)")
    options.add_argument("--batch", type=whole, default=16, help="windows, of all processes (default: %(default)s)")
    options.add_argument("--window", type=whole, default=256, help="steps of music (default: %(default)s)")
    options.add_argument("--steps", type=whole, default=20, help="timed in each run (default: %(default)s)")
    options.add_argument("--runs", type=whole, default=5, help="(default: %(default)s)")
    options.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="(default: %(default)s)")
    options.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    options.add_argument("--work", action="store_true", help="be one of the processes; for the script itself")
    given = options.parse_args()
    if given.work:
        rates = work(given.network, given.batch, given.window, given.steps, given.dtype, given.device)
        if rates is not None:
            print(json.dumps(rates))
        return
    names = ("network", "batch", "window", "steps", "dtype", "device")
    arguments = [f"--{name}={getattr(given, name)}" for name in names]
    say(f"{given.runs} runs of {given.processes} processes")
    numbers = sorted(set(given.processes))
    found = alternating({str(n): partial(started, n, given.threads, arguments) for n in numbers}, given.runs)
    rates = {n: {unit: summary(run[unit] for run in runs) for unit in runs[0]} for n, runs in found.items()}
    first = rates[str(numbers[0])]["windows"].median
    rows = [
        (n, *spread(rate["windows"], 1), f"{rate['steps'].median:,.0f}", f"{rate['windows'].median / first:.2f}")
        for n, rate in rates.items()
    ]
    columns = ("processes", "windows/s", "lowest–highest", "steps of music/s", f"times {numbers[0]}")
    note = (
        f"the {given.network} network, {given.dtype}, {given.device}; {given.threads} "
        f"thread{'s' * (given.threads > 1)} a process; batches of {given.batch} windows of up to {given.window} "
        f"steps over all processes; {given.steps} training steps a run; seed 0"
    )
    table = Table(columns, tuple(rows), (note,))
    report("Training on several processes", table, {"rates": rates}, ("torch", "numpy"), given.json)


if __name__ == "__main__":
    main()
