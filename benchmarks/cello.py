"""How well a network learns from little data: the top line of the cello suites, with some suites held out.

Claim: a network trained on a few dozen pieces beats a strong n-gram on held-out music, without leaks: whole suites
are held out, and written-out repeats count once. The task is to predict the pitch of the next top note from the top
notes before it in its piece, and nothing else: no model gets rhythm or bar lines.

A top note is the highest that begins at its moment, over all tracks. A note is left out, also as context, if the run
of 16 notes that ends with it occurred before in its piece. Pieces are trained on in all keys within the training
pieces' range. Reported are one network (the `notes` encoding without durations) beside one n-gram (that of `playbach
evaluate`), several averaged beside several averaged, and both together: half and half, and by mixtures whose weights
are learnt on folds of the training pieces. Each network is stopped on a different fold; the held-out pieces influence
nothing. With --leave-one-out each suite (the part of a file's name before the first -) is held out in turn, and the
figures are over the notes of all suites. Needs the extra `train`.
"""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections import defaultdict
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from _bench import Table, fail, parser, print_report, spread_cells, summarise
from _comparison import Compared, Comparison, add_options, augmentations, cache_folder
from _ensemble import Logs, Music, fit_encoding

TRANSFORMER: dict[str, Any] = {"width": 96, "layers": 2, "dropout": 0.4, "symbol_dropout": 0.1}
RELATED_FOLDS = 10
"""A tenth of related music is to stop on."""
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


def retrograde(pitches: list[int]) -> list[int]:
    """A line from its end to its beginning."""
    return pitches[::-1]


def inversion(pitches: list[int]) -> list[int]:
    """A line upside down, in the same range."""
    axis = min(pitches) + max(pitches)
    return [axis - pitch for pitch in pitches]


VARIANTS = {"retrograde": retrograde, "inversion": inversion}


def figures(logs: Logs, sequences: list[Any]) -> tuple[float, float]:
    """Bits per note, and accuracy."""
    steps = [s.steps[:, 0] for s in sequences]
    nats = [-piece[np.arange(len(s)), s] for piece, s in zip(logs, steps)]
    hits = [piece.argmax(-1) == s for piece, s in zip(logs, steps)]
    return float(np.concatenate(nats).mean() / np.log(2)), float(np.concatenate(hits).mean())


def encoding_options() -> dict[str, Any]:
    """The `encoding` of `TrainOptions`, and its options."""
    from playbach.encodings.options import NotesOptions

    return {"encoding": "notes", "notes": NotesOptions(durations="none")}


def read_lines(folder: Path, leave_out: str | None = None) -> dict[str, list[int]]:
    """The top notes of each file, by its name."""
    from playbach.music import reading
    from playbach.system.errors import PlaybachError

    found = {}
    try:
        for path, read in reading.read_many(reading.find_music(folder)):
            if isinstance(read, PlaybachError):
                raise read
            if not (leave_out and fnmatch(path.name, leave_out)):
                found[path.name] = without_repeats(top_notes(read.score))
    except PlaybachError as error:
        fail(str(error))
    return found


def patterns(args: Namespace, lines: dict[str, list[int]]) -> list[str]:
    """The files to hold out, in turn."""
    if not args.leave_one_out:
        return [args.hold_out]
    return sorted({f"{name.partition('-')[0]}-*" for name in lines})


def compare(
    args: Namespace, lines: dict[str, list[int]], related: list[list[int]], pattern: str, folder: Path
) -> tuple[Compared, list[Any]]:
    """All models with these files held out, and the held-out pieces as encoded."""
    held_out = [line for name, line in lines.items() if fnmatch(name, pattern)]
    train = [line for name, line in lines.items() if not fnmatch(name, pattern)]
    if not held_out or len(train) < args.folds:
        counts = f"{len(held_out)} files to hold out ({pattern}) and {len(train)} to train on"
        fail(f"{args.folder}: {counts}; the minimum is 1 and {args.folds} (--folds)")
    encoding: Any = fit_encoding(encoding_options(), [score_of(p) for p in train])
    sequences = [encoding.encode(score_of(p)) for p in held_out]
    music = Music(
        score_of=score_of,
        train=train,
        held_out=held_out,
        encoding=encoding_options(),
        symbols=encoding.fields[0].symbols,
        folds=args.folds,
        variants=VARIANTS,
    )
    found = Comparison(
        music=music,
        args=args,
        augment=augmentations(args, list(VARIANTS)),
        transformer=TRANSFORMER,
        folder=folder,
        encoding=encoding,
        related=replace(music, train=related, held_out=[], folds=RELATED_FOLDS) if related else None,
    ).run()
    unknown = sum(int((s.steps == 0).sum()) for s in sequences)
    found.notes.insert(
        0,
        f"{len(train)} pieces to train on, {sum(map(len, train)):,} notes; {len(held_out)} held out, "
        f"{sum(map(len, held_out)):,} notes, of which {unknown} are in no training piece in any key",
    )
    return found, sequences


def suite_line(found: Compared, sequences: list[Any]) -> str:
    cells = [
        f"{name} {statistics.median(figures(logs, sequences)[0] for logs in of):.3f}"
        for name, of in found.rows.items()
    ]
    return "Bits: " + ", ".join(cells)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of MIDI files")
    held_out = options.add_mutually_exclusive_group(required=True)
    held_out.add_argument("--hold-out", metavar="GLOB", help="the files to hold out, such as 'cs5*'")
    held_out.add_argument("--leave-one-out", action="store_true", help="hold out each suite in turn")
    options.add_argument("--leave-out", metavar="GLOB", help="files to ignore")
    options.add_argument("--related", type=Path, metavar="FOLDER", help="music whose top lines the LSTMs learn first")
    add_options(options, list(VARIANTS))
    args = options.parse_args()
    augmentations(args, list(VARIANTS))

    lines = read_lines(args.folder, args.leave_out)
    related = list(read_lines(args.related).values()) if args.related else []
    with cache_folder(args) as folder:
        parts = {pattern: compare(args, lines, related, pattern, folder) for pattern in patterns(args, lines)}
    sequences = [s for _, own in parts.values() for s in own]
    rows = {}
    for name in next(iter(parts.values()))[0].rows:
        alternatives = zip(*(found.rows[name] for found, _ in parts.values()))
        all_figures = [figures([piece for logs in of for piece in logs], sequences) for of in alternatives]
        bits, right = zip(*all_figures)
        rows[name] = summarise(bits), statistics.median(right)
    cells = tuple((name, *spread_cells(bits, 3), f"{right:.1%}") for name, (bits, right) in rows.items())
    notes = []
    for pattern, (found, own) in parts.items():
        own_figures = [suite_line(found, own)] * args.leave_one_out
        notes += [f"{pattern} held out: {line}" for line in (*own_figures, *found.notes)]
    table = Table(("model", "bits per note", "lowest–highest", "accuracy"), cells, tuple(notes))
    data = {"rows": rows, "parts": {pattern: found.data for pattern, (found, _) in parts.items()}}
    title = "Cello suites: the pitch of the next top note"
    print_report(title, table, data, ("torch", "numpy"), args.json)


if __name__ == "__main__":
    main()
