"""What composed pieces borrow from the training pieces, beside held-out music, and how long it takes to say so.

Claim: a model composes, and does not copy: its longest runs of notes shared with a training piece are no longer than
those of real music that it was not trained on. Composed pieces have the seeds 0 to N - 1, without and with
--original; the real ones are the test side of the model's corpus, beside all training pieces, and beside those of
other tunes only. docs/evaluation.md defines the figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from _bench import Table, count, fail, parser, percentile, print_report

if TYPE_CHECKING:
    from playbach.bundles.fingerprints import TrainingIndex
    from playbach.data.pieces import Corpus
    from playbach.inference.composing import Composer
    from playbach.music.borrowing.floor import Borrowing

ALL_TUNES, OTHER_TUNES = "test side", "test side, other tunes"
PLAIN, ORIGINAL = "composed", "composed, --original"


def summary(found: Sequence[Borrowing], seconds: float) -> dict[str, Any]:
    """The figures of some pieces; `seconds` is what one took."""
    names = list(dict.fromkeys(line.name for piece in found for line in piece.lines))
    lines = [line for piece in found for line in piece.lines]
    runs = {
        name: [0 if line.run is None else line.run.notes for line in lines if line.name == name] for name in names
    }
    bars = sum(piece.bars for piece in found)
    return {
        "pieces": len(found),
        "runs": {name: [statistics.median(r), percentile(r, 0.95), max(r)] for name, r in runs.items()},
        "copied": sum(len(piece.copied_bars) for piece in found) / max(1, bars),
        "above": sum(piece.is_above for piece in found),
        "far_above": sum(piece.is_far_above for piece in found),
        "seconds": seconds,
    }


def real(composer: Composer, index: TrainingIndex, corpus: Corpus) -> dict[str, dict[str, Any]]:
    """The figures of the test side, beside all training pieces and beside those of other tunes."""
    from playbach.bundles.fingerprints import numbers_of_pieces
    from playbach.music.borrowing.floor import borrowing_of
    from playbach.music.tunes import tune_groups

    numbers = numbers_of_pieces(composer.bundle.manifest)
    groups = tune_groups(piece.score for piece in (*corpus.train, *corpus.test))
    of_train, of_test = groups[: len(corpus.train)], groups[len(corpus.train) :]
    pieces = [composer.encoding.project(piece.score) for piece in corpus.test]
    same = [{numbers[p.digest] for p, g in zip(corpus.train, of_train) if g == group} for group in of_test]
    began = perf_counter()
    every = [index.borrowing(score) for score in pieces]
    seconds = (perf_counter() - began) / max(1, len(pieces))
    others = [borrowing_of(score, index.index, index.floor, without=tune) for score, tune in zip(pieces, same)]
    return {ALL_TUNES: summary(every, seconds), OTHER_TUNES: summary(others, seconds)}


def composed(composer: Composer, index: TrainingIndex, pieces: int, bars: int, original: bool) -> dict[str, Any]:
    """The figures of composed pieces, and how often each was composed."""
    began = perf_counter()
    made = [composer.compose(seed=seed, bars=bars, original=original) for seed in range(pieces)]
    seconds = (perf_counter() - began) / pieces
    draws = sum(piece.draws for piece in made) / pieces
    return {**summary([index.borrowing(piece.score) for piece in made], seconds), "draws": draws}


def rows(found: dict[str, dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    """The lines of the table: one for each figure, with a column for each kind of music."""

    def row(label: str, value: Callable[[dict[str, Any]], str]) -> tuple[str, ...]:
        return (label, *map(value, found.values()))

    yield row("pieces", lambda f: str(f["pieces"]))
    for name in dict.fromkeys(name for f in found.values() for name in f["runs"]):
        label = f"{name}: longest run, median, 95 %, maximum"
        yield row(label, lambda f, name=name: ", ".join(f"{n:g}" for n in f["runs"].get(name, ())) or "–")
    yield row("bars that occur in training pieces", lambda f: f"{100 * f['copied']:.1f} %")
    yield row("pieces above the floor", lambda f: str(f["above"]))
    yield row("pieces far above it", lambda f: str(f["far_above"]))
    yield row("compositions a piece", lambda f: f"{f['draws']:.2f}" if "draws" in f else "–")
    yield row("seconds a piece", lambda f: f"{f['seconds']:.3f}")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="bach-chorales", help="a .playbach file or a shipped model's name")
    options.add_argument("--pieces", type=count, default=50, help="pieces to compose (default: %(default)s)")
    options.add_argument("--bars", type=count, default=16, help="bars in each piece (default: %(default)s)")
    args = options.parse_args()

    from playbach.bundles import bundle as bundles
    from playbach.data.corpora import load_builtin
    from playbach.inference.composing import load
    from playbach.system.errors import PlaybachError

    try:
        composer = load(args.model)
        index = composer.training_index
        corpus = load_builtin(
            str(composer.bundle.manifest["provenance"]["corpus"]),
            encoding=composer.encoding.name,
            reading=bundles.reading_options(composer.bundle),
        )
    except PlaybachError as error:
        fail(str(error))
    if index is None:
        fail(f"{args.model}: the model has no index of its training pieces")
    found = {
        PLAIN: composed(composer, index, args.pieces, args.bars, original=False),
        ORIGINAL: composed(composer, index, args.pieces, args.bars, original=True),
        **real(composer, index, corpus),
    }
    table = Table(
        ("what", *found),
        tuple(rows(found)),
        (
            f"Model {composer.bundle.name}; pieces of {args.bars} bars, seeds 0 to {args.pieces - 1}",
            "Bars are compared with all training pieces in each column",
            "Bars are compared with all training pieces in each column",
            "Seconds: to compose a piece, with --original until it is original; for real music, to compare it",
        ),
    )
    print_report("What is borrowed", table, {"model": composer.bundle.name, "music": found}, ("numpy",), args.json)


if __name__ == "__main__":
    main()
