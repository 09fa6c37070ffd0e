"""`playbach engrave`: writes a MIDI or MusicXML file as sheet music.

The paths go to stdout, remarks to stderr. The reader and the writers are imported when it runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from playbach.cli import options
from playbach.cli.common import Command, print_message, print_result
from playbach.music.options import ReadingOptions
from playbach.rendering import OUTPUTS, output_for
from playbach.system.options import given, listed


def add_options(parser: argparse.ArgumentParser) -> None:
    suffixes = listed(suffix for output in OUTPUTS.values() if output.is_sheet for suffix in output.suffixes)
    parser.add_argument("file", type=Path, metavar="FILE", help="a MIDI or MusicXML file")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"file to write: {suffixes}; SVG and PNG have a file for each page; an existing file is kept and a "
        "number added to the name (default: the name of the music file, with .pdf, in the current folder)",
    )
    parser.add_argument("--title", metavar="TEXT", help="the words above the music (default: the file's name)")
    options.add_options(parser, ReadingOptions, ["meter"])


def run(arguments: argparse.Namespace) -> int:
    from playbach.inference.recipes import foot_of
    from playbach.music import reading
    from playbach.music.notation.sheet import notate
    from playbach.rendering import write_files
    from playbach.rendering.headings import heading_of
    from playbach.rendering.midi import find_comment

    output = arguments.output or Path(f"{arguments.file.stem}.pdf")
    output_for(output, sheet=True).load()  # checks the suffix and the extra before the file is read
    chosen = ReadingOptions(**given(ReadingOptions, vars(arguments)))
    # What is written, not what sounds: notes have their own lengths, and ornaments are no notes.
    read = reading.read_file(arguments.file, options=replace(chosen, pedal="ignore", plain_ornaments=True))
    for remark in (*read.remarks, *_left_out(read.ornaments), *notate(read.score).remarks):
        print_message(f"{arguments.file}: {remark}")
    recipe = find_comment(read.score)
    heading = heading_of(recipe or "")
    title = arguments.title if arguments.title is not None else heading.title or arguments.file.stem.replace("_", " ")
    comment = json.dumps({"title": title, "foot": foot_of(recipe or "") or arguments.file.name})
    paths = write_files(read.score, output, comment=comment, sheet=True)
    print_result("\n".join(map(str, paths)))
    return 0


def _left_out(ornaments: Mapping[str, int]) -> list[str]:
    count = sum(ornaments.values())
    return [f"{count:,} {'ornament is' if count == 1 else 'ornaments are'} left out"] if count else []


COMMAND = Command(
    "Write a music file as sheet music: keys and spelling are estimated where the file has none, and repeats are "
    "written out. Prints the paths of the files on stdout.",
    add_options=add_options,
    run=run,
)
