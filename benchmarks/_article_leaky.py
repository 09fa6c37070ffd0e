"""Part `leaky` of article.py: the time until the article's accuracy is reached, under the article's own protocol.

A side reaches an accuracy after the first epoch whose test accuracy is as high. What a side keeps is chosen by the
samples to stop on. The networks' settings were found on the split of seed 0; a different split is measured.
"""

from __future__ import annotations

import math
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import _article_playbach as ours
import _article_process
from _article_data import LeakySplit, encode_pieces, leaky_split, lookup_accuracy, overlap
from _article_data import read as read_folder
from _bench import Table, fail

ARTICLE = 0.741
KERAS_EPOCHS = 70
SPLIT_SEED = 1
LEAST = 100
"""The minimum number of samples, so that every side has some."""
Curve = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Side:
    """The learning curves of several runs of one model."""

    name: str
    curves: Sequence[Curve]
    key: str = "test"
    """The accuracy to use."""
    more: tuple[float, float] = (0.0, 0.0)
    """Seconds before its first epoch: wall clock and processor."""

    def best(self) -> float:
        return max(line[self.key] for curve in self.curves for line in curve)

    def selected_accuracy(self) -> float:
        """The median accuracy of the epochs that the samples to stop on select."""
        return statistics.median(max(curve, key=lambda line: line["valid"])[self.key] for curve in self.curves)

    def time_to_reach(self, accuracy: float) -> dict[str, float]:
        """The median epoch and seconds until this accuracy was reached; infinite if it was not."""
        never = {"epoch": math.inf, "wall": math.inf, "cpu": math.inf}
        firsts = [next((line for line in curve if line[self.key] >= accuracy), never) for curve in self.curves]
        found = {what: statistics.median(first[what] for first in firsts) for what in never}
        return {**found, "wall": found["wall"] + self.more[0], "cpu": found["cpu"] + self.more[1]}


def run_keras(args: Namespace, data: LeakySplit, log_line: Callable[..., None]) -> Side:
    arrays: dict[str, Any] = {"symbols": data.alphabet}
    for side in ("train", "valid", "test"):
        places = getattr(data, side)
        arrays[f"x_{side}"], arrays[f"y_{side}"] = data.windows(places), data.symbols[places]
    curves = []
    for seed in range(args.keras_runs):
        curve: list[dict[str, float]] = []
        for line in _article_process.train_in_keras(args.keras_python, arrays, args.epochs or KERAS_EPOCHS, seed):
            log_line(part="leaky", side="keras", seed=seed, **line)
            if "epoch" in line:
                curve.append(line)
        curves.append(curve)
    return Side("the article's network, Keras", curves)


def run_playbach(
    args: Namespace,
    encoding: Any,
    sequences: Sequence[Any],
    data: LeakySplit,
    ngram: Any,
    log_line: Callable[..., None],
) -> tuple[list[Curve], str]:
    curves: list[Curve] = []
    what = ""
    for seed in range(args.runs):
        curve: list[dict[str, float]] = []

        def on_epoch(epoch: ours.Epoch, seed: int = seed, curve: list[dict[str, float]] = curve) -> None:
            curve.append(asdict(epoch))
            log_line(part="leaky", side="playbach", seed=seed, **curve[-1])

        what = ours.learn(encoding, sequences, data, ngram, args.epochs or ours.EPOCHS, seed, on_epoch)
        curves.append(curve)
    return curves, what


def measure(args: Namespace, log_line: Callable[..., None]) -> tuple[Table, dict[str, Any]]:
    encoding, sequences = encode_pieces(read_folder(args.folder)[1])
    data = leaky_split([s.steps[:, 0] for s in sequences], SPLIT_SEED, args.samples)
    if len(data.train) + len(data.valid) + len(data.test) < LEAST:
        fail(f"{args.folder}: fewer than {LEAST} windows of notes; give more music, or more --samples")

    both = np.concatenate([data.valid, data.test])
    began = time.perf_counter(), time.process_time()
    ngram = ours.ngram_chances(encoding, sequences, data.train, both)
    took = time.perf_counter() - began[0], time.process_time() - began[1]
    wanted = np.concatenate([s.steps[:, 0] for s in sequences])[both]
    valid, test = ours.shares(ngram, wanted, len(data.valid))
    alone = Side(
        "playbach: n-gram", [[{"epoch": 0, "valid": valid, "test": test, "wall": 0.0, "cpu": 0.0}]], more=took
    )
    log_line(part="leaky", side="n-gram", valid=valid, test=test, wall=took[0], cpu=took[1])

    curves, what = run_playbach(args, encoding, sequences, data, ngram, log_line)
    network = Side("playbach: network", curves)
    mixed = Side("playbach: network and n-gram, half and half", curves, "mixed", took)
    keras = None if args.no_keras else run_keras(args, data, log_line)
    target = ARTICLE if keras is None else min(ARTICLE, keras.best())
    found = [side for side in (keras, network, mixed, alone) if side]

    known = np.concatenate([data.train, data.valid])
    tables = {
        "longest run looked up in the training windows": lookup_accuracy(data, data.train),
        "… and in those to stop on as well": lookup_accuracy(data, known),
    }
    rows = [(name, f"{right:.1%}", "", "", "") for name, right in tables.items()]
    rows += [(side.name, f"{side.selected_accuracy():.1%}", *_cells(side.time_to_reach(target))) for side in found]
    notes = (
        f"{len(data.train):,} windows to train on, {len(data.valid):,} to stop on, {len(data.test):,} to test; "
        f"{data.alphabet} symbols; split of seed {SPLIT_SEED}",
        f"The last 10 symbols and the target of {overlap(data, data.train):.0%} of the test windows also end a "
        f"training window, of {overlap(data, known):.0%} one of those or a window to stop on",
        f"Reached: {target:.1%} of the test windows, {_target_words(target, keras)}",
        f"playbach: {what}; medians of {args.runs} runs, seeds from 0; Keras: of {args.keras_runs}",
        *(_faster(keras, (network, mixed, alone), target) if keras else ()),
    )
    columns = ("model", "accuracy", "epoch", "seconds", "CPU seconds")
    sides = {
        side.name: {"kept": side.selected_accuracy(), "best": side.best(), **_finite(side.time_to_reach(target))}
        for side in found
    }
    return Table(columns, tuple(rows), notes), {"target": target, "tables": tables, "sides": sides}


def _cells(times: Mapping[str, float]) -> tuple[str, str, str]:
    if math.isinf(times["epoch"]):
        return "not reached", "", ""
    epoch = f"{times['epoch']:g}" if times["epoch"] else ""
    return epoch, f"{times['wall']:,.1f}", f"{times['cpu']:,.1f}"


def _finite(found: Mapping[str, float]) -> dict[str, float | None]:
    """For JSON, which has no infinity."""
    return {name: None if math.isinf(value) else value for name, value in found.items()}


def _target_words(target: float, keras: Side | None) -> str:
    return "the best that Keras reaches here" if keras and target < ARTICLE else "the article's figure"


def _faster(keras: Side, sides: Iterable[Side], target: float) -> Iterable[str]:
    theirs = keras.time_to_reach(target)
    for side in sides:
        mine = side.time_to_reach(target)
        if not math.isinf(mine["wall"] + theirs["wall"]):
            by = ", ".join(
                f"{theirs[k] / mine[k]:,.1f} {w}" for k, w in (("wall", "by the clock"), ("cpu", "in CPU time"))
            )
            yield f"Speed relative to Keras, {side.name}: {by}"
