"""Writes a score as a standard MIDI file, with the comment as a marker at its beginning, and finds it again.

Knows nothing of what the comment says.
"""

from __future__ import annotations

from pathlib import Path

from symusic.core import ScoreTick as Score
from symusic.core import TextMetaTick as TextMeta

PREFIX = "playbach "  # what tells our marker from others


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """The same score and comment give the same bytes. `soundfont` has no meaning here."""
    if comment:
        score = score.copy()
        score.markers.insert(0, TextMeta(0, PREFIX + comment))
    path.write_bytes(score.dumps_midi())


def comment_of(score: Score) -> str | None:
    """The comment that `write` stored, or None if the score is not ours."""
    texts = (marker.text for marker in score.markers)
    return next((text.removeprefix(PREFIX) for text in texts if text.startswith(PREFIX)), None)
