"""The built-in corpus `bach-chorales`: music21's four-part chorales, converted once to MIDI files in a cache folder.

The sides of the split are those of the JSB Chorales in the literature (`data/bach-chorales.json`), so that figures
can be compared. Needs music21 (extra `train`) for the one conversion only. Knows nothing of encodings.
"""

from __future__ import annotations

import json
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from symusic.core import KeySignatureTick as KeySignature
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TrackTick as Track

from playbach.data import conversions
from playbach.data.pieces import SIDES
from playbach.encodings.voices import CHOIR, VOICES
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.reading import from_music21
from playbach.system.progress import Progress

NAME = "bach-chorales"
VERSION = 2
"""Of the conversion; a new one gets a new folder."""
TEMPO = 76.0


def sides() -> dict[str, list[str]]:
    """music21's file names by side of the split."""
    text = resources.files("playbach").joinpath("data", "bach-chorales.json").read_text("utf-8")
    listed: dict[str, list[str]] = json.loads(text)
    return {side: listed[side] for side in SIDES}


def cache_folder() -> Path:
    """Where the converted files lie, one folder a side; `PLAYBACH_CACHE` names another cache."""
    return conversions.cache_folder(NAME, VERSION)


def folder(progress: Progress | None = None) -> Path:
    """The folder with the converted chorales; converts them where they are not there yet.

    Args:
        progress: wraps the iterator over names, given how many there are (a progress bar).

    Raises:
        MissingExtra: they must be converted and music21 is not installed.
        CorpusError: the cache folder cannot be written.
    """
    return conversions.converted(NAME, VERSION, lambda into: _convert_all(into, progress))


def _convert_all(into: Path, progress: Progress | None) -> None:
    jobs = [(side, name) for side, names in sides().items() for name in names]
    for side in SIDES:
        (into / side).mkdir()
    for _ in conversions.in_processes(partial(_convert, into), jobs, progress, at_once=4):
        pass


def _convert(into: Path, job: tuple[str, str]) -> str:
    from music21 import corpus

    side, name = job
    score = score_of(corpus.parse(f"bach/{name}"))
    (into / side / Path(name).with_suffix(".mid").name).write_bytes(bytes(score.dumps_midi()))
    return name


def score_of(stream: Any) -> Score:
    """A music21 score's four singing voices, with its meters; a pickup gets a short meter of its own.

    Repeats stay unfolded, as in the literature's files.
    """
    whole = from_music21.score_of(stream, repeats=False)
    score = Score(TICKS_PER_QUARTER)
    score.tempos.append(Tempo(0, qpm=TEMPO))
    score.time_signatures.extend(whole.time_signatures)
    for key in list(whole.key_signatures)[:1]:
        score.key_signatures.append(KeySignature(0, key.key, 0))
    for name, number in zip(VOICES, _singers(stream)):
        track = Track(name, CHOIR, False)
        highest = {note.time: note for note in sorted(whole.tracks[number].notes, key=lambda note: note.pitch)}
        for time in sorted(highest):
            track.notes.append(highest[time])
        score.tracks.append(track)
    return score


def _singers(stream: Any) -> list[int]:
    """The numbers of the parts that are named as the voices, else of the last four, as instruments stand above."""
    names = [str(part.partName or part.id).strip() for part in stream.parts]
    return [names.index(v) for v in VOICES] if set(VOICES) <= set(names) else list(range(len(names)))[-4:]
