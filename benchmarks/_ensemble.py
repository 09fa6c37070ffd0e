"""Networks and n-grams trained on the same music, each network stopped on a different part of it.

The evaluated pieces influence nothing: each network trains on all training pieces except one fold, and stops on that
fold. An n-gram is fitted to all training pieces, or to all except one fold. Both then predict the evaluated pieces,
or the fold that they did not see. A task is done once: its result is a file, named after all that it depends on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Logs = list[npt.NDArray[np.float32]]
"""The log probabilities (T, V) of each piece's steps."""
Side = Literal["held-out", "fold"]


@dataclass(frozen=True, kw_only=True)
class Music:
    """What is learnt and what is predicted, as plain data that other processes can be sent."""

    score_of: Callable[[Any], Any]
    """The script's function that makes a score from a piece's data."""
    train: Sequence[Any]
    held_out: Sequence[Any]
    encoding: dict[str, Any]
    """The `encoding` of `TrainOptions`, and its options."""
    symbols: tuple[str, ...]
    """The symbols, in the order of the columns of all predictions."""
    folds: int
    variants: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Functions that make one more training piece of a piece's data, by name. Only networks learn these pieces."""

    stop: tuple[int, ...] = ()
    """The numbers of the training pieces that are fold 0, in place of folds."""

    def chosen(self, fold: int) -> set[int]:
        """The numbers of the training pieces of a fold."""
        if self.stop:
            return set(self.stop)
        return set(
            np.flatnonzero(np.random.default_rng(0).permutation(len(self.train)) % self.folds == fold).tolist()
        )

    def side(self, side: Side, fold: int) -> list[Any]:
        """The pieces to predict."""
        return list(self.held_out) if side == "held-out" else [self.train[i] for i in sorted(self.chosen(fold))]

    @cached_property
    def train_hash(self) -> str:
        return _hash(self.train, self.folds, self.stop, self.encoding, self.symbols)

    @cached_property
    def held_out_hash(self) -> str:
        return _hash(self.held_out)


def fit_encoding(music: dict[str, Any], scores: Sequence[Any]) -> Any:
    """The encoding that some pieces have, with these entries of `TrainOptions`."""
    from playbach.encodings import ENCODINGS

    return ENCODINGS[music["encoding"]].load().fit(scores, music.get(music["encoding"]))


