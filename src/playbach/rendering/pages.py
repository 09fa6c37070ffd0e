"""Writes a score as pages of music: SVG, PDF, PNG (extra `score`). `engraving.py` makes the pages."""

from __future__ import annotations

from pathlib import Path

import verovio  # noqa: F401 - a worker of `engraving` uses it; here only to say early if it is missing
from symusic.core import ScoreTick as Score

from playbach.music.notation.sheet import notate
from playbach.rendering.engraving import Kind, check_installed, engrave
from playbach.rendering.headings import heading_of
from playbach.rendering.musicxml import musicxml_bytes

_KINDS: dict[str, Kind] = {".svg": "svg", ".pdf": "pdf", ".png": "png"}


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> list[bytes]:
    """Write the first page, or all pages of a PDF, and return the further pages. `soundfont` is not used.

    Raises:
        MissingExtra: verovio or typst is not installed.
        ScoreError: the score has no notes or too many bars, or verovio cannot engrave it.
    """
    kind = _KINDS[path.suffix.lower()]
    check_installed(kind)
    heading = heading_of(comment)
    first, *others = engrave(musicxml_bytes(notate(score), heading), kind, heading)
    path.write_bytes(first)
    return others
