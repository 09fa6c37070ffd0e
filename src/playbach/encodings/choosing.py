"""Which encoding suits some music: one line `notes`, four singing voices `chorale`, everything else `events`.

Looks at how many notes sound together, never at names. Of 30 files of Bach's cello suites the densest, a sarabande,
has 1.7 notes at a time, and holds one note in six through the next onset; of the piano pieces in music21's collection
the thinnest, of Mozart's sonata K. 545, has 2.1 and one in five. Knows scores; knows nothing of symbols.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.base import Encoding
from playbach.encodings.chorale import ChoraleEncoding
from playbach.encodings.events.encoding import EventsEncoding
from playbach.encodings.notes import NotesEncoding
from playbach.music.events import TICKS_PER_QUARTER

CHOIR = 36, 84
"""From a low bass's C to a high soprano's."""
MOST_AT_ONCE, MOST_HELD = 1.75, 0.2
"""What a line may have: so many notes sounding at a time, in the mean over all that sounds, and this share of notes
that go on through the next onset."""
ARTICULATION = TICKS_PER_QUARTER // 8
"""A note that ends so little after the next one begins is only legato."""
ENOUGH = 0.8
"""The share of pieces that must be lines, or chorales, for the encoding that is made for them."""


def kind_of(score: Score) -> str:
    """The name of the encoding that is made for a piece."""
    if _is_line(score):  # also where a cello's double stops are written on four tracks
        return NotesEncoding.name
    return ChoraleEncoding.name if _is_choral(score) else EventsEncoding.name


def chosen(kinds: Iterable[str]) -> str:
    """The encoding for pieces of these kinds: that of nearly all of them, or the one that can hold any."""
    found = list(kinds)
    special: tuple[type[Encoding], ...] = (ChoraleEncoding, NotesEncoding)
    for name in (kind.name for kind in special):
        if found and found.count(name) >= ENOUGH * len(found):
            return name
    return EventsEncoding.name


def _is_choral(score: Score) -> bool:
    """Four single voices of a choir's compass, and no drums."""
    if ChoraleEncoding.rejection_reason(score) is not None or any(t.is_drum and len(t.notes) for t in score.tracks):
        return False
    pitches = np.concatenate([t.notes.numpy()["pitch"] for t in score.tracks if len(t.notes)])
    return bool(pitches.min() >= CHOIR[0] and pitches.max() <= CHOIR[1])


def _is_line(score: Score) -> bool:
    """What one player plays as one line, with a chord now and then: on one instrument, though it may be on several
    tracks."""
    tracks = [track for track in score.tracks if len(track.notes)]
    if not tracks or len({(track.program, track.is_drum) for track in tracks}) > 1 or tracks[0].is_drum:
        return False
    notes = [track.notes.numpy() for track in tracks]
    begins = np.concatenate([n["time"] for n in notes]).astype(np.int64)
    ends = begins + np.concatenate([n["duration"] for n in notes])
    onsets = np.unique(begins)
    following = np.append(onsets[1:], ends.max())[np.searchsorted(onsets, begins)]
    held = float((ends - following >= ARTICULATION).mean())
    ticks, change = np.concatenate([begins, ends]), np.repeat([1, -1], len(begins))
    order = np.lexsort((change, ticks))
    sounding, spans = np.cumsum(change[order])[:-1], np.diff(ticks[order])
    at_once = float((sounding * spans).sum() / max(1, int(spans[sounding > 0].sum())))
    return held <= MOST_HELD and at_once <= MOST_AT_ONCE
