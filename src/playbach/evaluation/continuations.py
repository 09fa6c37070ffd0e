"""Measures how often a predictor continues a piece as the piece itself does.

At some places in held-out pieces, the predictor is fed the piece up to the place, and from then on its own steps,
chosen among the valid symbols, without rules. The symbols of the first field are compared with the piece, step by
step. Modelled on Play Bach's "percentage of notes guessed as in the original continuation". Knows runtimes and the
n-gram; knows nothing of torch, files or groups of pieces.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import Decoder, EncodedPiece, Encoding
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.inference.runtimes.base import Logits, Runtime, State
from playbach.inference.sampling import Distribution, draw, probabilities
from playbach.music.arrays import Ints
from playbach.ngrams.ngram import NGram

"""The number of places, if the user does not give one."""
MIN_STEPS_BEFORE, COMPARED_STEPS = 40, 40
"""The minimum number of steps before a place, and the number of steps after it that are compared."""
MAX_STEPS_BEFORE = 1000
"""The maximum number of steps before a place, since the predictor is fed all of them."""
DISTANCES = ((1, 1), (2, 4), (5, 8), (9, 16), (17, COMPARED_STEPS), (1, COMPARED_STEPS))
"""Ranges of distances from the place for which shares are reported; the first step has distance 1."""
PLACES_AT_ONCE = 32
"""The batch of a network."""
MIN_PROBABILITY = 1e-30
"""Smaller probabilities of an n-gram are raised to this, so that they have a logarithm."""
MOST_PROBABLE, DRAWN = "most probable", "drawn"
"""How symbols are chosen: always the most probable one, or drawn at temperature 1."""

Choose = Callable[[Distribution, np.random.Generator], int]
CHOICES: dict[str, Choose] = {MOST_PROBABLE: lambda distribution, rng: int(distribution.argmax()), DRAWN: draw}


@dataclass(frozen=True, slots=True)
class ContinuationPlace:
    """A place in a piece at which a predictor continues."""

    piece: int
    """The number of the piece."""
    at: int
    """The first step that the predictor chooses."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often continuations agree with the pieces."""

    places: int
    pieces: int
    shares: Mapping[str, float]
    """The share of steps that are as in the piece, by distance: `1`, `2-4` … `1-40`."""
    elsewhere: Mapping[str, float] | None
    """The same, compared with other pieces, at their places with the same kind of step: the agreement by chance. None
    if there are no such places."""


def choose_places(lengths: Sequence[int], most: int, rng: np.random.Generator) -> list[ContinuationPlace]:
    """Choose at most `most` different places in pieces of these lengths, spread evenly over the pieces."""
    free: list[list[ContinuationPlace]] = []
    for piece in rng.permutation(len(lengths)).tolist():
        last = min(lengths[piece] - COMPARED_STEPS, MAX_STEPS_BEFORE)
        if last >= MIN_STEPS_BEFORE:
            at = MIN_STEPS_BEFORE + rng.permutation(last - MIN_STEPS_BEFORE + 1)[:most]
            free.append([ContinuationPlace(piece, step) for step in at.tolist()])
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*free))
    return list(itertools.islice((place for place in rounds if place is not None), most))


def is_long_enough(length: int) -> bool:
    """Whether a piece of this many steps has a place."""
    return length >= MIN_STEPS_BEFORE + COMPARED_STEPS


class _Continuation:
    """A piece up to a place, and the steps that a predictor chose from there on."""

    def __init__(
        self, piece: EncodedPiece, at: int, decoder: Decoder, encoding: Encoding, seed: Sequence[int]
    ) -> None:
        self.at, self._decoder, self._rng = at, decoder.copy(), np.random.default_rng(seed)
        self.steps: Ints = np.empty((at + COMPARED_STEPS, len(encoding.fields)), np.int32)
        self.steps[:at] = piece.steps[:at]
        self.context_before: Ints = piece.context[:at].copy()
        self.context_before[:, encoding.bars_left_column] = UNKNOWN_BARS_LEFT

    def context(self, t: int) -> Ints:
        """(C,) the context of step `t`, in which the bars left are unknown."""
        return self.context_before[t] if t < self.at else self._decoder.context()

    def choose_step(self, t: int, scores: Logits, choose: Choose) -> None:
        """Choose step `t` from a predictor's logits, among the valid symbols."""
        masks = self._decoder.valid_mask()
        step = np.array([choose(probabilities(s, m), self._rng) for s, m in zip(scores, masks)], np.int32)
        self._decoder.feed(step)
        self.steps[t] = step

    @property
    def symbols(self) -> Ints:
        """The chosen symbols of the first field."""
        return self.steps[self.at :, 0]


def _continuations(
    encoding: Encoding, pieces: Sequence[EncodedPiece], places: Sequence[ContinuationPlace], choices: int = 1
) -> Iterator[list[_Continuation]]:
    """Yield `choices` lists, each with a continuation for each place. Each piece is decoded only once."""
    decoders: dict[int, Decoder] = {}
    in_order = sorted(range(len(places)), key=lambda i: (places[i].piece, places[i].at))
    for piece, numbers in itertools.groupby(in_order, key=lambda i: places[i].piece):
        decoder, fed = encoding.decoder(pieces[piece].header), 0
        for number in numbers:
            for step in pieces[piece].steps[fed : places[number].at]:
                decoder.feed(step)
            fed = places[number].at
            decoders[number] = decoder.copy()
    for choice in range(choices):
        yield [
            _Continuation(pieces[p.piece], p.at, decoders[number], encoding, [number, choice])
            for number, p in enumerate(places)
        ]


