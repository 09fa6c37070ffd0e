"""Part `generate` of article.py: notes a second, one after the other, with the article's method and with playbach.

- Keras: the window of 40 through `model.predict`, then the likeliest symbol is appended; the article's network.
- The graph alone: the step of playbach's `lstm` at the article's size (embedding 50, 2 x 300, no context), in ONNX
  Runtime on one thread, with the likeliest symbol fed back.
- End to end: `Composer.stream` with an `lstm` of 2 x 300 in the `notes` encoding, with its context. This includes
  sampling, decoding, performing, and the endings that are tried until one is good.

A network's speed does not depend on its weights; the bundle is trained for one epoch.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import _article_process
from _article_data import encode_pieces
from _article_data import read as read_folder
from _bench import Table, spread_cells, summarise

ARTICLE: dict[str, Any] = {"embedding": 50, "hidden": 300, "layers": 2}
WARMUP = 100


def graph_notes(symbols: int, notes: int) -> tuple[float, int]:
    """Notes a second of the step alone, and the network's parameters."""
    import torch

    from playbach.export import onnx
    from playbach.inference.runtimes.onnx import OnnxRuntime
    from playbach.models import MODELS, build
    from playbach.models.base import Shape

    assert "lstm" in MODELS
    torch.manual_seed(0)
    model = build("lstm", Shape((symbols,), ()), ARTICLE)
    runtime = OnnxRuntime(onnx.export_step(model))
    none = np.zeros(0, np.int64)
    previous, state = np.array([symbols]), runtime.start()
    began = perf_counter()
    for number in range(WARMUP + notes):
        if number == WARMUP:
            began = perf_counter()
        [logits], state = runtime.step(previous, none, state)
        previous = logits.argmax(keepdims=True)
    return notes / (perf_counter() - began), model.parameter_count()


def composer_of(folder: Path) -> Any:
    """A composer whose network has the article's type and size."""
    import playbach
    from playbach.encodings.options import NotesOptions

    with tempfile.TemporaryDirectory() as into:
        run = playbach.train(
            folder, name="article", into=into, encoding="notes", notes=NotesOptions(durations="none"), model="lstm",
            network=ARTICLE, epochs=1,
        )  # fmt: skip
        return playbach.load(run.path)


def composed_notes(composer: Any, notes: int, seed: int) -> float:
    """Notes a second of a stream of pieces."""
    from playbach.music.events import Note

    found, began = 0, perf_counter()
    for event in composer.stream(seed):
        found += isinstance(event, Note)
        if found == notes:
            break
    return notes / (perf_counter() - began)


def measure(args: Namespace, log_line: Callable[..., None]) -> tuple[Table, dict[str, Any]]:
    _, pieces = read_folder(args.folder)
    _, sequences = encode_pieces(pieces)
    symbols = len(np.unique(np.concatenate([s.steps[:, 0] for s in sequences])))
    rates: dict[str, list[float]] = {}
    parameters = {}
    if not args.no_keras:
        [found] = _article_process.output_lines(
            args.keras_python, "predict", str(symbols), str(args.keras_notes), "0"
        )
        rates["Keras: model.predict on the window"] = [1 / s for s in found["seconds"]]
        parameters["Keras"] = found["parameters"]
    alone = [graph_notes(symbols, args.notes) for _ in range(args.generate_runs)]
    rates["playbach: the graph alone, ONNX Runtime"] = [rate for rate, _ in alone]
    parameters["the graph"] = alone[0][1]
    composer = composer_of(args.folder)
    parameters["the composer's network"] = composer.bundle.manifest["architecture"]["parameters"]
    composed_notes(composer, WARMUP, 0)
    rates["playbach: end to end, Composer.stream"] = [
        composed_notes(composer, args.notes, seed) for seed in range(args.generate_runs)
    ]
    for name, values in rates.items():
        log_line(part="generate", side=name, notes_per_second=summarise(values).median)
    found = {name: summarise(values) for name, values in rates.items()}
    first = next(iter(found.values())).median
    rows = tuple((name, *spread_cells(s, 1), f"{s.median / first:,.0f}") for name, s in found.items())
    if args.no_keras:
        rows = tuple((*row[:-1], "") for row in rows)
    notes = (
        f"{symbols} symbols; parameters: " + ", ".join(f"{name} {n:,}" for name, n in parameters.items()),
        f"A run is one note for Keras, and for playbach {args.notes:,}; seeds 0 to {args.generate_runs - 1}",
    )
    data = {"notes_per_second": {n: summary_dict(s) for n, s in found.items()}, "parameters": parameters}
    return Table(("what", "notes a second", "lowest–highest", "times Keras"), rows, notes), data


def summary_dict(found: Any) -> dict[str, float]:
    return {name: getattr(found, name) for name in ("median", "low", "high", "runs")}
