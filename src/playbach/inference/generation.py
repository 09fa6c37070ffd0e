"""Composes one piece step by step.

A `PieceGenerator` steps the network and the decoder, samples symbols, and yields events in the order of their ticks.
A `Schedule` gives the temperature and the length that apply in each bar. A `GenerationCache` keeps what has been
composed: after a parameter changes, only the bars from the change on are composed again. Knows nothing of options or
performance.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from playbach.encodings.base import Decoder, Encoding
from playbach.inference.options import ParameterChange, Sampling
from playbach.inference.runtimes.base import Runtime, State
from playbach.inference.sampling import Distribution, choice, draw, probabilities, sharpen
from playbach.music.events import Choice, Event, Meter, Note, Tempo

MAX_ENDINGS_TRIED = 48
"""With rules, the last bar is composed again until its ending is good, at most this often. One ending in two is good
(docs/experiments.md)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The sampling and the length that apply in each bar."""

    sampling: Sampling
    bars: int
    changes: tuple[ParameterChange, ...] = ()
    """In the order of their bars."""

    def at(self, bar: int) -> tuple[Sampling, int]:
        """The sampling in this bar, and the length of the piece as it is known there."""
        count = bisect_right(self.changes, bar, key=lambda change: change.bar)
        if count == 0:
            return self.sampling, self.bars
        change = self.changes[count - 1]
        sampling = self.sampling
        if change.temperature is not None:
            sampling = replace(sampling, temperature=change.temperature)
        return sampling, change.bars or self.bars

    @property
    def length(self) -> int:
        """The final length of the piece in bars. Changes after its end do not count."""
        length = self.bars
        for change in self.changes:
            if change.bar <= length:
                length = change.bars or self.bars
        return length


@dataclass(frozen=True, slots=True)
class GenerationState:
    """A point between two steps of a piece."""

    decoder: Decoder
    network_state: State
    previous: Any
    """The last step (F,), or the start symbols."""
    events: list[Event] = field(default_factory=list)
    """The events that the last step completed."""
    probabilities: tuple[Distribution, ...] = ()
    """For each field, the distribution of the last step's symbol; empty if the step is the prime's."""


Composed = Meter | Tempo | Note
"""The events that a decoder returns."""
QueuedEvent = tuple[int, int, int, int, Composed]
"""An event that waits because an earlier one may still follow. Before it stands its sort key: tick, track (-1 for
meters and tempos), pitch, running number."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is needed to compose again from the beginning of a bar."""

    state: GenerationState
    rng_state: Any
    queue: tuple[QueuedEvent, ...]
    event_count: int
    """The number of events that were released before this bar."""
    choice_count: int
    """The number of steps before this bar."""


@dataclass(slots=True)
class GenerationCache:
    """What has been composed of one piece, with snapshots of its last bars."""

    max_snapshots: int = 0
    """Each snapshot keeps a state of the network, 1 MB for the shipped model."""
    events: list[Composed] = field(default_factory=list)
    choices: list[tuple[Choice, ...]] = field(default_factory=list)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    """By the number of the bar that begins at the snapshot."""

    def discard_from(self, bar: int) -> None:
        """Discard what was composed from this bar on, or from the last earlier bar that has a snapshot."""
        self.snapshots = {number: snapshot for number, snapshot in self.snapshots.items() if number <= bar}
        latest = self.latest
        del self.events[latest.event_count if latest else 0 :], self.choices[latest.choice_count if latest else 0 :]

    @property
    def latest(self) -> Snapshot | None:
        """The snapshot of the last bar that has one."""
        return self.snapshots[max(self.snapshots)] if self.snapshots else None

    def add_snapshot(
        self, bar: int, state: GenerationState, rng: np.random.Generator, queue: Sequence[QueuedEvent]
    ) -> None:
        if self.max_snapshots and bar not in self.snapshots:
            copied = replace(state, decoder=state.decoder.copy(), events=[])
            rng_state = rng.bit_generator.state
            self.snapshots[bar] = Snapshot(copied, rng_state, tuple(queue), len(self.events), len(self.choices))
            if len(self.snapshots) > self.max_snapshots:
                del self.snapshots[min(self.snapshots)]


