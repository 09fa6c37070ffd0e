"""An endless programme of pieces (but for a limit that nobody reaches by listening), composed bar by bar.

Piece k has the seed `seed + k`, and is the piece that `compose` makes with that seed. A programme depends only on the
bundle, its settings and its changes. A change takes effect at a bar line, and a bar depends only on the changes up to
that bar. So if all changes are known in advance, the music is the same as if they were made while it plays. Knows
composers, but neither clocks nor listeners.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playbach.inference.composing import Composer
from playbach.inference.generation import GenerationCache
from playbach.inference.options import ComposeOptions, ParameterChange
from playbach.music.events import End, Event, Meter, Note, Start, Tempo, Track
from playbach.streaming.settings import MAX_PIECES, PARAMETERS, ProgrammeChange, ProgrammeSettings

CACHED_BARS = 8
"""Bars of a piece that can be composed again from their bar lines; more than a session composes ahead."""


class ProgrammeEnded(Exception):
    """There is no bar after the last piece."""

    def __init__(self) -> None:
        super().__init__(f"the programme ends with piece {MAX_PIECES - 1:,}; start another one with another seed")


@dataclass(frozen=True, slots=True)
class PieceHeader:
    """What is fixed before the first bar of a piece."""

    piece: int
    """The number of the piece in the programme."""
    seed: int
    bars: int
    tempo: float
    """The piece's own, in quarter notes a minute."""
    tracks: tuple[Track, ...]
    has_velocities: bool
    """Whether the network composed the dynamics."""


@dataclass(frozen=True, slots=True)
class ComposedBar:
    """A bar of a piece, composed and performed, in ticks of the piece."""

    header: PieceHeader
    number: int
    """1 is the first full bar; a pickup is bar 0."""
    tick: int
    ticks: int
    """Its length; the last bar reaches to the end of the piece."""
    meter: Meter
    tempos: tuple[Tempo, ...]
    """The first is the tempo in force at the beginning of the bar."""
    notes: tuple[Note, ...]
    """The notes that begin in this bar."""
    held: tuple[Note, ...]
    """Notes of earlier bars that still sound when this bar begins."""
    is_last: bool

    @property
    def position(self) -> tuple[int, int]:
        """The numbers of the piece and of the bar."""
        return self.header.piece, self.number


def split_into_bars(piece: int, events: Iterator[Event]) -> Iterator[ComposedBar]:
    """The events of one piece as bars, each as soon as it is complete."""
    builder: _BarBuilder | None = None
    start: Start | None = None
    tempo = 0.0
    for event in events:
        if isinstance(event, Start):
            start = event
        elif builder is None:
            assert isinstance(event, Meter) and start is not None, "a piece begins with Start and Meter"
            builder = _BarBuilder(piece, start, event)
        else:
            yield from builder.finish_bars(event)
            if isinstance(event, Tempo):
                tempo = tempo or event.qpm
                builder.add_tempo(event, tempo)
            elif isinstance(event, Note):
                builder.notes.append(event)


class _BarBuilder:
    """Collects the events of the current bar."""

    def __init__(self, piece: int, start: Start, meter: Meter) -> None:
        self._piece, self._start, self._meter = piece, start, meter
        self._header: PieceHeader | None = None
        self._first_tempo = 80.0
        self._begin, self._number = meter.tick, -1
        self._tempos: list[Tempo] = []
        self._held: tuple[Note, ...] = ()
        self.notes: list[Note] = []

    def add_tempo(self, event: Tempo, first_tempo: float) -> None:
        self._first_tempo = first_tempo
        self._tempos = [t for t in self._tempos if t.tick < event.tick] + [event]

    def finish_bars(self, event: Event) -> Iterator[ComposedBar]:
        """The bars that are complete when this event arrives."""
        is_end = isinstance(event, End)
        while self._begin + self._meter.bar_ticks < event.tick + (not is_end):
            yield self._finish(self._begin + self._meter.bar_ticks, event)
        if isinstance(event, Meter):
            if event.tick > self._begin:
                yield self._finish(event.tick, event)
            self._meter = event
        elif is_end:
            yield self._finish(event.tick, event, is_last=True)

    def _finish(self, end: int, event: Event, is_last: bool = False) -> ComposedBar:
        if self._number < 0:
            is_pickup = isinstance(event, Meter) and event.tick == end and event.bar_ticks > self._meter.bar_ticks
            self._number = 0 if is_pickup else 1
            bars = self._start.bars or 0
            tracks, velocities = self._start.tracks, self._start.velocities
            self._header = PieceHeader(self._piece, self._start.seed, bars, self._first_tempo, tracks, velocities)
        assert self._header is not None
        tempos, notes = tuple(self._tempos), tuple(self.notes)
        bar = ComposedBar(
            header=self._header,
            number=self._number,
            tick=self._begin,
            ticks=end - self._begin,
            meter=self._meter,
            tempos=tempos,
            notes=notes,
            held=self._held,
            is_last=is_last,
        )
        self._held = tuple(n for n in (*self._held, *notes) if n.tick + n.duration > end)
        self._begin, self._number, self.notes = end, self._number + 1, []
        self._tempos = [Tempo(end, self._tempos[-1].qpm)] if self._tempos else []
        return bar


