"""Compares the article's network, in Keras on TensorFlow as published, with playbach on the same symbols, in one run.

Claim: playbach reaches the article's accuracy ten times as fast, predicts held-out music better than the article's
network and than an n-gram, composes 500 times and reads 300 times as fast; and the article's 74 % is what a lookup
table achieves. Where a run does not confirm this, its table shows it.

The symbols are those of the `notes` encoding without durations, one for each onset: a note, a chord or a rest. Parts:

leaky     The article's own protocol: the suites as one string, all windows of 40 symbols and the next one shuffled,
          and only then split into 70 % to train on, 20 % to stop on, 10 % to test. Measures the time until the
          article's 74.1 % of the test windows, or the best that Keras reaches if that is less. playbach reads whole
          pieces and so has more than 40 symbols of context; its loss counts the same training targets only. Compared
          with a table that looks up the longest known run of symbols, and with playbach's n-gram of the same targets.
honest    One suite held out, another to stop on, no repeats: the top line as in cello.py, where a note is left out if
          the run of 16 that it ends occurred before in its piece. Keras gets 40 notes, padded with a symbol of its
          own before the beginning of a piece, so that all models predict the same notes.
generate  Notes a second: the article's method, `model.predict` on the window for each note, compared with a step of a
          network of the same size in ONNX Runtime, and with the whole of `Composer.stream`.
read      From a folder to training data, with music21 as in the article and with playbach: runs reading.py.

Keras runs in separate processes, of this Python or of --keras-python. To install both at once, in the repository's
root:

    pip install -r benchmarks/requirements-article.txt

or TensorFlow alone elsewhere, to be given with --keras-python keras/bin/python:

    python3 -m venv keras && keras/bin/pip install tensorflow-cpu

Learning curves go to stderr as JSON lines, epoch by epoch; --log also appends them to a file, so that an interrupted
run is not lost. Times are both wall-clock and CPU seconds, since a machine may be shared.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import _article_generate
import _article_honest
import _article_leaky
from _bench import ROOT, Table, align, count, fail, machine_facts, machine_line, parser, run_script

PACKAGES = ("torch", "onnxruntime", "numpy", "symusic", "music21")


def read(args: Namespace, log_line: Callable[..., None]) -> tuple[Table, dict[str, Any]]:
    """Run reading.py on the folder."""
    options = [str(args.folder), "--files", "10000", "--runs", str(args.reading_runs), "--json"]
    few = ["--music21-files", str(args.music21_files)] if args.music21_files else []
    found = run_script(ROOT / "benchmarks" / "reading.py", [*options, *few])
    rows = [(name, f"{s['median']:.3f}", f"{s['runs']}") for name, s in found["seconds"].items()]
    return Table(("what", "seconds", "runs"), tuple(rows), tuple(found["notes"])), found


PARTS: Mapping[str, tuple[str, Callable[[Namespace, Callable[..., None]], tuple[Table, dict[str, Any]]]]] = {
    "leaky": ("The article's own protocol, which leaks", _article_leaky.measure),
    "honest": ("Held out by suite, repeats left out", _article_honest.measure),
    "generate": ("One note after the other", _article_generate.measure),
    "read": ("A folder to training data", read),
}


def curve_logger(log: Path | None) -> Callable[..., None]:
    """A function that prints a line as JSON to stderr, and appends it to the log."""

    def log_line(**line: Any) -> None:
        text = json.dumps(line)
        print(text, file=sys.stderr, flush=True)
        if log:
            with log.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    return log_line


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="the cello suites, as MIDI files")
    options.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS), help="(default: all)")
    options.add_argument("--keras-python", default=sys.executable, metavar="PATH",
                         help="a Python that has TensorFlow (default: this one)")  # fmt: skip
    options.add_argument("--no-keras", action="store_true", help="skip the article's network")
    options.add_argument("--epochs", type=count, help="limit for every network, to try out the script")
    options.add_argument("--log", type=Path, metavar="FILE", help="also append the learning curves to this file")
    leaky = options.add_argument_group("part leaky")
    leaky.add_argument(
        "--runs", type=count, default=3, help="runs of playbach, with seeds from 0 (default: %(default)s)"
    )
    leaky.add_argument("--keras-runs", type=count, default=1, help="runs of Keras, likewise (default: %(default)s)")
    leaky.add_argument(
        "--samples", type=count, help="use only this many of the shuffled windows, to try out the script"
    )
    honest = options.add_argument_group("part honest")
    honest.add_argument("--hold-out", default="cs5*", metavar="GLOB", help="files to test (default: %(default)s)")
    honest.add_argument("--stop-on", default="cs4*", metavar="GLOB", help="files to stop on (default: %(default)s)")
    honest.add_argument(
        "--members", type=count, default=3, help="number of playbach's networks (default: %(default)s)"
    )
    generate = options.add_argument_group("part generate")
    generate.add_argument(
        "--notes", type=count, default=2000, help="notes in each run of playbach (default: %(default)s)"
    )
    generate.add_argument("--keras-notes", type=count, default=100, help="notes from Keras (default: %(default)s)")
    generate.add_argument("--generate-runs", type=count, default=7, help="runs of playbach (default: %(default)s)")
    reading = options.add_argument_group("part read")
    reading.add_argument("--reading-runs", type=count, default=7, help="runs of playbach (default: %(default)s)")
    reading.add_argument("--music21-files", type=count, metavar="N", help="as in reading.py")
    args = options.parse_args()
    args.part = list(dict.fromkeys(args.part))

    from playbach.system.errors import PlaybachError

    log_line, found = curve_logger(args.log), {}
    try:
        for number, part in enumerate(args.part):
            title, measure = PARTS[part]
            table, data = measure(args, log_line)
            found[part] = {"title": title, "notes": list(table.notes), **data}
            if not args.json:
                print("\n" * bool(number) + f"{title}\n\n{align(table)}\n", *table.notes, sep="\n", flush=True)
    except PlaybachError as error:
        fail(str(error))
    where = machine_facts(PACKAGES)
    print(json.dumps({"parts": found, "machine": where}, indent=2) if args.json else f"\n{machine_line(where)}")


if __name__ == "__main__":
    main()
