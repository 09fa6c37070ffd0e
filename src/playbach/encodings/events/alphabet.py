"""The symbols of the `events` encoding: which there are, in which order, and what each means.

All of them are one field. Knows integers and names; knows nothing of scores, networks, or of which symbol may follow
which (`events_decoder.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from playbach.encodings.base import UNKNOWN_NAME, appended
from playbach.encodings.events.grid import BINS, DURATIONS, MAX_BAR, UNITS
from playbach.music.arrays import Ints
from playbach.music.events import Track

NOTHING_KNOWN, BAR, METER, TEMPO, PLACE, PROGRAM, PITCH, DRUM, DURATION, VELOCITY = range(10)
"""The kinds of symbols; the first is UNKNOWN alone."""
MOST_BIN = 16 * 10
"""No tempo is a thousand times another."""
MOST_TRACKS = 129


@dataclass(frozen=True)
class Alphabet:
    """What training saw: `meters` that a piece changed to, the lowest and highest bin of `tempos`, `tracks`, the
    lowest and highest pitch, the `drums` struck, and whether loudness is said. `before` are symbols, each a kind and
    a value, that keep their numbers; new ones come after them."""

    meters: tuple[str, ...]
    tempos: tuple[int, int]
    tracks: tuple[Track, ...]
    low: int
    high: int
    drums: tuple[int, ...]
    velocities: bool
    before: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """ValueError where it cannot be: it may come from a file."""
        pitches = (*self.drums, *((self.low, self.high) if self.low <= self.high else ()))
        if any(not 0 <= pitch <= 127 for pitch in pitches):
            raise ValueError("there is no such pitch")
        if not -MOST_BIN <= self.tempos[0] <= 0 <= self.tempos[1] <= MOST_BIN:
            raise ValueError(f"there are no such tempos: {self.tempos}")
        names = [track.name for track in self.tracks]
        if not 1 <= len(set(names)) == len(names) <= MOST_TRACKS:
            raise ValueError("its instruments must have names of their own")
        if any(not 0 <= track.program <= 127 for track in self.tracks):
            raise ValueError("there is no such instrument")

    @cached_property
    def symbols(self) -> tuple[tuple[int, int], ...]:
        """Kind and value of each."""
        low, high = self.tempos
        tempos = range(low, high + 1) if (low, high) != (0, 0) else ()
        programs = range(len(self.tracks)) if len(self.tracks) > 1 else ()
        found = [(NOTHING_KNOWN, 0), (BAR, 0)]
        for kind, values in (
            (METER, range(len(self.meters))),
            (TEMPO, tempos),
            (PLACE, range(1, MAX_BAR)),
            (PROGRAM, programs),
            (PITCH, range(self.low, self.high + 1)),
            (DRUM, self.drums),
            (DURATION, DURATIONS),
            (VELOCITY, range(128 // BINS if self.velocities else 0)),
        ):
            found += [(kind, value) for value in values]
        return tuple(appended(self.before, found))

    def after(self, base: Alphabet) -> Alphabet:
        """With all that another one has, whose symbols keep their numbers; pitches, tempos and whether loudness is
        said are those of the other one. Tracks begin with its tracks."""
        meters, drums = appended(base.meters, self.meters), appended(base.drums, self.drums)
        kept = (base.low, base.high, tuple(drums), base.velocities, base.symbols)
        return Alphabet(tuple(meters), base.tempos, self.tracks, *kept)

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self._name(kind, value) for kind, value in self.symbols)

    def _name(self, kind: int, value: int) -> str:
        if kind in (METER, PROGRAM):
            return f"meter {self.meters[value]}" if kind == METER else self.tracks[value].name
        if kind in (PLACE, DURATION):
            return f"{'at' if kind == PLACE else 'for'} {in_quarters(value)}"
        if kind == TEMPO:
            return tempo_name(value)
        said = {NOTHING_KNOWN: UNKNOWN_NAME, BAR: "bar", PITCH: f"{value}", DRUM: f"drum {value}"}
        return said.get(kind) or f"velocity {velocity_of(value)}"

    @cached_property
    def kinds(self) -> Ints:
        """Of each symbol (V,)."""
        return np.array([kind for kind, _ in self.symbols], np.int32)

    @cached_property
    def values(self) -> Ints:
        """Of each symbol (V,): a bin of tempo or velocity, units, a track's or meter's number, a pitch."""
        return np.array([value for _, value in self.symbols], np.int32)

    @cached_property
    def symbol(self) -> dict[tuple[int, int], int]:
        """The symbol of a kind and a value."""
        return {both: i for i, both in enumerate(self.symbols)}

    def table(self, kind: int) -> Ints:
        """The symbols of a kind by their values (1024,), which are none below 0."""
        chosen = np.flatnonzero(self.kinds == kind)
        found = np.zeros(1024, np.int32)
        found[self.values[chosen]] = chosen
        return found

    @cached_property
    def drum_track(self) -> int | None:
        """The track of drums, if there is one."""
        return next((i for i, t in enumerate(self.tracks) if t.drums), None)

    @cached_property
    def drum_index(self) -> Ints:
        """Of each pitch (128,) its number among the drums, -1 where training never saw it."""
        index = np.full(128, -1, np.int32)
        index[list(self.drums)] = np.arange(len(self.drums))
        return index


def in_quarters(units: int) -> str:
    """`3/2` for a quarter and a half."""
    return str(Fraction(units, UNITS))


def tempo_name(bin_: int) -> str:
    return f"tempo x{2 ** (bin_ / 16):.3f}"


def velocity_of(bin_: int) -> int:
    """The MIDI velocity in the middle of a bin."""
    return bin_ * BINS + BINS // 2
