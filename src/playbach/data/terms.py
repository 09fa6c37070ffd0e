"""Which files of music21's collection the corpora `folk` and `ensemble` have, and the terms of each.

`sources.json` has the terms, written by `docs/make_terms.py` from the files. This is also the one place that says
what is left out, and why. Does not need music21.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib import resources
from typing import NamedTuple

ENSEMBLE = (
    *("bach/*.mxl", "bach/*.xml", "beach/*.musicxml", "beethoven/*.mxl", "beethoven/*/*.mxl", "chopin/*.krn"),
    *("corelli/*/*.xml", "cpebach/*.mxl", "handel/*/*.mxl", "haydn/*/*.mxl", "johnson_j_r/*.mxl", "joplin/*.mxl"),
    *("liliuokalani/*.mxl", "luca/*.xml", "lusitano/*.mxl", "mozart/*/*.mxl", "schoenberg/*/*.mxl"),
    *("schumann_clara/*.mxl", "schumann_robert/*.xml", "schumann_robert/*/*.mxl", "weber/*.mxl", "webern/*.mxl"),
)
"""Patterns of the files of `ensemble`, but for LEFT_OUT."""

LEFT_OUT = {
    "bach/*.krn": "the rights to all derived formats are reserved; the same chorales are there as MusicXML",
    "bach/bwv190.7.mxl": "the voices of bwv190.7-inst",
    "bach/bwv197.7-a.mxl": "the same notes as bwv398",
    "bach/bwv248.35-3.mxl": "the voices of bwv248.35-3c",
    "bach/bwv248.*-s.mxl": "the voices of chorales that are there with their instruments",
    "beethoven/*.krn": "the same movements as in MusicXML",
    "ciconia/*": "one melody, of a canon",
    "demos/*": "examples of notation, not music",
    "essenFolksong/*": "legal status unclear, no commercial use",
    "josquin/*": "under the GNU General Public License, whose meaning for what is made of music is unclear",
    "leadSheet/*": "melodies with chord symbols, one of them with all rights reserved",
    "miscFolk/*": "melodies of unclear origin",
    "monteverdi/*": "scanned from modern editions, some with their notice",
    "nottingham-dataset/*": "melodies with chord symbols",
    "palestrina/*": "the rights to all derived formats are reserved",
    "schubert/*": "a copyright notice without a name",
    "schumann_clara/opus17/*": "a copyright notice without a name",
    "schumann_robert/opus48no2.mxl": "the same notes as dichterliebe_no2",
    "theoryExercises/*": "exercises, not music",
    "trecento/*": "terms that differ from file to file",
    "verdi/*": "an arrangement by Richard Krentzlin, who died in 1956",
}
"""Patterns of the files that no corpus has, each with the reason. `*` stands for any part of a path."""

COLUMNS = ("file", "composer or collection", "title", "terms", "sha256")


class Source(NamedTuple):
    """A file of music21's collection of which a corpus is made."""

    path: str
    """Below the collection's folder, with `/`."""
    composer: str
    """The composer, or the collection of tunes."""
    title: str
    """As the file gives it; may be empty."""
    terms: str
    """What the file says of its terms, in short."""
    sha256: str
    """Of the file's bytes, as of music21 10.5."""


def is_left_out(path: str) -> bool:
    """Whether a file, by its path below the collection's folder, is one of LEFT_OUT."""
    return any(fnmatchcase(path, pattern) for pattern in LEFT_OUT)


def sources(name: str) -> tuple[Source, ...]:
    """The files of which a built-in corpus is made, by path; none for a corpus other than `folk` and `ensemble`."""
    text = resources.files("playbach").joinpath("data", "sources.json").read_text("utf-8")
    groups = json.loads(text).get(name, [])
    return tuple(
        sorted(
            Source(path, str(group["composer"]), title, str(group["terms"]), sha256)
            for group in groups
            for path, (title, sha256) in group["files"].items()
        )
    )


def as_tsv(rows: Iterable[Source]) -> str:
    """The rows as a table with tabs, below a line with COLUMNS."""
    return "".join("\t".join(row) + "\n" for row in (COLUMNS, *rows))
