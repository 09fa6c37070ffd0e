"""Features of the instrument that plays: its last notes, and its top line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np

from playbach.encodings.events.features.position import EventsFeature
from playbach.encodings.events.grid import (
    DEFAULT_VELOCITY_BIN,
    EVENTS_DURATIONS,
    EVENTS_VELOCITY_BIN,
    GridNotes,
    LongInts,
)
from playbach.encodings.events.piece import EventsPiece, before
from playbach.encodings.events.state import EventsState
from playbach.encodings.events.symbols import (
    DURATION_KIND,
    PITCH_KIND,
    VELOCITY_KIND,
    Alphabet,
    in_quarters,
    velocity_of,
)
from playbach.encodings.features import lines
from playbach.encodings.features.lines import FIRST_NOTE, NO_NOTE, PITCH_SYMBOLS
from playbach.encodings.fields import Field
from playbach.music.arrays import Ints

LENGTHS = ("none", *map(in_quarters, EVENTS_DURATIONS))
"""The symbols of fields of durations."""
LENGTH_SYMBOLS = {0: 0, **{units: i for i, units in enumerate(EVENTS_DURATIONS, 1)}}
"""The context symbol of each duration. Symbol 0 means that there is no note."""
LINE_SELECTION = (0, 1, 2, 3, 8, 9, 10, 16, 18, 20, 22, 24, 26)
"""The columns of `lines.LINE_FIELDS` in this context: the last four notes, the intervals between them, the echoes of
2, 4 and 8 intervals, and the intervals to them."""


@dataclass(frozen=True)
class InstrumentNow(EventsFeature):
    """The instrument, if it has been named at this place."""

    alphabet: Alphabet

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        return (Field("instrument", instrument_names(self.alphabet)),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        return piece.track[:, None] + 1

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (state.track + 1,)


@dataclass(frozen=True)
class NoteAbove(EventsFeature):
    """The note that the instrument has just begun at this place."""

    fields = (Field("note above", PITCH_SYMBOLS),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        return np.where(piece.note_above >= 0, FIRST_NOTE + piece.note_above, NO_NOTE)[:, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (FIRST_NOTE + state.note_above if state.note_above >= 0 else NO_NOTE,)


@dataclass(frozen=True)
class OnsetBefore(EventsFeature):
    """The lower notes of the instrument's last onset before this place."""

    fields = tuple(Field(f"{which} of the onset before", PITCH_SYMBOLS) for which in ("second", "third", "lowest"))

    def of_piece(self, piece: EventsPiece) -> Ints:
        notes, first = piece.notes, piece.first_notes
        last = np.append(first[1:], len(notes)) - 1
        at = _latest(piece, tracks=notes.track[first], times=notes.onset[first], now=piece.unit)
        highest, lowest = np.append(first, 0)[at], np.append(last, 0)[at]
        pitch = np.append(notes.pitch, np.int32(0))
        columns = []
        for note in (highest + 1, highest + 2, lowest):
            there = (at >= 0) & (note <= lowest)
            columns.append(np.where(there, FIRST_NOTE + pitch[np.where(there, note, 0)], NO_NOTE))
        return np.stack(columns, axis=1)

    def of_state(self, state: EventsState) -> Sequence[int]:
        pitches = state.instrument.previous_onset(state.unit)
        symbols = [FIRST_NOTE + pitch for pitch in pitches[1:3]]
        return (*symbols, *[NO_NOTE] * (2 - len(symbols)), FIRST_NOTE + pitches[-1] if pitches else NO_NOTE)