class Programme:
    """All bars, piece after piece. It can go back to a bar, to compose it again with other changes."""

    def __init__(
        self,
        composer: Composer,
        settings: ProgrammeSettings,
        changes: Sequence[ProgrammeChange] = (),
        piece: int = 0,
        bar: int = 0,
    ) -> None:
        """`changes` are the changes known so far; `piece` and `bar` say where to begin."""
        self.composer, self.settings = composer, settings
        self.changes = list(changes)
        self._piece, self._number = piece, bar
        self._caches: dict[int, GenerationCache] = {}
        self._piece_changes: tuple[ParameterChange, ...] = ()
        self._bars: Iterator[ComposedBar] | None = None

    @property
    def position(self) -> tuple[int, int]:
        """The next piece and bar. Bar 0 means the first bar, also in a piece without a pickup."""
        return self._piece, self._number

    def next(self) -> ComposedBar:
        """Raises ProgrammeEnded after the last bar of the last piece."""
        while self._piece < MAX_PIECES:
            piece_changes = self._changes_at(self._piece, self._number)
            if self._bars is None or piece_changes != self._piece_changes:
                self._compose(piece_changes)
            assert self._bars is not None
            bar = next((b for b in self._bars if b.number >= self._number), None)
            if bar is None:
                self.go_to(self._piece + 1, 0)
            elif self._number == 0 < bar.number and self._changes_at(self._piece, bar.number) != piece_changes:
                self._number, self._bars = bar.number, None
            else:
                self._number = bar.number + 1
                if bar.is_last:
                    self.go_to(self._piece + 1, 0)
                return bar
        raise ProgrammeEnded

    def go_to(self, piece: int, bar: int) -> None:
        """Continue from this bar."""
        self._piece, self._number, self._bars = piece, bar, None

    def forget_before(self, piece: int) -> None:
        """Free the memory of earlier pieces, to which the programme will not go back."""
        self._caches = {number: cache for number, cache in self._caches.items() if number >= piece}

    def value_at(self, parameter: str, piece: int, bar: int) -> float | None:
        """The value of a parameter in this bar; None: its default."""
        value = self.settings.values.get(parameter)
        lasts = PARAMETERS[parameter].lasts
        for change in self.changes:
            applies = change.parameter == parameter and (lasts or change.piece == piece)
            if applies and (change.piece, change.bar) <= (piece, bar):
                value = change.value
        return value

    def _compose(self, piece_changes: tuple[ParameterChange, ...]) -> None:
        """Compose the current piece with these changes, reusing what was composed before the next bar."""
        cache = self._caches.setdefault(self._piece, GenerationCache(CACHED_BARS))
        cache.discard_from(self._number)
        self._piece_changes = piece_changes
        options = ComposeOptions(bars=self.settings.bars, changes=piece_changes or None)
        events = self.composer.piece(self.settings.seed + self._piece, options, cache)
        self._bars = split_into_bars(self._piece, events)

    def _changes_at(self, piece: int, bar: int) -> tuple[ParameterChange, ...]:
        """The changes within the piece that are known in this bar, from the beginning of the piece."""
        numbers = sorted({0, *(c.bar for c in self.changes if c.piece == piece and c.bar <= bar)})
        piece_changes: list[ParameterChange] = []
        for number in numbers:
            temperature, length = self.value_at("temperature", piece, number), self.value_at("length", piece, number)
            if temperature is None:
                temperature = self.composer.sampling.temperature
            if number > (length or self.settings.bars):
                break  # the piece has ended before
            change = ParameterChange(number, temperature, None if length is None else int(length))
            last = piece_changes[-1] if piece_changes else None
            if last is None or (last.temperature, last.bars) != (change.temperature, change.bars):
                piece_changes.append(change)
        return tuple(piece_changes)
