"""An endless programme of pieces, bar by bar: a pure function of a bundle, a seed, settings and changes.

Piece k has the seed `seed + k`, and is the one that `compose` makes of that seed. A change holds from a bar line on:
what a bar holds depends on the changes up to that bar alone, so that a listener who changes a knob hears what a
listener will hear who is told of it beforehand. Knows composers; knows no clock, and nothing of who listens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playbach.inference.composing import Composer
from playbach.inference.generation import GenerationCache, ParameterChange
from playbach.music.events import End, Event, Meter, Note, Start, Tempo, Track
from playbach.system.errors import UsageError, demand_numbers

FEWEST_BARS, MOST_BARS = 4, 32
HOTTEST = 4.0
SLOWEST, FASTEST = 20.0, 300.0
"""Tempos that a listener may ask for, in quarters a minute."""
MOST_SEED = (1 << 53) - 1 - 1_000_000
"""So that a browser can say the seed of every piece of a programme exactly."""
MOST_PIECES = 1_000_000
MARKS = 8
"""Bars that can be composed anew from where they begin; what is composed ahead is less."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a programme begins. `bars` are those of each piece; without `temperature` it is the model's, without
    `tempo` (quarters a minute) each piece has its own."""

    seed: int
    bars: int = 16
    temperature: float | None = None
    tempo: float | None = None

    def __post_init__(self) -> None:
        demand_numbers(self, "seed", "bars", whole=True)
        if not 0 <= self.seed <= MOST_SEED:
            raise UsageError(f"seed must lie between 0 and {MOST_SEED}, not {self.seed!r:.40}")
        if not FEWEST_BARS <= self.bars <= MOST_BARS:
            raise UsageError(f"bars must lie between {FEWEST_BARS} and {MOST_BARS}, not {self.bars!r:.40}")
        check_knob("temperature", self.temperature)
        check_knob("tempo", self.tempo)


@dataclass(frozen=True, slots=True)
class KnobChange:
    """From this bar of this piece on, a knob has another value: `temperature` or `tempo` (None: as the model or the
    piece has it), for all pieces to come; or `length`, the bars of this piece alone."""

    piece: int
    bar: int
    knob: str
    value: float | None

    def __post_init__(self) -> None:
        demand_numbers(self, "piece", "bar", whole=True)
        if not (0 <= self.piece < MOST_PIECES and 0 <= self.bar <= MOST_BARS):
            raise UsageError(f"no change can be in bar {self.bar!r:.20} of piece {self.piece!r:.20}")
        check_knob(self.knob, self.value)
        if self.knob == "length" and not max(1, self.bar) <= (self.value or 0) <= MOST_BARS:
            raise UsageError(f"from bar {self.bar} on a piece cannot have {self.value!r:.20} bars")


def check_knob(knob: str, value: object) -> None:
    """Raises UsageError where there is no such knob, or none that goes so far."""
    ranges = {"temperature": (0.0, HOTTEST), "tempo": (SLOWEST, FASTEST), "length": (1, MOST_BARS)}
    if knob not in ranges:
        raise UsageError(f"there is no knob {knob!r:.20}; there are {', '.join(ranges)}")
    low, high = ranges[knob]
    if value is None and knob != "length":
        return
    kind = int if knob == "length" else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise UsageError(f"{knob} must lie between {low:g} and {high:g}, not {value!r:.40}")


@dataclass(frozen=True, slots=True)
class Opening:
    """What is said once of a piece; `tempo` is its own, in quarters a minute."""

    piece: int
    seed: int
    bars: int
    tempo: float
    tracks: tuple[Track, ...]
    velocities: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a piece, as it was composed and performed, in ticks of the piece. `held` are the notes of earlier bars
    that still sound when it begins; `tempos` begin with the one at its beginning. The last one reaches to the end."""

    opening: Opening
    number: int
    tick: int
    ticks: int
    meter: Meter
    tempos: tuple[Tempo, ...]
    notes: tuple[Note, ...]
    held: tuple[Note, ...]
    last: bool

    @property
    def place(self) -> tuple[int, int]:
        return self.opening.piece, self.number


def bars(piece: int, events: Iterator[Event]) -> Iterator[Bar]:
    """The events of one piece as bars, each as soon as it is complete."""
    sheet: _Sheet | None = None
    start: Start | None = None
    tempo = 0.0
    for event in events:
        if isinstance(event, Start):
            start = event
        elif sheet is None:
            assert isinstance(event, Meter) and start is not None, "a piece begins with Start and Meter"
            sheet = _Sheet(piece, start, event)
        else:
            yield from sheet.until(event)
            if isinstance(event, Tempo):
                tempo = tempo or event.qpm
                sheet.tempo(event, tempo)
            elif isinstance(event, Note):
                sheet.notes.append(event)


