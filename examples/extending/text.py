"""Writes a score as plain text, one line for each note: its place in quarters, its name and its length."""

from __future__ import annotations

from pathlib import Path

from symusic.core import ScoreTick as Score

from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.keys import pitch_name
from playbach.system.errors import ScoreError


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """Write a text file. The same score and comment give the same bytes. `soundfont` is not used.

    Raises:
        ScoreError: the score has no notes.
    """
    notes = sorted((n.time, n.pitch, n.duration) for track in score.tracks for n in track.notes)
    if not notes:
        raise ScoreError("it has no notes")
    lines = [f"# {comment}"] if comment else []
    for onset, pitch, duration in notes:
        lines.append(f"{onset / TICKS_PER_QUARTER:g} {pitch_name(pitch)} {duration / TICKS_PER_QUARTER:g}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
