"""The decoder of the `notes` encoding: which step may come next.

`state.py` says what each step does. Knows nothing of networks.
"""

from __future__ import annotations

import numpy as np

from playbach.encodings.base import narrow_mask
from playbach.encodings.features.base import Features
from playbach.encodings.notes.features import NotesPiece
from playbach.encodings.notes.state import NotesState
from playbach.encodings.notes.vocabulary import (
    ANY_CHORD,
    FIRST_VELOCITY,
    NOTES_VELOCITY_BIN,
    VELOCITY_REST,
    NotesVocabulary,
)
from playbach.encodings.onsets import NOTES_GRID, NOTES_UNITS, REST_CHORD
from playbach.music.arrays import Mask
from playbach.music.bars import Header


class NotesDecoder(NotesState):
    """See the module."""

    def __init__(
        self,
        *,
        vocabulary: NotesVocabulary,
        features: Features[NotesPiece, NotesState],
        header: Header,
        bars: int | None,
    ) -> None:
        super().__init__(vocabulary, header, bars)
        self.features = features
        chords = [chord for chord, _ in vocabulary.symbols]
        self._sounds = np.array([False, *(c not in (REST_CHORD, ANY_CHORD) for c in chords)])
        self._rests = np.array([False, *(c == REST_CHORD for c in chords)])
        # In units, for each symbol of the field that has the duration.
        joined = vocabulary.options.durations == "joined"
        self._lengths = np.array(
            [0, *((units for _, units in vocabulary.symbols) if joined else vocabulary.durations)]
        )

    def _left(self) -> int | None:
        """Units until the end; None if there is none, or if composed durations have no effect."""
        return None if self._end is None or self._vocabulary.offset else (self._end - self.tick) // NOTES_GRID

    def valid_mask(self) -> list[Mask]:
        masks = [self._valid_symbols()]
        if self._options.durations == "separate":
            left = self._left()
            longest = self._lengths[-1] if left is None else max(left, 1)
            masks.append((self._lengths > 0) & (self._lengths <= longest))
        if self._options.velocities:
            masks.append(np.arange(FIRST_VELOCITY + 128 // NOTES_VELOCITY_BIN) >= VELOCITY_REST)
        return masks

    def _valid_symbols(self) -> Mask:
        """All chords and rests that fit before the end and do not prolong a run; where there are none, all."""
        known, left = self._sounds | self._rests, self._left()
        symbols = known & ~self._repeated()
        if self._options.durations == "joined" and left is not None:
            symbols = narrow_mask(symbols, self._lengths <= left)
        return narrow_mask(known, symbols)

    def _repeated(self) -> Mask:
        """The symbols that would make a run of equal chords or rests longer than any in training pieces."""
        if self._chord == REST_CHORD and self._run >= self._vocabulary.longest_rest:
            return self._rests
        repeated = np.zeros(len(self._rests), bool)
        if self._chord not in (None, REST_CHORD) and self._run >= self._vocabulary.longest_run:
            repeated[[i for i, (chord, _) in enumerate(self._vocabulary.symbols, 1) if chord == self._chord]] = True
        return repeated

    def style_mask(self) -> list[Mask]:
        """Leave at least a quarter for the last onset."""
        masks, left = self.valid_mask(), self._left()
        if left is None or self._options.durations == "none":
            return masks
        field = 0 if self._options.durations == "joined" else 1
        leaves_room = (self._lengths == left) | (left - self._lengths >= NOTES_UNITS)
        masks[field] = narrow_mask(masks[field], leaves_room)
        return masks
