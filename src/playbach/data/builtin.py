"""The built-in corpora: which there are, under which terms, and how they become MIDI files.

They come out of the collection that music21 carries (extra `train`), and are converted once, on the user's machine;
nothing of them is distributed with this package. Left out is what its own files or its folder's note do not leave
free: Palestrina's masses (all rights to derived formats reserved), the Essen folk songs (legal status "unclear", no
commercial use), Monteverdi's madrigals (scanned from modern editions, some with their notice), the trecento (terms
that differ from file to file), and single pieces, which are no corpus.

Knows files and scores; knows nothing of splits and encodings.
"""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo

from playbach.data import chorales, conversions
from playbach.music.reading import from_music21, musicxml
from playbach.system.errors import CorpusError, ScoreError
from playbach.system.files import unused, writing_folder
from playbach.system.progress import Progress

INDEX = "index.json"
"""In the folder of a converted corpus: how many pieces it has, and what music21 could not read."""
ABOUT = "ABOUT.txt"
LONGEST_NAME = 80
TEMPO = 120.0
"""Of tunes that say nothing of it: what MIDI would play them at."""
VIOLIN = 40
QUARTET = (("Violin 1", 40), ("Violin 2", 40), ("Viola", 41), ("Cello", 42))
MOST_BYTES = 64 << 20

Made = tuple[list[tuple[str, bytes]], list[str]]
"""Pieces as (name, MIDI file), and why others are none, a line each."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """`music` and `terms` are for people. `pieces` is how many there are as of music21 10.5. `sources` are patterns
    of files in its collection, and `make` what becomes of one of them (neither is told of the chorales, which have a
    module of their own). A new `version` gets a new folder."""

    name: str
    music: str
    terms: str
    pieces: int
    version: int
    sources: tuple[str, ...] = ()
    make: Callable[[Path], Made] | None = None

    def cache_folder(self) -> Path:
        return conversions.cache_folder(self.name, self.version)

    def folder(self, progress: Progress | None = None) -> Path:
        """The folder with its MIDI files, which are converted where they are not there yet; arguments and errors are
        those of `chorales.folder`."""
        if self.make is None:
            return chorales.folder(progress)
        return conversions.converted(self.name, self.version, lambda into: self._fill(into, progress))

    def _fill(self, into: Path, progress: Progress | None) -> None:
        assert self.make is not None
        paths, count, left_out = self.paths(), 0, []
        for made, problems in conversions.in_processes(partial(_made, self.make), paths, progress):
            left_out += problems
            for name, data in made:
                unused(into / f"{name}.mid").write_bytes(data)
                count += 1
        if not count:
            raise CorpusError(f"{self.name}: music21 has nothing of it; install music21 with its corpus")
        index = {"pieces": count, "left_out": left_out}
        (into / INDEX).write_text(json.dumps(index, indent=1, ensure_ascii=False), "utf-8")

    def paths(self) -> list[Path]:
        """The files in music21's collection. Does not load music21."""
        spec = find_spec("music21")
        root = Path(spec.origin or "").parent / "corpus" if spec else Path()
        return sorted(path for pattern in self.sources for path in root.glob(pattern))


