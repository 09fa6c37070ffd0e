"""What a network is told before each step of a single line, and a piece as these features see it.

Each feature has its two faces side by side, and names the function of `export/c/engine/` that computes it in C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from playbach.encodings.features.bars import BarsLeft, MeterOfBar, PlaceInBar, Timing, Timings
from playbach.encodings.features.base import Feature, Features
from playbach.encodings.features.lines import NO_NOTE, PITCH_SYMBOLS, Echoes, RecentNotes, RecentSteps, WholeLine
from playbach.encodings.fields import Field
from playbach.encodings.notes.state import NotesState
from playbach.encodings.notes.vocabulary import FIRST_TOP
from playbach.encodings.onsets import NOTES_GRID, NOTES_UNITS
from playbach.encodings.options import NotesOptions
from playbach.music.arrays import Ints

NOTES_PLACES = 8 * NOTES_UNITS
"""Places in the bar that the context distinguishes, in units; the rest is `later`."""


@dataclass(frozen=True)
class NotesPiece:
    """A piece of T steps, or several pieces one after another."""

    tops: Ints
    """(T,): the highest note of each onset, as a context symbol."""
    timing: Timing | Timings
    modulus: int | None
    """Of the line of top notes."""
    begins: tuple[int, ...] = (0,)
    """Where each piece begins, as an index into the steps."""

    @cached_property
    def line(self) -> WholeLine:
        sounds = self.tops >= FIRST_TOP
        known: Ints = np.cumsum(sounds) - sounds
        begins = tuple(known[list(self.begins)].tolist())
        return WholeLine(self.tops[sounds] - FIRST_TOP, known, self.modulus, begins, self.begins)


@dataclass(frozen=True)
class TopNote(Feature[NotesPiece, NotesState]):
    """The highest note of the onset before."""

    engine: ClassVar[str] = "pb_context_top"
    follows_symbols: ClassVar[bool] = True
    fields = (Field("top", PITCH_SYMBOLS),)

    def of_piece(self, piece: NotesPiece) -> Ints:
        before = np.roll(piece.tops, 1)
        before[list(piece.begins)] = NO_NOTE
        return before[:, None]

    def of_state(self, state: NotesState) -> Sequence[int]:
        return (state.top,)


def notes_features(options: NotesOptions, meters: tuple[str, ...]) -> Features[NotesPiece, NotesState]:
    """All features, in the order of the context. Without durations, onsets have no place in a bar."""
    always = (BarsLeft(), TopNote(), RecentNotes(), RecentSteps(), Echoes())
    if options.durations == "none":
        return Features(always)
    return Features((*always, PlaceInBar(NOTES_GRID, NOTES_PLACES), MeterOfBar(meters)))
