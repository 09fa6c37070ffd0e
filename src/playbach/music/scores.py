"""Functions on a `symusic.Score`: convert its resolution, transpose it, hash it, restore it from bytes.

Knows nothing of files or encodings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as ScoreTempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as ScoreTrack

from playbach.music.bars import Header
from playbach.music.events import TICKS_PER_QUARTER
from playbach.system.errors import ScoreError


def convert_resolution(score: Any) -> Score:
    """A score of any resolution, with 480 ticks to a quarter note.

    Raises:
        ScoreError: this is not a symusic score in ticks.
    """
    if not isinstance(score, Score):
        raise ScoreError(f"expected a symusic.Score in ticks, got {type(score).__name__}")
    return score if score.ticks_per_quarter == TICKS_PER_QUARTER else score.resample(TICKS_PER_QUARTER, 1)


def ticks_to_seconds(score: Score, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The time of each tick (n,) in seconds, by the score's tempos; 120 quarters a minute until the first tempo."""
    tempos = {0: 500_000.0} | {t.time: float(t.mspq) for t in score.tempos}
    at = np.array(sorted(tempos))
    rates = np.array([tempos[tick] for tick in at]) / 1e6 / score.ticks_per_quarter
    begins = np.concatenate([[0.0], np.cumsum(np.diff(at) * rates[:-1])])
    segment = np.searchsorted(at, ticks, side="right") - 1
    seconds: NDArray[np.float64] = begins[segment] + (ticks - at[segment]) * rates[segment]
    return seconds


def transpose(score: Score, semitones: int) -> Score:
    """A copy of the score, with all tracks but drums transposed by this number of semitones."""
    transposed = score.copy()
    for track in transposed.tracks:
        if not track.is_drum:
            track.shift_pitch(semitones, inplace=True)
    return transposed


def nearest_keys(shifts: Iterable[int], most: int) -> list[int]:
    """Of a piece's transpositions in semitones those nearest to its own key, at most this many, in order."""
    return sorted(sorted(shifts, key=abs)[:most])


def score_from_header(header: Header) -> Score:
    """A score with the header's meters, tempo and tracks, and without notes."""
    score = Score(TICKS_PER_QUARTER)
    for tick, numerator, denominator in header.meters:
        score.time_signatures.append(TimeSignature(tick, numerator, denominator))
    score.tempos.append(ScoreTempo(0, qpm=header.tempo))
    for track in header.tracks:
        score.tracks.append(ScoreTrack(track.name, track.program, track.drums))
    return score


def content_hash(score: Score) -> str:
    """A hash of each note's onset, duration and pitch, by track; names, tempos and velocities do not count."""
    content = hashlib.sha256()
    for track in score.tracks:
        notes = track.notes.numpy()
        rows = np.stack([notes["time"], notes["duration"], notes["pitch"]], axis=1).astype("<i4")
        if len(rows):
            content.update(b"drums" if track.is_drum else b"track")
            content.update(rows[np.lexsort(rows.T[::-1])].tobytes())
    return content.hexdigest()


def score_from_bytes(state: bytes) -> Score:
    """A score from the bytes of its `__getstate__`. Unlike unpickling, this can make nothing but a score."""
    score = Score.__new__(Score)
    score.__setstate__(state)
    return score
