"""Part `honest` of article.py: music that nobody has met, the task of cello.py.

One suite is held out, another is what networks stop on, the others are learnt; written-out repeats are left out. The
article's network has the top notes' pitches in windows of 40, as they are; playbach's networks are those of cello.py,
and learn in all keys, as its n-gram does. The n-gram has nothing to stop, so it learns from the suite to stop on as
well.
"""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from typing import Any

import numpy as np
import numpy.typing as npt

import _article_process
import cello
from _article_data import WINDOW
from _article_data import read as read_folder
from _bench import Table, fail
from _ensemble import Task, averaged, members, processors

KERAS_EPOCHS, EPOCHS = 70, 200
BEFORE = 0
"""The symbol that fills a window up before a piece's beginning."""


def padded_windows(pieces: Sequence[Sequence[int]], numbers: dict[int, int]) -> tuple[npt.NDArray[Any], ...]:
    """Windows (N, WINDOW) before each note of the pieces, and the notes (N,), as numbers from 1 on."""
    windows, targets = [], []
    for piece in pieces:
        symbols = np.array([BEFORE] * WINDOW + [numbers[p] for p in piece])
        windows.append(np.lib.stride_tricks.sliding_window_view(symbols, WINDOW)[:-1])
        targets.append(symbols[WINDOW:])
    return np.concatenate(windows), np.concatenate(targets)


def sides(given: Namespace) -> dict[str, list[list[int]]]:
    """The pieces' top notes: to train, to stop on, to test."""
    found: dict[str, list[list[int]]] = {"train": [], "valid": [], "test": []}
    for name, score in zip(*read_folder(given.folder)):
        side = "test" if fnmatch(name, given.hold_out) else "valid" if fnmatch(name, given.stop_on) else "train"
        found[side].append(cello.without_repeats(cello.top_notes(score)))
    for side, pieces in found.items():
        if not pieces:
            options = f"--hold-out {given.hold_out} --stop-on {given.stop_on}"
            fail(f"{given.folder}: with {options} no piece is left to {side}; choose other files")
    return found


def in_keras(given: Namespace, pieces: dict[str, list[list[int]]], told: Callable[..., None]) -> tuple[float, float]:
    """Bits a note and accuracy of the article's network."""
    known = sorted({p for side in pieces.values() for piece in side for p in piece})
    numbers = {pitch: i for i, pitch in enumerate(known, 1)}
    data: dict[str, Any] = {"symbols": len(known) + 1}
    for side, some in pieces.items():
        data[f"x_{side}"], data[f"y_{side}"] = padded_windows(some, numbers)
    last: dict[str, Any] = {}
    for last in _article_process.trained(given.keras_python, data, given.epochs or KERAS_EPOCHS, 0):
        told(part="honest", side="keras", seed=0, **last)
    return last["bits"], last["accuracy"]


def measure(given: Namespace, told: Callable[..., None]) -> tuple[Table, dict[str, Any]]:
    from playbach.encodings import ENCODINGS, NotesOptions
    from playbach.evaluation.ngram import NGram
    from playbach.music.scores import transposed

    pieces = sides(given)
    rows: dict[str, tuple[float, ...]] = {}
    if not given.no_keras:
        rows["the article's network, Keras"] = in_keras(given, pieces, told)

    train = [*pieces["train"], *pieces["valid"]]
    stop = tuple(range(len(pieces["train"]), len(train)))
    notes = NotesOptions(durations="none")
    learnt = [cello.score_of(p) for p in train]
    encoding: Any = ENCODINGS["notes"].fit(learnt, notes)
    sequences = [encoding.encode(cello.score_of(p)) for p in pieces["test"]]
    epochs = given.epochs or EPOCHS
    network = {"model": "transformer", "network": cello.NETWORK}
    training = {"encoding": "notes", "notes": notes, **network, "patience": cello.PATIENCE}
    tasks = [
        Task(cello.score_of, train, pieces["test"], encoding.fields[0].symbols,
             {**training, "epochs": epochs, "seed": seed}, 0, 1, stop)
        for seed in range(given.members)
    ]  # fmt: skip
    found = []
    for seed, member in enumerate(members(tasks, min(processors(), len(tasks)))):
        found.append(member)
        bits, right = cello.figures(member.logs, sequences)
        told(part="honest", side="playbach", seed=seed, kept=member.best_epoch, epochs=member.epochs, bits=bits,
             accuracy=right, valid_bits=member.own_valid_bits, wall=member.seconds)  # fmt: skip
    keys = [[encoding.encode(transposed(s, k)) for k in encoding.transpositions(s)] for s in learnt]
    baseline = NGram.fit(keys, encoding)
    counted = [np.log(baseline.probabilities(s)[0]) for s in sequences]
    together = averaged([m.logs for m in found])
    alone = [cello.figures(m.logs, sequences) for m in found]
    rows |= {
        "n-gram of `playbach evaluate`": cello.figures(counted, sequences),
        "playbach: one network (median)": tuple(map(statistics.median, zip(*alone))),
        "playbach: average of the networks": cello.figures(together, sequences),
        "playbach: networks and n-gram, half and half": cello.figures(averaged([together, counted]), sequences),
    }
    cells = tuple((name, f"{bits:.3f}", f"{right:.1%}") for name, (bits, right) in rows.items())
    sizes = {side: f"{len(some)} pieces, {sum(map(len, some)):,} notes" for side, some in pieces.items()}
    lines = (
        f"To learn: {sizes['train']}; to stop on ({given.stop_on}): {sizes['valid']}; "
        f"held out ({given.hold_out}): {sizes['test']}",
        f"Networks of playbach: {len(found)} of {found[0].parameters:,} parameters, seeds 0 to {len(found) - 1}, "
        f"at most {epochs} epochs, {sum(m.seconds for m in found) / 60:.0f} min of one core together; of Keras: one, "
        "seed 0",
    )
    figures = {name: {"bits": bits, "accuracy": right} for name, (bits, right) in rows.items()}
    return Table(("guesser", "bits per note", "accuracy"), cells, lines), {"figures": figures, "sides": sizes}
