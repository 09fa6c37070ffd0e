"""What larger and larger folders of music cost: memory, files a second, milliseconds a file, from the folder to
training.

Claim: memory does not grow with the corpus, and neither does the cost of a file. For each size a folder of MIDI files
is generated (four tracks and about 470 notes each, all different; one in fifty is damaged in one of four ways), read,
split, encoded in all keys into shards, and trained on for a few steps, in a fresh process. Memory is that of this
process and all that it starts, sampled ten times a second; a page shared by several counts once. Needs Linux's /proc.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

from _bench import Table, count, fail, parser, print_report, show_progress

DAMAGED = 50
"""One file in this many is damaged."""
CRASHING = bytes.fromhex("4d546864 00000006 0000 0001 01e0 4d54726b 00000004 6e9fb140")
"""A pitch above 127, on which symusic 0.5.9 crashes."""
STAGES = ("reading", "fitting", "encoding", "training")
NETWORK = {"hidden": 64, "layers": 1, "embedding": 16}


def piece(seed: int, bars: int = 24) -> bytes:
    """A MIDI file of a melody, chords of three notes, a bass and drums, different for every seed."""
    import numpy as np
    import symusic

    rng = np.random.default_rng(seed)
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, qpm=float(rng.integers(60, 160))))
    score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    scale = np.array([12 * octave + step for octave in range(4) for step in (0, 2, 4, 5, 7, 9, 11)])
    tonic, roots = int(rng.integers(-5, 7)), rng.integers(0, 7, bars)
    eighths = np.flatnonzero(rng.random(bars * 8) < 0.7)
    walk = np.clip(np.cumsum(rng.integers(-2, 3, bars * 8)) % 21, 0, 20)[eighths]
    halves, quarters = np.arange(bars * 2), np.arange(bars * 4)
    chords = roots[halves // 2, None] + [0, 2, 4]
    for name, program, drums, ticks, duration, pitches in (
        ("Melody", 73, False, eighths * 240, 240, 60 + tonic + scale[walk]),
        ("Chords", 0, False, np.repeat(halves * 960, 3), 960, 48 + tonic + scale[chords].ravel()),
        ("Bass", 32, False, quarters * 480, 480, 36 + tonic + scale[roots[quarters // 4]]),
        ("Drums", 0, True, quarters * 480, 120, 36 + 2 * (quarters % 2)),
    ):
        track = symusic.Track(name, program, drums)
        columns = (ticks, np.full(len(ticks), duration), pitches, rng.integers(50, 110, len(ticks)))
        kinds = (np.int32, np.int32, np.int8, np.int8)
        track.notes = type(track.notes).from_numpy(*(c.astype(kind) for c, kind in zip(columns, kinds)))
        score.tracks.append(track)
    return bytes(score.dumps_midi())


def folder(into: Path, files: int, bars: int = 24) -> Path:
    """Write this many files, a hundred to a folder."""
    for i in range(files):
        data, kind = piece(i, bars), i // DAMAGED % 4
        if i % DAMAGED == DAMAGED - 1:
            data = (data[: len(data) // 2], b"", bytes(range(256)) * 20, CRASHING)[kind]
        path = into / f"{i // 100:04}" / f"{i:06}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return into


def work(music: Path, into: Path, steps: int) -> dict[str, Any]:
    """Run all stages in this process; return their seconds and results."""
    from playbach.data.batches import TrainingSet
    from playbach.data.corpora import load_folder
    from playbach.training import loop, members
    from playbach.training.options import TrainOptions

    class StopEarly(loop.Callbacks):
        done = 0

        def on_step(self, loss: float) -> None:
            self.done += 1

        def should_stop(self) -> bool:
            return self.done >= steps

    members.MAX_COUNTED_STEPS = 0  # no n-gram: only small corpora get one, which would distort the comparison
    times = [perf_counter()]
    corpus, encoding = load_folder(music, encoding="notes")
    times.append(perf_counter())
    options = TrainOptions(encoding=encoding, model="lstm", network=NETWORK, window=128, batch=8)
    fitted = loop.fit_encoding(corpus, options)
    times.append(perf_counter())
    shards = into / "shards"
    sequences = TrainingSet(corpus.train, fitted, shards).encoded_count
    times.append(perf_counter())
    trained = loop.train(corpus, options, callbacks=StopEarly(), folder=shards)
    times.append(perf_counter())
    return {
        "times": times,
        "seconds": {stage: b - a for stage, a, b in zip(STAGES, times, times[1:])},
        "pieces": sum(1 for _ in corpus.pieces()),
        "left_out": len(corpus.skipped),
        "sequences": sequences,
        "bits_per_note": trained.test.bits_per_note,
        "shards_mb": sum(path.stat().st_size for path in shards.iterdir()) / 1e6,
    }


class Memory(threading.Thread):
    """Samples the memory of a process and its descendants ten times a second."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process, self._ended = process, threading.Event()
        self.samples: list[tuple[float, float, float]] = []
        """Time, MB in all, and MB of that in pages of files, which the system can reclaim."""

    def run(self) -> None:
        while not self._ended.wait(0.1):
            pss = [sizes(process) for process in family(self._process)]
            self.samples.append((perf_counter(), *(sum(p.get(k, 0) for p in pss) / 1e3 for k in ("Pss", "Pss_File"))))

    def peaks(self, begin: float, end: float) -> dict[str, float]:
        """The peaks between two moments, of all memory and of memory without pages of files."""
        then = [(whole, mapped) for when, whole, mapped in self.samples if begin <= when <= end] or [(0.0, 0.0)]
        return {"all_mb": max(whole for whole, _ in then), "own_mb": max(whole - mapped for whole, mapped in then)}

    def end(self) -> None:
        self._ended.set()
        self.join()


