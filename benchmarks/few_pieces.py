"""How well a network learns from 3, 5, 10, 20, 50 or 200 pieces, from nothing or from a base, beside n-grams.

Claim: ten pieces from a base are as good as fifty from nothing, and what `playbach train` writes is never behind the
n-grams alone. For each number, pieces are drawn at random several times, and trained on as by `playbach
train FOLDER`, which holds out some of them to stop on and to test. All are then measured on the same held-out pieces,
which are never drawn, nor is any piece that shares a tune with them. With --apart-from they also share no tune with
the training pieces of the base.

An n-gram is fitted to the pieces that the network trained on. What plays is what `playbach train` writes: the network
together with several n-grams, or the network alone where the n-grams do not help, or where there is much music. With
few pieces, few symbols are known, and the name of an unknown one costs nothing in the bits per note of `playbach
evaluate`. So that figures can be compared, that name is counted here: one of all symbols that the folder's music has
and the training pieces lack. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _bench import Table, count, fail, parser, print_report

SIZES = (3, 5, 10, 20, 50, 200)
NOTHING, DEFAULT = "none", "default"
"""What training can begin from besides a model: nothing, or what `playbach train` chooses."""
WRITTEN, NETWORK, ONE, AVERAGE = "what plays", "the network alone", "one n-gram", "n-grams averaged"
PREDICTORS = (WRITTEN, NETWORK, ONE, AVERAGE)
TICKS = (1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30)
"""The bits per note that the plot's axis names."""


@dataclass(frozen=True)
class Folder:
    """The music to draw from."""

    encoding: str
    held_out: list[Any]
    """Pieces to measure."""
    pool: list[Any]
    """Pieces to draw."""
    reference: Any
    """The encoding of all pieces, whose symbols are all that there are."""


def read(args: argparse.Namespace) -> Folder:
    """Read the folder, and choose the held-out pieces: whole groups of pieces that share a tune, at random, and none
    that shares one with a training piece of the base."""
    from playbach.data.corpora import load_builtin, read_folder
    from playbach.encodings import ENCODINGS
    from playbach.music.tunes import tune_groups
    from playbach.system.errors import PlaybachError

    try:
        pieces, _, encoding = read_folder(args.folder, args.encoding)
        known = [p.score for p in load_builtin(args.apart_from, encoding=encoding).train] if args.apart_from else []
    except PlaybachError as error:
        fail(str(error))
    groups = np.array(tune_groups([*(p.score for p in pieces), *known]))
    of_known, groups = set(groups[len(pieces) :].tolist()), groups[: len(pieces)]
    held_out: set[int] = set()
    for group in np.random.default_rng(0).permutation(sorted({*groups.tolist()} - of_known)).tolist():
        members = np.flatnonzero(groups == group).tolist()
        if len(held_out) + len(members) <= args.held_out:
            held_out.update(members)
    pool = [p for i, p in enumerate(pieces) if i not in held_out]
    if not held_out or len(pool) < min(args.sizes):
        fail(
            f"{args.folder}: {len(pieces)} pieces are too few to hold out {args.held_out} and draw {min(args.sizes)}"
        )
    reference = ENCODINGS[encoding].load().fit([p.score for p in pieces])
    return Folder(encoding, [pieces[i] for i in sorted(held_out)], pool, reference)


def draw(folder: Folder, size: int, number: int) -> list[Any]:
    """The pieces of a draw, which are also in the larger draws of the same number."""
    order = np.random.default_rng(number).permutation(len(folder.pool))
    return [folder.pool[i] for i in order[:size].tolist()]


# ------------------------------------------------------------------------------------------------------- one run