# ----------------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network: the training of one member, on one thread."""

    music: Music
    options: dict[str, Any]
    """Of `TrainOptions`, without those of the encoding."""
    fold: int
    """The fold of the training pieces to stop on."""
    augment: tuple[str, ...] = ()
    """The names of the music's variants that are trained on as well."""
    base: Path | Network | None = None
    """The bundle that training begins from, or a network that was trained on other music."""

    @cached_property
    def name(self) -> str:
        base = sha256(self.base.read_bytes()).hexdigest() if isinstance(self.base, Path) else self.base
        base = base.name if isinstance(base, Network) else base
        return f"network-{_hash(self.music.train_hash, self.options, self.fold, self.augment, base)}.pt"

    def run(self, folder: Path) -> None:
        """Train, and write the weights with what is needed to use them."""
        import torch

        from playbach.data.pieces import Corpus, Piece
        from playbach.music.scores import content_hash
        from playbach.training.callbacks import Callbacks
        from playbach.training.distributed import SINGLE_PROCESS
        from playbach.training.loop import set_up, train_epochs
        from playbach.training.options import TrainOptions

        def pieces(data: Sequence[Any]) -> tuple[Piece, ...]:
            scores = map(self.music.score_of, data)
            return tuple(Piece(str(i), score, content_hash(score)) for i, score in enumerate(scores))

        torch.set_num_threads(1)
        chosen = self.music.chosen(self.fold)
        learn = [p for i, p in enumerate(self.music.train) if i not in chosen]
        learn += [self.music.variants[name](p) for name in self.augment for p in learn]
        stop = pieces(self.music.side("fold", self.fold))
        base, options = self._beginning(folder)
        trainer = set_up(
            Corpus("benchmark", pieces(learn), stop, stop),  # there is nothing to test here
            TrainOptions(**options),
            callbacks=Callbacks(),
            clock=time.monotonic,
            folder=None,
            base=base,
            group=SINGLE_PROCESS,
        )
        train_epochs(trainer.runner, trainer.start(), trainer)
        state = trainer.state
        best = [epoch for epoch in state.history if epoch.saved][-1]
        facts = {
            "epochs": len(state.history),
            "best_epoch": best.number,
            "own_fold_bits": best.valid.bits_per_note,
            "seconds": trainer.elapsed(),
            "parameters": state.model.parameter_count(),
        }
        description = {
            "encoding": trainer.music.encoding.manifest(),
            "model": state.model.name,
            "network": state.model.config(),
            "facts": facts,
        }
        weights = {name: tensor.cpu() for name, tensor in state.best.items()}
        with _pending(folder / self.name) as path:
            torch.save({"weights": weights, "description": json.dumps(description)}, path)

    def _beginning(self, folder: Path) -> tuple[Any, dict[str, Any]]:
        """What training begins from, as `set_up` takes it, and the options that go with it."""
        from playbach.bundles.network import read_base_model
        from playbach.training.finetuning import FINETUNE_LEARNING_RATE, finetune_options

        options: dict[str, Any] = {**self.music.encoding, **self.options}
        if isinstance(self.base, Path):
            base = read_base_model(self.base)
            return base, finetune_options(base, options)
        if isinstance(self.base, Network):
            model, encoding, _ = self.base.load(folder)
            return _Trained(model, encoding), {**options, "learning_rate": FINETUNE_LEARNING_RATE}
        return None, options

    def load(self, folder: Path) -> tuple[Any, Any, dict[str, Any]]:
        """The trained network, its encoding, and the facts about its training."""
        import torch

        from playbach.encodings import from_manifest
        from playbach.models import build
        from playbach.models.base import Shape

        torch.set_num_threads(1)
        saved = torch.load(folder / self.name, weights_only=True, map_location="cpu")
        description = json.loads(saved["description"])
        encoding = from_manifest(description["encoding"])
        model = build(description["model"], Shape.of(encoding), description["network"])
        model.load_state_dict(saved["weights"])
        return model.eval(), encoding, description["facts"]


@dataclass(frozen=True)
class _Trained:
    """A network to begin from that is in no bundle; as far as `set_up` needs a `BaseModel`."""

    network: Any
    encoding: Any

    def extend_encoding(self, scores: Any, options: Any = None) -> Any:
        return type(self.encoding).fit(scores, options or getattr(self.encoding, "options", None), self.encoding)

    def load_network(self, shape: Any) -> Any:
        from playbach.models import build

        extended = build(self.network.name, shape, self.network.config())
        extended.copy_weights_from(self.network)
        return extended


@dataclass(frozen=True, kw_only=True)
class NetworkPredictions:
    """What a trained network predicts, learning on within each piece if `rate` is not 0 (`_dynamic`)."""

    network: Network
    side: Side
    rate: float = 0.0

    @cached_property
    def name(self) -> str:
        parts: list[Any] = [self.network.name, self.side, self.network.music.held_out_hash, self.rate]
        if self.rate:
            from _dynamic import PULL, SEGMENT

            parts += [PULL, SEGMENT]
        return f"predictions-{_hash(*parts)}.npz"

    def run(self, folder: Path) -> None:
        from _dynamic import gradient_sizes, log_chances, log_chances_learning

        music, fold = self.network.music, self.network.fold
        model, encoding, _ = self.network.load(folder)
        sequences = [encoding.encode(music.score_of(p)) for p in music.side(self.side, fold)]
        if self.rate:
            chosen = music.chosen(fold)
            learnt = [encoding.encode(music.score_of(p)) for i, p in enumerate(music.train) if i not in chosen]
            sizes = gradient_sizes(model, encoding, learnt)
            found = [log_chances_learning(model, encoding, s, sizes, self.rate) for s in sequences]
        else:
            found = [log_chances(model, encoding, s) for s in sequences]
        _save(folder / self.name, [_by_symbols(logs, encoding, music.symbols) for logs in found])


