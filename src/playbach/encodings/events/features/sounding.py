"""The feature of harmony: the lowest note that sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playbach.encodings.events.features.position import EventsFeature
from playbach.encodings.events.grid import GridNotes, LongInts
from playbach.encodings.events.piece import EventsPiece
from playbach.encodings.events.state import EventsState
from playbach.encodings.features.lines import FIRST_NOTE, NO_NOTE, PITCH_SYMBOLS
from playbach.encodings.fields import Field
from playbach.music.arrays import Ints


@dataclass(frozen=True)
class LowestSounding(EventsFeature):
    """The lowest sounding note of those begun so far, of any instrument but the drums."""

    fields = (Field("lowest that sounds", PITCH_SYMBOLS),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        pitched = ~piece.alphabet.is_drums(piece.notes.track)
        held = _lowest_held(piece.unit[piece.place_steps], piece.notes.select(pitched))[piece.place_number]
        # The lowest note of an onset so far is a running minimum, since each onset's numbers are below those of the
        # onset before it.
        onset = np.cumsum(np.diff(piece.notes.onset, prepend=-1) != 0) * 256
        so_far = np.minimum.accumulate(np.where(pitched, piece.notes.pitch, 128) - onset) + onset
        begun = np.where(piece.begun_here, np.append(so_far, 128)[piece.begun - 1], 128)
        lowest = np.minimum(held, begun)
        return np.where(lowest < 128, FIRST_NOTE + lowest, NO_NOTE).astype(np.int32)[:, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        unit = state.unit
        return (min([FIRST_NOTE + pitch for end, _, pitch in state.sounding if end > unit], default=NO_NOTE),)


def _lowest_held(places: LongInts, notes: GridNotes) -> Ints:
    """The lowest pitch of the notes that began before each place and still sound, or 128; places in rising order."""
    lowest = np.full(len(places), 128, np.int32)
    first = np.searchsorted(places, notes.onset, side="right")
    count = np.searchsorted(places, notes.onset + notes.duration, side="left") - first
    within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    np.minimum.at(lowest, np.repeat(first, count) + within, np.repeat(notes.pitch, count))
    return lowest
