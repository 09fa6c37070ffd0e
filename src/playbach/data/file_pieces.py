"""Converts one file of music21's collection: a book's tunes, a string quartet, or whatever instruments play.

Knows scores; knows nothing of the corpora that are made of them.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TempoTickList as TempoList
from symusic.core import TrackTickList as TrackList

from playbach.data.chorales import CHORALE_TEMPO, elements
from playbach.data.from_music21 import elements_of
from playbach.music.instruments import INSTRUMENT_NAMES
from playbach.music.reading import musicxml
from playbach.music.reading.musicxml.instruments import program_by_name
from playbach.system.errors import ScoreError

LONGEST_NAME = 80
TUNE_TEMPO = 120.0
"""The tempo of music that gives none: MIDI's default, in quarters a minute."""
VIOLIN = 40
QUARTET = (("Violin 1", 40), ("Violin 2", 40), ("Viola", 41), ("Cello", 42))
COMPOSERS = {
    "bach": "J. S. Bach",
    "beach": "Amy Beach",
    "beethoven": "Ludwig van Beethoven",
    "chopin": "Frederic Chopin",
    "corelli": "Arcangelo Corelli",
    "cpebach": "C. P. E. Bach",
    "handel": "G. F. Handel",
    "haydn": "Joseph Haydn",
    "johnson_j_r": "J. Rosamond Johnson",
    "joplin": "Scott Joplin",
    "liliuokalani": "Liliuokalani",
    "luca": "D. Luca",
    "lusitano": "Vicente Lusitano",
    "mozart": "W. A. Mozart",
    "schoenberg": "Arnold Schoenberg",
    "schumann_clara": "Clara Schumann",
    "schumann_robert": "Robert Schumann",
    "weber": "C. M. von Weber",
    "webern": "Anton Webern",
}
"""The composers of `ensemble`, by the names of their folders."""

ConvertedFile = tuple[list[tuple[str, bytes]], list[str]]
"""The pieces of a file as (name, MIDI data), and one line for each piece that could not be converted."""


def tunes(path: Path) -> ConvertedFile:
    """Each tune of an ABC file that has one voice, with repeats played out."""
    from music21 import converter

    read: Any = converter.parse(path, forceSource=True, storePickle=False)
    several = "Opus" in read.classes
    pieces: list[tuple[str, bytes]] = []
    problems: list[str] = []
    for number, stream in enumerate(read.scores if several else [read], 1):
        title = str(stream.metadata.title or path.stem)
        name = plain(f"{stream.metadata.number or number} {title}" if several else title)
        try:
            pieces.append((name, bytes(_tune(stream).dumps_midi())))
        except ScoreError as error:
            problems.append(f"{path.parent.name}/{path.name}: {name}: {error}")
    return pieces, problems


def _tune(stream: Any) -> Score:
    score = musicxml.parse_elements(elements_of(stream)).score
    if len(score.tracks) != 1 or not len(score.tracks[0].notes):
        raise ScoreError("it does not have exactly one voice")
    [track] = score.tracks
    track.name, track.program = "Melody", VIOLIN
    if not len(score.tempos):
        score.tempos.append(Tempo(0, qpm=TUNE_TEMPO))
    return score


def quartet(path: Path) -> ConvertedFile:
    """The movement or quartet in a file, with the same names and instruments for the parts of all files."""
    score = musicxml.parse_elements(elements(path)).score
    if len(score.tracks) != len(QUARTET):
        raise ScoreError(f"it has {len(score.tracks)} parts instead of four")
    for track, (name, program) in zip(score.tracks, QUARTET):
        track.name, track.program = name, program
    if not len(score.tempos):
        score.tempos.append(Tempo(0, qpm=TUNE_TEMPO))
    composer = _below_collection(path)[0].partition("_")[0].capitalize()
    return [(_work(path, composer), bytes(score.dumps_midi()))], []


def ensemble(path: Path) -> ConvertedFile:
    """The piece in a file of MusicXML or Humdrum; tracks are named after their General MIDI instruments.

    An instrument is that of the part's name, since programs in the files are often a notation program's default: the
    parts of many chorales are pianos. The chorales have no repeats and ornaments, as in the corpus of their own.
    """
    is_chorale = path.match("bach/*") and path.stem != "bwv846"
    score = musicxml.parse_elements(elements(path), plain_ornaments=is_chorale, repeats=not is_chorale).score
    first_words = [track.name.partition(" ")[0] for track in score.tracks]
    programs = [_program(track.name, first_words) for track in score.tracks]
    for track, program in zip(score.tracks, programs):
        if not track.is_drum:
            track.program = track.program if program is None else program
            track.name = INSTRUMENT_NAMES[track.program]
    score.tracks = TrackList([track for track in score.tracks if len(track.notes)])
    if is_chorale or not len(score.tempos):
        score.tempos = TempoList([Tempo(0, qpm=CHORALE_TEMPO if is_chorale else TUNE_TEMPO)])
    return [(_work(path, COMPOSERS[_below_collection(path)[0]]), bytes(score.dumps_midi()))], []


def _program(name: str, siblings: list[str]) -> int | None:
    """The instrument of a part. The name's first word counts most: `Soprano Oboe 1` is a voice."""
    found = (program_by_name(words, siblings) for words in (name.partition(" ")[0], name))
    return next((program for program in found if program is not None), None)


def _below_collection(path: Path) -> tuple[str, ...]:
    return path.parts[len(path.parts) - path.parts[::-1].index("corpus") :]


def _work(path: Path, composer: str) -> str:
    """A name such as `Beethoven opus 18 no 1 movement 2`, from beethoven/opus18no1/movement2.mxl."""
    work = " ".join([*_below_collection(path)[1:-1], path.stem])
    return plain(f"{composer} {re.sub(r'(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])', ' ', work)}")


def plain(name: str) -> str:
    """A title as a file name that is valid on every system."""
    text = "".join(c if c.isalnum() or c in "'(),.&-" else " " for c in unicodedata.normalize("NFC", name))
    return re.sub(r" +", " ", text).strip(" .")[:LONGEST_NAME].strip(" .") or "untitled"
