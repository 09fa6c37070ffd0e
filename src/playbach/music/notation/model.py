"""What stands on the page, as frozen data.

Places and lengths are in `UNITS` to a quarter note, so that 32nds, triplets, quintuplets and septuplets are whole
numbers. Knows nothing of scores or of file formats.
"""

from __future__ import annotations

from dataclasses import dataclass

from playbach.music.events import TICKS_PER_QUARTER

UNITS = 161_280
"""To a quarter note: 2^9 * 3^2 * 5 * 7."""
UNITS_PER_TICK = UNITS // TICKS_PER_QUARTER
NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
"""The pitch class of each letter."""
VALUES = {
    "breve": 8 * UNITS,
    "whole": 4 * UNITS,
    "half": 2 * UNITS,
    "quarter": UNITS,
    "eighth": UNITS // 2,
    "16th": UNITS // 4,
    "32nd": UNITS // 8,
    "64th": UNITS // 16,
    "128th": UNITS // 32,
}
"""The note values, by MusicXML's names."""


@dataclass(frozen=True, slots=True)
class SpelledPitch:
    """A pitch as it is written."""

    step: str
    """A letter, C to B."""
    alter: int
    """Sharps, or flats below 0."""
    octave: int
    """That of the letter; 4 begins with middle C."""

    @property
    def pitch(self) -> int:
        """The MIDI pitch, 60 for middle C."""
        return 12 * (self.octave + 1) + NATURALS[self.step] + self.alter


@dataclass(frozen=True, slots=True)
class Head:
    """One note of a chord."""

    spelled: SpelledPitch
    velocity: int
    tied_from: bool = False
    """To the chord before."""
    tied_to: bool = False
    """To the chord after."""
    accidental: bool = False
    """Whether the bar needs a sharp, flat or natural sign before it."""
    drum: int | None = None
    """For drums: the percussion key. `spelled` is then a place on the staff."""


@dataclass(frozen=True, slots=True)
class Tuplet:
    """A group of `actual` values in the time of `normal`."""

    actual: int
    normal: int
    unit: str
    """The value that is counted."""
    begins: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True)
class WrittenSymbol:
    """A chord, a note or a rest."""

    onset: int
    """From the beginning of its measure."""
    length: int
    value: str
    """A key of `VALUES`."""
    dots: int = 0
    heads: tuple[Head, ...] = ()
    """From low to high; none for a rest."""
    tuplet: Tuplet | None = None
    beams: tuple[str, ...] = ()
    """For each beam, the eighths' first: `begin`, `continue`, `end`, `forward hook` or `backward hook`."""
    whole_measure: bool = False
    """A rest of the whole measure."""
    hidden: bool = False
    """A gap of a voice that needs no rest."""


@dataclass(frozen=True, slots=True)
class MeasureVoice:
    """A voice in one measure."""

    number: int
    """Within its part, from 1; staff 2 begins with 5."""
    staff: int
    """1 or 2."""
    symbols: tuple[WrittenSymbol, ...]
    stem: str = ""
    """`up`, `down`, or nothing where it follows from the pitches."""
    instrument: int = 0
    """Index into the part's instruments."""


@dataclass(frozen=True, slots=True)
class Clef:
    """A clef on one staff."""

    sign: str
    """`G`, `F`, `C` or `percussion`."""
    line: int
    octave: int = 0
    """-1: sounds an octave lower than written."""


@dataclass(frozen=True, slots=True)
class KeySignature:
    """A key."""

    fifths: int
    """Sharps, or flats below 0."""
    mode: str
    """`major`, `minor`, or a church mode."""


@dataclass(frozen=True, slots=True)
class PartMeasure:
    """What one part has in one measure."""

    voices: tuple[MeasureVoice, ...]
    clefs: tuple[Clef | None, ...]
    """The clef that each staff changes to at the beginning; None where it stays."""


@dataclass(frozen=True, slots=True)
class TempoMark:
    """A tempo from a place of a measure on."""

    onset: int
    qpm: float
    """Quarters a minute."""
    shown: bool
    """Whether it stands above the staff."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of all parts."""

    number: int
    """1 is the first full one; 0 a pickup."""
    length: int
    beat: int
    """The length of the beat that the metronome counts."""
    parts: tuple[PartMeasure, ...]
    meter: tuple[int, int] | None = None
    """A time signature that begins here."""
    key: KeySignature | None = None
    """A key signature that begins here."""
    tempos: tuple[TempoMark, ...] = ()

    @property
    def is_pickup(self) -> bool:
        return self.number == 0


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument of a part."""

    name: str
    program: int
    """General MIDI, 0 to 127."""
    drum: int | None = None
    """The percussion key of a drum."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: one staff, or two of a keyboard."""

    name: str
    instruments: tuple[Instrument, ...]
    staves: int = 1
    is_drums: bool = False
    is_choir: bool = False
    """Whether it is one of the two staves of a choir."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A piece as it is written."""

    parts: tuple[Part, ...]
    measures: tuple[Measure, ...]
    remarks: tuple[str, ...] = ()
    """What had to be changed so that it can be written, with a count."""