def measure(folder: Folder, pieces: Sequence[Any], start: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train on some pieces and measure all predictors on the held-out ones."""
    from playbach.ngrams import mixing, stored
    from playbach.ngrams.ngram import NGramAverage
    from playbach.ngrams.pieces import in_keys_that_fit
    from playbach.system.errors import PlaybachError
    from playbach.training.members import MAX_COUNTED_STEPS

    with tempfile.TemporaryDirectory(prefix="playbach-benchmark-") as name:
        music, into, began = Path(name) / "music", Path(name) / "run", time.monotonic()
        music.mkdir()
        into.mkdir()
        for i, piece in enumerate(pieces):
            path = args.folder / piece.name
            shutil.copy(path, music / f"{i}{path.suffix}")
        try:
            trained = train(music, into, start, folder.encoding, args)
        except PlaybachError as error:
            return {"failed": str(error)}
        seconds = time.monotonic() - began
    encoding, corpus, members = trained.encoding, trained.corpus, trained.members
    held_out = [encoding.encode(p.score) for p in folder.held_out]
    if members:
        average = stored.from_bytes(members.data, encoding)[0]
    else:
        scores = [p.score for p in corpus.train]
        average = NGramAverage.fit(in_keys_that_fit(scores, encoding, MAX_COUNTED_STEPS), encoding)
    networks = [chances(trained.model, encoding, s) for s in held_out]
    counted = [average.probabilities(s) for s in held_out]
    found = {
        NETWORK: networks,
        ONE: [average.members[0].probabilities(s) for s in held_out],
        AVERAGE: counted,
        WRITTEN: networks,
    }
    if members:
        of_each = zip(networks, counted, held_out)
        found[WRITTEN] = [mixing.mix(p, q, s.steps, members.network_share) for p, q, s in of_each]
    names = name_costs(encoding, folder.reference)
    return {
        "bits": {n: bits_per_note(predicted, held_out, names) for n, predicted in found.items()},
        "bits_without_names": {n: bits_per_note(predicted, held_out, None) for n, predicted in found.items()},
        "ngrams_play": members is not None,
        "network_share": members.network_share if members else 1.0,
        "minutes": seconds / 60,
        "best_epoch": trained.best.number,
        "epochs": len(trained.history),
        "sides": [len(getattr(corpus, side)) for side in ("train", "valid", "test")],
    }


def train(music: Path, into: Path, start: str, encoding: str, args: argparse.Namespace) -> Any:
    """Train as `playbach train FOLDER --from START` does."""
    from playbach.training import finetuning, runs
    from playbach.training.options import TrainOptions

    given: dict[str, Any] = {"encoding": encoding, "epochs": args.epochs, "max_minutes": args.max_minutes}
    base = finetuning.read_base(None if start == DEFAULT else start)
    options = TrainOptions(**finetuning.finetune_options(base, given))
    return runs.run(music, options, base=base, name="few", into=into).trained


# ---------------------------------------------------------------------------------------------------- predictions

Chances = Sequence[npt.NDArray[Any]]
"""For each field, the probabilities (T, V_f) of a piece's steps."""


def chances(model: Any, encoding: Any, sequence: Any) -> Chances:
    import torch

    from _dynamic import inputs

    with torch.inference_mode():
        return [scores[0].double().softmax(-1).numpy() for scores in model.eval()(*inputs(encoding, sequence))]


def name_costs(encoding: Any, reference: Any) -> list[npt.NDArray[np.float64]]:
    """For each field, (V_f,): the nats that naming the true symbol costs after each symbol; not 0 after those that
    stand for unknown ones."""
    found = []
    for field, full, images in zip(encoding.fields, reference.fields, reference.unknown_symbols()):
        known, first = set(field.symbols), field.symbols[0]
        unknown = [full.symbols[i] for name, i in zip(full.symbols, images.tolist()) if name not in known]
        stand_for = Counter(name if name in known else first for name in unknown)
        found.append(np.array([math.log(max(1, stand_for[name])) for name in field.symbols]))
    return found


def bits_per_note(
    predicted: Sequence[Chances], pieces: list[Any], names: list[npt.NDArray[np.float64]] | None
) -> float:
    nats = 0.0
    for fields, s in zip(predicted, pieces):
        for f, found in enumerate(fields):
            steps = s.steps[:, f]
            nats -= float(np.log(found[np.arange(len(steps)), steps]).sum(dtype=np.float64))
            nats += float(names[f][steps].sum()) if names else 0.0
    return nats / math.log(2) / sum(s.notes for s in pieces)


# --------------------------------------------------------------------------------------------------------- report


def run_all(folder: Folder, args: argparse.Namespace) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
    """Start, size, number of the draw and figures of all runs; those in the cache are not run again."""
    for size in args.sizes:
        if size > len(folder.pool):
            continue
        for number in range(args.draws):
            pieces = draw(folder, size, number)
            for start in args.starts:
                key = [folder.encoding, [p.digest for p in pieces], [p.digest for p in folder.held_out], start]
                key += [args.epochs, args.max_minutes]
                name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]
                path = args.cache / f"few-{name}.json" if args.cache else None
                if path and path.exists():
                    found = json.loads(path.read_text("utf-8"))
                else:
                    found = measure(folder, pieces, start, args)
                    if path:
                        path.write_text(json.dumps(found), "utf-8")
                yield start, size, number, found


def curves(found: Sequence[tuple[str, int, int, dict[str, Any]]], starts: Sequence[str]) -> dict[str, Any]:
    """For each predictor, by size: the bits per note of all draws. N-grams do not depend on the start, and are taken
    from the first one."""
    lines: dict[str, dict[int, list[float]]] = {}
    for start, size, _, figures in found:
        for name in PREDICTORS:
            if "failed" in figures or (name in (ONE, AVERAGE) and start != starts[0]):
                continue
            label = name if name in (ONE, AVERAGE) else f"{name}, from {start}"
            lines.setdefault(label, {}).setdefault(size, []).append(figures["bits"][name])
    return lines


