"""How fast networks train on this machine: float32 compared with bfloat16 autocast, in samples and in tokens a
second.

Claim: bfloat16 trains faster on a processor that computes it natively, and just as well. A whole step of
`playbach.training.loop` is timed: forward, loss, backward, clipping, AdamW. All variants run in turn.

- The article's network (embedding 50, 2 x 300 LSTM) on its windows of 40 steps, 64 in a batch. A sample is one
  window. Once with the loss on the last step only, as in the article, and once at every step, as in playbach: this
  takes about the same time, but then every window has 40 times as many targets.
- playbach's default network with its windows of 256 steps in the chorale encoding. A token is one step.

`--convergence` trains a small network on generated music in both types, from the same weights, on the same batches
and with the same dropout, and prints both losses as they fall.

The music is random and generated here (seed 0). Needs the extra `train`.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from _bench import Table, count, parser, print_report, run_alternating, spread_cells, summarise
from _music import generated_chorales

BATCH, WINDOW, SYMBOLS = 64, 40, 128
"""The article's batch and window, and the number of symbols that gives its network 1.19 M parameters."""
DTYPES = ("float32", "bfloat16")
WARMUP = 2


def article_variant(symbols: int, last_only: bool) -> tuple[Any, Any]:
    """The article's network, and a batch for it."""
    import numpy as np

    from playbach.data.batches import Batch
    from playbach.models.base import Shape
    from playbach.models.configs import LstmConfig
    from playbach.models.lstm import Lstm

    class LastOnly(Lstm):
        """One softmax, on the window's last step."""

        def forward(self, previous: Any, context: Any) -> list[Any]:
            outputs, _ = self.lstm(self.dropout(self.embed(previous, context)))
            logits: list[Any] = self.heads(self.dropout(outputs[:, -1:]), context[:, -1:])
            return logits

    windows = np.random.default_rng(0).integers(0, symbols, (BATCH, WINDOW + 1, 1))
    target = windows[:, -1:] if last_only else windows[:, 1:]
    batch = Batch(windows[:, :-1], np.zeros((BATCH, WINDOW, 0), np.int64), np.ascontiguousarray(target))
    kind = LastOnly if last_only else Lstm
    return kind(Shape((symbols,), ()), LstmConfig(embedding=50, hidden=300, layers=2)), batch


def default_variant(pieces: int = 32) -> tuple[Any, Any]:
    """The network of `playbach train` for chorales, and one of its batches."""
    from playbach.models import build
    from playbach.models.base import Shape
    from playbach.training.loop import BATCH_LIMITS
    from playbach.training.options import TrainOptions

    options = TrainOptions()
    encoding, data = generated_chorales(pieces)
    shape = Shape.of(encoding)
    batch = next(data.epoch(0, options.seed, options.window, BATCH_LIMITS[1]))
    return build(options.model, shape, options.network), batch


class Trainer:
    """Trains a network in one type, step by step."""

    def __init__(self, model: Any, dtype: str, device: str, rate: float = 1e-3) -> None:
        import torch

        from playbach.training import optim
        from playbach.training.options import TrainOptions

        self._options, self._dtype = TrainOptions(), getattr(torch, dtype)
        self._device, self._step = optim.pick_device(device), optim.train_step
        self.model = model.to(self._device)
        self._optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=self._options.weight_decay)

    def step(self, batch: Any) -> float:
        return self._step(
            self.model, batch, self._optimiser, options=self._options, device=self._device, dtype=self._dtype
        )

    def seconds(self, batch: Any, steps: int) -> float:
        from time import perf_counter

        for _ in range(WARMUP):
            self.step(batch)
        began = perf_counter()
        for _ in range(steps):
            self.step(batch)
        return perf_counter() - began


