"""Like with like: one network beside one n-gram, several beside several, and both together, for jsb.py and cello.py.

The weights of a mixture are learnt on folds of the training pieces: each fold is predicted by the networks that were
stopped on it and never trained on it, and by as many n-grams that were fitted without it. That the networks were
stopped there makes them look slightly better on it than they are. Between the kinds of mixtures, and the rates of
dynamic evaluation, the folds choose too; the evaluated pieces influence nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _bench import count, fail
from _ensemble import (
    Logs,
    Music,
    Network,
    NetworkPredictions,
    NGramPredictions,
    Task,
    average_logs,
    load_logs,
    processors,
    run_tasks,
)

RATES = (3e-5, 1e-4, 3e-4, 1e-3)
"""The learning rates of dynamic evaluation between which the folds choose."""
CHOSEN = "the mixture that the folds chose"
TRANSFORMERS = {"lstm": "LSTM", "transformer": "Transformer"}


def add_options(options: argparse.ArgumentParser, variants: Sequence[str]) -> None:
    options.add_argument("--members", type=count, default=5, help="number of LSTMs (default: %(default)s)")
    options.add_argument("--transformers", type=int, default=0, help="number of Transformers (default: %(default)s)")
    options.add_argument("--ngrams", type=count, default=5, help="number of n-grams (default: %(default)s)")
    options.add_argument(
        "--folds", type=count, default=12, help="folds of the training pieces to stop on (default: %(default)s)"
    )
    options.add_argument("--epochs", type=count, default=200, help="maximum (default: %(default)s)")
    options.add_argument(
        "--jobs", type=count, default=processors(), help="models trained at a time (default: the number of cores)"
    )
    options.add_argument("--dynamic", action="store_true", help="also let the networks learn on within each piece")
    options.add_argument(
        "--augment", default="", metavar="LIST", help=f"also train the networks on: {', '.join(variants)}"
    )
    options.add_argument(
        "--base", type=Path, metavar="BUNDLE", help="a bundle to begin from; it must not know the evaluated pieces"
    )
    options.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keep networks and predictions here, so that a run can be stopped and go on; they are named after the "
        "options and the music, not after the version of the code",
    )


def augmentations(args: argparse.Namespace, variants: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(filter(None, args.augment.split(",")))
    for name in chosen:
        if name not in variants:
            fail(f"--augment {name}: no such variant; there are: {', '.join(variants)}")
    return chosen


@contextmanager
def cache_folder(args: argparse.Namespace) -> Iterator[Path]:
    if args.cache is None:
        with tempfile.TemporaryDirectory(prefix="playbach-benchmark-") as folder:
            yield Path(folder)
    else:
        args.cache.mkdir(parents=True, exist_ok=True)
        yield args.cache


@dataclass
class Compared:
    """What was predicted for the held-out pieces, and how."""

    rows: dict[str, list[Logs]] = field(default_factory=dict)
    """For each row of the table, one or several models or pairs of models of its kind."""
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All models of one piece of work, whose predictions are in a folder."""

    music: Music
    args: argparse.Namespace
    augment: tuple[str, ...]
    transformer: dict[str, Any]
    """The network's options of the Transformers."""
    folder: Path
    encoding: Any
    """Of all training pieces; its symbols are those of the predictions."""
    related: Music | None = None
    """Other music that the LSTMs learn first."""

    def run(self) -> Compared:
        """Train what is missing, and make all rows."""
        networks, ngrams = self.networks(), self.ngrams()
        self._run([n.base for n in networks["lstm"] if isinstance(n.base, Network)])
        self._run([n for of in networks.values() for n in of])
        self._run(
            [*self._all(networks, "held-out"), *self._all(networks, "fold"), *ngrams, *self._fold_ngrams(networks)]
        )
        found = Compared()
        counted = [load_logs(n, self.folder) for n in ngrams]
        self._add_rows(found, networks, counted, {})
        if self.args.dynamic:
            self._add_rows(found, networks, counted, self._rates(found, networks))
        self._describe(found, networks)
        return found

    def networks(self) -> dict[str, list[Network]]:
        """The networks of each architecture; each one's seed is its number."""
        numbers = {"lstm": self.args.members, "transformer": self.args.transformers}
        return {model: [self._network(model, i) for i in range(n)] for model, n in numbers.items() if n}

    def _network(self, model: str, seed: int) -> Network:
        own = {"network": self.transformer} if model == "transformer" else {}
        options = {"model": model, **own, "epochs": self.args.epochs, "seed": seed}
        base = self.args.base if model == "lstm" else None
        if self.related is not None and model == "lstm":
            base = Network(music=self.related, options=options, fold=seed % self.related.folds)
        return Network(
            music=self.music, options=options, fold=seed % self.music.folds, augment=self.augment, base=base
        )

    def ngrams(self) -> list[NGramPredictions]:
        return [NGramPredictions(music=self.music, seed=i) for i in range(self.args.ngrams)]

    def _add_rows(
        self,
        found: Compared,
        networks: dict[str, list[Network]],
        counted: list[Logs],
        rates: dict[str, float],
    ) -> None:
        """The rows of networks that do not learn on, or of those that do, if there are rates to learn with."""
        rows, what = found.rows, ", learning on" if rates else ""
        single = {
            model: [load_logs(self._predicted(n, "held-out", rates), self.folder) for n in of]
            for model, of in networks.items()
        }
        alone = [logs for of in single.values() for logs in of]
        for model, of in single.items():
            rows[f"one {TRANSFORMERS[model]}{what}"] = of
        together = average_logs(alone)
        rows[f"{len(alone)} networks averaged{what}"] = [together]
        if not rates:
            rows["one n-gram"] = counted
            rows[f"{len(counted)} n-grams averaged"] = [average_logs(counted)]
        pairs = [average_logs(pair) for pair in zip(single["lstm"], counted)]
        rows[f"one LSTM{what}, and one n-gram, half and half"] = pairs
        both = f"{len(alone)} networks{what}, and {len(counted)} n-grams"
        rows[f"{both}, half and half"] = [average_logs([together, average_logs(counted)])]
        experts = [*(average_logs(of) for of in single.values()), average_logs(counted)]
        self._add_mixtures(found, both, experts, networks, rates)

    def _add_mixtures(
        self,
        found: Compared,
        both: str,
        experts: list[Logs],
        networks: dict[str, list[Network]],
        rates: dict[str, float],
    ) -> None:
        from _mixture import KINDS, MixedPiece, Mixture, compare

        learnt = self._fold_pieces(networks, rates)
        if len(learnt) < 2:
            return
        costs = compare(learnt)
        best = min(costs, key=lambda name: costs[name])
        held_out = [
            MixedPiece(np.stack(logs, axis=1), *self._truth(data))
            for *logs, data in zip(*experts, self.music.held_out)
        ]
        weights = {}
        for name in KINDS:
            mixture = Mixture.fit(learnt, name)
            found.rows[f"{both}, {name}"] = [[mixture.mix(piece) for piece in held_out]]
            weights[name] = [round(w, 3) for w in mixture.usual()]
        found.rows[f"{both}, {CHOSEN}"] = found.rows[f"{both}, {best}"]
        alone = {
            model: -np.concatenate([p.own[:, e] for p in learnt]).mean()
            for e, model in enumerate([*networks, "n-gram"])
        }
        figures = {**{f"{m} alone": float(v) for m, v in alone.items()}, **costs}
        found.data[f"folds{', learning on' if rates else ''}"] = {
            "nats a step": figures,
            "weights": weights,
            "chosen": best,
        }
        line = ", ".join(f"{name} {cost:.4f}" for name, cost in figures.items())
        found.notes.append(
            f"On the folds{', networks learning on' if rates else ''}, nats a step: {line}; chosen: {best}; "
            f"weights of {', '.join([*networks, 'n-gram'])}: {weights['sum, fixed weights']}"
        )

    # ------------------------------------------------------------------------------------------------------ folds

    def _folds(self, networks: dict[str, list[Network]]) -> list[int]:
        """The folds that networks of every architecture were stopped on."""
        stopped = [{n.fold for n in of} for of in networks.values()]
        return sorted(set.intersection(*stopped))

    def _matching_ngrams(self, networks: dict[str, list[Network]], fold: int) -> list[NGramPredictions]:
        """As many n-grams without the fold as networks were stopped on it."""
        stopped = sum(n.fold == fold for of in networks.values() for n in of)
        numbers = range(min(self.args.ngrams, stopped))
        return [NGramPredictions(music=self.music, seed=i, fold=fold) for i in numbers]

    def _fold_ngrams(self, networks: dict[str, list[Network]]) -> list[NGramPredictions]:
        return [n for fold in self._folds(networks) for n in self._matching_ngrams(networks, fold)]

    def _fold_pieces(self, networks: dict[str, list[Network]], rates: dict[str, float]) -> list[Any]:
        from _mixture import MixedPiece

        found = []
        for fold in self._folds(networks):
            experts = [
                average_logs(
                    [load_logs(self._predicted(n, "fold", rates), self.folder) for n in of if n.fold == fold]
                )
                for of in networks.values()
            ]
            experts.append(average_logs([load_logs(n, self.folder) for n in self._matching_ngrams(networks, fold)]))
            for *logs, data in zip(*experts, self.music.side("fold", fold)):
                found.append(MixedPiece(np.stack(logs, axis=1), *self._truth(data)))
        return found

    def _truth(self, data: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """A piece's symbols (T,) and the kinds of its steps (T,)."""
        sequence = self.encoding.encode(self.music.score_of(data))
        names = [f.name for f in self.encoding.context]
        kind = self.encoding.step_kind
        kinds = sequence.context[:, names.index(kind)] if kind else np.zeros(len(sequence), np.int64)
        return sequence.steps[:, 0], kinds

    # ------------------------------------------------------------------------------------------ dynamic evaluation

    def _rates(self, found: Compared, networks: dict[str, list[Network]]) -> dict[str, float]:
        """The rate at which each architecture predicts the folds best; trains nothing that is there."""
        self._run([self._predicted(n, "fold", {m: r}) for m, of in networks.items() for n in of for r in RATES])
        rates = {}
        for model, of in networks.items():
            costs = {rate: self._cost(of, {model: rate}) for rate in (0.0, *RATES)}
            rates[model] = min(RATES, key=lambda rate: costs[rate])
            found.data[f"folds, rates, {model}"] = costs
            line = ", ".join(f"{rate:g}: {cost:.4f}" for rate, cost in costs.items())
            found.notes.append(f"On the folds, one {TRANSFORMERS[model]} learning on, nats a step by rate: {line}")
        self._run(self._all(networks, "held-out", rates))
        return rates

    def _cost(self, networks: Sequence[Network], rates: dict[str, float]) -> float:
        nats: list[npt.NDArray[Any]] = []
        for network in networks:
            logs = load_logs(self._predicted(network, "fold", rates), self.folder)
            for piece, data in zip(logs, self.music.side("fold", network.fold)):
                steps, _ = self._truth(data)
                nats.append(-piece[np.arange(len(steps)), steps])
        return float(np.concatenate(nats).mean(dtype=np.float64))

    def _predicted(self, network: Network, side: Any, rates: dict[str, float]) -> NetworkPredictions:
        return NetworkPredictions(network=network, side=side, rate=rates.get(network.options["model"], 0.0))

    def _all(
        self, networks: dict[str, list[Network]], side: Any, rates: dict[str, float] | None = None
    ) -> list[NetworkPredictions]:
        return [self._predicted(n, side, rates or {}) for of in networks.values() for n in of]

    def _run(self, tasks: Sequence[Task]) -> None:
        run_tasks(tasks, self.folder, self.args.jobs)

    def _describe(self, found: Compared, networks: dict[str, list[Network]]) -> None:
        facts = {model: [n.load(self.folder)[2] for n in of] for model, of in networks.items()}
        found.data["networks"] = facts
        for model, of in facts.items():
            minutes = sum(f["seconds"] for f in of) / 60
            found.notes.append(
                f"{len(of)} {TRANSFORMERS[model]}s of {of[0]['parameters']:,} parameters, seeds 0 to {len(of) - 1}, "
                f"{minutes:.1f} core minutes in total; best epochs {', '.join(str(f['best_epoch']) for f in of)}"
            )
