"""Wishes for a piece: its key and its meter.

A network that has learnt music in all keys composes in any. A piece is therefore composed until it is in a key of the
wished mode, and is then moved to the wished tonic, if it stays in the range of the training music there. So it is
drawn from all pieces that can be in this key, and no step of it is changed. Knows events, headers and encodings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from playbach.bundles.passages import Passage
from playbach.encodings.base import Encoding
from playbach.encodings.fields import Field, transposed_field
from playbach.music.assembly import score_from_events
from playbach.music.bars import Bars, Header
from playbach.music.events import Event, Note, Start
from playbach.music.keys import KEY_NAMES, Key, estimate_key
from playbach.music.options import meter_fraction
from playbach.system.errors import UsageError
from playbach.system.options import listed

KEY_DRAWS = 60
"""How many pieces are composed, at most, until one can be in the wished key."""
OCTAVE_SEMITONES = 12


@dataclass(frozen=True, slots=True)
class KeyedPiece:
    """A composed piece in the wished key."""

    events: list[Event]
    fields: tuple[Field, ...]
    """The encoding's, with the names of the pitches after the move."""


def headers_in(encoding: Encoding, meter: str | None) -> tuple[tuple[Header, int], ...]:
    """The headers of training pieces in this meter, or all of them; see `Encoding.headers`.

    Raises:
        UsageError: this is no meter, or no training piece begins in it.
    """
    if meter is None:
        return encoding.headers
    meter_fraction(meter)  # checks it
    found = tuple((header, count) for header, count in encoding.headers if _meter(header) == meter)
    if not found:
        known = dict.fromkeys(_meter(header) for header, _ in encoding.headers)
        raise UsageError(f"no training piece of this model begins in {meter}; choose {listed(known, 'or')}")
    return found


def passages_in(passages: Sequence[Passage], meter: str) -> list[Passage]:
    """Those in this meter.

    Raises:
        UsageError: no passage is in this meter.
    """
    found = [passage for passage in passages if _meter(passage.piece.header) == meter]
    if not found:
        known = dict.fromkeys(_meter(passage.piece.header) for passage in passages)
        raise UsageError(f"no passage of this model is in {meter}; choose {listed(known, 'or')}")
    return found


def _meter(header: Header) -> str:
    return Bars(header.meters).meter(0)


def in_key(events: Sequence[Event], encoding: Encoding, wish: Key) -> KeyedPiece | str:
    """A composed piece moved to a key, or why it cannot be: `in another mode`, or `out of range`."""
    found = _key(events)
    if found is None or found.mode != wish.mode:
        return "in another mode"
    allowed = encoding.transpositions(score_from_events(events))
    step = (wish.tonic - found.tonic) % OCTAVE_SEMITONES
    shifts = [shift for shift in allowed if (shift - step) % OCTAVE_SEMITONES == 0]
    if not shifts:
        return "out of range"
    shift = min(shifts, key=abs)
    start = next(event for event in events if isinstance(event, Start))
    moved = [
        replace(event, pitch=event.pitch + shift)
        if isinstance(event, Note) and not start.tracks[event.track].drums
        else event
        for event in events
    ]
    return KeyedPiece(moved, tuple(transposed_field(field, shift) for field in encoding.fields))


def _key(events: Sequence[Event]) -> Key | None:
    """The estimated key of a piece; None if its last and lowest note is not the tonic."""
    start = next(event for event in events if isinstance(event, Start))
    notes = [e for e in events if isinstance(e, Note) and not start.tracks[e.track].drums]
    weights = np.zeros(12)
    for note in notes:
        weights[note.pitch % 12] += note.duration
    key = estimate_key(weights) if notes else None
    last = max((n.tick + n.duration for n in notes), default=0)
    final = min((n.pitch for n in notes if n.tick + n.duration == last), default=0)
    return key if key is not None and final % 12 == key.tonic else None


def refuse(wish: Key, reasons: Sequence[str]) -> UsageError:
    """The error where no composed piece can be in the wished key."""
    other = "major" if wish.mode == "minor" else "minor"
    name = KEY_NAMES[(12 if wish.mode == "minor" else 0) + wish.tonic]
    modes, ranges = (reasons.count(reason) for reason in ("in another mode", "out of range"))
    return UsageError(
        f"none of {len(reasons)} composed pieces can be in {name}: {modes} are in no {wish.mode} key, and {ranges} "
        f"would leave the range of the training music; choose another key, such as a {other} one, or another seed"
    )
