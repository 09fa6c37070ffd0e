"""Part `leaky` of article.py: how long until the article's accuracy, under the article's own protocol.

A side has reached it after the first epoch whose test accuracy is as high; what each side keeps, it chooses by the
samples to stop on. The networks' settings were found on the split of seed 0; another is measured.
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
from _article_data import Leaky, encoded, leaky, looked_up, overlap
from _article_data import read as read_folder
from _bench import Table, fail

ARTICLE = 0.741
KERAS_EPOCHS = 70
SPLIT_SEED = 1
LEAST = 100
"""Samples of which every side has some."""
Curve = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Side:
    """The curves of some runs of one guesser; `key` is the accuracy that it is measured by."""

    name: str
    curves: Sequence[Curve]
    key: str = "test"
    more: tuple[float, float] = (0.0, 0.0)
    """Seconds by the clock and of the processor that it needs before its first epoch."""

    def best(self) -> float:
        return max(line[self.key] for curve in self.curves for line in curve)

    def kept(self) -> float:
        """The median accuracy of what is kept by the samples to stop on."""
        return statistics.median(max(curve, key=lambda line: line["valid"])[self.key] for curve in self.curves)

    def reached(self, accuracy: float) -> dict[str, float]:
        """The median epoch and seconds after which that accuracy was reached; infinite where it was not."""
        never = {"epoch": math.inf, "wall": math.inf, "cpu": math.inf}
        firsts = [next((line for line in curve if line[self.key] >= accuracy), never) for curve in self.curves]
        found = {what: statistics.median(first[what] for first in firsts) for what in never}
        return {**found, "wall": found["wall"] + self.more[0], "cpu": found["cpu"] + self.more[1]}


def in_keras(given: Namespace, data: Leaky, told: Callable[..., None]) -> Side:
    arrays: dict[str, Any] = {"symbols": data.alphabet}
    for side in ("train", "valid", "test"):
        places = getattr(data, side)
        arrays[f"x_{side}"], arrays[f"y_{side}"] = data.windows(places), data.symbols[places]
    curves = []
    for seed in range(given.keras_runs):
        curve: list[dict[str, float]] = []
        for line in _article_process.trained(given.keras_python, arrays, given.epochs or KERAS_EPOCHS, seed):
            told(part="leaky", side="keras", seed=seed, **line)
            if "epoch" in line:
                curve.append(line)
        curves.append(curve)
    return Side("the article's network, Keras", curves)


def in_playbach(
    given: Namespace, encoding: Any, sequences: Sequence[Any], data: Leaky, ngram: Any, told: Callable[..., None]
) -> tuple[list[Curve], str]:
    curves: list[Curve] = []
    what = ""
    for seed in range(given.runs):
        curve: list[dict[str, float]] = []

        def heard(epoch: ours.Epoch, seed: int = seed, curve: list[dict[str, float]] = curve) -> None:
            curve.append(asdict(epoch))
            told(part="leaky", side="playbach", seed=seed, **curve[-1])

        what = ours.learn(encoding, sequences, data, ngram, given.epochs or ours.EPOCHS, seed, heard)
        curves.append(curve)
    return curves, what


def measure(given: Namespace, told: Callable[..., None]) -> tuple[Table, dict[str, Any]]:
    encoding, sequences = encoded(read_folder(given.folder)[1])
    data = leaky([s.steps[:, 0] for s in sequences], SPLIT_SEED, given.samples)
    if len(data.train) + len(data.valid) + len(data.test) < LEAST:
        fail(f"{given.folder}: fewer than {LEAST} windows of notes; give more music, or more --samples")

    both = np.concatenate([data.valid, data.test])
    began = time.perf_counter(), time.process_time()
    ngram = ours.counted(encoding, sequences, data.train, both)
    took = time.perf_counter() - began[0], time.process_time() - began[1]
    wanted = np.concatenate([s.steps[:, 0] for s in sequences])[both]
    valid, test = ours.shares(ngram, wanted, len(data.valid))
    alone = Side(
        "playbach: n-gram", [[{"epoch": 0, "valid": valid, "test": test, "wall": 0.0, "cpu": 0.0}]], more=took
    )
    told(part="leaky", side="n-gram", valid=valid, test=test, wall=took[0], cpu=took[1])

    curves, what = in_playbach(given, encoding, sequences, data, ngram, told)
    network = Side("playbach: network", curves)
    mixed = Side("playbach: network and n-gram, half and half", curves, "mixed", took)
    keras = None if given.no_keras else in_keras(given, data, told)
    target = ARTICLE if keras is None else min(ARTICLE, keras.best())
    found = [side for side in (keras, network, mixed, alone) if side]

    known = np.concatenate([data.train, data.valid])
    tables = {
        "longest run looked up in the training windows": looked_up(data, data.train),
        "… and in those to stop on as well": looked_up(data, known),
    }
    rows = [(name, f"{right:.1%}", "", "", "") for name, right in tables.items()]
    rows += [(side.name, f"{side.kept():.1%}", *_cells(side.reached(target))) for side in found]
    notes = (
        f"{len(data.train):,} windows to learn from, {len(data.valid):,} to stop on, {len(data.test):,} to test; "
        f"{data.alphabet} symbols; split of seed {SPLIT_SEED}",
        f"The last 10 symbols and the target of {overlap(data, data.train):.0%} of the test windows end training "
        f"windows as well, of {overlap(data, known):.0%} those or windows to stop on",
        f"Reached: {target:.1%} of the test windows, {_target_words(target, keras)}",
        f"playbach: {what}; medians of {given.runs} runs, seeds from 0; Keras: of {given.keras_runs}",
        *(_faster(keras, (network, mixed, alone), target) if keras else ()),
    )
    columns = ("guesser", "right", "epoch", "seconds", "of processor")
    sides = {side.name: {"kept": side.kept(), "best": side.best(), **_finite(side.reached(target))} for side in found}
    return Table(columns, tuple(rows), notes), {"target": target, "tables": tables, "sides": sides}


def _cells(reached: Mapping[str, float]) -> tuple[str, str, str]:
    if math.isinf(reached["epoch"]):
        return "not reached", "", ""
    epoch = f"{reached['epoch']:g}" if reached["epoch"] else ""
    return epoch, f"{reached['wall']:,.1f}", f"{reached['cpu']:,.1f}"


def _finite(found: Mapping[str, float]) -> dict[str, float | None]:
    """For JSON, which has no infinity."""
    return {name: None if math.isinf(value) else value for name, value in found.items()}


def _target_words(target: float, keras: Side | None) -> str:
    return "the best that Keras reaches here" if keras and target < ARTICLE else "the article's figure"


def _faster(keras: Side, sides: Iterable[Side], target: float) -> Iterable[str]:
    theirs = keras.reached(target)
    for side in sides:
        mine = side.reached(target)
        if not math.isinf(mine["wall"] + theirs["wall"]):
            by = ", ".join(
                f"{theirs[k] / mine[k]:,.1f} {w}" for k, w in (("wall", "by the clock"), ("cpu", "of processor"))
            )
            yield f"Times as fast as Keras, {side.name}: {by}"
