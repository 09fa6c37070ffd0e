"""A score as four single voices in sixteenths, as the `chorale` encoding reads it.

Decides which track is which voice. Knows the grid; knows nothing of symbols or vocabularies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.music.arrays import Mask
from playbach.music.bars import Header, meters_of, quantise, tempo_of
from playbach.music.events import TICKS_PER_QUARTER, Track
from playbach.system.errors import ScoreError

SIXTEENTH = TICKS_PER_QUARTER // 4
"""In ticks."""
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
CHOIR_PROGRAM = 52
"""General MIDI's Choir Aahs."""

SingleNote = tuple[int, int, int]
"""Onset and end in sixteenths, pitch."""


def chorale_header(score: Score) -> Header:
    """Meters, tempo and the four voices with their instruments. Raises ScoreError as `voices_of` does."""
    programs = [score.tracks[i].program for i in voice_tracks(score)]
    if len(set(programs)) == 1:  # program 0 on every part usually means that the file sets none
        programs = [programs[0] or CHOIR_PROGRAM] * 4
    tracks = tuple(Track(name, program) for name, program in zip(VOICES, programs))
    return Header(meters_of(score, SIXTEENTH), tempo_of(score), tracks)


def voices_of(score: Score) -> list[list[SingleNote]]:
    """The notes of soprano, alto, tenor and bass, each voice one note at a time.

    Of several notes of a voice in one sixteenth the last one in the file is kept. A new note ends the one before it.

    Raises:
        ScoreError: the score does not have four single voices, or they have no notes.
    """
    parts = [score.tracks[i] for i in voice_tracks(score)]
    four = [_single_voice(part.notes.numpy(), part.name) for part in parts]
    if not any(four):
        raise ScoreError("its four voices have no notes")
    return four


def voice_tracks(score: Score) -> list[int]:
    """The indices of the tracks named after the four voices, or else of the score's four tracks with notes, the
    highest first. Raises ScoreError as `voices_of` does."""
    named = {track.name.strip().lower(): i for i, track in enumerate(score.tracks) if not track.is_drum}
    if all(name.lower() in named for name in VOICES):
        return [named[name.lower()] for name in VOICES]
    parts = [i for i, t in enumerate(score.tracks) if len(t.notes) and not t.is_drum]
    if len(parts) != 4:
        tracks = f"{len(parts)} track{'s' * (len(parts) != 1)} with notes"
        raise ScoreError(f"the chorale encoding needs four voices on four tracks, but this piece has {tracks}")
    mean = [float(np.mean(score.tracks[i].notes.numpy()["pitch"])) for i in parts]
    return [parts[i] for i in sorted(range(4), key=lambda i: (-mean[i], i))]


def _single_voice(notes: Mapping[str, Any], name: str) -> list[SingleNote]:
    onsets = notes["time"].astype(np.int64)
    ends = onsets + notes["duration"]
    order = np.argsort(onsets, kind="stable")
    voice: list[SingleNote] = []
    overlaps = 0
    for before, i in zip([-1, *order.tolist()], order.tolist()):
        onset = int(quantise(int(onsets[i]), SIXTEENTH))
        end = max(int(quantise(int(ends[i]), SIXTEENTH)), onset + 1)
        if voice and voice[-1][0] == onset:
            overlaps += bool(ends[before] > onsets[i])  # not if they are thirty-seconds
            voice.pop()
        if voice and voice[-1][1] > onset:
            overlaps += voice[-1][1] - onset > 1
            voice[-1] = (voice[-1][0], onset, voice[-1][2])
        voice.append((onset, end, int(notes["pitch"][i])))
    if overlaps * 8 > len(order):
        raise ScoreError(f"the chorale encoding needs one note at a time in a voice, but track {name!r} has chords")
    return voice


def too_short(notes: Mapping[str, Any]) -> Mask:
    """Which notes (n,) of a voice are left out, because a later one begins in the same sixteenth."""
    order = np.argsort(notes["time"], kind="stable")
    onsets = quantise(notes["time"][order].astype(np.int64), SIXTEENTH)
    found = np.zeros(len(order), bool)
    found[order[:-1]] = onsets[:-1] == onsets[1:]
    return found
