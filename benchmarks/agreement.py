"""Whether playbach reads the same music as other programs do, and of what kind the differences are.

Claim: what playbach makes of a MusicXML file is what a notation program would play. Each file of music21's collection
(or of a folder) is read by playbach and exported to MIDI by music21 and verovio, and by MuseScore with `--musescore`.
Notes are compared as multisets of onset, duration and pitch, all parts together; an onset or a duration may differ by
8 of 480 ticks. music21 plays no ornaments, so beside it playbach reads with `plain_ornaments`. Tempos, meters and
keys are compared over the time, in the files of which both programs play the same length. `--explain FILE` lists the
first differences of one file.

With `--midi FOLDER`, the MIDI files of a folder are read by playbach, mido and pretty_midi instead; with
`--generated N`, random ones that use every event of the standard.

It needs mido, and of the other programs those that it compares: `pip install music21 verovio pretty_midi`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import _agreement_compare as compare
from _agreement_compare import Heard
from _agreement_midi import compare_midi, make_files
from _agreement_programs import Cache, exports, musescore_program
from _agreement_sides import from_midi, from_score
from _bench import Table, count, fail, parser, print_report, show_progress
from reading import spread_evenly

PITCHES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SUFFIXES = (".mxl", ".xml", ".musicxml")
REFUSED_BY_US, REFUSED_BY_THEM = "refused by playbach", "refused by the other program"
PLAIN = ("music21",)
"""The programs whose export plays no ornaments."""
GATED = ("musescore",)
"""The programs whose export shortens notes, as players do, so that durations are not compared."""


@dataclass(frozen=True)
class Compared:
    """One file beside one program."""

    file: str
    kind: str
    ours: int = 0
    theirs: int = 0
    begin_together: int = 0
    """Notes with the same onset and pitch."""
    same: int = 0
    """Notes that have the same duration too."""
    tempos: float | None = None
    """The share of the time with the same tempo; None if the programs play different lengths."""
    meters: float | None = None
    bars_not_full: bool = False
    """Whether the meters differ only in single bars that are not full, which in playbach have their own meters."""
    keys: float | None = None
    reason: str = ""
    remarks: tuple[str, ...] = ()


def collection() -> Path:
    """The folder of music21's collection."""
    import music21

    return Path(str(music21.__file__)).parent / "corpus"


def find_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def read_ours(paths: Sequence[Path], plain: bool, jobs: int) -> Iterator[tuple[Path, Any]]:
    """Each path with a `ReadFile` or an error."""
    from playbach.music.reading import ReadingOptions, read_many

    yield from read_many(paths, processes=jobs, options=ReadingOptions(plain_ornaments=plain))


def compare_file(
    name: str, program: str, ours: Heard | str, theirs: bytes | str, remarks: tuple[str, ...]
) -> Compared:
    """Compare two readings, or say who refuses the file."""
    if isinstance(ours, str):
        return Compared(name, REFUSED_BY_US, reason=ours)
    if isinstance(theirs, str):
        return Compared(name, REFUSED_BY_THEM, reason=theirs, remarks=remarks)
    other = from_midi(theirs)
    if program in GATED:
        ours, other = _without_durations(ours), _without_durations(other)
    match = compare.match_notes(ours.notes, other.notes)
    end = max(ours.end, other.end)
    shares: dict[str, Any] = {}
    if abs(ours.end - other.end) <= compare.TICKS:
        meters, wrong = compare.share_of_time(ours.meters, other.meters, end, (4, 4), compare.same_value)
        shares = {
            "tempos": compare.share_of_time(ours.tempos, other.tempos, end, 120.0, compare.same_tempo)[0],
            "meters": meters,
            "bars_not_full": meters < 1 and compare.only_bars_not_full(wrong),
            "keys": compare.share_of_time(ours.keys, other.keys, end, (0, 0), compare.same_sharps)[0],
        }
    return Compared(
        file=name,
        kind=compare.kind_of(ours, other, match),
        ours=len(ours.notes),
        theirs=len(other.notes),
        begin_together=match.same + len(match.durations),
        same=match.same,
        remarks=remarks,
        **shares,
    )


def _without_durations(heard: Heard) -> Heard:
    return replace(heard, notes=tuple((onset, 0, pitch) for onset, _, pitch in heard.notes))


def _compare_job(job: tuple[str, str, Heard | str, bytes | str, tuple[str, ...]]) -> Compared:
    return compare_file(*job)


