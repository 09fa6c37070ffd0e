"""Writes scores as MIDI, audio and pictures: one writer for each suffix.

Knows nothing of the formats; a format's module is imported when its suffix is used.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from symusic.core import ScoreTick as Score

from playbach.music.scores import convert_resolution
from playbach.system.errors import UsageError
from playbach.system.files import AnyPath, display_path, pending_file


class Writer(Protocol):
    """Writes a score to exactly this path.

    The comment says how the piece can be composed again. It is ASCII, as from `json.dumps`; MP3 allows no more.
    """

    def __call__(self, score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None: ...


def _lazy_writer(module: str) -> Writer:
    def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
        writer = cast(Writer, import_module(f"{__name__}.{module}").write)
        writer(score, path, comment=comment, soundfont=soundfont)

    return write


OUTPUTS: dict[str, Writer] = {
    ".mid": _lazy_writer("midi"),
    ".midi": _lazy_writer("midi"),
    ".wav": _lazy_writer("audio"),
    ".flac": _lazy_writer("audio"),
    ".mp3": _lazy_writer("audio"),
    ".ogg": _lazy_writer("audio"),
    ".png": _lazy_writer("piano_roll"),
}


def writer_for(path: Path) -> Writer:
    """The writer for this path's suffix. Raises UsageError if the suffix is unknown."""
    try:
        return OUTPUTS[path.suffix.lower()]
    except KeyError:
        files = f"files ending in {path.suffix!r}" if path.suffix else "files without an extension"
        raise UsageError(f"{display_path(path)}: cannot write {files}; use one of {', '.join(OUTPUTS)}") from None


def write(score: Score, path: AnyPath, *, comment: str = "", soundfont: AnyPath | None = None) -> Path:
    """Write the score in the format of the path's suffix. An existing file is never overwritten.

    Returns:
        The path of the file, which is another one if `path` existed.

    Raises:
        UsageError: the suffix is unknown.
        ScoreError: this is not a score in ticks, or it cannot be written in this format.
        PlaybachError: the disk is full, the folder is missing, or the like.
    """
    path, score = Path(path), convert_resolution(score)
    writer = writer_for(path)
    with pending_file(path) as pending:
        writer(score, pending.temporary, comment=comment, soundfont=None if soundfont is None else Path(soundfont))
    return pending.path
