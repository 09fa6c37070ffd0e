"""Writes a score as a MIDI file with a comment in a marker at its beginning, and finds that comment.

Knows nothing of what the comment means.
"""

from __future__ import annotations

from pathlib import Path

from symusic.core import ScoreTick as Score
from symusic.core import TextMetaTick as TextMeta

from playbach.music.midi.writing import midi_bytes

MARKER_PREFIX = "playbach "
"""The beginning of the marker with the comment."""


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """Write a MIDI file. The same score and comment give the same bytes. `soundfont` is not used.

    Raises:
        ScoreError: the score has values that do not exist in MIDI.
    """
    if comment:
        score = score.copy()
        score.markers.insert(0, TextMeta(0, MARKER_PREFIX + comment))
    path.write_bytes(midi_bytes(score))


def find_comment(score: Score) -> str | None:
    """The comment that `write` stored; None if there is none."""
    texts = (marker.text for marker in score.markers)
    return next((text.removeprefix(MARKER_PREFIX) for text in texts if text.startswith(MARKER_PREFIX)), None)


def drop_comment(score: Score) -> None:
    """Remove the comment of a score that is composed further."""
    score.markers.filter(lambda marker: not marker.text.startswith(MARKER_PREFIX), inplace=True)
