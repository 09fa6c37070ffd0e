"""The built-in corpus `bach-chorales`: music21's four-part chorales, converted once to MIDI files in a cache folder.

The split is that of the JSB Chorales in the literature (`data/bach-chorales.json`), so that figures can be compared.
Only the conversion needs music21 (extra `train`). Knows nothing of encodings.
"""

from __future__ import annotations

import json
from functools import partial
from importlib import resources
from pathlib import Path
from xml.etree.ElementTree import Element

from symusic.core import KeySignatureTick as KeySignature
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TrackTick as Track

from playbach.data import conversions
from playbach.data.from_music21 import elements_of
from playbach.data.pieces import SIDES
from playbach.encodings.voices import CHOIR_PROGRAM, VOICES
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.reading import musicxml
from playbach.system.errors import CorpusError
from playbach.system.progress import Progress

CORPUS_NAME = "bach-chorales"
VERSION = 2
"""The version of the conversion. A new version gets a new folder."""
CHORALE_TEMPO = 76.0
"""In quarters a minute; the files have no tempos."""
MAX_SCORE_BYTES = 64 << 20
"""The largest of music21's scores, unpacked."""


def sides() -> dict[str, list[str]]:
    """The names of music21's files on each side of the split."""
    text = resources.files("playbach").joinpath("data", "bach-chorales.json").read_text("utf-8")
    listed: dict[str, list[str]] = json.loads(text)
    return {side: listed[side] for side in SIDES}


def cache_folder() -> Path:
    """Where the converted files are, one folder for each side. `PLAYBACH_CACHE` sets another cache."""
    return conversions.corpus_cache_folder(CORPUS_NAME, VERSION)


def folder(progress: Progress | None = None) -> Path:
    """The folder with the converted chorales; converts them if necessary.

    Args:
        progress: wraps the iterator over files to be converted, given their number; for a progress bar.

    Raises:
        MissingExtra: they must be converted, and music21 is not installed.
        CorpusError: the cache folder cannot be written, or a process that converts died.
    """
    return conversions.converted_folder(CORPUS_NAME, VERSION, lambda into: _convert_all(into, progress))


def _convert_all(into: Path, progress: Progress | None) -> None:
    jobs = [(side, name) for side, names in sides().items() for name in names]
    for side in SIDES:
        (into / side).mkdir()
    for _ in conversions.in_processes(partial(_convert, into), jobs, progress, at_once=4):
        pass


def _convert(into: Path, job: tuple[str, str]) -> str:
    side, name = job
    path = conversions.music21_collection() / "bach" / name
    if not path.is_file():
        raise CorpusError(f"{CORPUS_NAME}: music21 is installed without {name}; install it with its corpus")
    score = chorale_score(elements(path))
    (into / side / Path(name).with_suffix(".mid").name).write_bytes(bytes(score.dumps_midi()))
    return name


def elements(path: Path) -> Element:
    """A file of music21's collection as elements of MusicXML. Two chorales are in Humdrum's format."""
    if path.suffix != ".krn":
        return musicxml.elements(path.read_bytes(), MAX_SCORE_BYTES)
    from music21 import converter

    return elements_of(converter.parse(path, forceSource=True, storePickle=False))


def chorale_score(root: Element) -> Score:
    """The four voices of a MusicXML score, with its meters. A pickup gets a short meter of its own.

    Repeats and ornaments are not played out, as in the literature's files.
    """
    whole = musicxml.parse_elements(root, plain_ornaments=True, repeats=False).score
    score = Score(TICKS_PER_QUARTER)
    score.tempos.append(Tempo(0, qpm=CHORALE_TEMPO))
    score.time_signatures.extend(whole.time_signatures)
    for key in list(whole.key_signatures)[:1]:
        score.key_signatures.append(KeySignature(0, key.key, 0))
    for name, number in zip(VOICES, _singers([track.name for track in whole.tracks])):
        track = Track(name, CHOIR_PROGRAM, False)
        highest = {note.time: note for note in sorted(whole.tracks[number].notes, key=lambda note: note.pitch)}
        for time in sorted(highest):
            track.notes.append(highest[time])
        score.tracks.append(track)
    return score


def _singers(names: list[str]) -> list[int]:
    """The indices of the parts named after the voices, else of the last four: instruments are listed first."""
    return [names.index(v) for v in VOICES] if set(VOICES) <= set(names) else list(range(len(names)))[-4:]
