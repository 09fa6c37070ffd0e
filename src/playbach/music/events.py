"""The events of which an endless stream of music consists, and nothing else.

A stream is a programme of pieces: `Start`, then `Meter`, `Tempo` and `Note` in order of their ticks, then `End`.
Ticks count from the beginning of the stream, `TICKS_PER_QUARTER` to a quarter note, and never run backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

TICKS_PER_QUARTER = 480


@dataclass(frozen=True, slots=True)
class Track:
    """One instrument's line: a name, and a General MIDI program 0-127; of drums the number of a kit."""

    name: str
    program: int
    drums: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """A piece begins. `velocities` says that the network composed the dynamics itself."""

    tick: int
    seed: int
    tracks: tuple[Track, ...]
    bars: int | None = None
    velocities: bool = False


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature from `tick` on, which is the beginning of a bar. A pickup is, as in MIDI files, a first bar
    in a shorter meter of its own (1/4, then 4/4 one quarter later)."""

    tick: int
    numerator: int
    denominator: int

    @property
    def bar_ticks(self) -> int:
        return TICKS_PER_QUARTER * 4 * self.numerator // self.denominator


@dataclass(frozen=True, slots=True)
class Tempo:
    """Quarter notes per minute from `tick` on."""

    tick: int
    qpm: float


@dataclass(frozen=True, slots=True)
class Choice:
    """How one field of a step was chosen: a symbol, its probability among all that were allowed, and the likeliest
    others with theirs, the likeliest first."""

    symbol: int
    probability: float
    others: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A note of `duration` ticks; `track` indexes the piece's tracks; `steps` are the indices, within the piece,
    of the network's steps that made it, `choices` how the first of them was chosen, a field each; none where the
    step was given."""

    tick: int
    duration: int
    pitch: int
    velocity: int
    track: int = 0
    steps: tuple[int, ...] = ()
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """The piece is over: its last note has ended by `tick`."""

    tick: int


Event = Start | Meter | Tempo | Note | End
