"""`playbach rewrite`: composes some bars of a piece anew and writes the piece to a file.

The paths go to stdout, the seeds to stderr. The composer and the writers are imported when it runs.
"""

from __future__ import annotations

import argparse

from playbach.cli.common import Command
from playbach.cli.users_music import add_common_options, write_pieces
from playbach.inference.options import RewriteOptions


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("piece", metavar="PIECE", help="MIDI or MusicXML file")
    models = "a model of such music: bach-chorales for four voices, folk for a tune, ensemble for anything else"
    add_common_options(parser, models, "rewritten.mid", RewriteOptions)


def run(arguments: argparse.Namespace) -> int:
    return write_pieces(
        arguments,
        arguments.piece,
        RewriteOptions,
        lambda composer, **options: composer.rewrite(arguments.piece, **options),
    )


COMMAND = Command(
    "Compose some bars of a piece anew, between what stands on both sides, and write the piece to a file. All else "
    "comes back unchanged. Prints the file's path on stdout and the seed on stderr. The same seed and options give "
    "the same piece.",
    add_options=add_options,
    run=run,
    usage="%(prog)s [OPTION ...] --bars A-B PIECE",
)
