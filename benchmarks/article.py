"""The article's network, in Keras on TensorFlow as published, beside playbach, on the same symbols, in one run.

Claim: playbach comes to the article's accuracy ten times as fast, guesses music that neither has met better than the
article's network and than an n-gram, plays 500 times and reads 300 times as fast; and the article's 74 % is what
looking up gives. Where a run does not bear that out, its table says so.

The symbols are those of the `notes` encoding without durations, one for each onset: a note, a chord or a rest. Parts:

leaky     The article's own protocol: the suites as one string, all windows of 40 symbols and the next one shuffled,
          and only then cut into 70 % to learn from, 20 % to stop on, 10 % to measure on. How long until the article's
          74.1 % of the test windows, or the best that Keras reaches if that is less. playbach hears whole pieces and
          so knows more than 40 symbols back; its loss counts the same training targets only. Beside them the table
          that just looks up the longest known run of symbols, and playbach's n-gram of the same training targets.
honest    One suite held out, another to stop on, nothing twice: the top line as in cello.py, a note left out if the
          run of 16 that it ends was there before in its piece. Keras gets 40 notes, filled up with a symbol of its
          own before a piece's beginning, so that all guess the same notes.
generate  Notes a second: the article's way, `model.predict` on the window for each note, beside a step of a network
          of the same size in ONNX Runtime, and beside `Composer.stream`, all that makes music of it included.
read      A folder to training data, through music21 as the article did and by playbach: runs reading.py.

Keras runs in processes of its own, of this Python or of --keras-python. Both at once:

    pip install -r benchmarks/requirements-article.txt        in the repository's root; or TensorFlow alone elsewhere:
    python3 -m venv keras && keras/bin/pip install tensorflow-cpu          and then --keras-python keras/bin/python

Learning curves go to stderr as JSON lines, epoch by epoch, and with --log are appended to a file, so that a run that
is cut short has not been in vain. Seconds are by the clock and of the processor, as a machine may be shared.
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
from _bench import ROOT, Table, aligned, count, fail, fresh, machine, machine_line, parser

PACKAGES = ("torch", "onnxruntime", "numpy", "symusic", "music21")


def read(given: Namespace, told: Callable[..., None]) -> tuple[Table, dict[str, Any]]:
    """What reading.py says of the folder."""
    arguments = [str(given.folder), "--files", "10000", "--runs", str(given.reading_runs), "--json"]
    few = ["--music21-files", str(given.music21_files)] if given.music21_files else []
    found = fresh(ROOT / "benchmarks" / "reading.py", [*arguments, *few])
    rows = [(name, f"{s['median']:.3f}", f"{s['runs']}") for name, s in found["seconds"].items()]
    return Table(("what", "seconds", "runs"), tuple(rows), tuple(found["notes"])), found


PARTS: Mapping[str, tuple[str, Callable[[Namespace, Callable[..., None]], tuple[Table, dict[str, Any]]]]] = {
    "leaky": ("The article's own protocol, which leaks", _article_leaky.measure),
    "honest": ("Held out by suite, repeats left out", _article_honest.measure),
    "generate": ("One note after the other", _article_generate.measure),
    "read": ("A folder to training data", read),
}


def teller(log: Path | None) -> Callable[..., None]:
    """Says a line as JSON on stderr, and appends it to the log."""

    def told(**line: Any) -> None:
        text = json.dumps(line)
        print(text, file=sys.stderr, flush=True)
        if log:
            with log.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    return told


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="of the cello suites, MIDI files")
    options.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS), help="default: all of them")
    options.add_argument("--keras-python", default=sys.executable, metavar="PATH",
                         help="a Python that has TensorFlow (default: this one)")  # fmt: skip
    options.add_argument("--no-keras", action="store_true", help="leave the article's network out")
    options.add_argument("--epochs", type=count, help="of any network at most, to try the script")
    options.add_argument("--log", type=Path, metavar="FILE", help="append the learning curves to it as well")
    leaky = options.add_argument_group("part leaky")
    leaky.add_argument("--runs", type=count, default=3, help="of playbach, seeds from 0 on (default: %(default)s)")
    leaky.add_argument("--keras-runs", type=count, default=1, help="of Keras, likewise (default: %(default)s)")
    leaky.add_argument("--samples", type=count, help="use only so many of the shuffled windows, to try the script")
    honest = options.add_argument_group("part honest")
    honest.add_argument("--hold-out", default="cs5*", metavar="GLOB", help="files to measure (default: %(default)s)")
    honest.add_argument("--stop-on", default="cs4*", metavar="GLOB", help="files to stop on (default: %(default)s)")
    honest.add_argument("--members", type=count, default=3, help="networks of playbach (default: %(default)s)")
    generate = options.add_argument_group("part generate")
    generate.add_argument("--notes", type=count, default=2000, help="of each run of ours (default: %(default)s)")
    generate.add_argument("--keras-notes", type=count, default=100, help="of Keras (default: %(default)s)")
    generate.add_argument("--generate-runs", type=count, default=7, help="of ours (default: %(default)s)")
    reading = options.add_argument_group("part read")
    reading.add_argument("--reading-runs", type=count, default=7, help="of playbach (default: %(default)s)")
    reading.add_argument("--music21-files", type=count, metavar="N", help="as in reading.py")
    given = options.parse_args()
    given.part = list(dict.fromkeys(given.part))

    from playbach.system.errors import PlaybachError

    told, found = teller(given.log), {}
    try:
        for number, part in enumerate(given.part):
            title, measure = PARTS[part]
            table, data = measure(given, told)
            found[part] = {"title": title, "notes": list(table.notes), **data}
            if not given.json:
                print("\n" * bool(number) + f"{title}\n\n{aligned(table)}\n", *table.notes, sep="\n", flush=True)
    except PlaybachError as error:
        fail(str(error))
    where = machine(PACKAGES)
    print(json.dumps({"parts": found, "machine": where}, indent=2) if given.json else f"\n{machine_line(where)}")


if __name__ == "__main__":
    main()
