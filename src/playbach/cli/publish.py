"""`playbach publish`: writes the page for a static host. The folder goes to stdout, what to do with it to stderr."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from playbach.cli.common import Command, format_bytes, print_message, print_result


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=".playbach files or shipped models; the page plays the first (default: bach-chorales)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write; never overwritten"
    )
    parser.add_argument(
        "--soundfont", type=Path, metavar="FILE", help="instruments, .sf2 or .sf3 (default: included)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    from playbach.server.publishing import publish

    site = publish(arguments.models, arguments.output, arguments.soundfont)
    print_result(json.dumps({**asdict(site), "path": str(site.path)}) if arguments.json else str(site.path))
    print_message(
        f"{site.files} files, {format_bytes(site.bytes)}; a first visit loads {format_bytes(site.first_visit)}. Copy "
        f"the folder to any web host, or try it: python -m http.server --directory {site.path}"
    )
    return 0


COMMAND = Command(
    "Write a folder with a page that composes and plays endless music by itself, for any static web host. No server "
    "of playbach is needed; the page can be installed on a phone, and plays offline. Models need the encoding notes "
    "or chorale, and an lstm network; n-grams that play together with it are left out.",
    add_options=add_options,
    run=run,
    usage="%(prog)s [OPTION ...] [MODEL ...] -o FOLDER",
)
