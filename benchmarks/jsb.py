"""What four-part chorales cost the network: nats per sixteenth, on the literature's JSB Chorales.

Claim: the recipe of `playbach train` is as good as the best published models of this size, or better, on the only
comparable scale: the joint cost of all four voices, with everything counted, in nats for each frame of a sixteenth.
Figures that leave out what the model is given (such as a chord before its notes) are on a different scale.

A file is JSON: an object whose keys are lists of pieces; a piece is a list of frames, a frame four pitches (soprano,
alto, tenor, bass; -1 is silence). A repeated pitch is held. There are no bar lines: the network gets the position
counted from the first frame, as if that began a bar of 4/4, and never the number of bars left. The end is not
counted: after the last onset only the cost of no further onset up to the last frame counts.

N networks are trained, each stopped on a different fold of the training pieces; the evaluated pieces influence
nothing. Reported are each network alone, their average, the n-gram baseline of `playbach evaluate` on the same
pieces, and both in equal parts. Needs the extra `train`.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from _bench import Table, count, fail, parser, print_report
from _ensemble import Task, average_logs, processors, train_members

OPTIONS: dict[str, Any] = {"encoding": "chorale", "model": "transformer", "network": {"memory": 512}}
"""Differences from `playbach train`: a memory long enough for the written-out repeats in these files."""
FOLDS = 12
REST = -1
Frames = list[list[int]]


def load(spec: str) -> list[Frames]:
    """The pieces of FILE:KEY."""
    path, _, key = spec.rpartition(":")
    try:
        pieces = json.loads(Path(path).read_text("utf-8"))[key]
    except OSError as error:
        fail(f"{path or spec}: cannot be read ({error.strerror}); give FILE:KEY")
    except (ValueError, KeyError, TypeError):
        fail(f"{path or spec}: not a JSON object with the key {key!r}")
    for i, piece in enumerate(pieces if isinstance(pieces, list) else fail(f"{spec}: not a list of pieces")):
        frames = np.array(piece)
        if frames.ndim != 2 or frames.shape[1] != 4 or not ((frames >= REST) & (frames <= 127)).all():
            fail(f"{spec}: piece {i} is not a list of frames of four pitches")
    return pieces


def score_of(frames: Frames) -> Any:
    """A piece as a score: a note for each run of one pitch."""
    import symusic

    from playbach.encodings.voices import SIXTEENTH, VOICES
    from playbach.music.events import TICKS_PER_QUARTER

    score = symusic.Score(TICKS_PER_QUARTER)
    score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    for name, voice in zip(VOICES, np.array(frames).T):
        track = symusic.Track(name, 0, False)
        edges = [0, *(np.flatnonzero(np.diff(voice)) + 1).tolist(), len(voice)]
        for a, b in zip(edges, edges[1:]):
            if voice[a] != REST:
                track.notes.append(symusic.Note(a * SIXTEENTH, (b - a) * SIXTEENTH, int(voice[a]), 80))
        score.tracks.append(track)
    return score


def costs(logs: list[np.ndarray], sequences: list[Any], encoding: Any) -> np.ndarray:
    """The nats that each piece costs; of its last wait, the cost of waiting at least to the end."""
    found = []
    for chances, s in zip(logs, sequences):
        steps = s.steps[:, 0]
        own = chances[np.arange(len(steps)), steps]
        waits = chances[-1, steps[-1] : encoding.first_wait + 16]  # the piece may go on after its last frame
        found.append(-own[:-1].sum(dtype=np.float64) - np.logaddexp.reduce(waits))
    return np.array(found)


def changes(logs: list[np.ndarray], sequences: list[Any], encoding: Any) -> tuple[float, float]:
    """Accuracy and mean nats of the steps at which a voice begins something."""
    nats, right = [], []
    for chances, s in zip(logs, sequences):
        steps = s.steps[:, 0]
        begins = ~encoding.is_continuation(s.steps) & (steps < encoding.first_wait)
        nats.append(-chances[np.flatnonzero(begins), steps[begins]])
        right.append(chances[begins].argmax(-1) == steps[begins])
    return float(np.concatenate(right).mean()), float(np.concatenate(nats).mean())


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--train", required=True, metavar="FILE:KEY", help="pieces to train on")
    options.add_argument("--eval", required=True, metavar="FILE:KEY", help="pieces to evaluate on")
    options.add_argument("--members", type=count, default=6, help="number of networks (default: %(default)s)")
    options.add_argument(
        "--jobs", type=count, default=processors(), help="networks trained at a time (default: the number of cores)"
    )
    options.add_argument("--epochs", type=count, default=200, help="maximum (default: %(default)s)")
    options.add_argument("--no-ngram", action="store_true", help="skip the baseline")
    args = options.parse_args()
    train, held_out = load(args.train), load(args.eval)
    if len(train) < FOLDS:
        fail(f"{args.train}: {len(train)} pieces are too few; the minimum is {FOLDS}")

    from playbach.encodings import ENCODINGS
    from playbach.music.scores import transpose

    scores = [score_of(p) for p in train]
    encoding: Any = ENCODINGS["chorale"].load().fit(scores)
    sequences = [encoding.encode(score_of(p)) for p in held_out]
    frames = sum(map(len, held_out))
    if sum(s.ticks for s in sequences) != frames * 120:
        fail(f"{args.eval}: a piece ends in silence, whose cost would not be counted")
    symbols = encoding.fields[0].symbols
    unknown = sum(int((s.steps == 0).sum()) for s in sequences)

    tasks = [
        Task(score_of, train, held_out, symbols, {**OPTIONS, "epochs": args.epochs, "seed": i}, i % FOLDS, FOLDS)
        for i in range(args.members)
    ]
    found = list(train_members(tasks, args.jobs))
    rows: dict[str, list[np.ndarray]] = {"average of all": average_logs([m.logs for m in found])}
    if not args.no_ngram:
        from playbach.evaluation.ngram import NGram

        keys = [[encoding.encode(transpose(s, k)) for k in encoding.transpositions(s)] for s in scores]
        baseline = NGram.fit(keys, encoding)
        rows["n-gram baseline"] = counted = [np.log(baseline.probabilities(s)[0]) for s in sequences]
        rows["networks and n-gram, half and half"] = average_logs([rows["average of all"], counted])
    alone = [costs(m.logs, sequences, encoding).sum() / frames for m in found]
    data: dict[str, Any] = {
        "members": [round(float(v), 4) for v in alone],
        "seconds": [round(m.seconds) for m in found],
        "parameters": found[0].parameters,
        "unknown": unknown,
        "frames": frames,
    }
    first = _of_changes(found[0].logs, sequences, encoding)
    cells = [("one network (median)", f"{statistics.median(alone):.3f}", *first)]
    for name, logs in rows.items():
        data[name] = float(costs(logs, sequences, encoding).sum() / frames)
        cells.append((name, f"{data[name]:.3f}", *_of_changes(logs, sequences, encoding)))
    notes = (
        f"{len(train)} pieces to train on, {len(held_out)} to evaluate, {frames:,} frames; {args.members} networks "
        f"of {found[0].parameters:,} parameters, seeds 0 to {args.members - 1}, "
        f"{sum(m.seconds for m in found) / 60:.0f} core minutes in total",
        f"Alone: {', '.join(f'{v:.3f}' for v in alone)}",
        f"{unknown} symbols that do not occur in training",
        "Changes: steps at which a voice begins something; in the row 'one network', those of the first network",
    )
    table = Table(("model", "nats per frame", "accuracy of changes", "nats per change"), tuple(cells), notes)
    print_report(
        "JSB Chorales: the joint cost of all four voices", table, data, ("torch", "numpy", "symusic"), args.json
    )


def _of_changes(logs: list[np.ndarray], sequences: list[Any], encoding: Any) -> tuple[str, str]:
    accuracy, nats = changes(logs, sequences, encoding)
    return f"{accuracy:.3f}", f"{nats:.3f}"


if __name__ == "__main__":
    main()
