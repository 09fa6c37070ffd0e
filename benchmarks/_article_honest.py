"""Part `honest` of article.py: held-out music, with the task of cello.py.

One suite is held out, networks stop on another, and the others are trained on; written-out repeats are left out. The
article's network gets the top notes' pitches in windows of 40, untransposed. playbach's networks are the LSTMs of
cello.py and train in all keys, as its n-gram does. The n-gram has no stopping to do, so it trains on that suite as
well.
"""

from __future__ import annotations

import statistics
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import _article_process
import cello
from _article_data import WINDOW
from _article_data import read as read_folder
from _bench import Table, fail
from _ensemble import (
    Music,
    Network,
    NetworkPredictions,
    NGramPredictions,
    average_logs,
    fit_encoding,
    load_logs,
    processors,
    run_tasks,
)

KERAS_EPOCHS, EPOCHS = 70, 200
BEFORE = 0
"""The symbol that pads a window before the beginning of a piece."""


def padded_windows(pieces: Sequence[Sequence[int]], numbers: dict[int, int]) -> tuple[npt.NDArray[Any], ...]:
    """Windows (N, WINDOW) before each note of the pieces, and the notes (N,), as numbers from 1 on."""
    windows, targets = [], []
    for piece in pieces:
        symbols = np.array([BEFORE] * WINDOW + [numbers[p] for p in piece])
        windows.append(np.lib.stride_tricks.sliding_window_view(symbols, WINDOW)[:-1])
        targets.append(symbols[WINDOW:])
    return np.concatenate(windows), np.concatenate(targets)


def split_pieces(args: Namespace) -> dict[str, list[list[int]]]:
    """The pieces' top notes, by side: train, valid (to stop on), test."""
    found: dict[str, list[list[int]]] = {"train": [], "valid": [], "test": []}
    for name, score in zip(*read_folder(args.folder)):
        side = "test" if fnmatch(name, args.hold_out) else "valid" if fnmatch(name, args.stop_on) else "train"
        found[side].append(cello.without_repeats(cello.top_notes(score)))
    for side, pieces in found.items():
        if not pieces:
            options = f"--hold-out {args.hold_out} --stop-on {args.stop_on}"
            fail(f"{args.folder}: with {options} no piece is left for the side {side}; choose other files")
    return found


def run_keras(
    args: Namespace, pieces: dict[str, list[list[int]]], log_line: Callable[..., None]
) -> tuple[float, float]:
    """Bits a note and accuracy of the article's network."""
    known = sorted({p for side in pieces.values() for piece in side for p in piece})
    numbers = {pitch: i for i, pitch in enumerate(known, 1)}
    data: dict[str, Any] = {"symbols": len(known) + 1}
    for side, some in pieces.items():
        data[f"x_{side}"], data[f"y_{side}"] = padded_windows(some, numbers)
    last: dict[str, Any] = {}
    for last in _article_process.train_in_keras(args.keras_python, data, args.epochs or KERAS_EPOCHS, 0):
        log_line(part="honest", side="keras", seed=0, **last)
    return last["bits"], last["accuracy"]


def measure(args: Namespace, log_line: Callable[..., None]) -> tuple[Table, dict[str, Any]]:
    pieces = split_pieces(args)
    rows: dict[str, tuple[float, ...]] = {}
    if not args.no_keras:
        rows["the article's network, Keras"] = run_keras(args, pieces, log_line)

    train = [*pieces["train"], *pieces["valid"]]
    stop = tuple(range(len(pieces["train"]), len(train)))
    options = cello.encoding_options()
    encoding: Any = fit_encoding(options, [cello.score_of(p) for p in train])
    sequences = [encoding.encode(cello.score_of(p)) for p in pieces["test"]]
    epochs = args.epochs or EPOCHS
    music = Music(
        score_of=cello.score_of,
        train=train,
        held_out=pieces["test"],
        encoding=options,
        symbols=encoding.fields[0].symbols,
        folds=1,
        stop=stop,
    )
    networks = [
        Network(music=music, options={"model": "lstm", "epochs": epochs, "seed": seed}, fold=0)
        for seed in range(args.members)
    ]
    ngram, alone = NGramPredictions(music=music, seed=0), []
    predictions = [NetworkPredictions(network=network, side="held-out") for network in networks]
    with tempfile.TemporaryDirectory(prefix="playbach-benchmark-") as name:
        folder = Path(name)
        run_tasks(networks, folder, processors())
        run_tasks([*predictions, ngram], folder, processors())
        counted, logs = load_logs(ngram, folder), [load_logs(p, folder) for p in predictions]
        facts = [network.load(folder)[2] for network in networks]
    for seed, (member, own) in enumerate(zip(facts, logs)):
        alone.append(cello.figures(own, sequences))
        bits, right = alone[-1]
        trained = {"kept": member["best_epoch"], "epochs": member["epochs"], "wall": member["seconds"]}
        measured = {"bits": bits, "accuracy": right, "valid_bits": member["own_fold_bits"]}
        log_line(part="honest", side="playbach", seed=seed, **trained, **measured)
    together = average_logs(logs)
    rows |= {
        "n-gram of `playbach evaluate`": cello.figures(counted, sequences),
        "playbach: one network (median)": tuple(map(statistics.median, zip(*alone))),
        "playbach: average of the networks": cello.figures(together, sequences),
        "playbach: networks and n-gram, half and half": cello.figures(average_logs([together, counted]), sequences),
    }
    cells = tuple((name, f"{bits:.3f}", f"{right:.1%}") for name, (bits, right) in rows.items())
    sizes = {side: f"{len(some)} pieces, {sum(map(len, some)):,} notes" for side, some in pieces.items()}
    lines = (
        f"To train on: {sizes['train']}; to stop on ({args.stop_on}): {sizes['valid']}; "
        f"held out ({args.hold_out}): {sizes['test']}",
        f"Networks of playbach: {len(facts)} of {facts[0]['parameters']:,} parameters, seeds 0 to {len(facts) - 1}, "
        f"at most {epochs} epochs, {sum(f['seconds'] for f in facts) / 60:.0f} core minutes in total; of Keras: one, "
        "seed 0",
    )
    figures = {name: {"bits": bits, "accuracy": right} for name, (bits, right) in rows.items()}
    return Table(("model", "bits per note", "accuracy"), cells, lines), {"figures": figures, "sides": sizes}
