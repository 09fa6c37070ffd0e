"""What a score can be written as, one entry a suffix, and the clock that sound and pictures share.

Knows nothing of the formats; each module is imported when its suffix is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from symusic.core import ScoreTick as Score

from playbach.music.scores import in_ticks
from playbach.system.errors import UsageError
from playbach.system.files import AnyPath, shown, writing


class Writer(Protocol):
    """Writes the score to exactly this path, and with it the comment: how to make the piece again, in ASCII
    (MP3 has no other letters), as `json.dumps` gives it."""

    def __call__(self, score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None: ...


def _later(module: str) -> Writer:
    def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
        writer = cast(Writer, import_module(f"{__name__}.{module}").write)
        writer(score, path, comment=comment, soundfont=soundfont)

    return write


OUTPUTS: dict[str, Writer] = {
    ".mid": _later("midi"),
    ".midi": _later("midi"),
    ".wav": _later("audio"),
    ".flac": _later("audio"),
    ".mp3": _later("audio"),
    ".ogg": _later("audio"),
    ".png": _later("piano_roll"),
}


def writer_for(path: Path) -> Writer:
    """The writer for this path's suffix."""
    try:
        return OUTPUTS[path.suffix.lower()]
    except KeyError:
        what = f"files ending in {path.suffix!r}" if path.suffix else "files without an extension"
        raise UsageError(f"{shown(path)}: cannot write {what}; possible are {', '.join(OUTPUTS)}") from None


def write(score: Score, path: AnyPath, *, comment: str = "", soundfont: AnyPath | None = None) -> Path:
    """Write the score as its path's suffix says and give the path it really has: an existing file is never
    overwritten, and nothing half-written stays.

    Raises:
        UsageError: nothing is known to write for this suffix.
        ScoreError: this is no score in ticks.
        PlaybachError: it cannot be written there.
    """
    path, score = Path(path), in_ticks(score)
    writer = writer_for(path)
    with writing(path) as draft:
        writer(score, draft.temporary, comment=comment, soundfont=None if soundfont is None else Path(soundfont))
    return draft.path