def speed(symbols: int, steps: int, runs: int, device: str) -> tuple[list[tuple[str, ...]], dict[str, Any]]:
    import copy

    import torch

    torch.manual_seed(0)
    variants = {
        "article's, loss on the last step": (*article_variant(symbols, True), "samples/s", BATCH),
        "article's, loss at every step": (*article_variant(symbols, False), "samples/s", BATCH),
    }
    model, batch = default_variant()
    tokens = int((batch.target[..., 0] >= 0).sum())
    variants[f"default, {batch.target.shape[0]} x {batch.target.shape[1]} steps"] = (model, batch, "tokens/s", tokens)
    measures = {}
    for name, (model, batch, _, items) in variants.items():
        for dtype in DTYPES:
            trainer = Trainer(copy.deepcopy(model), dtype, device)
            measures[name, dtype] = lambda t=trainer, b=batch, n=items: n * steps / t.seconds(b, steps)
    found = {key: summarise(rates) for key, rates in run_alternating(measures, runs).items()}
    rows, data = [], {}
    for (name, dtype), rate in found.items():
        model, _, unit, _ = variants[name]
        times = rate.median / found[name, DTYPES[0]].median
        rows.append((name, f"{model.parameter_count():,}", dtype, unit, *spread_cells(rate, 0), f"{times:.2f}"))
        data[f"{name}, {dtype}"] = {"unit": unit, "parameters": model.parameter_count(), "rate": rate}
    return rows, data


def convergence(steps: int, device: str) -> dict[str, list[float]]:
    """Each type's losses in nats per step of music, from the same weights."""
    import torch

    from playbach.models import build
    from playbach.models.base import Shape
    from playbach.training.options import TrainOptions

    encoding, data = generated_chorales(24)
    shape = Shape.of(encoding)
    options = replace(TrainOptions(), window=64, batch=8)
    batches: list[Any] = []
    while len(batches) < steps:
        batches += data.epoch(len(batches), options.seed, options.window, options.batch or 8)
    losses = {}
    for dtype in DTYPES:
        torch.manual_seed(0)
        model = build("lstm", shape, {"hidden": 96, "layers": 2, "embedding": 24})
        trainer = Trainer(model, dtype, device, options.learning_rate)
        losses[dtype] = [trainer.step(batch) for batch in batches[:steps]]
    return losses


def points(losses: list[float], number: int = 10, over: int = 10) -> list[tuple[int, float]]:
    """Steps evenly spread over the curve, each with the mean loss of the last few steps."""
    steps = sorted({max(1, round(i * len(losses) / number)) for i in range(number + 1)})
    return [(step, statistics.mean(losses[max(0, step - over) : step])) for step in steps]


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--symbols", type=count, default=SYMBOLS, help="symbols of the article's network (default: %(default)s)"
    )
    options.add_argument(
        "--steps", type=count, default=20, help="training steps timed in each run (default: %(default)s)"
    )
    options.add_argument("--runs", type=count, default=7, help="runs of each variant (default: %(default)s)")
    options.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default: %(default)s)")
    options.add_argument("--convergence", action="store_true", help="compare the losses instead of the speed")
    options.add_argument(
        "--training-steps", type=count, default=300, help="training steps with --convergence (default: %(default)s)"
    )
    args = options.parse_args()

    import torch

    from playbach.training.optim import _native_bfloat16, pick_device

    native = (
        "native" if _native_bfloat16(pick_device(args.device)) else "emulated, so `playbach train` does not use it"
    )
    notes = f"{args.device}, {torch.get_num_threads()} threads; bfloat16 is {native} here; seed 0"
    if args.convergence:
        losses = convergence(args.training_steps, args.device)
        curves = {dtype: points(curve) for dtype, curve in losses.items()}
        lines = zip(*curves.values())
        rows = [(str(a[0]), f"{a[1]:.4f}", f"{b[1]:.4f}", f"{b[1] - a[1]:+.4f}") for a, b in lines]
        table = Table(("step", *DTYPES, "difference"), tuple(rows), ("Nats per step, means of 10 steps", notes))
        print_report("Learning in two types", table, {"curves": curves}, ("torch", "numpy"), args.json)
        return
    rows, data = speed(args.symbols, args.steps, args.runs, args.device)
    columns = ("network", "parameters", "type", "unit", "median", "lowest–highest", "times float32")
    table = Table(columns, tuple(rows), (f"{args.steps} training steps a run; {notes}",))
    print_report("Speed of training", table, {"rates": data}, ("torch", "numpy"), args.json)


if __name__ == "__main__":
    main()