@dataclass(frozen=True, kw_only=True)
class NGramPredictions:
    """What an n-gram predicts: the held-out pieces after all training pieces, a fold after all others."""

    music: Music
    seed: int
    fold: int | None = None

    @cached_property
    def name(self) -> str:
        predicted = self.music.held_out_hash if self.fold is None else self.fold
        return f"ngram-{_hash(self.music.train_hash, self.seed, predicted)}.npz"

    def run(self, folder: Path) -> None:
        from playbach.music.scores import transpose
        from playbach.ngrams.ngram import NGram

        music, fold = self.music, self.fold
        chosen = set() if fold is None else music.chosen(fold)
        scores = [music.score_of(p) for i, p in enumerate(music.train) if i not in chosen]
        encoding = fit_encoding(music.encoding, scores)
        keys = [[encoding.encode(transpose(s, k)) for k in encoding.transpositions(s)] for s in scores]
        model = NGram.fit(keys, encoding, seed=self.seed)
        predicted = music.held_out if fold is None else music.side("fold", fold)
        found = [np.log(model.probabilities(encoding.encode(music.score_of(p)))[0]) for p in predicted]
        _save(folder / self.name, [_by_symbols(logs, encoding, music.symbols) for logs in found])


Task = Network | NetworkPredictions | NGramPredictions


def run_tasks(tasks: Sequence[Task], folder: Path, jobs: int) -> None:
    """Run the tasks whose results are not in the folder yet, `jobs` at a time."""
    missing = [task for task in tasks if not (folder / task.name).exists()]
    if not missing:
        return
    with ProcessPoolExecutor(min(jobs, len(missing)), get_context("spawn")) as pool:
        began = time.monotonic()
        futures = {pool.submit(task.run, folder): task for task in missing}
        for number, future in enumerate(as_completed(futures), 1):
            future.result()
            task, minutes = futures[future], (time.monotonic() - began) / 60
            line = f"{type(task).__name__} {number} of {len(missing)}, {minutes:.1f} min{_facts_line(task, folder)}"
            print(line, file=sys.stderr, flush=True)


def load_logs(task: Task, folder: Path) -> Logs:
    with np.load(folder / task.name) as arrays:
        return [arrays[str(i)] for i in range(len(arrays))]


def average_logs(logs: Sequence[Logs]) -> Logs:
    """The mixture of several models in equal parts."""
    return [np.logaddexp.reduce(np.stack(piece), axis=0) - np.float32(np.log(len(piece))) for piece in zip(*logs)]


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _facts_line(task: Task, folder: Path) -> str:
    if not isinstance(task, Network):
        return ""
    facts = task.load(folder)[2]
    return (
        f": best of {facts['epochs']} epochs was {facts['best_epoch']}, {facts['own_fold_bits']:.3f} bits per note "
        f"on its own fold, {facts['seconds'] / 60:.1f} min"
    )


def _by_symbols(logs: npt.NDArray[Any], encoding: Any, symbols: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Log probabilities (T, V) by an encoding's symbols as those by others (T, W). Symbols that are unknown to it
    share what it gives to UNKNOWN."""
    known = {name: i for i, name in enumerate(encoding.fields[0].symbols)}
    columns = np.array([known.get(name, 0) for name in symbols])
    found = logs[:, columns]
    found[:, columns == 0] -= np.log((columns == 0).sum())
    return found.astype(np.float32)


def _hash(*parts: Any) -> str:
    return sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()[:20]


def _save(path: Path, logs: Logs) -> None:
    with _pending(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{str(i): piece for i, piece in enumerate(logs)})


class _pending:
    """A path to write to, which gets its name once it is whole."""

    def __init__(self, path: Path) -> None:
        self.path, self.temporary = path, path.with_name(f"{path.name}.{os.getpid()}")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)
