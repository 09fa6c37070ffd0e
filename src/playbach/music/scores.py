"""What the package does with a `symusic.Score` wherever it has one: transpose, hash, restore, convert its resolution.

Knows nothing of files or encodings.
"""

from __future__ import annotations

import hashlib
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


def in_ticks(score: Any) -> Score:
    """A score of any resolution with 480 ticks to a quarter.

    Raises:
        ScoreError: it is not a symusic score in ticks.
    """
    if not isinstance(score, Score):
        raise ScoreError(f"expected a symusic.Score in ticks, got {type(score).__name__}")
    return score if score.ticks_per_quarter == TICKS_PER_QUARTER else score.resample(TICKS_PER_QUARTER, 1)


def seconds_at(score: Score, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The time of each tick, by the score's tempos; 120 quarters a minute until the first of them."""
    tempos = {0: 500_000.0} | {t.time: float(t.mspq) for t in score.tempos}
    at = np.array(sorted(tempos))
    rates = np.array([tempos[tick] for tick in at]) / 1e6 / score.ticks_per_quarter
    begins = np.concatenate([[0.0], np.cumsum(np.diff(at) * rates[:-1])])
    segment = np.searchsorted(at, ticks, side="right") - 1
    found: NDArray[np.float64] = begins[segment] + (ticks - at[segment]) * rates[segment]
    return found


def transposed(score: Score, semitones: int) -> Score:
    """The score moved by so many semitones; drums stay."""
    moved = score.copy()
    for track in moved.tracks:
        if not track.is_drum:
            track.shift_pitch(semitones, inplace=True)
    return moved


def bare_score(header: Header) -> Score:
    """A score that holds a header and no notes yet."""
    score = Score(TICKS_PER_QUARTER)
    for tick, numerator, denominator in header.meters:
        score.time_signatures.append(TimeSignature(tick, numerator, denominator))
    score.tempos.append(ScoreTempo(0, qpm=header.tempo))
    for track in header.tracks:
        score.tracks.append(ScoreTrack(track.name, track.program, track.drums))
    return score


def digest(score: Score) -> str:
    """A hash of all that sounds: onset, duration and pitch of each note, by track; not name, tempo or velocity."""
    found = hashlib.sha256()
    for track in score.tracks:
        notes = track.notes.numpy()
        rows = np.stack([notes["time"], notes["duration"], notes["pitch"]], axis=1).astype("<i4")
        if len(rows):
            found.update(b"drums" if track.is_drum else b"track")
            found.update(rows[np.lexsort(rows.T[::-1])].tobytes())
    return found.hexdigest()


def revived(state: bytes) -> Score:
    """A score from bytes of our own making, which can become nothing else."""
    score = Score.__new__(Score)
    score.__setstate__(state)
    return score