class _Sheet:
    """The bar that is being filled."""

    def __init__(self, piece: int, start: Start, meter: Meter) -> None:
        self._piece, self._start, self._meter = piece, start, meter
        self._opening: Opening | None = None
        self._own = 80.0
        self._begin, self._number = meter.tick, -1
        self._tempos: list[Tempo] = []
        self._held: tuple[Note, ...] = ()
        self.notes: list[Note] = []

    def tempo(self, event: Tempo, own: float) -> None:
        self._own = own
        self._tempos = [t for t in self._tempos if t.tick < event.tick] + [event]

    def until(self, event: Event) -> Iterator[Bar]:
        """The bars that are complete now that this event has come."""
        over = isinstance(event, End)
        while self._begin + self._meter.bar_ticks < event.tick + (not over):
            yield self._close(self._begin + self._meter.bar_ticks, event)
        if isinstance(event, Meter):
            if event.tick > self._begin:
                yield self._close(event.tick, event)
            self._meter = event
        elif over:
            yield self._close(event.tick, event, last=True)

    def _close(self, end: int, event: Event, last: bool = False) -> Bar:
        if self._number < 0:
            longer = isinstance(event, Meter) and event.tick == end and event.bar_ticks > self._meter.bar_ticks
            self._number = 0 if longer else 1
            bars = self._start.bars or 0
            tracks, velocities = self._start.tracks, self._start.velocities
            self._opening = Opening(self._piece, self._start.seed, bars, self._own, tracks, velocities)
        assert self._opening is not None
        tempos, notes = tuple(self._tempos), tuple(self.notes)
        bar = Bar(self._opening, self._number, self._begin, end - self._begin, self._meter, tempos, notes,
                  self._held, last)  # fmt: skip
        self._held = tuple(n for n in (*self._held, *notes) if n.tick + n.duration > end)
        self._begin, self._number, self.notes = end, self._number + 1, []
        self._tempos = [Tempo(end, self._tempos[-1].qpm)] if self._tempos else []
        return bar


class Programme:
    """The bars of all pieces, one after the other. Can go back to a bar, where changes may have been added
    meanwhile."""

    def __init__(
        self, composer: Composer, settings: Settings, changes: Sequence[KnobChange] = (), piece: int = 0, bar: int = 0
    ) -> None:
        self.composer, self.settings = composer, settings
        self.changes = list(changes)
        self._piece, self._number = piece, bar
        self._drafts: dict[int, GenerationCache] = {}
        self._piece_changes: tuple[ParameterChange, ...] = ()
        self._bars: Iterator[Bar] | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Piece and bar that come next; bar 0 also means the first one, where that is 1."""
        return self._piece, self._number

    def next(self) -> Bar:
        while True:
            piece_changes = self._piece_changes_at(self._piece, self._number)
            if self._bars is None or piece_changes != self._piece_changes:
                self._open(piece_changes)
            assert self._bars is not None
            bar = next((b for b in self._bars if b.number >= self._number), None)
            if bar is None:
                self._go(self._piece + 1, 0)
            elif self._number == 0 < bar.number and self._piece_changes_at(self._piece, bar.number) != piece_changes:
                self._number, self._bars = bar.number, None
            else:
                self._number = bar.number + 1
                if bar.last:
                    self._go(self._piece + 1, 0)
                return bar

    def back(self, piece: int, bar: int) -> None:
        """The next bar is this one again."""
        self._go(piece, bar)

    def forget(self, piece: int) -> None:
        """Nobody will go back to pieces before this one."""
        self._drafts = {number: draft for number, draft in self._drafts.items() if number >= piece}

    def knob(self, name: str, piece: int, bar: int) -> float | None:
        """A knob as it stands in this bar; None is the model's or the piece's own."""
        value = {"temperature": self.settings.temperature, "tempo": self.settings.tempo}.get(name)
        for change in self.changes:
            known = (change.piece, change.bar) <= (piece, bar) and (name != "length" or change.piece == piece)
            if known and change.knob == name:
                value = change.value
        return value

    def _go(self, piece: int, bar: int) -> None:
        self._piece, self._number, self._bars = piece, bar, None

    def _open(self, piece_changes: tuple[ParameterChange, ...]) -> None:
        """The piece as it is with these changes, composed as far as needed from the next bar on."""
        draft = self._drafts.setdefault(self._piece, GenerationCache(MARKS))
        draft.cut(self._number)
        self._piece_changes = piece_changes
        events = self.composer.piece(
            self.settings.seed + self._piece, draft, bars=self.settings.bars, changes=piece_changes or None
        )
        self._bars = bars(self._piece, events)

    def _piece_changes_at(self, piece: int, bar: int) -> tuple[ParameterChange, ...]:
        """What has been turned by this bar, from the beginning of the piece."""
        numbers = sorted({0, *(c.bar for c in self.changes if c.piece == piece and c.bar <= bar)})
        piece_changes: list[ParameterChange] = []
        for number in numbers:
            temperature, length = self.knob("temperature", piece, number), self.knob("length", piece, number)
            if temperature is None:
                temperature = self.composer.sampling.temperature
            turn = ParameterChange(number, temperature, None if length is None else int(length))
            if not piece_changes or (piece_changes[-1].temperature, piece_changes[-1].bars) != (
                turn.temperature,
                turn.bars,
            ):
                piece_changes.append(turn)
        return tuple(piece_changes)
