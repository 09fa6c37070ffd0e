"""Standard MIDI files: bytes to a score, and a score to bytes (`writing.py`).

The way of a file: its chunks (`chunks.py`), their events as arrays (`events.py`), notes from note-ons and note-offs
(`notes.py`), the instrument and the controllers of each channel (`channels.py`), meters, keys, tempos and texts
(`signs.py`), and all of them together (`parsing.py`). Source: Standard MIDI Files 1.0 and MIDI 1.0 (MIDI Association,
RP-001 and M1). Knows nothing of paths, processes or limits on files.
"""

from playbach.music.midi.chunks import MAX_FILE_TRACKS
from playbach.music.midi.parsing import MAX_QUARTERS, parse

__all__ = ["MAX_FILE_TRACKS", "MAX_QUARTERS", "parse"]
