"""Chooses the encoding for some music: `notes` for a single line, `chorale` for four voices, `events` for all else.

Decides by how many notes sound at a time, not by names. Of 30 movements of Bach's cello suites, the densest, a
sarabande, has 1.7 notes at a time and holds one note in six past the next onset. Of the piano pieces in music21's
collection, the sparsest, from Mozart's sonata K. 545, has 2.1 and holds one in five. Knows scores; knows nothing of
symbols.
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

CHOIR_RANGE = 36, 84
"""The lowest and highest pitch of a choir: a low bass's C and a high soprano's C."""
MAX_SOUNDING, MAX_HELD_SHARE = 1.75, 0.2
"""The limits of a single line: the mean number of notes that sound at a time, not counting silence, and the share of
notes that are held past the next onset."""
LEGATO_OVERLAP = TICKS_PER_QUARTER // 8
"""A note that ends less than this many ticks after the next onset is legato, not held."""
MIN_SHARE = 0.8
"""The share of pieces that must be lines, or chorales, for a corpus to get the encoding for them."""


def encoding_for_piece(score: Score) -> str:
    """The name of the encoding that suits a piece."""
    if _is_line(score):  # also where a cello's double stops are written on four tracks
        return NotesEncoding.name
    return ChoraleEncoding.name if _is_choral(score) else EventsEncoding.name


def encoding_for_corpus(names: Iterable[str]) -> str:
    """The name of the encoding for a corpus, given the one that suits each piece: that of nearly all, or `events`."""
    suited = list(names)
    special: tuple[type[Encoding], ...] = (ChoraleEncoding, NotesEncoding)
    for name in (encoding.name for encoding in special):
        if suited and suited.count(name) >= MIN_SHARE * len(suited):
            return name
    return EventsEncoding.name


def _is_choral(score: Score) -> bool:
    """Whether a score has four single voices within a choir's range, and no drums."""
    if ChoraleEncoding.rejection_reason(score) is not None or any(t.is_drum and len(t.notes) for t in score.tracks):
        return False
    pitches = np.concatenate([t.notes.numpy()["pitch"] for t in score.tracks if len(t.notes)])
    return bool(pitches.min() >= CHOIR_RANGE[0] and pitches.max() <= CHOIR_RANGE[1])


def _is_line(score: Score) -> bool:
    """Whether a score is one instrument's single line, perhaps with a few chords, on any number of tracks."""
    tracks = [track for track in score.tracks if len(track.notes)]
    if not tracks or len({(track.program, track.is_drum) for track in tracks}) > 1 or tracks[0].is_drum:
        return False
    notes = [track.notes.numpy() for track in tracks]
    begins = np.concatenate([n["time"] for n in notes]).astype(np.int64)
    ends = begins + np.concatenate([n["duration"] for n in notes])
    onsets = np.unique(begins)
    following = np.append(onsets[1:], ends.max())[np.searchsorted(onsets, begins)]
    held = float((ends - following >= LEGATO_OVERLAP).mean())
    ticks, change = np.concatenate([begins, ends]), np.repeat([1, -1], len(begins))
    order = np.lexsort((change, ticks))
    sounding, spans = np.cumsum(change[order])[:-1], np.diff(ticks[order])
    at_once = float((sounding * spans).sum() / max(1, int(spans[sounding > 0].sum())))
    return held <= MAX_HELD_SHARE and at_once <= MAX_SOUNDING
