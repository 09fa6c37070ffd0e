"""Composing one piece step by step, with bars to which one can go back.

`PieceGenerator` steps the network and the decoder, draws symbols, and yields events in the order of their ticks. A
`Schedule` says which temperature and length apply in which bar. A `GenerationCache` keeps what has been composed:
when a listener changes a parameter, only the bars from there on are composed again. Knows nothing of primes, of options or
of performance.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from playbach.encodings import Decoder, Encoding
from playbach.inference.runtimes import Runtime, State
from playbach.inference.sampling import Floats, Sampling, choice, draw, probabilities, sharpened
from playbach.music.events import Choice, Event, Meter, Note, Tempo
from playbach.system.errors import UsageError

ENDINGS_TRIED = 48
"""With `rules`, how often the last bar is composed anew until it ends well; one in two does (docs/experiments.md)."""


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """From bar `bar` on (1 is the first full one, 0 a pickup) this temperature, and so many bars in all; None is what
    the piece was begun with. A turn takes the place of the one before it, knob by knob."""

    bar: int
    temperature: float | None = None
    bars: int | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.bar, int) and self.bar >= 0):
            raise UsageError(f"bars are counted from 0, not from {self.bar!r:.40}")
        if self.bars is not None and not (isinstance(self.bars, int) and self.bars >= max(self.bar, 1)):
            raise UsageError(f"from bar {self.bar} on a piece cannot have only {self.bars!r:.40} bars")
        if self.temperature is not None:
            Sampling(self.temperature)  # checks it


@dataclass(frozen=True, slots=True)
class Schedule:
    """What holds in which bar. `changes` are in order of their bars."""

    sampling: Sampling
    bars: int
    changes: tuple[ParameterChange, ...] = ()

    def at(self, bar: int) -> tuple[Sampling, int]:
        """How symbols are drawn in this bar, and how many bars the piece has, as far as is known in it."""
        number = bisect_right(self.changes, bar, key=lambda turn: turn.bar)
        if number == 0:
            return self.sampling, self.bars
        turn = self.changes[number - 1]
        sampling = self.sampling
        if turn.temperature is not None:
            sampling = replace(sampling, temperature=turn.temperature)
        return sampling, turn.bars or self.bars

    @property
    def length(self) -> int:
        """How many bars the piece has in the end: a turn behind its end no longer counts."""
        length = self.bars
        for turn in self.changes:
            if turn.bar <= length:
                length = turn.bars or self.bars
        return length


@dataclass(frozen=True, slots=True)
class GenerationState:
    """Somewhere in a piece: the decoder, the network's state, the last step, the events that it completed, and the
    probabilities of each field that it was chosen by; none where it was given."""

    decoder: Decoder
    state: State
    previous: Any
    events: list[Event] = field(default_factory=list)
    probabilities: tuple[Floats, ...] = ()


Composed = Meter | Tempo | Note
"""What a decoder gives."""
Waiting = tuple[int, int, int, int, Composed]
"""An event that something earlier may still precede, by tick, track, pitch, and in order of composing; meters and
tempos before notes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a bar begins: all that is needed to go on from there."""

    place: GenerationState
    random: Any
    waiting: tuple[Waiting, ...]
    notes: int
    choices: int


@dataclass(slots=True)
class GenerationCache:
    """What has been composed of one piece. The last `most_marks` bars can be composed anew from their bar line; each
    keeps a state of the network (1 MB in the shipped model)."""

    most_marks: int = 0
    notes: list[Composed] = field(default_factory=list)
    choices: list[tuple[Choice, ...]] = field(default_factory=list)
    marks: dict[int, Snapshot] = field(default_factory=dict)

    def cut(self, bar: int) -> None:
        """Forget what was composed from this bar on, or from an earlier one where its beginning is not known."""
        self.marks = {number: mark for number, mark in self.marks.items() if number <= bar}
        last = self.last
        del self.notes[last.notes if last else 0 :], self.choices[last.choices if last else 0 :]

    @property
    def last(self) -> Snapshot | None:
        """Where the last known bar begins."""
        return self.marks[max(self.marks)] if self.marks else None

    def mark(self, bar: int, place: GenerationState, rng: np.random.Generator, waiting: Sequence[Waiting]) -> None:
        if self.most_marks and bar not in self.marks:
            here = replace(place, decoder=place.decoder.copy(), events=[])
            state = rng.bit_generator.state
            self.marks[bar] = Snapshot(here, state, tuple(waiting), len(self.notes), len(self.choices))
            if len(self.marks) > self.most_marks:
                del self.marks[min(self.marks)]


class PieceGenerator:
    """Composes one piece with a runtime. With `rules`, as a careful writer would, and to an ending that is one."""

    def __init__(
        self, runtime: Runtime, encoding: Encoding, rng: np.random.Generator, course: Schedule, rules: bool
    ) -> None:
        self._runtime, self._encoding, self._rng = runtime, encoding, rng
        self._course, self._rules = course, rules

    def notes(self, decoder: Decoder, prime: Any, draft: GenerationCache | None = None) -> Iterator[Composed]:
        """The notes, and changes of meter and tempo, in the order of their ticks, as soon as no earlier one can come:
        those of the draft first, and then as the course says. `decoder` is at the beginning of the piece."""
        draft = draft or GenerationCache()
        here, waiting = self._beginning(decoder, draft)
        count = itertools.count(len(draft.notes) + len(waiting))
        yield from list(draft.notes)
        for steps in self._steps(here, prime, draft, waiting):
            for place in steps:
                draft.choices.append(tuple(choice(p, int(s)) for p, s in zip(place.probabilities, place.previous)))
                for event in place.events:
                    assert isinstance(event, Composed)
                    where = event.tick, -1, 0
                    if isinstance(event, Note):
                        where = event.tick, event.track, event.pitch
                        event = replace(event, choices=draft.choices[event.steps[0]])
                    heapq.heappush(waiting, (*where, next(count), event))
            final = steps[-1].decoder.final_until
            while waiting and waiting[0][0] < final:
                yield self._given(draft, waiting)
        while waiting:
            yield self._given(draft, waiting)

    @staticmethod
    def _given(draft: GenerationCache, waiting: list[Waiting]) -> Composed:
        note = heapq.heappop(waiting)[-1]
        draft.notes.append(note)
        return note

    def _beginning(self, decoder: Decoder, draft: GenerationCache) -> tuple[GenerationState, list[Waiting]]:
        mark = draft.last
        draft.cut(mark.place.decoder.bar if mark else -1)
        if mark is None:
            return GenerationState(decoder, self._runtime.start(), self._first()), []
        self._rng.bit_generator.state = mark.random
        return replace(mark.place, decoder=mark.place.decoder.copy()), list(mark.waiting)

    def _first(self) -> Any:
        return np.array([len(f) for f in self._encoding.fields], np.int32)

    def _steps(
        self, here: GenerationState, prime: Any, draft: GenerationCache, waiting: list[Waiting]
    ) -> Iterator[list[GenerationState]]:
        """The network and the decoder, step by step: first the prime's, then the network's own, and at last what they
        leave sounding. With rules, the last bar is held back until it ends well, which is to draw from all pieces
        that do."""
        for step in prime[len(draft.choices) :]:
            here = self._fed(here, step)
            yield [here]
        bar = -1
        while not here.decoder.finished:
            if here.decoder.bar != bar:
                bar = here.decoder.bar
                draft.mark(bar, here, self._rng, waiting)
                sampling, bars = self._course.at(bar)
                here.decoder.end_after(bars)
            if self._rules and here.decoder.left() == 0:
                for _ in range(ENDINGS_TRIED):
                    ending = self._last_bar(here, sampling)
                    if ending[-1].decoder.is_good_ending():
                        break
                yield ending
                here = ending[-1]
            else:
                here = self._next(here, sampling, self._rules)
                yield [here]
        yield [replace(here, events=here.decoder.finish(), probabilities=())]

    def _last_bar(self, place: GenerationState, sampling: Sampling) -> list[GenerationState]:
        """All steps of a last bar. Only the last one keeps its state: some dozens of them are a lot of memory."""
        place, ending = replace(place, decoder=place.decoder.copy()), list[GenerationState]()
        while not place.decoder.finished:
            place = self._next(place, sampling, rules=True)
            if ending:
                ending[-1] = replace(ending[-1], state=None)
            ending.append(place)
        return ending

    def _next(self, place: GenerationState, sampling: Sampling, rules: bool) -> GenerationState:
        """One step of the network's own."""
        logits, state = self._runtime.step(place.previous, place.decoder.context(), place.state)
        masks = place.decoder.style_mask() if rules else place.decoder.valid_mask()
        chances = tuple(probabilities(s, m) for s, m in zip(logits, masks))
        step = np.array([draw(sharpened(p, sampling), self._rng) for p in chances], np.int32)
        return GenerationState(place.decoder, state, step, place.decoder.feed(step), chances)

    def _fed(self, place: GenerationState, step: Any) -> GenerationState:
        """One step that is given."""
        _, state = self._runtime.step(place.previous, place.decoder.context(), place.state)
        return GenerationState(place.decoder, state, step, place.decoder.feed(step))