def plot(path: Path, lines: dict[str, dict[int, list[float]]], title: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), constrained_layout=True)
    for label, by_size in lines.items():
        sizes = sorted(by_size)
        style = "--" if label in (ONE, AVERAGE) else "-"
        [line] = axes.plot(sizes, [statistics.median(by_size[s]) for s in sizes], style, marker="o", label=label)
        low, high = [min(by_size[s]) for s in sizes], [max(by_size[s]) for s in sizes]
        axes.fill_between(sizes, low, high, color=line.get_color(), alpha=0.12)
    every = sorted({size for by_size in lines.values() for size in by_size})
    axes.set_xscale("log")
    axes.set_xticks(every, [str(size) for size in every])
    axes.set_yscale("log")  # of three pieces, a network from nothing knows next to nothing
    lowest, highest = axes.get_ylim()
    ticks = [t for t in TICKS if lowest <= t <= highest]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel("pieces")
    axes.set_ylabel("bits per note, held-out pieces")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    spread = f" ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.2f}{spread}"


def numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(map(count, text.split(","))))


def parse_arguments() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of music")
    options.add_argument(
        "--sizes", type=numbers, default=SIZES, metavar="N,…", help="numbers of pieces (default: 3,5,10,20,50,200)"
    )
    options.add_argument("--draws", type=count, default=3, help="draws of each number (default: %(default)s)")
    options.add_argument("--held-out", type=count, default=20, help="pieces never drawn (default: %(default)s)")
    options.add_argument(
        "--from",
        dest="starts",
        type=lambda text: tuple(text.split(",")),
        default=(NOTHING, DEFAULT),
        metavar="MODEL,…",
        help="the models to begin from, one after the other; none is nothing, default what `playbach train` chooses "
        "(default: none,default)",
    )
    options.add_argument(
        "--apart-from",
        metavar="CORPUS",
        help="hold out no piece that shares a tune with a training piece of this built-in corpus, such as that of "
        "the model to begin from",
    )
    options.add_argument("--encoding", help="of all runs (default: chosen from the whole folder)")
    options.add_argument("--epochs", type=count, default=200, help="maximum (default: %(default)s)")
    options.add_argument("--max-minutes", type=float, help="maximum training time of each network")
    options.add_argument("--cache", type=Path, metavar="FOLDER", help="keep figures here, so that a run can go on")
    options.add_argument("--plot", type=Path, metavar="FILE", help="write the curves as PNG or SVG")
    return options.parse_args()


def main() -> None:
    args = parse_arguments()
    if args.cache:
        args.cache.mkdir(parents=True, exist_ok=True)
    folder, found = read(args), []
    for run in run_all(folder, args):
        found.append(run)
        start, size, number, figures = run
        bits = figures.get("bits", figures)
        print(f"{size} pieces, draw {number}, from {start}: {bits}", flush=True, file=sys.stderr)
    lines = curves(found, args.starts)
    sizes = sorted({size for _, size, _, _ in found})
    rows = [(label, *(cell(by_size.get(size, [])) for size in sizes)) for label, by_size in lines.items()]
    for start in args.starts:
        own = {
            s: [f["minutes"] for at, size, _, f in found if (at, size) == (start, s) and "minutes" in f]
            for s in sizes
        }
        rows.append((f"minutes, from {start}", *(cell(own[size]) for size in sizes)))
    playing = sum(f.get("ngrams_play", False) for *_, f in found)
    failed = [f"{size} pieces, draw {n}, from {at}: {f['failed']}" for at, size, n, f in found if "failed" in f]
    notes = (
        f"Medians and ranges of {args.draws} draws; {len(folder.held_out)} held-out pieces, {len(folder.pool)} to "
        f"draw from; encoding {folder.encoding}; minutes are those of `playbach train`, its n-grams included",
        f"In {playing} of {len(found)} runs n-grams play together with the network",
        *failed,
    )
    if args.plot:
        plot(args.plot, lines, f"{args.folder.name}: {len(folder.held_out)} held-out pieces")
    table = Table(("bits per note", *(f"{size} pieces" for size in sizes)), tuple(rows), notes)
    data = {"curves": lines, "runs": [{"from": at, "pieces": s, "draw": n, **f} for at, s, n, f in found]}
    print_report("Learning from few pieces", table, data, ("torch", "numpy"), args.json)


if __name__ == "__main__":
    main()