class PieceGenerator:
    """Composes one piece with a runtime. `rules` apply the style mask, and look for a good ending."""

    def __init__(
        self, runtime: Runtime, encoding: Encoding, rng: np.random.Generator, schedule: Schedule, rules: bool
    ) -> None:
        self._runtime, self._encoding, self._rng = runtime, encoding, rng
        self._schedule, self._rules = schedule, rules

    def events(self, decoder: Decoder, prime: Any, cache: GenerationCache | None = None) -> Iterator[Composed]:
        """Notes, meters and tempos in the order of their ticks, each as soon as no earlier event can follow.

        Args:
            decoder: at the beginning of the piece.
            prime: steps (T, F) that the piece begins with.
            cache: its events come first, and what is composed is added to it.
        """
        cache = cache or GenerationCache()
        state, queue = self._resume(decoder, cache)
        count = itertools.count(len(cache.events) + len(queue))
        yield from list(cache.events)
        for states in self._steps(state, prime, cache, queue):
            for state in states:
                cache.choices.append(tuple(choice(p, int(s)) for p, s in zip(state.probabilities, state.previous)))
                for event in state.events:
                    assert isinstance(event, Composed)
                    key = event.tick, -1, 0
                    if isinstance(event, Note):
                        key = event.tick, event.track, event.pitch
                        event = replace(event, choices=cache.choices[event.steps[0]])
                    heapq.heappush(queue, (*key, next(count), event))
            final = states[-1].decoder.final_until
            while queue and queue[0][0] < final:
                yield self._release(cache, queue)
        while queue:
            yield self._release(cache, queue)

    @staticmethod
    def _release(cache: GenerationCache, queue: list[QueuedEvent]) -> Composed:
        event = heapq.heappop(queue)[-1]
        cache.events.append(event)
        return event

    def _resume(self, decoder: Decoder, cache: GenerationCache) -> tuple[GenerationState, list[QueuedEvent]]:
        """The state and the queue of the latest snapshot, or of the beginning of the piece."""
        snapshot = cache.latest
        cache.discard_from(snapshot.state.decoder.bar if snapshot else -1)
        if snapshot is None:
            start = np.array([len(f) for f in self._encoding.fields], np.int32)
            return GenerationState(decoder, self._runtime.start(), start), []
        self._rng.bit_generator.state = snapshot.rng_state
        return replace(snapshot.state, decoder=snapshot.state.decoder.copy()), list(snapshot.queue)

    def _steps(
        self, state: GenerationState, prime: Any, cache: GenerationCache, queue: list[QueuedEvent]
    ) -> Iterator[list[GenerationState]]:
        """The states after each step: first those of the prime, then those of composed steps, then the end.

        With rules, the states of the last bar are returned together, once its ending is good. The piece is thus drawn
        from all pieces with a good ending."""
        for step in prime[len(cache.choices) :]:
            state = self._feed(state, step)
            yield [state]
        bar = -1
        while not state.decoder.finished:
            if state.decoder.bar != bar:
                bar = state.decoder.bar
                cache.add_snapshot(bar, state, self._rng, queue)
                sampling, bars = self._schedule.at(bar)
                state.decoder.end_after(bars)
            if self._rules and state.decoder.bars_left() == 0:
                for _ in range(MAX_ENDINGS_TRIED):
                    ending = self._last_bar(state, sampling)
                    if ending[-1].decoder.is_good_ending():
                        break
                yield ending
                state = ending[-1]
            else:
                state = self._next(state, sampling, self._rules)
                yield [state]
        yield [replace(state, events=state.decoder.finish(), probabilities=())]

    def _last_bar(self, state: GenerationState, sampling: Sampling) -> list[GenerationState]:
        """The states of the last bar. Only the last one keeps its network state, to save memory."""
        state, ending = replace(state, decoder=state.decoder.copy()), list[GenerationState]()
        while not state.decoder.finished:
            state = self._next(state, sampling, rules=True)
            if ending:
                ending[-1] = replace(ending[-1], network_state=None)
            ending.append(state)
        return ending

    def _next(self, state: GenerationState, sampling: Sampling, rules: bool) -> GenerationState:
        """Compose one step."""
        logits, network_state = self._runtime.step(state.previous, state.decoder.context(), state.network_state)
        masks = state.decoder.style_mask() if rules else state.decoder.valid_mask()
        distributions = tuple(probabilities(s, m) for s, m in zip(logits, masks))
        step = np.array([draw(sharpen(p, sampling), self._rng) for p in distributions], np.int32)
        return GenerationState(state.decoder, network_state, step, state.decoder.feed(step), distributions)

    def _feed(self, state: GenerationState, step: Any) -> GenerationState:
        """Take one step of the prime."""
        _, network_state = self._runtime.step(state.previous, state.decoder.context(), state.network_state)
        return GenerationState(state.decoder, network_state, step, state.decoder.feed(step))
