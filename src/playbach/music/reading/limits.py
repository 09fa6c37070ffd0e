"""What one music file may cost, and what a score that comes from outside may hold.

Impossible notes, instruments and meters condemn a file; impossible controllers, keys and texts are only left out,
and absurd tempos are bent. Knows nothing of file formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score  # the class that `symusic.Score(...)` makes unless told otherwise

from playbach.music.events import TICKS_PER_QUARTER
from playbach.system.errors import ScoreError

_MAX_TRACKS = 1024
_MAX_QUARTERS = 24 * 60 * 120  # a day at 120 quarters a minute
_MSPQ = (
    60_000,
    0xFFFFFF,
)  # microseconds to a quarter: 1000 quarters a minute, and the most that MIDI can say
DENOMINATORS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Limits:
    """What one file may cost before it is given up. Time counts from when the worker is free for it, and longer for
    MusicXML: music21 needs a second for some thousand notes, and ten on a small or busy machine."""

    max_bytes: int = 16 << 20
    max_notes: int = 500_000
    seconds: float = 10.0
    musicxml_seconds: float = 60.0
    memory_bytes: int = 1 << 30


def checked(score: Score, limits: Limits) -> Score:
    """The score with 480 ticks to a quarter and only values that MIDI allows. Raises ScoreError."""
    if len(score.tracks) > _MAX_TRACKS:
        raise ScoreError(f"has {len(score.tracks):,} tracks, more than {_MAX_TRACKS:,}; leave it out")
    if score.note_num() > limits.max_notes:
        raise ScoreError(f"has {score.note_num():,} notes, more than {limits.max_notes:,}; leave it out or split it")
    last = _MAX_QUARTERS * score.ticks_per_quarter
    _check_notes(score, last)
    for track in score.tracks:
        _check_track(track, last)
    _check_global(score, last)
    if score.note_num() == 0:
        raise ScoreError("there is not a note in it; leave it out")
    if score.ticks_per_quarter == TICKS_PER_QUARTER:
        return score
    return score.resample(TICKS_PER_QUARTER, 1)  # 1: a note shorter than a tick stays a note


def _check_notes(score: Score, last: int) -> None:
    """Impossible notes condemn the file; those of no length, which nobody hears, are only left out."""
    tracks = [track.notes.numpy() for track in score.tracks if len(track.notes)]
    if not tracks:
        return
    # All tracks at once: on small arrays, numpy's time goes by the number of calls.
    onset, duration, pitch, velocity = (
        np.concatenate([notes[name] for notes in tracks]) for name in ("time", "duration", "pitch", "velocity")
    )
    _demand("pitch", pitch, 0, 127)
    _demand("velocity", velocity, 1, 127)  # never 0: to MIDI and so to symusic, that is a note-off
    _demand("onset", onset, 0, last, bits=32)
    _demand("duration", duration, 0, last, bits=32)
    if not duration.all():
        for track in score.tracks:
            _prune(track, "notes", duration=(1, last))


def _check_track(track: Any, last: int) -> None:
    """An impossible instrument condemns the file; impossible controllers are only left out."""
    if not 0 <= track.program <= 127:
        raise ScoreError(impossible("program", track.program))
    _prune(track, "controls", time=(0, last), number=(0, 127), value=(0, 127))
    _prune(track, "pitch_bends", time=(0, last), value=(-8192, 8191))
    _prune(track, "pedals", time=(0, last), duration=(0, last))
    _prune_texts(track.lyrics, last)


def _check_global(score: Score, last: int) -> None:
    _prune(score, "key_signatures", time=(0, last), key=(-7, 7), tonality=(0, 1))
    _prune(score, "time_signatures", time=(0, last))
    for meter in score.time_signatures:
        if not 1 <= meter.numerator <= 64 or meter.denominator not in DENOMINATORS:
            raise ScoreError(impossible("time signature", f"{meter.numerator}/{meter.denominator}"))
    _prune(score, "tempos", time=(0, last), mspq=(1, 1 << 31))
    for tempo in score.tempos:
        tempo.mspq = min(max(tempo.mspq, _MSPQ[0]), _MSPQ[1])
    _prune_texts(score.markers, last)


def _demand(name: str, values: Any, low: int, high: int, bits: int = 8) -> None:
    if values.min() < low or values.max() > high:
        wrong = int(values[(values < low) | (values > high)][0])
        raise ScoreError(impossible(name, wrong % (1 << bits)))  # signed, so what is too large came out negative


def impossible(name: str, value: int | str) -> str:
    return f"damaged ({name} {value} does not exist); leave it out or export it again"


def _prune(owner: Any, name: str, **ranges: tuple[int, int]) -> None:
    """Keep those events of one of symusic's lists of which every field named is in its range."""
    events = getattr(owner, name)
    if not len(events):
        return
    columns = events.numpy()
    keep = np.logical_and.reduce([(columns[k] >= low) & (columns[k] <= high) for k, (low, high) in ranges.items()])
    if not keep.all():
        setattr(owner, name, type(events).from_numpy(*(column[keep] for column in columns.values())))


def _prune_texts(texts: Any, last: int) -> None:
    if len(texts):  # they have no numpy face
        texts.filter(lambda text: 0 <= text.time <= last, True)
