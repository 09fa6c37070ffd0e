"""The events of a stream of music.

Each piece of a stream is a `Start`, then `Meter`, `Tempo` and `Note` events in order of their ticks, then an `End`.
Ticks count from the beginning of the stream, `TICKS_PER_QUARTER` to a quarter note, and never decrease.
"""

from __future__ import annotations

from dataclasses import dataclass

TICKS_PER_QUARTER = 480
MIN_TEMPO, MAX_TEMPO = 10, 480
"""The slowest and the fastest tempo of composed pieces, in quarters a minute."""
MIDI_TEMPO = 120.0
"""The tempo of music that gives none, by the MIDI standard, in quarters a minute."""
MAX_NUMERATOR = 255
"""Of a meter, as in MIDI."""
METER_DENOMINATORS = (1, 2, 4, 8, 16, 32, 64, 128)

FERMATA = "fermata"
"""The text of a score's marker where a note has a fermata."""
DEFAULT_VELOCITY = 80
"""The velocity of notes whose dynamics are unknown."""


@dataclass(frozen=True, slots=True)
class Track:
    """The notes of one instrument or one voice."""

    name: str
    program: int
    """General MIDI, 0 to 127; for drums, the number of the kit."""
    drums: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """A piece begins."""

    tick: int
    seed: int
    tracks: tuple[Track, ...]
    bars: int | None = None
    """The number of bars that was asked for."""
    velocities: bool = False
    """True if the network composed the dynamics."""
    given_until: int = 0
    """The events before this tick are a user's own music, which is played as it was given."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature; a bar begins at `tick`. As in MIDI files, a pickup is a first bar with a shorter meter: 1/4,
    and 4/4 one quarter later."""

    tick: int
    numerator: int
    denominator: int

    @property
    def bar_ticks(self) -> int:
        return TICKS_PER_QUARTER * 4 * self.numerator // self.denominator


@dataclass(frozen=True, slots=True)
class Tempo:
    """A tempo, which holds from `tick` on."""

    tick: int
    qpm: float
    """Quarter notes per minute."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The symbol that was chosen for one field of a step, and its alternatives."""

    symbol: int
    probability: float
    """Among all symbols that were valid."""
    others: tuple[tuple[int, float], ...]
    """The most probable other symbols with their probabilities, the most probable first."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note, and which of the network's steps made it."""

    tick: int
    duration: int
    """In ticks."""
    pitch: int
    velocity: int
    track: int = 0
    """The index of its track in `Start.tracks`."""
    steps: tuple[int, ...] = ()
    """The indices, within the piece, of the steps that made it."""
    choices: tuple[Choice, ...] = ()
    """How the first of these steps was chosen, one for each field; empty in a prime."""


@dataclass(frozen=True, slots=True)
class End:
    """The piece ends; its last note ends at or before `tick`."""

    tick: int


Event = Start | Meter | Tempo | Note | End
