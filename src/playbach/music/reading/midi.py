"""The bytes of a MIDI file to a score, inside the worker: symusic may crash, hang or fill the memory over them.

Knows nothing of files and processes, nor of what a score may hold.
"""

from __future__ import annotations

import struct

from symusic.core import ScoreTick as Score

from playbach.system.errors import ScoreError


def parse(data: bytes) -> Score:
    """The score as symusic gives it, unchecked. Raises ScoreError, whatever symusic raises, or worse."""
    return _from_midi(_whole(_unwrapped(data)))


def _from_midi(data: bytes) -> Score:
    # symusic's own `sanitize_data` would bend pitch 200 to 127 in silence.
    return Score.from_midi(data)


def _unwrapped(data: bytes) -> bytes:
    """The MIDI file in a RIFF one (.rmi, sometimes named .mid)."""
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


def _whole(data: bytes) -> bytes:
    """The header and the tracks that it promises. Cut files are turned away here, as symusic reads over the
    end of some and takes half of others for the whole."""
    if data[:4] != b"MThd":
        raise ScoreError(
            f"neither MIDI nor MusicXML (it begins with {data[:4]!r}); "
            "give .mid, .midi, .musicxml, .xml or .mxl files"
        )
    if len(data) < 14:
        raise ScoreError("cut short in its header; download or export it again")
    size, form, tracks, division = struct.unpack_from(">IHHH", data, 4)
    if division & 0x8000:
        raise ScoreError("its time is in film frames, not in notes; export it with ticks per quarter note")
    if division == 0:
        raise ScoreError("damaged (no ticks per quarter note); leave it out or export it again")
    if form == 2 and tracks > 1:
        raise ScoreError(f"holds {tracks} separate pieces (MIDI format 2); save each in a file of its own")
    position, found = 8 + size, 0
    while found < tracks:
        if position + 8 > len(data):
            raise ScoreError(f"cut short: {found} of {tracks} tracks are there; download or export it again")
        name, size = struct.unpack_from(">4sI", data, position)
        position += 8 + size
        found += name == b"MTrk"
        if position > len(data):
            raise ScoreError(
                f"cut short: {position - len(data):,} bytes are missing in track {found} of {tracks}; "
                "download or export it again"
            )
    return data[:position]
