"""What four-part chorales cost the network: nats per sixteenth, on the literature's JSB Chorales.

Claim: the recipe of `playbach train` is as good as the best published models of this size, or better, on the only
comparable scale: the joint cost of all four voices, with everything counted, in nats for each frame of a sixteenth.
Figures that leave out what the model is given (such as a chord before its notes) are on a different scale.

A file is JSON: an object whose keys are lists of pieces; a piece is a list of frames, a frame four pitches (soprano,
alto, tenor, bass; -1 is silence). A repeated pitch is held. There are no bar lines: the network gets the position
counted from the first frame, as if that began a bar of 4/4, and never the number of bars left. The end is not
counted: after the last onset only the cost of no further onset up to the last frame counts.

Reported are one network beside one n-gram (that of `playbach evaluate`), several averaged beside several averaged,
and both together: half and half, and by mixtures whose weights are learnt on folds of the training pieces. Each
network is stopped on a different fold; the evaluated pieces influence nothing. Needs the extra `train`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from _bench import Summary, Table, fail, parser, print_report, spread_cells, summarise
from _comparison import Comparison, add_options, augmentations, cache_folder
from _ensemble import Logs, Music, fit_encoding

ENCODING: dict[str, Any] = {"encoding": "chorale"}
TRANSFORMER: dict[str, Any] = {"memory": 512}
"""A memory long enough for the written-out repeats in these files."""
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


def retrograde(frames: Frames) -> Frames:
    """A piece from its end to its beginning."""
    return frames[::-1]


def inversion(frames: Frames) -> Frames:
    """A piece upside down: the bass becomes the soprano, around the axis that leaves the soprano's median."""
    array = np.array(frames)
    soprano, bass = (np.median(voice[voice != REST]) for voice in (array[:, 0], array[:, 3]))
    turned = np.where(array == REST, REST, int(soprano + bass) - array)[:, ::-1]
    return turned.tolist()  # type: ignore[no-any-return]


VARIANTS = {"retrograde": retrograde, "inversion": inversion}


def figures(
    alternatives: list[Logs], sequences: list[Any], encoding: Any, frames: int
) -> tuple[Summary, float, float]:
    """Nats a frame of one or several models of a kind; the median accuracy of changes and nats a change."""
    found = summarise(float(costs(logs, sequences, encoding).sum() / frames) for logs in alternatives)
    accuracy, nats = np.median([changes(logs, sequences, encoding) for logs in alternatives], axis=0)
    return found, float(accuracy), float(nats)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--train", required=True, metavar="FILE:KEY", help="pieces to train on")
    options.add_argument("--eval", required=True, metavar="FILE:KEY", help="pieces to evaluate on")
    add_options(options, list(VARIANTS))
    args = options.parse_args()
    augment = augmentations(args, list(VARIANTS))
    train, held_out = load(args.train), load(args.eval)
    if len(train) < args.folds:
        fail(f"{args.train}: {len(train)} pieces are too few for {args.folds} folds; give fewer --folds")

    encoding: Any = fit_encoding(ENCODING, [score_of(p) for p in train])
    sequences = [encoding.encode(score_of(p)) for p in held_out]
    frames = sum(map(len, held_out))
    if sum(s.ticks for s in sequences) != frames * 120:
        fail(f"{args.eval}: a piece ends in silence, whose cost would not be counted")
    unknown = sum(int((s.steps == 0).sum()) for s in sequences)
    music = Music(
        score_of=score_of,
        train=train,
        held_out=held_out,
        encoding=ENCODING,
        symbols=encoding.fields[0].symbols,
        folds=args.folds,
        variants=VARIANTS,
    )
    with cache_folder(args) as folder:
        found = Comparison(
            music=music, args=args, augment=augment, transformer=TRANSFORMER, folder=folder, encoding=encoding
        ).run()
    rows = {name: figures(logs, sequences, encoding, frames) for name, logs in found.rows.items()}
    cells = [
        (name, *spread_cells(nats, 3), f"{right:.3f}", f"{own:.3f}") for name, (nats, right, own) in rows.items()
    ]
    notes = (
        f"{len(train)} pieces to train on, {len(held_out)} to evaluate, {frames:,} frames; "
        f"{unknown} symbols that do not occur in training",
        *found.notes,
        "Changes: steps at which a voice begins something; of several models, the median",
    )
    columns = ("model", "nats per frame", "lowest–highest", "accuracy of changes", "nats per change")
    data = {"rows": rows, "unknown": unknown, "frames": frames, **found.data}
    table = Table(columns, tuple(cells), notes)
    print_report(
        "JSB Chorales: the joint cost of all four voices", table, data, ("torch", "numpy", "symusic"), args.json
    )


if __name__ == "__main__":
    main()
