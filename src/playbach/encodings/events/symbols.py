"""The symbols of the `events` encoding: which exist, in which order, and what each means.

All of them form one field. Knows integers and names; knows nothing of scores, of networks, or of which symbol may
follow which (`decoder.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from playbach.encodings.base import append_new
from playbach.encodings.events.grid import EVENTS_DURATIONS, EVENTS_UNITS, EVENTS_VELOCITY_BIN, MAX_BAR
from playbach.encodings.fields import UNKNOWN_NAME
from playbach.music.arrays import Ints, Mask
from playbach.music.events import Track

(
    UNKNOWN_KIND,
    BAR_KIND,
    METER_KIND,
    TEMPO_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    PITCH_KIND,
    DRUM_KIND,
    DURATION_KIND,
    VELOCITY_KIND,
) = range(10)
"""The kinds of symbols. UNKNOWN is the only symbol of the first kind."""
MAX_TEMPO_BIN = 16 * 10
"""The largest bin of a tempo: about a thousand times the opening tempo."""
MAX_TRACKS = 129


@dataclass(frozen=True)
class Alphabet:
    """What training pieces contain, and the symbols that follow from it."""

    meters: tuple[str, ...]
    """The meters that pieces change to, such as `3/4`."""
    tempos: tuple[int, int]
    """The lowest and highest bin of tempos."""
    tracks: tuple[Track, ...]
    """The instruments."""
    low: int
    """The lowest pitch."""
    high: int
    """The highest pitch."""
    drums: tuple[int, ...]
    """The pitches of the drums."""
    has_velocities: bool
    """Whether notes have velocities."""
    base_symbols: tuple[tuple[int, int], ...] = ()
    """Symbols (kind, value) that come first and keep their numbers."""

    def __post_init__(self) -> None:
        """Check what may come from a file.

        Raises:
            ValueError: a value is out of range, or two instruments have one name.
        """
        pitches = (*self.drums, *((self.low, self.high) if self.low <= self.high else ()))
        if any(not 0 <= pitch <= 127 for pitch in pitches):
            raise ValueError("pitches must be between 0 and 127")
        if not -MAX_TEMPO_BIN <= self.tempos[0] <= 0 <= self.tempos[1] <= MAX_TEMPO_BIN:
            raise ValueError(f"tempos must be between {-MAX_TEMPO_BIN} and {MAX_TEMPO_BIN}, not {self.tempos}")
        names = [track.name for track in self.tracks]
        if not 1 <= len(set(names)) == len(names) <= MAX_TRACKS:
            raise ValueError(f"expected 1 to {MAX_TRACKS} instruments with different names")
        if any(not 0 <= track.program <= 127 for track in self.tracks):
            raise ValueError("programs must be between 0 and 127")

    @cached_property
    def symbols(self) -> tuple[tuple[int, int], ...]:
        """The kind and value of each symbol."""
        low, high = self.tempos
        tempos = range(low, high + 1) if (low, high) != (0, 0) else ()
        programs = range(len(self.tracks)) if len(self.tracks) > 1 else ()
        symbols = [(UNKNOWN_KIND, 0), (BAR_KIND, 0)]
        for kind, values in (
            (METER_KIND, range(len(self.meters))),
            (TEMPO_KIND, tempos),
            (PLACE_KIND, range(1, MAX_BAR)),
            (PROGRAM_KIND, programs),
            (PITCH_KIND, range(self.low, self.high + 1)),
            (DRUM_KIND, self.drums),
            (DURATION_KIND, EVENTS_DURATIONS),
            (VELOCITY_KIND, range(128 // EVENTS_VELOCITY_BIN if self.has_velocities else 0)),
        ):
            symbols += [(kind, value) for value in values]
        return tuple(append_new(self.base_symbols, symbols))

    def with_base(self, base: Alphabet) -> Alphabet:
        """This alphabet after the symbols of another, which keep their numbers.

        The range of pitches, tempos and `has_velocities` are those of the base. `tracks` must begin with its tracks.
        """
        meters, drums = append_new(base.meters, self.meters), append_new(base.drums, self.drums)
        return replace(base, meters=tuple(meters), tracks=self.tracks, drums=tuple(drums), base_symbols=base.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each symbol."""
        return tuple(self._name(kind, value) for kind, value in self.symbols)

    def _name(self, kind: int, value: int) -> str:
        if kind in (METER_KIND, PROGRAM_KIND):
            return f"meter {self.meters[value]}" if kind == METER_KIND else self.tracks[value].name
        if kind in (PLACE_KIND, DURATION_KIND):
            return f"{'at' if kind == PLACE_KIND else 'for'} {in_quarters(value)}"
        if kind == TEMPO_KIND:
            return tempo_name(value)
        names = {UNKNOWN_KIND: UNKNOWN_NAME, BAR_KIND: "bar", PITCH_KIND: f"{value}", DRUM_KIND: f"drum {value}"}
        return names.get(kind) or f"velocity {velocity_of(value)}"

    @cached_property
    def kinds(self) -> Ints:
        """The kind of each symbol, (V,)."""
        return np.array([kind for kind, _ in self.symbols], np.int32)

    @cached_property
    def values(self) -> Ints:
        """The value of each symbol, (V,): a tempo or velocity bin, units, a track's or meter's index, a pitch."""
        return np.array([value for _, value in self.symbols], np.int32)

    @cached_property
    def symbol(self) -> dict[tuple[int, int], int]:
        """The symbol of a kind and a value."""
        return {pair: i for i, pair in enumerate(self.symbols)}

    @cached_property
    def of_kind(self) -> tuple[Mask, ...]:
        """For each kind a mask (V,) of its symbols."""
        masks = tuple(self.kinds == kind for kind in range(VELOCITY_KIND + 1))
        for mask in masks:  # decoders share them
            mask.flags.writeable = False
        return masks

    def table(self, kind: int) -> Ints:
        """(1024,): for each value the symbol of this kind, or 0. Not for tempos, whose values may be negative."""
        symbols = np.flatnonzero(self.kinds == kind)
        table = np.zeros(1024, np.int32)
        table[self.values[symbols]] = symbols
        return table

    @cached_property
    def drum_track(self) -> int | None:
        """The index of the drums' track; None if there is none."""
        return next((i for i, t in enumerate(self.tracks) if t.drums), None)

    def is_drums(self, tracks: Ints) -> Mask:
        """Which of the indices of tracks are that of the drums."""
        return np.zeros(tracks.shape, bool) if self.drum_track is None else tracks == self.drum_track

    @cached_property
    def drum_index(self) -> Ints:
        """(128,): the index of each pitch in `drums`, -1 where training never saw it."""
        index = np.full(128, -1, np.int32)
        index[list(self.drums)] = np.arange(len(self.drums))
        return index


def in_quarters(units: int) -> str:
    """Units in quarters: `3/2` is a quarter and a half."""
    return str(Fraction(units, EVENTS_UNITS))


def tempo_name(bin_: int) -> str:
    return f"tempo x{2 ** (bin_ / 16):.3f}"


def velocity_of(bin_: int) -> int:
    """The MIDI velocity in the middle of a bin."""
    return bin_ * EVENTS_VELOCITY_BIN + EVENTS_VELOCITY_BIN // 2
