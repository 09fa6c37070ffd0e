"""The chunks of a MIDI file: its header, and where its tracks lie. Knows nothing of events."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from playbach.music.options import MUSIC_SUFFIXES
from playbach.system.errors import ScoreError, damaged_file
from playbach.system.options import listed

MAX_FILE_TRACKS = 0xFFFF
"""As many as a header can state."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the events of a track lie: `start` to before `end`. Of a track that is cut short, `missing` bytes lie
    beyond the end of the file."""

    start: int
    end: int
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Chunks:
    data: bytes
    midi_format: int
    promised: int
    """The number of tracks that the header states."""
    ticks: tuple[int, int]
    """Ticks of a score for each tick of the file, as a fraction; see `split_file`."""
    film_frames: bool
    spans: tuple[Span, ...]
    rest: int
    """Bytes after the last track that are no chunk."""


def split_file(data: bytes, ticks_per_quarter: int) -> Chunks:
    """Find the tracks of a MIDI file, also of one inside a RIFF file (RMID).

    Times in film frames (SMPTE) are taken at 120 quarters a minute.

    Raises:
        ScoreError: this is no MIDI file, its header is damaged, or it is cut short between two tracks.
    """
    data = _unwrap_riff(data)
    if data[:4] != b"MThd":
        raise ScoreError(
            f"this is neither MIDI nor MusicXML (it begins with {data[:4]!r}); give a {listed(MUSIC_SUFFIXES)} file"
        )
    if len(data) < 14:
        raise ScoreError("the file is cut short in its header; download or export it again")
    size, midi_format, promised, division = struct.unpack_from(">IHHH", data, 4)
    if size < 6:
        raise damaged_file(f"a header of {size} bytes")
    spans, rest = _find_tracks(data, 8 + size, promised)
    film_frames = bool(division & 0x8000)
    ticks = _film_ticks(division, ticks_per_quarter) if film_frames else (ticks_per_quarter, division)
    if ticks[1] == 0:
        raise damaged_file("0 ticks per quarter note")
    return Chunks(data, midi_format, promised, ticks, film_frames, spans, rest)


def cut_short(span: Span, number: int, tracks: int) -> ScoreError:
    return ScoreError(
        f"the file is cut short: {span.missing:,} bytes are missing in track {number} of {tracks}; "
        "download or export it again"
    )


def _unwrap_riff(data: bytes) -> bytes:
    """The MIDI file inside a RIFF file (.rmi, but some are named .mid); other data as it is."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data":
            return data[position : position + size]
        position += size + size % 2
    return data


def _film_ticks(division: int, ticks_per_quarter: int) -> tuple[int, int]:
    """The ticks of a score for each tick of the file if a quarter lasts half a second."""
    frames, parts = 256 - (division >> 8), division & 0xFF
    if frames == 29:  # 30 drop frame, which is 29.97 frames a second
        return 2 * ticks_per_quarter * 1001, 30_000 * parts
    return 2 * ticks_per_quarter, frames * parts


def _find_tracks(data: bytes, position: int, promised: int) -> tuple[tuple[Span, ...], int]:
    """Each track's span, and the number of bytes after the last chunk."""
    spans: list[Span] = []
    while position + 8 <= len(data):
        name, size = struct.unpack_from(">4sI", data, position)
        end = position + 8 + size
        if name == b"MTrk" and (end <= len(data) or len(spans) < promised):
            spans.append(Span(position + 8, min(end, len(data)), max(0, end - len(data))))
            if len(spans) > MAX_FILE_TRACKS:
                raise ScoreError(f"it has more than {MAX_FILE_TRACKS:,} tracks, which is the limit; leave it out")
        elif end > len(data):
            break
        position = end
    rest = max(0, len(data) - position)
    # Less than a chunk's head is left: the head of a track, or a byte or two of padding.
    head = data[position : position + 4]
    if len(spans) < promised and (not spans or (rest and b"MTrk".startswith(head))):
        raise ScoreError(
            f"the file is cut short: it has {len(spans)} of {promised} tracks; download or export it again"
        )
    return tuple(spans), rest