@dataclass(frozen=True)
class LengthNow(EventsFeature):
    """The length of the instrument's notes, from its symbol on."""

    fields = (Field("length", LENGTHS),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        at = _latest_with(DURATION_KIND, piece)
        return np.append(length_symbols(piece.notes.duration), np.int32(0))[at, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (LENGTH_SYMBOLS[state.instrument.duration],)


@dataclass(frozen=True)
class LengthHere(EventsFeature):
    """The length of the last note that any instrument began at this place. Drums have none."""

    fields = (Field("length here", LENGTHS),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        pitched = piece.notes.select(~piece.alphabet.is_drums(piece.notes.track))
        begun = before(np.cumsum(piece.kinds == PITCH_KIND), 0)
        here = (begun > 0) & (np.append(pitched.onset, -1)[begun - 1] == piece.unit)
        return np.where(here, np.append(length_symbols(pitched.duration), np.int32(0))[begun - 1], 0)[:, None]

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (LENGTH_SYMBOLS[state.length_here],)


@dataclass(frozen=True)
class VelocityNow(EventsFeature):
    """The velocity of the instrument's notes, from its symbol on."""

    fields = (Field("velocity", ("none", *(str(velocity_of(b)) for b in range(128 // EVENTS_VELOCITY_BIN)))),)

    def of_piece(self, piece: EventsPiece) -> Ints:
        at = _latest_with(VELOCITY_KIND, piece)
        first = np.where(piece.track >= 0, np.int32(DEFAULT_VELOCITY_BIN), np.int32(-1))
        return np.where(at >= 0, np.append(piece.notes.velocity, np.int32(0))[at], first)[:, None] + 1

    def of_state(self, state: EventsState) -> Sequence[int]:
        return (state.instrument.velocity_bin + 1,)


@dataclass(frozen=True)
class TopLine(EventsFeature):
    """The instrument's top line. A note that begins below a sounding note of the instrument is not in it."""

    fields = tuple(lines.LINE_FIELDS[column] for column in LINE_SELECTION)

    def of_piece(self, piece: EventsPiece) -> Ints:
        notes = piece.notes
        contexts, row = [lines.line_contexts(notes.pitch[:0])[:, LINE_SELECTION]], np.zeros(len(piece), np.int64)
        begins = np.flatnonzero(piece.begins_note)
        for number, track in enumerate(piece.alphabet.tracks):
            tops = piece.first_notes[notes.track[piece.first_notes] == number]
            if track.drums or not len(tops):
                continue
            tops = tops[_skyline(notes.select(tops))]
            steps = np.flatnonzero(piece.track == number)
            row[steps] = sum(map(len, contexts)) + np.searchsorted(begins[tops], steps, side="left")
            contexts.append(lines.line_contexts(notes.pitch[tops])[:, LINE_SELECTION])
        return np.concatenate(contexts)[row]

    def of_state(self, state: EventsState) -> Sequence[int]:
        symbols: tuple[int, ...] = _select(state.instrument.line_context)
        return symbols


_select = itemgetter(*LINE_SELECTION)


def instrument_names(alphabet: Alphabet) -> tuple[str, ...]:
    """The symbols of fields of instruments."""
    return ("none", *(track.name for track in alphabet.tracks))


def length_symbols(durations: Ints) -> Ints:
    """LENGTH_SYMBOLS of known durations (N,)."""
    return (np.searchsorted(EVENTS_DURATIONS, durations) + 1).astype(np.int32)


def _latest_with(kind: int, piece: EventsPiece) -> LongInts:
    """(T,): before each step, the index of the instrument's last note that has a symbol of this kind, or -1."""
    steps = np.flatnonzero(piece.kinds == kind)
    note = piece.note[steps]
    at = _latest(piece, tracks=piece.notes.track[note], times=steps, now=np.arange(len(piece)))
    return np.append(note, -1)[at]


def _latest(piece: EventsPiece, *, tracks: Ints, times: Ints | LongInts, now: LongInts) -> LongInts:
    """(T,): for each step, the index of its instrument's latest earlier entry, of N entries; -1 if it has none.

    Args:
        tracks: (N,).
        times: (N,).
        now: (T,), the time of each step.
    """
    span = np.int64(1 + max(int(times.max(initial=0)), int(now.max(initial=0))))
    entries, track = tracks * span + times, piece.track
    order = np.argsort(entries, kind="stable")
    at = np.searchsorted(entries[order], track * span + now, side="left") - 1
    latest = np.append(order, -1)[at]
    return np.where((at >= 0) & (track >= 0) & (np.append(tracks, -1)[latest] == track), latest, -1)


def _skyline(tops: GridNotes) -> list[int]:
    """The indices of those top notes of one instrument's onsets that belong to its top line."""
    indices: list[int] = []
    line, until = -1, -1
    for i, (onset, duration, pitch) in enumerate(
        zip(tops.onset.tolist(), tops.duration.tolist(), tops.pitch.tolist())
    ):
        if onset >= until or pitch >= line:
            indices.append(i)
            line, until = pitch, onset + duration
    return indices
