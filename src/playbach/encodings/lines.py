"""The names of `features.lines` that `events` takes from here."""

from playbach.encodings.features.lines import FIRST_NOTE, LINE_FIELDS, NO_NOTE, PITCH_SYMBOLS, Line, line_contexts

__all__ = ["FIRST_NOTE", "LINE_FIELDS", "NO_NOTE", "PITCH_SYMBOLS", "Line", "line_contexts"]
