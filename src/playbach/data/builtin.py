"""The built-in corpora: their contents, their terms of use, and their conversion to MIDI files.

The music is in the collection that comes with music21 (extra `train`). It is converted once, on the user's machine;
this package distributes none of it. Collections and pieces whose use is restricted or unclear are left out:
`terms.LEFT_OUT` says which, and why.

Knows files and scores; knows nothing of splits and encodings.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from playbach.data import chorales, conversions
from playbach.data.file_pieces import ConvertedFile, ensemble, quartet, tunes
from playbach.data.terms import ENSEMBLE, as_tsv, is_left_out, sources
from playbach.music import midi
from playbach.music.scores import content_hash
from playbach.system.errors import CorpusError
from playbach.system.files import pending_folder, unused_path
from playbach.system.progress import Progress

INDEX = "index.json"
"""The file in a converted corpus's folder with the number of its pieces and the files that music21 could not read."""
ABOUT = "ABOUT.txt"
"""The file in an exported corpus's folder with its contents and terms."""
SOURCES_FILE = "SOURCES.tsv"
"""The file in it with each file of music21's of which it is made: see `terms.sources`."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in corpus. The chorales have no `sources` and `convert`, but a module of their own."""

    name: str
    music: str
    """A description of its contents, to be displayed."""
    terms: str
    """Its terms of use, to be displayed."""
    pieces: int
    """The number of pieces as of music21 10.5."""
    version: int
    """The version of its conversion. A new version gets a new folder."""
    sources: tuple[str, ...] = ()
    """Patterns of files in music21's collection."""
    convert: Callable[[Path], ConvertedFile] | None = None
    """Converts one of the files."""
    of: tuple[str, ...] = ()
    """The built-in corpora whose pieces it has, each distinct piece once, instead of `sources` and `convert`."""

    def cache_folder(self) -> Path:
        """Where its MIDI files are, or would be."""
        return conversions.corpus_cache_folder(self.name, self.version)

    def folder(self, progress: Progress | None = None) -> Path:
        """The folder with its MIDI files; converts if necessary. Arguments and errors: see `chorales.folder`."""
        if self.of:
            return conversions.converted_folder(self.name, self.version, lambda into: self._gather(into, progress))
        if self.convert is None:
            return chorales.folder(progress)
        return conversions.converted_folder(self.name, self.version, lambda into: self._fill(into, progress))

    def _gather(self, into: Path, progress: Progress | None) -> None:
        """Copy the pieces of other corpora, under names that begin with the corpus; convert these first."""
        known: set[str] = set()
        left_out: list[str] = []
        for name in self.of:
            for path in sorted(CORPORA[name].folder(progress).rglob("*.mid")):
                content = content_hash(midi.parse(path.read_bytes())[0])
                if content not in known:
                    known.add(content)
                    shutil.copyfile(path, into / f"{name} {path.name}")
            left_out += unreadable_files(name)
        _write_index(into, len(known), left_out)

    def _fill(self, into: Path, progress: Progress | None) -> None:
        assert self.convert is not None
        paths, count, left_out = self.paths(), 0, []
        for pieces, problems in conversions.in_processes(partial(_convert_file, self.convert), paths, progress):
            left_out += problems
            for name, data in pieces:
                unused_path(into / f"{name}.mid").write_bytes(data)
                count += 1
        if not count:
            raise CorpusError(f"{self.name}: music21 is installed without this music; install it with its corpus")
        _write_index(into, count, left_out)

    def paths(self) -> list[Path]:
        """The files in music21's collection. Does not load music21."""
        if self.of:
            return [path for name in self.of for path in CORPORA[name].paths()]
        root = conversions.music21_collection()
        found = sorted(path for pattern in self.sources for path in root.glob(pattern))
        return [path for path in found if not is_left_out(path.relative_to(root).as_posix())]


def _write_index(into: Path, pieces: int, left_out: list[str]) -> None:
    index = {"pieces": pieces, "left_out": left_out}
    (into / INDEX).write_text(json.dumps(index, indent=1, ensure_ascii=False), "utf-8")


