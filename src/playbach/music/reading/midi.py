"""Parses MIDI in the worker, since symusic may crash, hang or exhaust the memory.

Knows nothing of files, processes or limits.
"""

from __future__ import annotations

import struct

from symusic.core import ScoreTick as Score

from playbach.system.errors import ScoreError


def parse(data: bytes) -> Score:
    """The score as symusic reads it, not validated. Raises ScoreError or any exception of symusic."""
    return _from_midi(_complete_chunks(_from_riff(data)))


def _from_midi(data: bytes) -> Score:
    # symusic's own `sanitize_data` would change pitch 200 to 127 without a warning.
    return Score.from_midi(data)


def _from_riff(data: bytes) -> bytes:
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


def _complete_chunks(data: bytes) -> bytes:
    """The header chunk and the number of tracks that it states.

    A file that is cut short is rejected here: symusic reads past the end of some, and accepts a part of others.
    """
    if data[:4] != b"MThd":
        raise ScoreError(
            f"this is neither MIDI nor MusicXML (it begins with {data[:4]!r}); "
            "give a .mid, .midi, .musicxml, .xml or .mxl file"
        )
    if len(data) < 14:
        raise ScoreError("the file is cut short in its header; download or export it again")
    size, midi_format, tracks, division = struct.unpack_from(">IHHH", data, 4)
    if division & 0x8000:
        raise ScoreError("its times are in film frames (SMPTE); export it with ticks per quarter note")
    if division == 0:
        raise ScoreError("the file is damaged (0 ticks per quarter note); leave it out or export it again")
    if midi_format == 2 and tracks > 1:
        raise ScoreError(f"it contains {tracks} separate pieces (MIDI format 2); save each piece as its own file")
    position, found = 8 + size, 0
    while found < tracks:
        if position + 8 > len(data):
            raise ScoreError(f"the file is cut short: it has {found} of {tracks} tracks; download or export it again")
        name, size = struct.unpack_from(">4sI", data, position)
        position += 8 + size
        found += name == b"MTrk"
        if position > len(data):
            raise ScoreError(
                f"the file is cut short: {position - len(data):,} bytes are missing in track {found} of {tracks}; "
                "download or export it again"
            )
    return data[:position]
