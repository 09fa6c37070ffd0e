"""The limits on one music file, and the check of what a score from outside contains.

A file with impossible notes, instruments or meters is rejected. Impossible controllers, keys and texts are only left
out, and extreme tempos are brought into range. What MIDI allows is possible, however unusual it is. Knows nothing of
file formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score  # the class that `symusic.Score(...)` makes by default

from playbach.music.events import MAX_NUMERATOR, METER_DENOMINATORS, TICKS_PER_QUARTER
from playbach.music.midi import MAX_FILE_TRACKS, MAX_QUARTERS
from playbach.system.errors import ScoreError, impossible_value

_MIN_MSPQ, _MAX_MSPQ = 60_000, 0xFFFFFF  # microseconds per quarter: 1000 quarters a minute, and MIDI's slowest tempo


@dataclass(frozen=True)
class ReadingLimits:
    """A file that exceeds one of these is not read."""

    max_bytes: int = 16 << 20
    """The size of the file, and of an unpacked MusicXML file."""
    max_notes: int = 500_000
    seconds: float = 10.0
    """The time to read a MIDI file in a worker, from the moment at which it begins with the file."""
    musicxml_seconds: float = 60.0
    """The same for MusicXML; the largest score takes seconds, on a small or busy machine up to a minute."""
    memory_bytes: int = 1 << 30
    """The memory that the worker may use, in addition to what it needs to start."""


def validate_score(score: Score, limits: ReadingLimits) -> Score:
    """The score with 480 ticks to a quarter note and only values that MIDI allows. Raises ScoreError."""
    if len(score.tracks) > MAX_FILE_TRACKS:
        raise ScoreError(f"it has {len(score.tracks):,} tracks, but the limit is {MAX_FILE_TRACKS:,}; leave it out")
    check_number_of_notes(score, limits)
    last = MAX_QUARTERS * score.ticks_per_quarter
    _check_notes(score, last)
    for track in score.tracks:
        _check_track(track, last)
    _check_global(score, last)
    check_number_of_notes(score, limits)
    if score.ticks_per_quarter == TICKS_PER_QUARTER:
        return score
    return score.resample(TICKS_PER_QUARTER, 1)  # 1: the shortest note, in ticks


def check_number_of_notes(score: Score, limits: ReadingLimits) -> None:
    """Raise ScoreError if there are too many notes, or none."""
    number = score.note_num()
    if number > limits.max_notes:
        raise ScoreError(f"it has {number:,} notes, but the limit is {limits.max_notes:,}; leave it out or split it")
    if number == 0:
        raise ScoreError("it contains no notes; leave it out")


def _check_notes(score: Score, last: int) -> None:
    """Reject impossible notes, and leave out notes without length, which are silent."""
    tracks = [track.notes.numpy() for track in score.tracks if len(track.notes)]
    if not tracks:
        return
    # All tracks at once: with small arrays, numpy's time depends on the number of calls.
    onset, duration, pitch, velocity = (
        np.concatenate([notes[name] for notes in tracks]) for name in ("time", "duration", "pitch", "velocity")
    )
    _require_range("pitch", pitch, 0, 127)
    _require_range("velocity", velocity, 1, 127)  # never 0: in MIDI, and so for symusic, that is a note-off
    _require_range("onset", onset, 0, last, bits=32)
    _require_range("duration", duration, 0, last, bits=32)
    if not duration.all():
        for track in score.tracks:
            _keep_in_range(track, "notes", duration=(1, last))


def _check_track(track: Any, last: int) -> None:
    """Reject an impossible instrument, and leave out impossible controllers."""
    if not 0 <= track.program <= 127:
        raise impossible_value("program", track.program)
    _keep_in_range(track, "controls", time=(0, last), number=(0, 127), value=(0, 127))
    _keep_in_range(track, "pitch_bends", time=(0, last), value=(-8192, 8191))
    _keep_in_range(track, "pedals", time=(0, last), duration=(0, last))
    _filter_texts(track.lyrics, last)


def _check_global(score: Score, last: int) -> None:
    _keep_in_range(score, "key_signatures", time=(0, last), key=(-7, 7), tonality=(0, 1))
    _keep_in_range(score, "time_signatures", time=(0, last))
    for meter in score.time_signatures:
        if not 1 <= meter.numerator <= MAX_NUMERATOR or meter.denominator not in METER_DENOMINATORS:
            raise impossible_value("time signature", f"{meter.numerator}/{meter.denominator}")
    _keep_in_range(score, "tempos", time=(0, last), mspq=(1, 1 << 31))
    for tempo in score.tempos:
        tempo.mspq = min(max(tempo.mspq, _MIN_MSPQ), _MAX_MSPQ)
    _filter_texts(score.markers, last)


def _require_range(name: str, values: Any, low: int, high: int, bits: int = 8) -> None:
    if values.min() < low or values.max() > high:
        wrong = int(values[(values < low) | (values > high)][0])
        # The arrays are signed, so that values above the range can be negative.
        raise impossible_value(name, wrong % (1 << bits))


def _keep_in_range(owner: Any, name: str, **ranges: tuple[int, int]) -> None:
    """Leave out the events of a symusic list that have a field outside its range."""
    events = getattr(owner, name)
    if not len(events):
        return
    columns = events.numpy()
    keep = np.logical_and.reduce([(columns[k] >= low) & (columns[k] <= high) for k, (low, high) in ranges.items()])
    if not keep.all():
        setattr(owner, name, type(events).from_numpy(*(column[keep] for column in columns.values())))


def _filter_texts(texts: Any, last: int) -> None:
    if len(texts):  # symusic cannot return texts as arrays
        texts.filter(lambda text: 0 <= text.time <= last, True)
