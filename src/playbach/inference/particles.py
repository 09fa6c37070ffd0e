"""Composes drafts of a piece side by side, and prefers those that suit what is given (sequential Monte Carlo).

Particles are drafts of the same piece, stepped as one batch. A given step is not drawn: it multiplies a particle's
weight by its probability. When few particles carry most of the weight, they are drawn anew in proportion to their
weights (systematic resampling; Doucet and Johansen, "A Tutorial on Particle Filtering and Smoothing", 2009), and the
weights are equal again. Particles meet at certain ticks, since weights can be compared only where all have come
equally far.

Knows decoders and runtimes; knows nothing of any one encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import Decoder
from playbach.inference.options import Sampling
from playbach.inference.runtimes.base import Logits, Runtime, State, replace_pieces, select_pieces
from playbach.inference.sampling import draw, probabilities, sharpen
from playbach.music.arrays import Ints

_Floats = npt.NDArray[np.float64]
MIN_EFFECTIVE_SHARE = 0.5
"""Particles are drawn anew when fewer than this share of them would carry the weight, were it equal."""
_LEAST = 1e-30
"""The least probability that a weight is multiplied by."""
Suiting = Callable[[Decoder], slice | None]
"""The symbols of a step's first field that suit what is given; None where nothing is. A draft's weight is multiplied
by their probability, before masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleOptions:
    """How particles are drawn."""

    sampling: Sampling
    rules: bool
    """Whether the encoding's rules of style narrow what is drawn."""


class Particles:
    """Drafts of one piece. `advance` composes them; `log_weights` (N,) may be changed in between."""

    def __init__(
        self,
        runtime: Runtime,
        decoder: Decoder,
        start: Sequence[int] | Ints,
        count: int,
        rng: np.random.Generator,
        *,
        state: State | None = None,
        judge: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
    ) -> None:
        """Begin `count` drafts where a decoder stands; `start` (F,) are the symbols before the first step.

        Args:
            state: of a batch of one piece; None: at the beginning of a piece.
            judge: makes of contexts (N, C) those in which a second pass of the network sees the drafts. They are then
                drawn from what the first pass says, and weighed as if drawn from what the second says (importance
                sampling). It begins where the piece begins.
        """
        self.runtime, self.rng = runtime, rng
        self.decoders = [decoder.copy() for _ in range(count)]
        self.log_weights: _Floats = np.zeros(count)
        self.steps: list[list[Ints]] = [[] for _ in range(count)]
        self._state: State = (
            runtime.start(count) if state is None else select_pieces(state, np.zeros(count, np.int64))
        )
        self._judge, self._judge_state = judge, runtime.start(count) if judge is not None else None
        self._previous = np.tile(np.array(start, np.int64), (count, 1))

    def __len__(self) -> int:
        return len(self.decoders)

    def advance(self, until: int, options: ParticleOptions, suiting: Suiting) -> None:
        """Compose each draft up to the first step at or after tick `until`, or to its end.

        Args:
            suiting: what suits the given music, at a draft's next step.
        """
        while True:
            behind = [i for i, d in enumerate(self.decoders) if not d.finished and d.tick < until]
            if not behind:
                return
            self._step(behind, options, suiting)

    def _step(self, which: list[int], options: ParticleOptions, suiting: Suiting) -> None:
        rows = np.array(which)
        context = np.stack([self.decoders[i].context() for i in which]).astype(np.int64)
        logits, judged = self._logits(rows, context)
        for k, i in enumerate(which):
            decoder = self.decoders[i]
            masks = decoder.style_mask() if options.rules else decoder.valid_mask()
            symbols = suiting(decoder)
            if symbols is not None:
                suitable = probabilities(judged[0][k], np.ones_like(masks[0]))[symbols].sum()
                self.log_weights[i] += np.log(max(suitable, _LEAST))
            step = np.zeros(len(masks), np.int32)
            for field, mask in enumerate(masks):
                drawn = sharpen(probabilities(logits[field][k], mask), options.sampling)
                step[field] = draw(drawn, self.rng)
                if judged is not logits and mask.sum() > 1:
                    wanted = sharpen(probabilities(judged[field][k], mask), replace(options.sampling, top_p=1.0))
                    self.log_weights[i] += np.log(max(wanted[step[field]], _LEAST) / drawn[step[field]])
            decoder.feed(step)
            self.steps[i].append(step)
            self._previous[i] = step

    def _logits(self, rows: npt.NDArray[np.int64], context: npt.NDArray[np.int64]) -> tuple[Logits, Logits]:
        """What the next steps of some drafts are drawn from, and what weighs them."""
        state = select_pieces(self._state, rows)
        logits, state = self.runtime.step(self._previous[rows], context, state)
        self._state = replace_pieces(self._state, rows, state)
        if self._judge is None:
            return logits, logits
        known = self._judge(context)
        judged, state = self.runtime.step(self._previous[rows], known, select_pieces(self._judge_state, rows))
        self._judge_state = replace_pieces(self._judge_state, rows, state)
        return logits, judged

    @property
    def weights(self) -> _Floats:
        """(N,), adding up to 1."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        return np.asarray(weights / weights.sum())

    def resample(self, *, always: bool = False) -> None:
        """Draw the particles anew if few of them carry most of the weight."""
        weights = self.weights
        if not always and 1 / np.square(weights).sum() >= MIN_EFFECTIVE_SHARE * len(self):
            return
        places = (self.rng.random() + np.arange(len(self))) / len(self)
        chosen = np.minimum(np.searchsorted(np.cumsum(weights), places, side="right"), len(self) - 1)
        self.decoders = [self.decoders[i].copy() for i in chosen]
        self.steps = [list(self.steps[i]) for i in chosen]
        self._state = select_pieces(self._state, chosen)
        if self._judge is not None:
            self._judge_state = select_pieces(self._judge_state, chosen)
        self._previous = self._previous[chosen]
        mean = np.log(np.exp(self.log_weights - self.log_weights.max()).mean()) + self.log_weights.max()
        self.log_weights = np.full(len(self), mean)

    def choose(self) -> list[Ints]:
        """The steps of one particle, drawn by weight."""
        return self.steps[draw(self.weights, self.rng)]