def _made(make: Callable[[Path], Made], path: Path) -> Made:
    """What becomes of one file; a file that music21 cannot read costs itself."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # music21's own
            return make(path)
    except MemoryError:
        raise
    except Exception as error:  # music21 raises this and that
        return [], [f"{path.parent.name}/{path.name}: {' '.join(str(error).split())[:120] or type(error).__name__}"]


# ------------------------------------------------------------------------------------------------ one file's pieces


def tunes(path: Path) -> Made:
    """Each tune of an ABC file of one voice, as it is played, repeats included."""
    from music21 import converter

    read: Any = converter.parse(path, forceSource=True, storePickle=False)
    several = "Opus" in read.classes
    made: list[tuple[str, bytes]] = []
    problems: list[str] = []
    for number, stream in enumerate(read.scores if several else [read], 1):
        title = str(stream.metadata.title or path.stem)
        name = plain(f"{stream.metadata.number or number} {title}" if several else title)
        try:
            made.append((name, bytes(_tune(stream).dumps_midi())))
        except ScoreError as error:
            problems.append(f"{path.parent.name}/{path.name}: {name}: {error}")
    return made, problems


def _tune(stream: Any) -> Score:
    score = from_music21.score_of(stream)
    if len(score.tracks) != 1 or not len(score.tracks[0].notes):
        raise ScoreError("not one voice")
    [track] = score.tracks
    track.name, track.program = "Melody", VIOLIN
    if not len(score.tempos):
        score.tempos.append(Tempo(0, qpm=TEMPO))
    return score


def quartet(path: Path) -> Made:
    """A movement, or all that one file holds, of a string quartet; parts and instruments are named alike."""
    musicxml.load()
    score = musicxml.parse(path.read_bytes(), MOST_BYTES)
    if len(score.tracks) != len(QUARTET):
        raise ScoreError(f"has {len(score.tracks)} parts, not four")
    for track, (name, program) in zip(score.tracks, QUARTET):
        track.name, track.program = name, program
    if not len(score.tempos):
        score.tempos.append(Tempo(0, qpm=TEMPO))
    return [(_work(path), bytes(score.dumps_midi()))], []


def _work(path: Path) -> str:
    """As in `Beethoven opus 18 no 1 movement 2`, of beethoven/opus18no1/movement2.mxl."""
    below = path.parts[len(path.parts) - path.parts[::-1].index("corpus") :]
    composer = below[0].partition("_")[0].capitalize()
    work = " ".join([*below[1:-1], path.stem])
    return plain(f"{composer} {re.sub(r'(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])', ' ', work)}")


def plain(name: str) -> str:
    """A title as a file name that every system takes."""
    text = "".join(c if c.isalnum() or c in "'(),.&-" else " " for c in unicodedata.normalize("NFC", name))
    return re.sub(r" +", " ", text).strip(" .")[:LONGEST_NAME].strip(" .") or "untitled"


# ------------------------------------------------------------------------------------------------------- the corpora


WARNING = "music21 has them by permission and warns that commercial use may be limited"
NO_TERMS = f"transcribed by volunteers, who state no terms; {WARNING}"

CORPORA: dict[str, Builtin] = {
    corpus.name: corpus
    for corpus in (
        Builtin(
            chorales.NAME,
            "J. S. Bach's chorales in four voices, on the sides of the JSB Chorales split",
            "music out of copyright; edited by Margaret Greentree, in music21 by her permission",
            354,
            chorales.VERSION,
        ),
        Builtin(
            "string-quartets",
            "string quartets by Haydn, Mozart, Beethoven and Schumann, by movements or as a whole",
            f"music out of copyright; the files name no editor and no terms; {WARNING}",
            51,
            1,
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
            "O'Neill's Music of Ireland (1903): airs, jigs, reels, hornpipes, some of them twice",
            f"music out of copyright; {NO_TERMS}",
            2009,
            1,
            ("oneills1850/*.abc",),
            tunes,
        ),
        Builtin(
            "ryans-mammoth",
            "Ryan's Mammoth Collection (1883): reels, jigs, hornpipes, clogs for the fiddle",
            f"music out of copyright; {NO_TERMS}",
            1059,
            1,
            ("ryansMammoth/*.abc",),
            tunes,
        ),
        Builtin(
            "airds-airs",
            "Aird's Airs (Glasgow, from 1782): Scotch, English, Irish and foreign tunes of one voice",
            f"music out of copyright; transcribed by Jack Campin, 2009, who states no terms; {WARNING}",
            1178,
            1,
            ("airdsAirs/*.abc",),
            tunes,
        ),
    )
}


def converted(name: str) -> bool:
    """Whether a corpus has been converted on this machine."""
    return CORPORA[name].cache_folder().is_dir()


def counted(name: str) -> int:
    """How many pieces a corpus has: as it was converted, else as it is known."""
    count = _index(name).get("pieces")
    return count if isinstance(count, int) else CORPORA[name].pieces


def unread(name: str) -> list[str]:
    """What music21 could not read of a corpus, a line each, as it was converted."""
    return list(map(str, _index(name).get("left_out", [])))


def export(name: str, folder: Path, progress: Progress | None = None) -> Path:
    """Write a corpus's MIDI files, and what it is and under which terms, into `folder`/NAME, or NAME-2 … where there
    is something of that name; gives the folder's path. It appears whole or not at all.

    Args:
        progress: wraps the iterator over what must be converted first.

    Raises:
        MissingExtra: it must be converted first and music21 is not installed.
        CorpusError: what was converted is damaged.
        PlaybachError: it cannot be written there.
    """
    corpus = CORPORA[name]
    source = corpus.folder(progress)
    files = sorted(source.rglob("*.mid"))
    if len(files) != counted(name) or len({path.name for path in files}) != len(files):
        raise CorpusError(f"{source}: the converted files are damaged; delete this folder and try again")
    with writing_folder(folder / name) as draft:
        for path in files:
            shutil.copyfile(path, draft.temporary / path.name)
        about = f"{name}: {len(files)} pieces\n{corpus.music}\nTerms: {corpus.terms}.\n"
        (draft.temporary / ABOUT).write_text(about, "utf-8")
    return draft.path


def _index(name: str) -> dict[str, Any]:
    try:
        found = json.loads((CORPORA[name].cache_folder() / INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