def _convert_file(convert: Callable[[Path], ConvertedFile], path: Path) -> ConvertedFile:
    """Convert one file. A file that music21 cannot read only adds a line to the problems."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of music21
            return convert(path)
    except MemoryError:
        raise
    except Exception as error:  # music21 raises exceptions of many kinds
        return [], [f"{path.parent.name}/{path.name}: {' '.join(str(error).split())[:120] or type(error).__name__}"]


# ------------------------------------------------------------------------------------------------------- the corpora


WARNING = "music21 distributes them by permission and warns that commercial use may be limited"
NO_TERMS = f"transcribed by volunteers, who give no terms; {WARNING}"

CORPORA: dict[str, Builtin] = {
    corpus.name: corpus
    for corpus in (
        Builtin(
            chorales.CORPUS_NAME,
            "J. S. Bach's chorales in four voices, split like the JSB Chorales data set",
            "music out of copyright; edited by Margaret Greentree, in music21 by her permission",
            354,
            chorales.VERSION,
        ),
        Builtin(
            "string-quartets",
            "string quartets by Haydn, Mozart, Beethoven and Schumann, as movements or as a whole",
            f"music out of copyright; the files give no editor and no terms; {WARNING}",
            51,
            2,
            (
                *(f"beethoven/opus{n}.mxl" for n in ("132", "133", "18no3", "18no4", "18no5", "74")),
                *(f"beethoven/opus{n}/*.mxl" for n in ("18no1", "59no1", "59no2", "59no3")),
                "haydn/opus*/*.mxl",
                *(f"mozart/k{n}/*.mxl" for n in ("80", "155", "156", "458")),
                "schumann_robert/opus41no1/*.mxl",
            ),
            quartet,
        ),
        Builtin(
            "oneills-1850",
            "O'Neill's Music of Ireland (1903): airs, jigs, reels and hornpipes, some of them twice",
            f"music out of copyright; {NO_TERMS}",
            2009,
            2,
            ("oneills1850/*.abc",),
            tunes,
        ),
        Builtin(
            "ryans-mammoth",
            "Ryan's Mammoth Collection (1883): reels, jigs, hornpipes and clogs for the fiddle",
            f"music out of copyright; {NO_TERMS}",
            1059,
            2,
            ("ryansMammoth/*.abc",),
            tunes,
        ),
        Builtin(
            "airds-airs",
            "Aird's Airs (Glasgow, from 1782): Scotch, English, Irish and foreign tunes in one voice",
            f"music out of copyright; transcribed by Jack Campin, 2009, who gives no terms; {WARNING}",
            1178,
            2,
            ("airdsAirs/*.abc",),
            tunes,
        ),
        Builtin(
            "folk",
            "the Irish, Scottish and fiddle tunes of oneills-1850, ryans-mammoth and airds-airs, each once",
            f"music out of copyright; {NO_TERMS}",
            4142,
            1,
            of=("oneills-1850", "ryans-mammoth", "airds-airs"),
        ),
        Builtin(
            "ensemble",
            "Bach's chorales with their instruments, string quartets, piano pieces, songs and chamber music",
            "music out of copyright; editions in the public domain, under CC0, CC BY or CC BY-SA, in music21 by "
            f"permission, or without terms, as SOURCES.tsv says file by file; {WARNING}",
            474,
            1,
            ENSEMBLE,
            ensemble,
        ),
    )
}


def is_converted(name: str) -> bool:
    """Whether a corpus has been converted on this machine."""
    return CORPORA[name].cache_folder().is_dir()


def piece_count(name: str) -> int:
    """The number of pieces of a corpus, as converted on this machine, otherwise as expected."""
    count = _index(name).get("pieces")
    return count if isinstance(count, int) else CORPORA[name].pieces


def unreadable_files(name: str) -> list[str]:
    """One line for each file of a converted corpus that music21 could not read."""
    return list(map(str, _index(name).get("left_out", [])))


def export_corpus(name: str, folder: Path, progress: Progress | None = None) -> Path:
    """Write a corpus's MIDI files, contents and terms into a new folder in `folder`; return its path.

    The folder is called NAME, or NAME-2 and so on if NAME exists. It appears complete or not at all.

    Args:
        progress: wraps the iterator over files to be converted first, given their number.

    Raises:
        MissingExtra: the corpus must be converted first, and music21 is not installed.
        CorpusError: the converted files are damaged.
        PlaybachError: the folder cannot be written.
    """
    corpus = CORPORA[name]
    source = corpus.folder(progress)
    files = sorted(source.rglob("*.mid"))
    if len(files) != piece_count(name) or len({path.name for path in files}) != len(files):
        raise CorpusError(f"{source}: the converted files are damaged; delete this folder and try again")
    with pending_folder(folder / name) as draft:
        for path in files:
            shutil.copyfile(path, draft.temporary / path.name)
        about = f"{name}: {len(files)} pieces\n{corpus.music}\nTerms: {corpus.terms}.\n"
        (draft.temporary / ABOUT).write_text(about, "utf-8")
        if rows := sources(name):
            (draft.temporary / SOURCES_FILE).write_text(as_tsv(rows), "utf-8")
    return draft.path


def _index(name: str) -> dict[str, Any]:
    try:
        index = json.loads((CORPORA[name].cache_folder() / INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}
