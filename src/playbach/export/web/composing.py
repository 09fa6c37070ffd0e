"""Composes as the page's engine does, in Python: the same notes from the same seed.

A published site holds the first bars of some pieces, so that a listener need not wait for the engine. Knows neither
pages nor files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from playbach.bundles.bundle import Bundle
from playbach.export.c import music
from playbach.export.integer import IntegerRuntime, IntegerSampling, Pcg32, draw_symbol
from playbach.export.integer.fixed import LOGIT_SCALE
from playbach.export.integer.lstm import IntegerLstm
from playbach.export.web import quantise
from playbach.inference.composing import DEFAULTS, Composer, events_from_cut
from playbach.inference.generation import GenerationCache, GenerationState, PieceGenerator, Schedule
from playbach.inference.options import ComposeOptions, Sampling
from playbach.inference.sampling import probabilities
from playbach.music.bars import Header
from playbach.music.events import Event, Start
from playbach.music.performance import perform


class EngineComposer(Composer):
    """Composes pieces with the network in integers and the engine's random numbers."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises UsageError if the page's engine cannot run the model."""
        self._network = quantise(bundle)
        super().__init__(bundle, IntegerRuntime(self._network))

    def piece(
        self, seed: int, options: ComposeOptions = DEFAULTS, cache: GenerationCache | None = None
    ) -> Iterator[Event]:
        """See `Composer.piece`. Of the options only `bars` is used; nothing is kept in the cache."""
        return perform(self._engine_events(seed, options.bars))

    def _engine_events(self, seed: int, bars: int) -> Iterator[Event]:
        random = Pcg32(seed)
        header = self._draw_engine_header(random())
        schedule = Schedule(self.sampling, bars)
        generator = _EngineGenerator(self._network, self, schedule, random)
        composed = generator.events(self.encoding.decoder(header, bars), np.zeros((0, len(self.encoding.fields))))
        yield Start(0, seed, header.tracks, bars, self.encoding.has_velocities)
        yield from events_from_cut(composed, header, bars=bars)

    def _draw_engine_header(self, number: int) -> Header:
        """As pb_draw_header does, from 32 random bits."""
        counts = music.commonest_beginnings(self.encoding)
        at = number * sum(counts.values()) >> 32
        beginning = next(b for b, end in zip(counts, accumulate(counts.values())) if at < end)
        known = (h for h, _ in self.encoding.headers if music.beginning_of(self.encoding, h) == beginning)
        # The engine has the tempo in whole microseconds.
        return replace(next(known), tempo=60e6 / beginning.microseconds)


class _EngineGenerator(PieceGenerator):
    """Draws each symbol as the engine does."""

    def __init__(self, network: IntegerLstm, composer: Composer, schedule: Schedule, random: Pcg32) -> None:
        unused = np.random.default_rng(0)
        super().__init__(composer.runtime, composer.encoding, unused, schedule, rules=True)
        self._network, self._random = network, random

    def _next(self, state: GenerationState, sampling: Sampling, rules: bool) -> GenerationState:
        previous, context = np.asarray(state.previous)[None], state.decoder.context()[None]
        scores, network_state = self._network.step(previous, context, state.network_state)
        masks = state.decoder.style_mask() if rules else state.decoder.valid_mask()
        fields: list[Any] = self._network.split(scores[0])
        drawn = [draw_symbol(f, m, IntegerSampling.of(sampling), self._random) for f, m in zip(fields, masks)]
        step = np.array(drawn, np.int32)
        distributions = tuple(probabilities(f / LOGIT_SCALE, m) for f, m in zip(fields, masks))
        return GenerationState(state.decoder, network_state, step, state.decoder.feed(step), distributions)
