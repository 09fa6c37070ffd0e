"""How long a folder of MIDI files takes to become integers: playbach beside the article's way through music21.

Claim: reading music no longer makes you wait. Both sides run in fresh processes, turn by turn, on the same files,
which were read once before so that they lie in the disk cache. Imports are not part of the time and have a row of
their own.

- playbach: `scores.read_many`, its worker process started for it, and `fit` beside it; then `encode`.
- music21, as the article did: `converter.parse`, flattened; of each note, chord and rest its names and its
  quarterLength; then a number for each different one. Its cache is neither used nor written, which spares it time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from _bench import Table, count, fail, fresh, parser, report, say, spread, summary

PARTS = ("reading and fitting the vocabulary", "encoding", "all")


def ours(paths: list[str]) -> dict[str, float]:
    """Seconds of each part."""
    began = perf_counter()
    from playbach.encodings.notes import NotesEncoding
    from playbach.music import reading

    imported = perf_counter()
    pieces: list[Any] = []

    def kept() -> Any:
        """Each score as the worker hands it over, while it reads on."""
        for _, score in reading.read_many(paths):
            pieces.append(score)
            yield score

    encoding = NotesEncoding.fit(kept())
    fitted = perf_counter()
    steps = sum(len(encoding.encode(piece)) for piece in pieces)
    done = perf_counter()
    times = (fitted - imported, done - fitted, done - imported)
    return {"imports": imported - began, "steps": steps, **dict(zip(PARTS, times))}


def through_music21(paths: list[str]) -> dict[str, float]:
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


SIDES = {"playbach": ours, "music21": through_music21}


def readable(folder: Path, most: int) -> tuple[list[Path], int]:
    """The first files of a folder that both sides can be given, and how many before them cannot be read."""
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
    return found or fail(f"{folder}: there is no readable .mid or .midi file in it"), damaged


def sampled(paths: list[Path], number: int) -> list[Path]:
    """So many of the paths, spread evenly over them."""
    number = min(number, len(paths))
    return [paths[i * len(paths) // number] for i in range(number)]


def measured(paths: list[Path], sample: list[Path], runs: int, music21_runs: int) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in SIDES}
    for run in range(max(runs, music21_runs)):
        for name, most, files in (("playbach", runs, paths), ("music21", music21_runs, sample)):
            if run < most:
                say(f"run {run + 1} of {most}: {name}, {len(files)} files")
                found[name].append(fresh(__file__, ["--side", name, "."], list(map(str, files))))
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "folder", type=Path, metavar="FOLDER", help="searched for MIDI files, with all folders below"
    )
    options.add_argument("--files", type=count, default=30, help="at most so many of them (default: %(default)s)")
    options.add_argument("--runs", type=count, default=7, help="of playbach (default: %(default)s)")
    options.add_argument("--music21-runs", type=count, default=1, help="of music21, which is slow (default: 1)")
    options.add_argument("--music21-files", type=count, metavar="N",
                         help="give music21 only N of the files, and scale its time by their sizes")  # fmt: skip
    options.add_argument("--side", choices=SIDES, help="measure one side, of the files on stdin; used by the script")
    given = options.parse_args()
    if given.side:
        print(json.dumps(SIDES[given.side](json.load(sys.stdin))))
        return

    paths, damaged = readable(given.folder, given.files)
    sample = sampled(paths, given.music21_files or len(paths))
    scale = sum(p.stat().st_size for p in paths) / sum(p.stat().st_size for p in sample)
    found = measured(paths, sample, given.runs, given.music21_runs)

    def seconds(side: str, key: str) -> Any:
        factor = scale if side == "music21" and key != "imports" else 1.0
        return summary(run[key] * factor for run in found[side])

    rows = {f"playbach: {part}": seconds("playbach", part) for part in PARTS}
    partly = f", from {len(sample)} of {len(paths)} files" if len(sample) < len(paths) else ""
    rows[f"music21: all{partly}"] = seconds("music21", "all")
    rows |= {f"{side}: its imports, not counted above": seconds(side, "imports") for side in SIDES}
    ratio = seconds("music21", "all").median / seconds("playbach", "all").median
    steps = {side: runs[0]["steps"] for side, runs in found.items()}
    notes = [
        f"Ratio of the medians of all: {ratio:,.0f}",
        f"Steps: playbach {steps['playbach']:,}, music21 {steps['music21']:,}; nothing is random, so no seed",
    ]
    if partly:
        notes.append(
            f"music21 was given {len(sample)} of the files: its time is scaled by {scale:.2f}, the ratio of bytes"
        )
    if damaged:
        notes.append(f"{damaged} files before these cannot be read and are left out on both sides")
    table = Table(
        ("what", "seconds", "lowest–highest"), tuple((k, *spread(v, 3)) for k, v in rows.items()), tuple(notes)
    )
    data = {"seconds": rows, "ratio": ratio, "files": len(paths), "music21_files": len(sample), "steps": steps}
    report(f"Reading {len(paths)} MIDI files into steps", table, data, ("symusic", "numpy", "music21"), given.json)


if __name__ == "__main__":
    main()
