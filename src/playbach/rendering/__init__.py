"""Writes scores as MIDI, audio and pictures. A new output is a file here with a function `write`, and an entry of
`OUTPUTS`; the conformance tests then cover it.

Knows nothing of the formats. Cheap to import: an output's code is imported when it writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from playbach.system.errors import UsageError
from playbach.system.files import AnyPath, display_path, pending_file
from playbach.system.options import listed
from playbach.system.registry import Entry, by_name

if TYPE_CHECKING:
    from symusic.core import ScoreTick as Score


class Writer(Protocol):
    """Writes a score to exactly this path.

    The comment says how the piece can be composed again. It is ASCII, as from `json.dumps`; MP3 allows no more.
    """

    def __call__(self, score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Entry[Writer]):
    """An entry whose code is the writer."""

    suffixes: tuple[str, ...]
    """The suffixes of its files, in lower case."""
    has_sound: bool = False
    """Whether it uses the soundfont."""


OUTPUTS: dict[str, Output] = by_name(
    Output(name="midi", description="MIDI", code="playbach.rendering.midi:write", suffixes=(".mid", ".midi")),
    Output(
        name="audio",
        description="sound",
        code="playbach.rendering.audio:write",
        suffixes=(".wav", ".flac", ".mp3", ".ogg"),
        has_sound=True,
    ),
    Output(
        name="piano-roll", description="a piano roll", code="playbach.rendering.piano_roll:write", suffixes=(".png",)
    ),
)


def output_for(path: Path) -> Output:
    """The output for this path's suffix. Raises UsageError if the suffix is unknown."""
    for output in OUTPUTS.values():
        if path.suffix.lower() in output.suffixes:
            return output
    files = f"files ending in {path.suffix!r}" if path.suffix else "files without an extension"
    suffixes = ", ".join(suffix for output in OUTPUTS.values() for suffix in output.suffixes)
    raise UsageError(f"{display_path(path)}: cannot write {files}; use one of {suffixes}")


def outputs_text() -> str:
    """All suffixes with what they are, for `--help`."""
    return ", ".join(f"{listed(output.suffixes)} ({output.description})" for output in OUTPUTS.values())


def write(score: Score, path: AnyPath, *, comment: str = "", soundfont: AnyPath | None = None) -> Path:
    """Write the score in the format of the path's suffix. An existing file is never overwritten.

    Returns:
        The path of the file, which is another one if `path` existed.

    Raises:
        UsageError: the suffix is unknown.
        ScoreError: this is not a score in ticks, or it cannot be written in this format.
        PlaybachError: the disk is full, the folder is missing, or the like.
    """
    from playbach.music.scores import convert_resolution

    path, score = Path(path), convert_resolution(score)
    writer = output_for(path).load()
    with pending_file(path) as pending:
        writer(score, pending.temporary, comment=comment, soundfont=None if soundfont is None else Path(soundfont))
    return pending.path
