"""The `notes` encoding: one note, chord or rest after another. `encoding.py` describes the steps."""

from playbach.encodings.notes.encoding import NotesEncoding

__all__ = ["NotesEncoding"]
