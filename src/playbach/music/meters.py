"""Meters that a program wrote rather than a composer, and other bars for them.

Some programs write 1/4 or 2/4 into every file, such as those that made POP909, a data set of pop songs in 4/4. Knows
scores; knows nothing of encodings.
"""

from __future__ import annotations

import numpy as np
from symusic.core import ScoreTick as Score
from symusic.core import TimeSignatureTick as TimeSignature

from playbach.music.bars import Bars, meter_of_length, meters_of, span_of
from playbach.music.events import MAX_NUMERATOR, TICKS_PER_QUARTER
from playbach.music.options import meter_fraction
from playbach.music.pedal import DOWN, SUSTAIN

_FEWEST_BARS = 5
"""A shorter piece may well be in 1/4."""
CROSSING_SHARE = 0.1
"""A piece in 2/4 is doubted if more than this share of its notes sound across a bar line. Of the 931 tunes in 2/4 in
three books (music21's ryansMammoth, airdsAirs and oneills1850), 863 have no such note and 4 have more of them than
this, all of them among the 668 with incomplete bars, which move all later bar lines; the most in any other is 0.7 %.
Of 11 piano pieces and dances in 2/4, the most is 4 %."""
_CLEARLY = TICKS_PER_QUARTER // 8
"""A note that begins less than this many ticks before a bar line, or ends less after it, does not sound across it."""


def doubtful_meter(score: Score) -> str | None:
    """The meter of a score if it is hardly that of the music, as a remark; None if there is no doubt.

    1/4 all through is doubted, and 2/4 all through if many notes sound across bar lines. Music with pedal is not
    doubted for that, since its notes sound on.
    """
    meters = meters_of(score, 1)
    bars = Bars(meters)
    names = {f"{n}/{d}" for _, n, d in meters[1 if bars.pickup else 0 :]}
    span = span_of(score)
    if span is None or len(names) > 1 or bars.number(span[1] - 1) < _FEWEST_BARS:
        return None
    [name] = names
    if name == "1/4":
        return _remark(name, "")
    if name != "2/4" or _has_pedal(score):
        return None
    share = _crossing_share(score, bars)
    return _remark(name, f" and {share:.0%} of its notes sound across a bar line") if share > CROSSING_SHARE else None


def _remark(name: str, reason: str) -> str:
    return f"its meter is {name} all through{reason}, so a program may have made it up; --meter 4/4 regroups the bars"


def _has_pedal(score: Score) -> bool:
    return any(c.number == SUSTAIN and c.value >= DOWN for track in score.tracks for c in track.controls)


def _crossing_share(score: Score, bars: Bars) -> float:
    """The share of notes, other than drums, that begin clearly before a bar line and end clearly after it."""
    notes = [track.notes.numpy() for track in score.tracks if len(track.notes) and not track.is_drum]
    if not notes:
        return 0.0
    begins = np.concatenate([n["time"] for n in notes]).astype(np.int64)
    ends = begins + np.concatenate([n["duration"] for n in notes])
    length = bars.start(2) - bars.start(1)
    lines = begins + length - (begins - bars.start(1)) % length
    return float(((lines - begins >= _CLEARLY) & (ends - lines >= _CLEARLY)).mean())


def regroup(score: Score, meter: str) -> Score:
    """A copy of the score with this meter, such as `4/4`, instead of all its own.

    Bars count from the first bar line: a pickup stays a pickup, without the whole bars that are in it.

    Raises:
        UsageError: this is no meter.
    """
    numerator, denominator = meter_fraction(meter)
    bar = TICKS_PER_QUARTER * 4 * numerator // denominator
    meters = meters_of(score, 1)
    whole = Bars(meters).pickup
    pickup = whole % bar
    name = (meters[0][1], meters[0][2]) if pickup == whole else meter_of_length(pickup)
    if name[0] > MAX_NUMERATOR:  # a remainder of more than 255 short beats: no meter says it
        pickup = 0
    regrouped = score.copy()
    regrouped.time_signatures.clear()
    if pickup:
        regrouped.time_signatures.append(TimeSignature(0, *name))
    regrouped.time_signatures.append(TimeSignature(pickup, numerator, denominator))
    return regrouped
