"""How long it takes to turn a folder of MIDI files into integers: playbach compared with the article's method in
music21; and what each file of a corpus costs until training can begin.

Claim: reading music no longer takes noticeable time. All runs are in fresh processes, on files that were read once
before, so that they are in the disk cache. Imports are not counted.

`--part steps` runs both sides in turn on the same files:

- playbach: `reading.read_many`, with `fit` at the same time; then `encode_all`.
- music21, as in the article: `converter.parse`, flattened; the names and the quarterLength of each note, chord and
  rest; then a number for each distinct one. Its cache is neither read nor written, which makes it faster.

`--part shards` does all that `playbach train` does before its first epoch: it reads the files, chooses an encoding,
splits the pieces by tune, fits the vocabulary, and writes the training pieces in all their keys into shards; with one
processor, and with two.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

from _bench import (
    Table,
    count,
    fail,
    parser,
    print_report,
    run_alternating,
    run_script,
    show_progress,
    spread_cells,
    summarise,
)

PARTS = ("reading and fitting the vocabulary", "encoding", "all")


def read_with_playbach(paths: list[str]) -> dict[str, float]:
    """The seconds of each part."""
    began = perf_counter()
    from playbach.encodings.notes import NotesEncoding
    from playbach.music import reading

    imported = perf_counter()
    pieces: list[Any] = []

    def scores() -> Any:
        """Yield each score as it is read."""
        for _, read in reading.read_many(paths):
            pieces.append(read.score)
            yield read.score

    encoding = NotesEncoding.fit(scores())
    fitted = perf_counter()
    steps = sum(map(len, encoding.encode_all(pieces)))
    done = perf_counter()
    times = (fitted - imported, done - fitted, done - imported)
    return {"imports": imported - began, "steps": steps, **dict(zip(PARTS, times))}


def read_with_music21(paths: list[str]) -> dict[str, float]:
    began = perf_counter()
    from music21 import chord, converter, note

    imported = perf_counter()
    elements: list[tuple[str, str]] = []
    for path in paths:
        for element in converter.parse(path, forceSource=True, storePickle=False).flatten().notesAndRests:
            length = str(element.quarterLength)
            if isinstance(element, note.Note):
                elements.append((str(element.pitch), length))
            elif isinstance(element, chord.Chord):
                elements.append((".".join(str(p) for p in element.pitches), length))
            else:
                elements.append(("R", length))
    numbers = {element: i for i, element in enumerate(sorted(set(elements)))}
    steps = [numbers[element] for element in elements]
    return {"imports": imported - began, "steps": len(steps), "all": perf_counter() - imported}


def write_shards(paths: list[str]) -> dict[str, Any]:
    """The milliseconds of each stage for each file, and what was made."""
    from playbach.data.batches import TrainingSet
    from playbach.data.corpora import load_folder
    from playbach.training.encoded_corpus import fit_encoding
    from playbach.training.options import TrainOptions

    with tempfile.TemporaryDirectory() as place:
        music = Path(place) / "music"
        music.mkdir()
        for i, path in enumerate(paths):
            (music / f"{i:06}{Path(path).suffix}").symlink_to(path)
        times = [perf_counter()]
        corpus, encoding = load_folder(music)
        times.append(perf_counter())
        fitted = fit_encoding(corpus, TrainOptions(encoding=encoding))
        times.append(perf_counter())
        made = TrainingSet(corpus.train, fitted, Path(place) / "shards")
        times.append(perf_counter())
        notes = sum(int(piece.score.note_num()) for _, piece in corpus.pieces())
    stages = [b - a for a, b in pairwise(times)] + [times[-1] - times[0]]
    return {
        **{stage: 1e3 * seconds / len(paths) for stage, seconds in zip(STAGES, stages)},
        "encoding": encoding,
        "pieces": sum(1 for _ in corpus.pieces()),
        "training_pieces": len(corpus.train),
        "in_all_keys": made.encoded_count,
        "notes_a_piece": notes / sum(1 for _ in corpus.pieces()),
    }


def measure_shards(paths: list[Path], runs: int, processors: tuple[int, ...] = (1, 2)) -> dict[int, list[Any]]:
    """The results of all runs, for each number of processors that this machine has."""
    measures = {
        number: partial(run_script, __file__, ["--side", "shards", "--processors", str(number), "."],
                        [str(path) for path in paths])
        for number in processors if number <= len(os.sched_getaffinity(0))
    }  # fmt: skip
    return run_alternating(measures, runs)


def report_shards(folder: Path, files: int, runs: int, as_json: bool) -> None:
    paths, damaged = readable_files(folder, files)
    found = measure_shards(paths, runs)
    rows = {
        f"{stage}, {number} processor{'s' * (number != 1)}": summarise(run[stage] for run in results)
        for number, results in found.items()
        for stage in STAGES
    }
    first = found[1][0]
    notes = [
        f"Encoding {first['encoding']}: {first['pieces']:,} pieces of {first['notes_a_piece']:,.0f} notes; "
        f"{first['training_pieces']:,} for training, {first['in_all_keys']:,} in all their keys",
        f"For each thousand notes of a piece, with one processor: "
        f"{1e3 * rows['all, 1 processor'].median / first['notes_a_piece']:,.1f} ms",
    ]
    if damaged:
        notes.append(f"{damaged} damaged files before these are left out")
    table = Table(
        ("what", "ms a file", "lowest–highest"), tuple((k, *spread_cells(v)) for k, v in rows.items()), tuple(notes)
    )
    data = {"ms_a_file": rows, "files": len(paths), "made": first}
    print_report(f"{len(paths):,} MIDI files to shards", table, data, ("symusic", "numpy", "torch"), as_json)


SIDES = {"playbach": read_with_playbach, "music21": read_with_music21}
STAGES = ("reading", "fitting", "encoding in all keys", "all")


def readable_files(folder: Path, most: int) -> tuple[list[Path], int]:
    """The first readable files of a folder, and the number of damaged files before them."""
    from playbach.music import reading
    from playbach.system.errors import PlaybachError

    found: list[Path] = []
    damaged = 0
    try:
        for path, result in reading.read_many(reading.find_music(folder)):
            if len(found) == most:
                break
            if isinstance(result, Exception):
                damaged += 1
            else:
                found.append(path.absolute())
    except PlaybachError as error:
        fail(str(error))
    return found or fail(f"{folder}: it has no readable .mid or .midi file"), damaged


def spread_evenly(paths: list[Path], number: int) -> list[Path]:
    """This many of the paths, evenly spread."""
    number = min(number, len(paths))
    return [paths[i * len(paths) // number] for i in range(number)]


def measure_sides(paths: list[Path], sample: list[Path], runs: int, music21_runs: int) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in SIDES}
    for run in range(max(runs, music21_runs)):
        for name, most, files in (("playbach", runs, paths), ("music21", music21_runs, sample)):
            if run < most:
                show_progress(f"run {run + 1} of {most}: {name}, {len(files)} files")
                found[name].append(run_script(__file__, ["--side", name, "."], list(map(str, files))))
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "folder", type=Path, metavar="FOLDER", help="searched for MIDI files, with all its subfolders"
    )
    options.add_argument("--part", choices=("steps", "shards"), default="steps", help="(default: %(default)s)")
    options.add_argument("--files", type=count, help="maximum number of files (default: 30; for shards 1000)")
    options.add_argument("--runs", type=count, default=7, help="runs of playbach (default: %(default)s)")
    options.add_argument("--music21-runs", type=count, default=1, help="runs of music21, which is slow (default: 1)")
    options.add_argument("--music21-files", type=count, metavar="N",
                         help="use only N of the files for music21, and scale its time by their sizes")  # fmt: skip
    options.add_argument(
        "--side", choices=(*SIDES, "shards"), help="measure one, with the files on stdin; for the script itself"
    )
    options.add_argument("--processors", type=count, help="use only so many; for the script itself")
    args = options.parse_args()
    if args.processors:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.processors])
    if args.side:
        print(json.dumps({**SIDES, "shards": write_shards}[args.side](json.load(sys.stdin))))
        return
    if args.part == "shards":
        report_shards(args.folder, args.files or 1000, args.runs, args.json)
        return

    paths, damaged = readable_files(args.folder, args.files or 30)
    sample = spread_evenly(paths, args.music21_files or len(paths))
    scale = sum(p.stat().st_size for p in paths) / sum(p.stat().st_size for p in sample)
    found = measure_sides(paths, sample, args.runs, args.music21_runs)

    def seconds(side: str, key: str) -> Any:
        factor = scale if side == "music21" and key != "imports" else 1.0
        return summarise(run[key] * factor for run in found[side])

    rows = {f"playbach: {part}": seconds("playbach", part) for part in PARTS}
    partly = f", from {len(sample)} of {len(paths)} files" if len(sample) < len(paths) else ""
    rows[f"music21: all{partly}"] = seconds("music21", "all")
    rows |= {f"{side}: imports, not counted above": seconds(side, "imports") for side in SIDES}
    ratio = seconds("music21", "all").median / seconds("playbach", "all").median
    steps = {side: runs[0]["steps"] for side, runs in found.items()}
    notes = [
        f"Ratio of the medians for all: {ratio:,.0f}",
        f"Steps: playbach {steps['playbach']:,}, music21 {steps['music21']:,}; nothing is random, so no seed",
    ]
    if partly:
        notes.append(
            f"music21 read {len(sample)} of the files; its time is scaled by {scale:.2f}, the ratio of bytes"
        )
    if damaged:
        notes.append(f"{damaged} damaged files before these are left out on both sides")
    table = Table(
        ("what", "seconds", "lowest–highest"), tuple((k, *spread_cells(v, 3)) for k, v in rows.items()), tuple(notes)
    )
    data = {"seconds": rows, "ratio": ratio, "files": len(paths), "music21_files": len(sample), "steps": steps}
    print_report(
        f"Reading {len(paths)} MIDI files into steps", table, data, ("symusic", "numpy", "music21"), args.json
    )


if __name__ == "__main__":
    main()
