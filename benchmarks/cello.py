"""How well small data is learnt: the top line of cello suites, some of them held out.

Claim: a network trained on a few dozen pieces beats a strong n-gram on music that it has not met, where nothing
leaks: whole suites are held out, and what is written out twice counts once. The task is the pitch of the next top
note, from the top notes before it in its piece and nothing else: neither rhythm nor bar lines, for any guesser.

A top note is the highest that begins at its moment, over all tracks. A note is left out, and not heard, if the run of
16 notes that ends with it has come before in its piece. Pieces are learnt in all keys within the training pieces'
range. Each network stops on another fold of the training pieces; the held-out pieces decide nothing. Reported are the
n-gram of `playbach evaluate`, the networks (the `notes` encoding without durations), their average, and that average
and the n-gram in equal parts. Needs the extra `train`.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from _bench import Table, count, fail, parser, report
from _ensemble import Task, averaged, members, processors

NETWORK: dict[str, Any] = {"width": 96, "layers": 2, "dropout": 0.4, "symbol_dropout": 0.1}
PATIENCE = 30
FOLDS = 12
RUN = 16
EIGHTH = 240


def top_notes(score: Any) -> list[int]:
    """The highest pitch of each moment at which something begins."""
    moments: dict[int, int] = defaultdict(int)
    for track in score.tracks:
        if not track.is_drum:
            notes = track.notes.numpy()
            for time, pitch in zip(notes["time"].tolist(), notes["pitch"].tolist()):
                moments[time] = max(moments[time], pitch)
    return [moments[time] for time in sorted(moments)]


def without_repeats(pitches: list[int]) -> list[int]:
    """Less each note that ends a run of RUN notes that has been there before."""
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
    """Bits per note, and the share of notes whose likeliest pitch was right."""
    steps = [s.steps[:, 0] for s in sequences]
    nats = [-piece[np.arange(len(s)), s] for piece, s in zip(logs, steps)]
    hits = [piece.argmax(-1) == s for piece, s in zip(logs, steps)]
    return float(np.concatenate(nats).mean() / np.log(2)), float(np.concatenate(hits).mean())


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="of MIDI files")
    options.add_argument("--hold-out", required=True, metavar="GLOB", help="the files to measure on, 'cs5*'")
    options.add_argument("--leave-out", metavar="GLOB", help="files to use for nothing")
    options.add_argument("--members", type=count, default=8, help="networks (default: %(default)s)")
    options.add_argument("--jobs", type=count, default=processors(), help="trained at a time (default: the cores)")
    options.add_argument("--epochs", type=count, default=200, help="at most (default: %(default)s)")
    given = options.parse_args()

    from playbach.encodings import ENCODINGS, NotesOptions
    from playbach.evaluation.ngram import NGram
    from playbach.music import reading
    from playbach.music.scores import transposed
    from playbach.system.errors import PlaybachError

    sides: dict[bool, list[list[int]]] = {True: [], False: []}
    try:
        for path, score in reading.read_many(reading.find_music(given.folder)):
            if isinstance(score, PlaybachError):
                raise score
            if not (given.leave_out and fnmatch(path.name, given.leave_out)):
                sides[fnmatch(path.name, given.hold_out)].append(without_repeats(top_notes(score)))
    except PlaybachError as error:
        fail(str(error))
    held_out, train = sides[True], sides[False]
    if not held_out or len(train) < FOLDS:
        there = f"{len(held_out)} files to hold out and {len(train)} to train"
        fail(f"{given.folder}: {there}; 1 and {FOLDS} are the least")

    notes = NotesOptions(durations="none")
    learnt = [score_of(p) for p in train]
    encoding: Any = ENCODINGS["notes"].fit(learnt, notes)
    sequences = [encoding.encode(score_of(p)) for p in held_out]
    unknown = sum(int((s.steps == 0).sum()) for s in sequences)
    total = sum(map(len, held_out))

    network = {"model": "transformer", "network": NETWORK}
    training = {"encoding": "notes", "notes": notes, **network, "patience": PATIENCE, "epochs": given.epochs}
    symbols = encoding.fields[0].symbols
    tasks = [
        Task(score_of, train, held_out, symbols, {**training, "seed": i}, i % FOLDS, FOLDS)
        for i in range(given.members)
    ]
    found = list(members(tasks, given.jobs))
    keys = [[encoding.encode(transposed(s, k)) for k in encoding.transpositions(s)] for s in learnt]
    baseline = NGram.fit(keys, encoding)
    counted = [np.log(baseline.probabilities(s)[0]) for s in sequences]
    together = averaged([m.logs for m in found])
    alone = [figures(m.logs, sequences) for m in found]
    rows = {
        "n-gram": figures(counted, sequences),
        "one network (median)": tuple(map(statistics.median, zip(*alone))),
        "average of all networks": figures(together, sequences),
        "networks and n-gram, half and half": figures(averaged([together, counted]), sequences),
    }
    cells = tuple((name, f"{bits:.3f}", f"{right:.1%}") for name, (bits, right) in rows.items())
    lines = (
        f"{len(train)} pieces to train, {sum(map(len, train)):,} notes; {len(held_out)} held out, {total:,} notes",
        f"{given.members} networks of {found[0].parameters:,} parameters, seeds 0 to {given.members - 1}, "
        f"{sum(m.seconds for m in found) / 60:.0f} min of one core together",
        f"Alone: {', '.join(f'{bits:.3f}' for bits, _ in alone)} bits",
        f"{unknown} notes that no training piece has in any key; they are paid for as unknown",
    )
    table = Table(("guesser", "bits per note", "accuracy"), cells, lines)
    report("Cello suites: the pitch of the next top note", table, {"figures": rows}, ("torch", "numpy"), given.json)


if __name__ == "__main__":
    main()