def compare_all(
    paths: Sequence[Path], root: Path, programs: Sequence[str], args: argparse.Namespace
) -> dict[str, list[Compared]]:
    """For each program, the files in order."""
    readings: dict[bool, dict[Path, tuple[Heard | str, tuple[str, ...]]]] = {}
    for plain in sorted({program in PLAIN for program in programs}):
        readings[plain] = {
            path: (str(read), ()) if isinstance(read, Exception) else (from_score(read.score), tuple(read.remarks))
            for path, read in read_ours(paths, plain, args.jobs)
        }
    found: dict[str, list[Compared]] = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        for program in programs:
            jobs = []
            for path, made in exports(program, paths, args.jobs, Cache(args.cache, program)):
                show_progress(f"{program}: {path.name}")
                ours, remarks = readings[program in PLAIN][path]
                jobs.append((str(path.relative_to(root)), program, ours, made, remarks))
            found[program] = sorted(pool.map(_compare_job, jobs, chunksize=4), key=lambda c: c.file)
    return found


# ------------------------------------------------------------------------------------------------------------- tables


def _percent(part: float, whole: float) -> str:
    if not whole:
        return "–"
    share = 100 * part / whole
    return "100 %" if part == whole else f"{min(share, 99.99):.2f} %"


def summary_rows(found: dict[str, list[Compared]]) -> tuple[tuple[str, ...], ...]:
    """One row for each measure, one column for each program."""
    columns = []
    for program, files in found.items():
        both = [c for c in files if c.kind not in (REFUSED_BY_US, REFUSED_BY_THEM)]
        long = [c for c in both if c.tempos is not None]
        notes, long_notes = (sum(max(c.ours, c.theirs) for c in own) for own in (both, long))

        def of_files(many: int, whole: int) -> str:
            return f"{many} of {whole}"

        columns.append(
            [
                of_files(len(both), len(files)),
                of_files(sum(c.kind == compare.SAME for c in both), len(both)),
                of_files(sum(c.kind in (compare.SAME, compare.UNISONS, compare.DURATIONS) for c in both), len(both)),
                of_files(sum(c.begin_together >= 0.99 * max(c.ours, c.theirs) for c in both), len(both)),
                _percent(sum(c.begin_together for c in both), notes),
                "–" if program in GATED else _percent(sum(c.same for c in both), notes),
                of_files(len(long), len(both)),
                _percent(sum(c.begin_together for c in long), long_notes),
                "–" if program in GATED else _percent(sum(c.same for c in long), long_notes),
                of_files(sum(c.tempos == 1 for c in long), len(long)),
                of_files(sum(c.meters == 1 for c in long), len(long)),
                of_files(sum(c.meters == 1 or c.bars_not_full for c in long), len(long)),
                of_files(sum(c.keys == 1 for c in long), len(long)),
            ]
        )
    names = (
        "files that both read",
        "files with exactly the same notes",
        "files with the same onsets and pitches, but for unisons",
        "files with 99 % of the notes at the same onset and pitch",
        "notes with the same onset and pitch",
        "notes with the same duration too",
        "files of the same length",
        "of these: notes with the same onset and pitch",
        "of these: notes with the same duration too",
        "of these: the same tempos",
        "of these: the same meters",
        "of these: the same meters, but for bars that are not full",
        "of these: the same keys",
    )
    return tuple((name, *cells) for name, *cells in zip(names, *columns))


def kind_rows(found: dict[str, list[Compared]]) -> tuple[tuple[str, ...], ...]:
    counts = {program: Counter(c.kind for c in files) for program, files in found.items()}
    total: Counter[str] = sum(counts.values(), Counter())
    return tuple(
        (f"kind: {kind}", *(str(counts[program][kind]) for program in found)) for kind, _ in total.most_common()
    )


# ----------------------------------------------------------------------------------------------------------- one file


def explain(path: Path, programs: Sequence[str], args: argparse.Namespace) -> None:
    """Print the first differences of one file beside each program."""
    for program in programs:
        [(_, read)] = list(read_ours([path], program in PLAIN, 1))
        [(_, made)] = list(exports(program, [path], 1, Cache(args.cache, program)))
        print(f"\n{path.name}, playbach and {program}")
        if isinstance(read, Exception) or isinstance(made, str):
            print(f"  playbach: {read if isinstance(read, Exception) else 'reads it'}")
            print(f"  {program}: {made if isinstance(made, str) else 'reads it'}")
            continue
        for remark in read.remarks:
            print(f"  remark: {remark}")
        ours, theirs = from_score(read.score), from_midi(made)
        if program in GATED:
            ours, theirs = _without_durations(ours), _without_durations(theirs)
        match = compare.match_notes(ours.notes, theirs.notes)
        print(f"  kind: {compare.kind_of(ours, theirs, match)}")
        for line in describe(ours, theirs, match, args.lines):
            print(f"  {line}")


