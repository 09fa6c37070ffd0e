"""How well a network learns from little data: the top line of the cello suites, with some suites held out.

Claim: a network trained on a few dozen pieces beats a strong n-gram on held-out music, without leaks: whole suites
are held out, and written-out repeats count once. The task is to predict the pitch of the next top note from the top
notes before it in its piece, and nothing else: no model gets rhythm or bar lines.

A top note is the highest that begins at its moment, over all tracks. A note is left out, also as context, if the run
of 16 notes that ends with it occurred before in its piece. Pieces are trained on in all keys within the training
pieces' range. Each network stops on a different fold of the training pieces; the held-out pieces influence nothing.
Reported are the n-gram of `playbach evaluate`, the networks (the `notes` encoding without durations), their average,
and that average and the n-gram in equal parts. Needs the extra `train`.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from _bench import Table, count, fail, parser, print_report
from _ensemble import Task, average_logs, processors, train_members

NETWORK: dict[str, Any] = {"width": 96, "layers": 2, "dropout": 0.4, "symbol_dropout": 0.1}
PATIENCE = 30
FOLDS = 12
RUN = 16
EIGHTH = 240


def top_notes(score: Any) -> list[int]:
    """The highest pitch of each moment at which a note begins."""
    moments: dict[int, int] = defaultdict(int)
    for track in score.tracks:
        if not track.is_drum:
            notes = track.notes.numpy()
            for time, pitch in zip(notes["time"].tolist(), notes["pitch"].tolist()):
                moments[time] = max(moments[time], pitch)
    return [moments[time] for time in sorted(moments)]


def without_repeats(pitches: list[int]) -> list[int]:
    """Leave out each note that ends a run of RUN notes which occurred before."""
    seen, kept = set(), []
    for i, pitch in enumerate(pitches):
        run = tuple(pitches[i - RUN + 1 : i + 1])
        if i >= RUN - 1 and run in seen:
            continue
        seen.add(run)
        kept.append(pitch)
    return kept


def score_of(pitches: list[int]) -> Any:
    """A line of eighths."""
    import symusic

    score = symusic.Score(480)
    score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    track = symusic.Track("line", 42, False)
    for i, pitch in enumerate(pitches):
        track.notes.append(symusic.Note(i * EIGHTH, EIGHTH, pitch, 80))
    score.tracks.append(track)
    return score


def figures(logs: list[np.ndarray], sequences: list[Any]) -> tuple[float, float]:
    """Bits per note, and accuracy."""
    steps = [s.steps[:, 0] for s in sequences]
    nats = [-piece[np.arange(len(s)), s] for piece, s in zip(logs, steps)]
    hits = [piece.argmax(-1) == s for piece, s in zip(logs, steps)]
    return float(np.concatenate(nats).mean() / np.log(2)), float(np.concatenate(hits).mean())


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of MIDI files")
    options.add_argument("--hold-out", required=True, metavar="GLOB", help="the files to hold out, such as 'cs5*'")
    options.add_argument("--leave-out", metavar="GLOB", help="files to ignore")
    options.add_argument("--members", type=count, default=8, help="number of networks (default: %(default)s)")
    options.add_argument(
        "--jobs", type=count, default=processors(), help="networks trained at a time (default: the number of cores)"
    )
    options.add_argument("--epochs", type=count, default=200, help="maximum (default: %(default)s)")
    args = options.parse_args()

    from playbach.encodings import ENCODINGS
    from playbach.encodings.options import NotesOptions
    from playbach.evaluation.ngram import NGram
    from playbach.music import reading
    from playbach.music.scores import transpose
    from playbach.system.errors import PlaybachError

    sides: dict[bool, list[list[int]]] = {True: [], False: []}
    try:
        for path, read in reading.read_many(reading.find_music(args.folder)):
            if isinstance(read, PlaybachError):
                raise read
            if not (args.leave_out and fnmatch(path.name, args.leave_out)):
                sides[fnmatch(path.name, args.hold_out)].append(without_repeats(top_notes(read.score)))
    except PlaybachError as error:
        fail(str(error))
    held_out, train = sides[True], sides[False]
    if not held_out or len(train) < FOLDS:
        counts = f"{len(held_out)} files to hold out and {len(train)} to train on"
        fail(f"{args.folder}: {counts}; the minimum is 1 and {FOLDS}")

    notes = NotesOptions(durations="none")
    train_scores = [score_of(p) for p in train]
    encoding: Any = ENCODINGS["notes"].load().fit(train_scores, notes)
    sequences = [encoding.encode(score_of(p)) for p in held_out]
    unknown = sum(int((s.steps == 0).sum()) for s in sequences)
    total = sum(map(len, held_out))

    network = {"model": "transformer", "network": NETWORK}
    training = {"encoding": "notes", "notes": notes, **network, "patience": PATIENCE, "epochs": args.epochs}
    symbols = encoding.fields[0].symbols
    tasks = [
        Task(score_of, train, held_out, symbols, {**training, "seed": i}, i % FOLDS, FOLDS)
        for i in range(args.members)
    ]
    found = list(train_members(tasks, args.jobs))
    keys = [[encoding.encode(transpose(s, k)) for k in encoding.transpositions(s)] for s in train_scores]
    baseline = NGram.fit(keys, encoding)
    counted = [np.log(baseline.probabilities(s)[0]) for s in sequences]
    together = average_logs([m.logs for m in found])
    alone = [figures(m.logs, sequences) for m in found]
    rows = {
        "n-gram": figures(counted, sequences),
        "one network (median)": tuple(map(statistics.median, zip(*alone))),
        "average of all networks": figures(together, sequences),
        "networks and n-gram, half and half": figures(average_logs([together, counted]), sequences),
    }
    cells = tuple((name, f"{bits:.3f}", f"{right:.1%}") for name, (bits, right) in rows.items())
    lines = (
        f"{len(train)} pieces to train on, {sum(map(len, train)):,} notes; {len(held_out)} held out, {total:,} notes",
        f"{args.members} networks of {found[0].parameters:,} parameters, seeds 0 to {args.members - 1}, "
        f"{sum(m.seconds for m in found) / 60:.0f} core minutes in total",
        f"Alone: {', '.join(f'{bits:.3f}' for bits, _ in alone)} bits",
        f"{unknown} notes that no training piece has in any key; they cost as unknown symbols",
    )
    table = Table(("model", "bits per note", "accuracy"), cells, lines)
    print_report(
        "Cello suites: the pitch of the next top note", table, {"figures": rows}, ("torch", "numpy"), args.json
    )


if __name__ == "__main__":
    main()
