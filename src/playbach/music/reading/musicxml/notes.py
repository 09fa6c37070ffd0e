"""The notes of one part of a MusicXML file, repeats played out and ties joined, before ornaments are played.

Knows neither XML nor symusic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

QUARTER = 480
"""Ticks."""
STEPS = "CDEFGAB"
_SEMITONES = (0, 2, 4, 5, 7, 9, 11)
_SHARPS = "FCGDAEB"


@dataclass(frozen=True, slots=True)
class Scale:
    """The pitches of a place in a bar: the key signature, and the accidentals of the bar so far."""

    fifths: int = 0
    """The written key: sharps, or flats below 0."""
    transposition: int = 0
    """Semitones from the written to the sounding pitch."""
    accidentals: Mapping[int, float] = field(default_factory=dict)
    """The alteration of each degree (7 * octave + step) that the bar has altered, in semitones."""

    def pitch(self, degree: int, alter: float | None = None) -> int:
        """The sounding MIDI pitch of a degree: 7 * octave + step, where the steps are C to B and C4 is middle C.

        Args:
            alter: in semitones; None: what holds at this place.
        """
        octave, step = divmod(degree, 7)
        if alter is None:
            alter = self.accidentals.get(degree, self._alter(step))
        return round(12 * (octave + 1) + _SEMITONES[step] + alter) + self.transposition

    def _alter(self, step: int) -> int:
        place = _SHARPS.index(STEPS[step])
        return (self.fifths + 6 - place) // 7  # the key signature has each step this often sharp (flat below 0)


Slots = tuple[tuple[int, int], ...]
"""Notes of a figure: the degree beside the main note, and the length in units."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The notes of an ornament: `before`, then `body` as often as there is room for, then `after`."""

    before: Slots
    body: Slots = ()
    after: Slots = ()
    unit: int = QUARTER // 8
    """Ticks; less in slow music, in short notes."""


@dataclass(frozen=True, slots=True)
class Ornament:
    """An ornament of a note."""

    kind: str
    """Such as `trill`, as `inspect` counts it."""
    place: str = ""
    """`start`, `continue` or `stop` of an ornament that spans notes."""
    number: str = "1"
    """Which of the ornaments that span notes it is."""
    figure: Figure | None = None
    neighbours: tuple[int, int] = (0, 0)
    """The sounding pitches of the degrees below and above, for a figure."""
    scale: Scale = Scale()
    """From which the other notes of the chord, and of the trill, take their neighbours."""
    strokes: int = 0
    """The strokes of a tremolo through the stem."""
    downward: bool = False
    """An arpeggio from the highest note to the lowest."""


@dataclass(frozen=True, slots=True)
class GraceNote:
    """A grace note; all its pitches sound together."""

    pitches: tuple[int, ...]
    """Sounding."""
    ticks: int
    """Its written length."""
    slashed: bool
    """An acciaccatura, with a stroke through the stem."""
    velocity: int


@dataclass(frozen=True, slots=True)
class PartNote:
    """A note. Notes of one chord stand next to each other, with the same `chord`."""

    onset: int
    """Ticks from the beginning of the piece."""
    end: int
    pitch: int
    """Sounding."""
    velocity: int
    voice: str = "1"
    staff: int = 1
    chord: int = 0
    """The number of its chord, unique in the part; a single note is a chord of its own."""
    ornaments: tuple[Ornament, ...] = ()
    graces: tuple[GraceNote, ...] = ()
    """The grace notes before the chord, in order; only on the chord's first note."""
    after_graces: tuple[GraceNote, ...] = ()
    """The grace notes that close the chord (after a trill, at the end of a bar); only on its first note."""
    tied: tuple[int, ...] = ()
    """The lengths of the written notes, in ticks, if ties join several."""
    instrument: str = ""
    """The id of its instrument in the part, if it names one."""