def family(process: int) -> list[int]:
    """A process and all its descendants."""
    found = [process]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def sizes(process: int) -> dict[str, int]:
    """A process's proportional sizes in kB, by name."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def measure_size(files: int, steps: int, bars: int) -> dict[str, Any]:
    """Measure one size in a process of its own."""
    import subprocess

    with tempfile.TemporaryDirectory() as place:
        into = Path(place)
        show_progress(f"{files} files: generating")
        music = folder(into / "music", files, bars)
        show_progress(f"{files} files: measuring")
        command = [sys.executable, __file__, "--work", str(music), "--steps", str(steps)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            memory = Memory(process.pid)
            memory.start()
            out, errors = process.communicate()
            memory.end()
        if process.returncode:
            fail(f"{files} files: {errors.strip()}")
        found = json.loads(out)
    begin, *_, ready, end = found["times"]
    rates = {"files_a_second": files / (ready - begin), "ms_a_file": 1e3 * (ready - begin) / files}
    peaks = {"preparing": memory.peaks(begin, ready), "learning": memory.peaks(ready, end)}
    return {"files": files, **found, **rates, **peaks}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--files", type=count, nargs="+", default=[100, 1000, 10_000], metavar="N",
                         help="numbers of files (default: 100 1000 10000)")  # fmt: skip
    options.add_argument("--bars", type=count, default=24, help="bars in each piece (default: %(default)s)")
    options.add_argument("--steps", type=count, default=30, help="training steps (default: %(default)s)")
    options.add_argument("--work", type=Path, help="measure a folder in this process; for the script itself")
    args = options.parse_args()
    if args.work:
        print(json.dumps(work(args.work, args.work.parent, args.steps)))
        return
    if not Path("/proc/self/smaps_rollup").exists():
        fail("this benchmark needs Linux's /proc, to see the memory of several processes")
    found = [measure_size(files, args.steps, args.bars) for files in args.files]
    rows = [
        (f"{f['files']:,}", f"{f['left_out']:,}", *(f"{f['seconds'][stage]:,.1f}" for stage in STAGES),
         f"{f['files_a_second']:,.1f}", f"{f['ms_a_file']:.1f}", f"{f['preparing']['all_mb']:,.0f}",
         f"{f['preparing']['own_mb']:,.0f}", f"{f['learning']['own_mb']:,.0f}", f"{f['shards_mb']:,.0f}")
        for f in found
    ]  # fmt: skip
    columns = ("files", "left out", *(f"{stage} s" for stage in STAGES), "files/s", "ms/file", "MB", "own MB",
               "MB training", "MB on disk")  # fmt: skip
    notes = (
        "files/s and ms/file are from the folder to finished shards, without training",
        "MB: the peak of all processes until then; own MB: the peak without pages of files",
        "MB training: own MB while training, which grows with the vocabulary",
        f"{args.steps} training steps, then evaluation on held-out music; seeds are the files' numbers",
    )
    print_report("Folders of music, small and large", Table(columns, tuple(rows), notes), {"sizes": found},
           ("symusic", "numpy", "torch"), args.json)  # fmt: skip


if __name__ == "__main__":
    main()