def describe(ours: Heard, theirs: Heard, match: compare.Match, lines: int) -> Iterator[str]:
    yield (
        f"notes: {len(ours.notes)} and {len(theirs.notes)}, {match.same} the same, {len(match.durations)} of other "
        f"durations, {len(match.unisons)} unisons, only ours {len(match.only_ours)}, theirs {len(match.only_theirs)}"
    )
    yield f"ends: {ours.end / compare.TICKS:g} and {theirs.end / compare.TICKS:g} quarters"

    def place(tick: int) -> str:
        return compare.bar_of(ours.meters, tick)

    for what, left, right in compare.blocks(ours, theirs)[:lines]:
        first = (left or right)[0][0]
        yield f"{what} at {place(first)} ({first}): ours {_groups(left)}; theirs {_groups(right)}"
    for mine, other in match.durations[:lines]:
        yield f"duration at {place(mine[0])}: {_name(mine[2])} {mine[1]} and {other[1]} ticks"
    for onset, length, pitch in match.unisons[:lines]:
        yield f"unison at {place(onset)}: {_name(pitch)} {length}"
    for side, notes in (("ours", match.only_ours), ("theirs", match.only_theirs)):
        for onset, length, pitch in notes[:lines]:
            yield f"only {side} at {place(onset)} ({onset}): {_name(pitch)} {length}"
    end = max(ours.end, theirs.end)
    measures: tuple[tuple[str, Any, Any, Any, Any], ...] = (
        ("tempos", ours.tempos, theirs.tempos, 120.0, compare.same_tempo),
        ("meters", ours.meters, theirs.meters, (4, 4), compare.same_value),
        ("keys", ours.keys, theirs.keys, (0, 0), compare.same_sharps),
    )
    for name, mine, others, default, same in measures:
        share, wrong = compare.share_of_time(mine, others, end, default, same)
        yield f"{name}: {100 * share:.1f} % of the time"
        for begin, until, value, values in wrong[:lines]:
            yield f"  {place(begin)} for {(until - begin) / compare.TICKS:g} quarters: {value} and {values}"


def _groups(groups: Sequence[tuple[int, frozenset[int]]]) -> str:
    shown = " ".join("+".join(_name(p) for p in sorted(pitches)) for _, pitches in groups[:8])
    return f"{len(groups)} [{shown}{' …' if len(groups) > 8 else ''}]"


def _name(pitch: int) -> str:
    return f"{PITCHES[pitch % 12]}{pitch // 12 - 1}"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, help="a folder of MusicXML (default: music21's collection)")
    options.add_argument("--files", type=count, metavar="N", help="only N of the files, evenly spread")
    options.add_argument("--jobs", type=count, default=2, help="processes (default: %(default)s)")
    options.add_argument("--cache", type=Path, metavar="FOLDER", help="keep the exports of the other programs here")
    options.add_argument("--program", action="append", choices=("music21", "verovio"), help="only this program")
    options.add_argument("--musescore", action="store_true", help="compare with MuseScore too")
    options.add_argument("--explain", type=Path, metavar="FILE", help="list the first differences of one file")
    options.add_argument("--lines", type=count, default=6, help="differences of each sort (default: %(default)s)")
    options.add_argument("--midi", type=Path, metavar="FOLDER", help="compare readings of the MIDI files of a folder")
    options.add_argument("--generated", type=count, metavar="N", help="the same with N random MIDI files")
    args = options.parse_args()
    if args.midi:
        compare_midi(args.midi, args.lines, args.json)
        return
    if args.generated:
        with tempfile.TemporaryDirectory() as folder:
            make_files(Path(folder), args.generated)
            compare_midi(Path(folder), args.lines, args.json)
        return
    programs = args.program or ["music21", "verovio"]
    if args.musescore:
        programs = [*programs, "musescore"]
        if musescore_program() is None:
            fail("neither musescore3 nor mscore is on the PATH; install MuseScore or leave out --musescore")
    root = args.folder or collection()
    if args.explain:
        explain(args.explain if args.explain.exists() else root / args.explain, programs, args)
        return
    paths = find_files(root) or fail(f"{root}: it has no MusicXML file")
    if args.files:
        paths = spread_evenly(paths, args.files)
    found = compare_all(paths, root, programs, args)
    rows = summary_rows(found) + kind_rows(found)
    table = Table(("measure", *found), rows, ("A share of notes is of the larger of the two numbers of notes.",))
    title = f"{len(paths)} MusicXML files, playbach beside other programs"
    packages = ("symusic", *(p for p in programs if p != "musescore"))
    print_report(title, table, {"files": found}, packages, args.json)


if __name__ == "__main__":
    main()
