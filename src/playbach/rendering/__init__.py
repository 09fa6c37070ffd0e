"""Writes scores as MIDI, audio, pictures and sheet music. A new output is a file here with a function `write`, and an
entry of `OUTPUTS`; the conformance tests then cover it.

Knows nothing of the formats. Cheap to import: an output's code is imported when it writes.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def __call__(
        self, score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None
    ) -> Sequence[bytes] | None:
        """Returns what further files of the same kind hold, such as the pages after the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Entry[Writer]):
    """An entry whose code is the writer."""

    suffixes: tuple[str, ...]
    """The suffixes of its files, in lower case."""
    has_sound: bool = False
    """Whether it uses the soundfont."""
    is_sheet: bool = False
    """Whether it is sheet music, which has the notes as they are written, not as they are performed."""
    on_request: bool = False
    """Whether its suffixes are those of another output, so that it is written only where sheet music is asked for."""


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
    Output(
        name="musicxml",
        description="sheet music for notation programs",
        code="playbach.rendering.musicxml:write",
        suffixes=(".musicxml", ".mxl"),
        is_sheet=True,
    ),
    Output(
        name="pages",
        description="pages of sheet music",
        code="playbach.rendering.pages:write",
        suffixes=(".pdf", ".svg"),
        extra="score",
        is_sheet=True,
    ),
    Output(
        name="page-pictures",
        description="pages of sheet music",
        code="playbach.rendering.pages:write",
        suffixes=(".png",),
        extra="score",
        is_sheet=True,
        on_request=True,
    ),
)


def output_for(path: Path, *, sheet: bool = False) -> Output:
    """The output for this path's suffix.

    Args:
        sheet: whether it must be sheet music.

    Raises:
        UsageError: the suffix is unknown, or nothing that is sheet music has it.
    """
    choices = _choices(sheet=sheet)
    for output in choices:
        if path.suffix.lower() in output.suffixes:
            return output
    files = f"files ending in {path.suffix!r}" if path.suffix else "files without an extension"
    suffixes = ", ".join(suffix for output in choices for suffix in output.suffixes)
    kind = "sheet music in " if sheet else ""
    raise UsageError(f"{display_path(path)}: cannot write {kind}{files}; use one of {suffixes}")


def outputs_text() -> str:
    """All suffixes with what they are, for `--help`."""
    return ", ".join(f"{listed(output.suffixes)} ({output.description})" for output in _choices())


def _choices(*, sheet: bool = False) -> list[Output]:
    """The outputs that a suffix can mean: those of sheet music, or else all but those on request."""
    return [output for output in OUTPUTS.values() if (output.is_sheet if sheet else not output.on_request)]


def write(
    score: Score, path: AnyPath, *, comment: str = "", soundfont: AnyPath | None = None, sheet: bool = False
) -> Path:
    """Write the score in the format of the path's suffix. An existing file is never overwritten.

    Returns:
        The path of the file, which is another one if `path` existed; of several pages, that of the first.

    Raises:
        UsageError: the suffix is unknown.
        ScoreError: this is not a score in ticks, or it cannot be written in this format.
        MissingExtra: what the format needs is not installed.
        PlaybachError: the disk is full, the folder is missing, or the like.
    """
    return write_files(score, path, comment=comment, soundfont=soundfont, sheet=sheet)[0]


def write_files(
    score: Score, path: AnyPath, *, comment: str = "", soundfont: AnyPath | None = None, sheet: bool = False
) -> tuple[Path, ...]:
    """As `write`, but returns the paths of all files: SVG and PNG files have one page each, and those of several
    pages are called `NAME-1.svg`, `NAME-2.svg` …

    Args:
        sheet: whether a suffix that other outputs have too, `.png`, means sheet music.
    """
    from playbach.music.scores import convert_resolution

    path, score = Path(path), convert_resolution(score)
    writer = output_for(path, sheet=sheet).load()
    with pending_file(path) as pending:
        font = None if soundfont is None else Path(soundfont)
        further = writer(score, pending.temporary, comment=comment, soundfont=font) or ()
        if further:
            pending.path = _numbered(path, 1)
    paths = [pending.path]
    for number, content in enumerate(further, 2):
        with pending_file(_numbered(path, number)) as pending:
            pending.temporary.write_bytes(content)
        paths.append(pending.path)
    return tuple(paths)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")
