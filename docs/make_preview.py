"""Writes web/src/page/preview-music.ts: the piece that the page draws before the listener has pressed play.

    python docs/make_preview.py [--check]

The shipped model composes it, with the seed below. Only what the drawing needs is kept of each note.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from playbach import load
from playbach.streaming.settings import ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar

TARGET = Path(__file__).resolve().parent.parent / "web" / "src" / "page" / "preview-music.ts"
MODEL, SEED, BARS = "bach-chorales", 12, 8
HEAD = f"""/* The piece that the page draws before the listener has pressed play.
   Made by docs/make_preview.py: the model {MODEL} composed {BARS} bars with the seed {SEED}. */

export interface PreviewBar {{
  readonly seconds: number;
  /** Times are in hundredths of a second from the beginning of the bar, probabilities in hundredths. */
  readonly notes: readonly PreviewNote[];
}}

type PreviewNote = readonly [voice: number, pitch: number, time: number, length: number, probability: number];

export const PREVIEW_BARS: readonly PreviewBar[] = [
"""


def preview() -> str:
    stream = Stream(load(MODEL), ProgrammeSettings(seed=SEED, bars=BARS))
    bars = [stream.next()]
    while not bars[-1].bar.is_last:
        bars.append(stream.next())
    return HEAD + "".join(f"  {line(bar)},\n" for bar in bars) + "];\n"


def line(bar: TimedBar) -> str:
    notes = [
        [
            timed.note.track,
            timed.note.pitch,
            round(100 * (timed.at - bar.at)),
            round(100 * timed.seconds),
            round(100 * timed.note.choices[0].probability),
        ]
        for timed in bar.notes
    ]
    seconds = round(bar.next_at - bar.at, 2)
    return f"{{ seconds: {seconds}, notes: {json.dumps(notes, separators=(',', ':'))} }}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file differs")
    check = parser.parse_args().check
    text = preview()
    if check and TARGET.read_text() != text:
        sys.exit(f"{TARGET.name} differs from what the model composes: run python docs/make_preview.py")
    if not check:
        TARGET.write_text(text)


if __name__ == "__main__":
    main()