# ------------------------------------------------------------------------------------------------------- continuing


def continue_with_network(
    runtime: Runtime, encoding: Encoding, pieces: Sequence[EncodedPiece], places: Sequence[ContinuationPlace]
) -> dict[str, Ints]:
    """For each of CHOICES, the first field's symbols (P, COMPARED_STEPS) with which a network continues at each
    place."""
    every = dict(zip(CHOICES, _continuations(encoding, pieces, places, len(CHOICES))))
    order = sorted(range(len(places)), key=lambda i: places[i].at)
    for first in range(0, len(order), PLACES_AT_ONCE):
        batch = order[first : first + PLACES_AT_ONCE]
        state, common = runtime.start(len(batch)), places[batch[0]].at
        for t in range(common):  # the common beginning, once for all choices
            _, state = _step(runtime, encoding, [every[MOST_PROBABLE][i] for i in batch], t, state)
        for choice, group in every.items():
            _continue(runtime, encoding, [group[i] for i in batch], common, state, CHOICES[choice])
    return {choice: _symbols(group) for choice, group in every.items()}


def _continue(
    runtime: Runtime, encoding: Encoding, group: list[_Continuation], begin: int, state: State, choose: Choose
) -> None:
    """Continue a batch from step `begin` on. Some are still fed their pieces while others choose their steps."""
    for t in range(begin, max(one.at for one in group) + COMPARED_STEPS):
        logits, state = _step(runtime, encoding, group, t, state)
        for i, one in enumerate(group):
            if one.at <= t < len(one.steps):
                one.choose_step(t, [scores[i] for scores in logits], choose)


def _step(
    runtime: Runtime, encoding: Encoding, group: list[_Continuation], t: int, state: State
) -> tuple[Logits, State]:
    """The logits before step `t` of each. Those that have ended get zeros, and their logits are not used."""
    previous = np.zeros((len(group), len(encoding.fields)), np.int64)
    context = np.zeros((len(group), len(encoding.context)), np.int64)
    for i, one in enumerate(group):
        if t < len(one.steps):
            previous[i] = one.steps[t - 1] if t else [len(field) for field in encoding.fields]
            context[i] = one.context(t)
    return runtime.step(previous, context, state)


def continue_with_ngram(baseline: NGram, pieces: Sequence[EncodedPiece], places: Sequence[ContinuationPlace]) -> Ints:
    """Like `continue_with_network`, for an n-gram and only with the most probable symbols: (P, COMPARED_STEPS)."""
    [group] = _continuations(baseline.encoding, pieces, places)
    for one in group:
        predictor = baseline.step_predictor(one.steps[: one.at], one.context_before)
        for t in range(one.at, len(one.steps)):
            distributions = predictor.predict(one.context(t))
            logits = [np.log(np.maximum(p, MIN_PROBABILITY)).astype(np.float32) for p in distributions]
            one.choose_step(t, logits, CHOICES[MOST_PROBABLE])
            predictor.feed(one.steps[t])
    return _symbols(group)


def _symbols(group: list[_Continuation]) -> Ints:
    return np.stack([one.symbols for one in group])


# ------------------------------------------------------------------------------------------------------ comparing


def measure_agreement(
    chosen: Ints, encoding: Encoding, pieces: Sequence[EncodedPiece], places: Sequence[ContinuationPlace]
) -> Agreement:
    """Compare the chosen symbols (P, COMPARED_STEPS) with the pieces at these places, and with other pieces at
    theirs."""
    true = np.stack([pieces[p.piece].steps[p.at : p.at + COMPARED_STEPS, 0] for p in places])
    numbers = np.array([p.piece for p in places])
    kinds = np.array(list(_step_kinds(encoding, pieces, places)))
    matches, pairs = np.zeros(COMPARED_STEPS), 0
    for i, symbols in enumerate(chosen):
        # A soprano is compared with sopranos only: other voices would agree less.
        others = true[(numbers != numbers[i]) & (kinds == kinds[i])]
        matches += (others == symbols).sum(axis=0)
        pairs += len(others)
    return Agreement(
        places=len(places),
        pieces=len(set(numbers.tolist())),
        shares=_by_distance((chosen == true).mean(axis=0)),
        elsewhere=_by_distance(matches / pairs) if pairs else None,
    )


def _step_kinds(
    encoding: Encoding, pieces: Sequence[EncodedPiece], places: Sequence[ContinuationPlace]
) -> Iterator[int]:
    """The kind of the step at each place; 0 where an encoding has only one kind."""
    column = [f.name for f in encoding.context].index(encoding.step_kind) if encoding.step_kind else None
    for p in places:
        yield 0 if column is None else int(pieces[p.piece].context[p.at, column])


def _by_distance(shares: npt.NDArray[np.float64]) -> dict[str, float]:
    """From a share for each step to a share for each of DISTANCES."""
    names = ((f"{a}-{b}" if a < b else str(a), slice(a - 1, b)) for a, b in DISTANCES)
    return {name: float(shares[steps].mean()) for name, steps in names}
