"""How much four-part chorales cost the network: nats per sixteenth, on the literature's JSB Chorales.

Claim: the recipe of `playbach train` is at the level of the best published models of this size and above, on the one
scale on which they can be compared: the joint cost of all four voices, everything counted, in nats for each frame of
a sixteenth. Figures that leave out what the model is told (a chord before its notes, say) are on another scale.

A file is JSON: an object whose keys are lists of pieces; a piece is a list of frames, a frame four pitches (soprano,
alto, tenor, bass; -1 is silence). A pitch that stays is held. There are no bar lines in it: the network is told the
place counted from the first frame, as if that began a bar of 4/4, and never how much is left. The end is not counted:
after the last onset only that nothing begins any more, up to the last frame.

N networks are trained, each stopped on another fold of the training pieces; the evaluated pieces decide nothing.
Reported are each one alone, their average, the n-gram baseline of `playbach evaluate` on the same pieces, and both in
equal parts. Needs the extra `train`.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from _bench import Table, count, fail, parser, report
from _ensemble import Task, averaged, members, processors

OPTIONS: dict[str, Any] = {"encoding": "chorale", "model": "transformer", "network": {"memory": 512}}
"""What differs from `playbach train`: the memory is long enough for the repeats that these files write out."""
FOLDS = 12
REST = -1
Frames = list[list[int]]


def load(given: str) -> list[Frames]:
    """The pieces of FILE:KEY."""
    path, _, key = given.rpartition(":")
    try:
        pieces = json.loads(Path(path).read_text("utf-8"))[key]
    except OSError as error:
        fail(f"{path or given}: cannot be read ({error.strerror}); give FILE:KEY")
    except (ValueError, KeyError, TypeError):
        fail(f"{path or given}: is no JSON object with the key {key!r}")
    for i, piece in enumerate(pieces if isinstance(pieces, list) else fail(f"{given}: is no list of pieces")):
        frames = np.array(piece)
        if frames.ndim != 2 or frames.shape[1] != 4 or not ((frames >= REST) & (frames <= 127)).all():
            fail(f"{given}: piece {i} is no list of frames of four pitches")
    return pieces


def score_of(frames: Frames) -> Any:
    """A piece as a score: a note for each run of one pitch."""
    import symusic

    from playbach.encodings.voices import GRID, VOICES
    from playbach.music.events import TICKS_PER_QUARTER

    score = symusic.Score(TICKS_PER_QUARTER)
    score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    for name, voice in zip(VOICES, np.array(frames).T):
        track = symusic.Track(name, 0, False)
        edges = [0, *(np.flatnonzero(np.diff(voice)) + 1).tolist(), len(voice)]
        for a, b in zip(edges, edges[1:]):
            if voice[a] != REST:
                track.notes.append(symusic.Note(a * GRID, (b - a) * GRID, int(voice[a]), 80))
        score.tracks.append(track)
    return score


def costs(logs: list[np.ndarray], sequences: list[Any], encoding: Any) -> np.ndarray:
    """The nats that each piece costs, its last wait only as far as it goes."""
    found = []
    for chances, s in zip(logs, sequences):
        steps = s.steps[:, 0]
        own = chances[np.arange(len(steps)), steps]
        waits = chances[-1, steps[-1] : encoding.first_wait + 16]  # the piece may go on after its last frame
        found.append(-own[:-1].sum(dtype=np.float64) - np.logaddexp.reduce(waits))
    return np.array(found)


def changes(logs: list[np.ndarray], sequences: list[Any], encoding: Any) -> tuple[float, float]:
    """Of the steps that begin something: accuracy, and nats each."""
    nats, right = [], []
    for chances, s in zip(logs, sequences):
        steps = s.steps[:, 0]
        begins = ~encoding.is_continuation(s.steps) & (steps < encoding.first_wait)
        nats.append(-chances[np.flatnonzero(begins), steps[begins]])
        right.append(chances[begins].argmax(-1) == steps[begins])
    return float(np.concatenate(right).mean()), float(np.concatenate(nats).mean())


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--train", required=True, metavar="FILE:KEY", help="pieces to learn from")
    options.add_argument("--eval", required=True, metavar="FILE:KEY", help="pieces to measure on")
    options.add_argument("--members", type=count, default=6, help="networks (default: %(default)s)")
    options.add_argument("--jobs", type=count, default=processors(), help="trained at a time (default: the cores)")
    options.add_argument("--epochs", type=count, default=200, help="at most (default: %(default)s)")
    options.add_argument("--no-ngram", action="store_true", help="leave the baseline out")
    given = options.parse_args()
    train, held_out = load(given.train), load(given.eval)
    if len(train) < FOLDS:
        fail(f"{given.train}: {len(train)} pieces are too few; {FOLDS} are the least")

    from playbach.encodings import ENCODINGS
    from playbach.music.scores import transposed

    scores = [score_of(p) for p in train]
    encoding: Any = ENCODINGS["chorale"].fit(scores)
    sequences = [encoding.encode(score_of(p)) for p in held_out]
    frames = sum(map(len, held_out))
    if sum(s.ticks for s in sequences) != frames * 120:
        fail(f"{given.eval}: a piece ends in silence, whose cost would not be counted")
    symbols = encoding.fields[0].symbols
    unknown = sum(int((s.steps == 0).sum()) for s in sequences)

    tasks = [
        Task(score_of, train, held_out, symbols, {**OPTIONS, "epochs": given.epochs, "seed": i}, i % FOLDS, FOLDS)
        for i in range(given.members)
    ]
    found = list(members(tasks, given.jobs))
    rows: dict[str, list[np.ndarray]] = {"average of all": averaged([m.logs for m in found])}
    if not given.no_ngram:
        from playbach.evaluation.ngram import NGram

        keys = [[encoding.encode(transposed(s, k)) for k in encoding.transpositions(s)] for s in scores]
        baseline = NGram.fit(keys, encoding)
        rows["n-gram baseline"] = counted = [np.log(baseline.probabilities(s)[0]) for s in sequences]
        rows["networks and n-gram, half and half"] = averaged([rows["average of all"], counted])
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
        f"{len(train)} pieces to train, {len(held_out)} to measure, {frames:,} frames; {given.members} networks of "
        f"{found[0].parameters:,} parameters, seeds 0 to {given.members - 1}, "
        f"{sum(m.seconds for m in found) / 60:.0f} min of one core together",
        f"Alone: {', '.join(f'{v:.3f}' for v in alone)}",
        f"{unknown} symbols that training never saw",
        "Changes: steps at which a voice begins something; those of the row 'one network' are of the first",
    )
    table = Table(("guesser", "nats per frame", "accuracy of changes", "nats per change"), tuple(cells), notes)
    report("JSB Chorales: the joint cost of all four voices", table, data, ("torch", "numpy", "symusic"), given.json)


def _of_changes(logs: list[np.ndarray], sequences: list[Any], encoding: Any) -> tuple[str, str]:
    accuracy, nats = changes(logs, sequences, encoding)
    return f"{accuracy:.3f}", f"{nats:.3f}"


if __name__ == "__main__":
    main()
