"""`playbach harmonise`: sets a tune for four voices and writes the setting to a file.

The paths go to stdout, the seeds to stderr. The composer and the writers are imported when it runs.
"""

from __future__ import annotations

import argparse

from playbach.cli.common import Command
from playbach.cli.users_music import add_common_options, write_pieces
from playbach.inference.options import HarmoniseOptions


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tune", metavar="TUNE", help="MIDI or MusicXML file with the tune, or with several voices")
    add_common_options(parser, "a model of four voices", "setting.mid", HarmoniseOptions)


def run(arguments: argparse.Namespace) -> int:
    return write_pieces(
        arguments,
        arguments.tune,
        HarmoniseOptions,
        lambda composer, **options: composer.harmonise(arguments.tune, **options),
    )


COMMAND = Command(
    "Set a tune for four voices and write the setting to a file. The given notes come back as they are; if their "
    "voice cannot sing them, they are moved by octaves or to another key, which is said. Phrases end at fermatas, or "
    "else at long notes and rests. Prints the file's path on stdout and the seed on stderr. The same seed and "
    "options give the same setting.",
    add_options=add_options,
    run=run,
    usage="%(prog)s [OPTION ...] TUNE",
)
