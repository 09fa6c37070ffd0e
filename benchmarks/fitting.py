"""Overfitting and underfitting on purpose: several small networks trained on the same sixty fiddle tunes.

Claim: the curves that `train` draws show whether a network is too large, too small, held back by too much dropout, or
short of music; docs/training.md explains them. Each case differs from the first in what its name states and in the
number of epochs. Sizes and epochs were chosen so that each case shows clearly and takes less than a minute; they are
no recipe for good music.

The tunes are sixty of the built-in corpus ryans-mammoth, spread evenly over its titles, and split by `train` as it
splits every folder (seed 0). `train` always uses each tune in all keys within the corpus's range; the case `own-key`
turns that off by an encoding of its own (`_own_key.py`). Everything runs on one thread in float32. Needs the extra
`train`; the corpus is converted from music21 on first use, which takes about a minute.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _bench import Table, count, fail, parser, print_report, show_progress

CORPUS = "ryans-mammoth"
SIZE: dict[str, Any] = {"width": 64, "layers": 2, "dropout": 0.0, "symbol_dropout": 0.0}
"""The first case's network: it has far more parameters than the music has notes."""


@dataclass(frozen=True, slots=True)
class Case:
    """One training run."""

    name: str
    label: str
    """In the table."""
    epochs: int
    changes: dict[str, Any] = field(default_factory=dict)
    """Changes to SIZE."""
    encoding: str = "notes"

    @property
    def network(self) -> dict[str, Any]:
        return {**SIZE, **self.changes}


CASES = (
    Case("too-large", "too large, no dropout", 25),
    Case("own-key", "the same, no transposition", 25, encoding="own-key"),
    Case("dropout", "the same, dropout 0.2", 30, {"dropout": 0.2}),
    Case("smaller", "smaller, no dropout", 30, {"width": 16, "heads": 2}),
    Case("too-small", "much too small", 30, {"width": 4, "heads": 1, "layers": 1, "feed_forward": 1}),
    Case("too-much-dropout", "too large, dropout 0.9", 20, {"dropout": 0.9, "symbol_dropout": 0.5}),
)


def spread_evenly(paths: list[Path], number: int) -> list[Path]:
    """This many of the paths, evenly spread; all if there are fewer."""
    number = min(number, len(paths))
    return [paths[i * len(paths) // number] for i in range(number)]


def train_case(case: Case, tunes: Path, into: Path) -> Any:
    """Train as `playbach train` does, with the case's options."""
    from playbach.encodings import ENCODINGS
    from playbach.training import runs
    from playbach.training.options import TrainOptions

    if case.encoding not in ENCODINGS:
        from _own_key import OwnKey
        from playbach.system.registry import Entry

        ENCODINGS[OwnKey.name] = Entry(name=OwnKey.name, description="own key", code=OwnKey)
    options = TrainOptions(
        encoding=case.encoding,
        model="transformer",
        network=case.network,
        epochs=case.epochs,
        device="cpu",
        dtype="float32",
    )
    return runs.run(tunes, options, name=f"fit-{case.name}", into=into, report=show_progress)


def figures(run: Any) -> dict[str, Any]:
    """The figures of a run, for the table and JSON."""
    found = run.trained
    best, last = found.best, found.history[-1]
    return {
        "parameters": found.model.parameter_count(),
        "training_symbols": found.training_symbols,
        "best_epoch": best.number,
        "epochs": last.number,
        "best": {"train": best.train.bits_per_note, "valid": best.valid.bits_per_note},
        "last": {"train": last.train.bits_per_note, "valid": last.valid.bits_per_note},
        "test": found.test.bits_per_note,
        "guessing": found.baseline.bits_per_note,
        "ngram": found.ngram.bits_per_note if found.ngram else None,
        "verdict": run.diagnosis.word,
        "seconds": found.seconds,
    }


def cells(case: Case, row: dict[str, Any]) -> tuple[str, ...]:
    best, last = row["best"], row["last"]
    return (
        case.label,
        f"{row['parameters']:,}",
        f"{row['best_epoch']} of {row['epochs']}",
        f"{best['train']:.2f}",
        f"{best['valid']:.2f}",
        f"{best['valid'] - best['train']:.2f}",
        f"{last['train']:.2f}",
        f"{last['valid']:.2f}",
        f"{row['test']:.2f}",
        row["verdict"],
        f"{row['seconds']:.0f}",
    )


def parse_arguments() -> argparse.Namespace:
    options = parser(__doc__)
    names = [case.name for case in CASES]
    options.add_argument(
        "--only", choices=names, action="append", metavar="CASE", help=f"one of {', '.join(names)}; may be repeated"
    )
    options.add_argument("--tunes", type=count, default=60, help="number of tunes (default: %(default)s)")
    options.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="a new folder for the tunes, models, pictures and logs",
    )
    options.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="write fit-CASE.png there, replacing earlier ones"
    )
    return options.parse_args()


def main() -> None:
    args = parse_arguments()
    if args.pictures and not args.pictures.is_dir():
        fail(f"{args.pictures}: no such folder")
    if args.into:
        try:
            args.into.mkdir()
        except OSError as error:
            fail(f"{args.into}: cannot be made ({error.strerror}); give a new folder")
        return measure_cases(args, args.into)
    with tempfile.TemporaryDirectory() as folder:
        return measure_cases(args, Path(folder))


def measure_cases(args: argparse.Namespace, into: Path) -> None:
    import torch

    from playbach.data import builtin
    from playbach.system.errors import PlaybachError

    torch.set_num_threads(1)
    tunes = into / "tunes"
    tunes.mkdir()
    found: dict[str, dict[str, Any]] = {}
    cases = [case for case in CASES if not args.only or case.name in args.only]
    try:
        for path in spread_evenly(sorted(builtin.CORPORA[CORPUS].folder().glob("*.mid")), args.tunes):
            shutil.copy(path, tunes)
        for case in cases:
            show_progress(f"\n{case.name}: {case.label}")
            run = train_case(case, tunes, into)
            found[case.name] = figures(run)
            if args.pictures:
                shutil.copyfile(run.picture, args.pictures / run.picture.name)
    except PlaybachError as error:
        fail(str(error))
    columns = ("bits per note", "parameters", "best epoch", "train", "valid", "gap", "train, last", "valid, last",
               "test", "verdict", "s")  # fmt: skip
    one = found[cases[0].name]
    notes = (
        f"{len(list(tunes.iterdir()))} tunes of {CORPUS}; {one['training_symbols']:,} training symbols, each tune in "
        "one key; train, valid and test are of the best epoch unless stated otherwise",
        f"Guessing by frequency: {one['guessing']:.2f}" + (f"; an n-gram: {one['ngram']:.2f}" if one["ngram"] else "")
        + f" bits per note of the test side ({cases[0].name})",
    )  # fmt: skip
    table = Table(columns, tuple(cells(case, found[case.name]) for case in cases), notes)
    print_report("Fitting: too large, too small, held back", table, {"cases": found}, ("torch", "numpy"), args.json)


if __name__ == "__main__":
    main()
