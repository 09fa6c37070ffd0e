"""A score as four single voices in sixteenths: which track is which voice, and what it sings. What the `chorale`
encoding sees of it.

Knows the grid; knows nothing of symbols or vocabularies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.music.bars import Header, meters_of, quantise, tempo_of
from playbach.music.events import TICKS_PER_QUARTER, Track
from playbach.system.errors import ScoreError

GRID = TICKS_PER_QUARTER // 4
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
CHOIR = 52  # General MIDI: Choir Aahs

SingleNote = tuple[int, int, int]
"""Onset and end in sixteenths, pitch."""


def header_of(score: Score) -> Header:
    """Meters, tempo and the four voices with their instruments. Raises ScoreError as `voices` does."""
    programs = [part.program for part in _parts(score)]
    if len(set(programs)) == 1:  # a plain export leaves every part on program 0, which says nothing
        programs = [programs[0] or CHOIR] * 4
    tracks = tuple(Track(name, program) for name, program in zip(VOICES, programs))
    return Header(meters_of(score, GRID), tempo_of(score), tracks)


def voices(score: Score) -> list[list[SingleNote]]:
    """Soprano, alto, tenor and bass as (onset, end, pitch), one note at a time, in sixteenths.

    Of several notes that begin on one sixteenth of a voice the last written stays; a new note ends the one before it.

    Raises:
        ScoreError: there are not four single voices, or no notes in them.
    """
    found = [_single_voice(part.notes.numpy(), part.name) for part in _parts(score)]
    if not any(found):
        raise ScoreError("there are no notes in its four voices")
    return found


def _parts(score: Score) -> list[Any]:
    """The tracks with the voices' names, or else the score's four tracks with notes, from high to low."""
    named = {track.name.strip().lower(): track for track in score.tracks if not track.is_drum}
    if all(name.lower() in named for name in VOICES):
        return [named[name.lower()] for name in VOICES]
    parts = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    if len(parts) != 4:
        there = f"{len(parts)} track{'s' * (len(parts) != 1)} with notes"
        raise ScoreError(f"the chorale encoding needs four voices on four tracks, but there are {there}")
    mean = [float(np.mean(t.notes.numpy()["pitch"])) for t in parts]
    return [parts[i] for i in sorted(range(4), key=lambda i: (-mean[i], i))]


def _single_voice(notes: Mapping[str, Any], name: str) -> list[SingleNote]:
    onsets = notes["time"].astype(np.int64)
    ends = onsets + notes["duration"]
    order = np.argsort(onsets, kind="stable")
    voice: list[SingleNote] = []
    overlaps = 0
    for i in order.tolist():
        onset = int(quantise(int(onsets[i]), GRID))
        end = max(int(quantise(int(ends[i]), GRID)), onset + 1)
        if voice and voice[-1][0] == onset:
            overlaps += 1
            voice.pop()
        if voice and voice[-1][1] > onset:
            overlaps += voice[-1][1] - onset > 1
            voice[-1] = (voice[-1][0], onset, voice[-1][2])
        voice.append((onset, end, int(notes["pitch"][i])))
    if overlaps * 8 > len(order):
        raise ScoreError(f"the chorale encoding needs single voices, but the track {name!r} has chords")
    return voice
