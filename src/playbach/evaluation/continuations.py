"""How a guesser goes on with a piece by itself, beside how the piece really goes on.

At places in held-out pieces the guesser has heard all of the piece up to there, and from then on hears only itself:
each step is chosen from what makes sense (`Decoder.allowed`, no rule of the craft) and fed back. What it says is
compared with the piece, step by step, in the first field's symbols. After Play Bach's "percentage of notes guessed as
in the original continuation". Knows runtimes and the n-gram, not torch, files or groups of pieces.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from playbach.encodings import Decoder, EncodedPiece, Encoding
from playbach.encodings.base import LEFT_UNKNOWN
from playbach.evaluation.ngram import NGram
from playbach.inference.runtimes import Logits, Runtime, State
from playbach.inference.sampling import Floats, draw, probabilities
from playbach.music.arrays import Ints

PLACES = 100
"""In so many places, where nothing else is asked for."""
HEARD, STEPS = 40, 40
"""A place has at least so many steps before it, and so many after it are compared."""
FURTHEST = 1000
"""No place is further from its piece's beginning, since all before it is heard."""
DISTANCES = ((1, 1), (2, 4), (5, 8), (9, 16), (17, STEPS), (1, STEPS))
"""Steps are put together by how far they are from what was heard: the first is 1. The last is all of them."""
SIDE_BY_SIDE = 32
"""In so many places a network goes on at once."""
LEAST = 1e-30
"""No chance of an n-gram is taken for less, so that it has a logarithm."""
MOST_PROBABLE, DRAWN = "most probable", "drawn"
"""How a symbol is chosen: the most probable one each time, or drawn at temperature 1."""

Choose = Callable[[Floats, np.random.Generator], int]
CHOICES: dict[str, Choose] = {MOST_PROBABLE: lambda chances, rng: int(chances.argmax()), DRAWN: draw}


@dataclass(frozen=True, slots=True)
class Place:
    """Before step `at` of the piece of this number."""

    piece: int
    at: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of steps that are as in the piece, by distance (`1`, `2-4` … `1-40`); `elsewhere` is the same
    beside other pieces' places of the same kind: what chance and habit come to. None where there are none."""

    places: int
    pieces: int
    shares: Mapping[str, float]
    elsewhere: Mapping[str, float] | None


def choose_places(lengths: Sequence[int], most: int, rng: np.random.Generator) -> list[Place]:
    """At most so many different places in pieces of these lengths, spread evenly over those that are long enough."""
    free: list[list[Place]] = []
    for piece in rng.permutation(len(lengths)).tolist():
        last = min(lengths[piece] - STEPS, FURTHEST)
        if last >= HEARD:
            at = HEARD + rng.permutation(last - HEARD + 1)[:most]
            free.append([Place(piece, step) for step in at.tolist()])
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*free))
    return list(itertools.islice((place for place in rounds if place is not None), most))


def long_enough(length: int) -> bool:
    """Whether a piece of so many steps has a place."""
    return length >= HEARD + STEPS


class _Way:
    """A piece up to a place, and how somebody goes on from there."""

    def __init__(
        self, sequence: EncodedPiece, at: int, decoder: Decoder, encoding: Encoding, seed: Sequence[int]
    ) -> None:
        self.at, self._decoder, self._rng = at, decoder.copy(), np.random.default_rng(seed)
        self.steps: Ints = np.empty((at + STEPS, len(encoding.fields)), np.int32)
        self.steps[:at] = sequence.steps[:at]
        self.heard: Ints = sequence.context[:at].copy()
        self.heard[:, encoding.left_column] = LEFT_UNKNOWN

    def context(self, t: int) -> Ints:
        """(C,) what is known before step `t`, without how much of the piece is left."""
        return self.heard[t] if t < self.at else self._decoder.context()

    def say(self, t: int, scores: Logits, choose: Choose) -> None:
        """Choose step `t` from a guesser's logits, among what is allowed, and hear it."""
        masks = self._decoder.valid_mask()
        step = np.array([choose(probabilities(s, m), self._rng) for s, m in zip(scores, masks)], np.int32)
        self._decoder.feed(step)
        self.steps[t] = step

    @property
    def said(self) -> Ints:
        return self.steps[self.at :, 0]


def _ways(
    encoding: Encoding, sequences: Sequence[EncodedPiece], places: Sequence[Place], choices: int = 1
) -> Iterator[list[_Way]]:
    """So many times one for each place, in their order; each piece is decoded once."""
    decoders: dict[int, Decoder] = {}
    in_order = sorted(range(len(places)), key=lambda i: (places[i].piece, places[i].at))
    for piece, numbers in itertools.groupby(in_order, key=lambda i: places[i].piece):
        decoder, fed = encoding.decoder(sequences[piece].header), 0
        for number in numbers:
            for step in sequences[piece].steps[fed : places[number].at]:
                decoder.feed(step)
            fed = places[number].at
            decoders[number] = decoder.copy()
    for choice in range(choices):
        yield [
            _Way(sequences[p.piece], p.at, decoders[number], encoding, [number, choice])
            for number, p in enumerate(places)
        ]


# ------------------------------------------------------------------------------------------------------- going on


def by_network(
    runtime: Runtime, encoding: Encoding, sequences: Sequence[EncodedPiece], places: Sequence[Place]
) -> dict[str, Ints]:
    """For each of CHOICES (P, STEPS) the first field's symbols with which a network goes on at each place."""
    every = dict(zip(CHOICES, _ways(encoding, sequences, places, len(CHOICES))))
    order = sorted(range(len(places)), key=lambda i: places[i].at)
    for first in range(0, len(order), SIDE_BY_SIDE):
        group = order[first : first + SIDE_BY_SIDE]
        state, common = runtime.start(len(group)), places[group[0]].at
        for t in range(common):  # what is heard in all of them is stepped through once for all choices
            _, state = _stepped(runtime, encoding, [every[MOST_PROBABLE][i] for i in group], t, state)
        for choice, ways in every.items():
            _go_on(runtime, encoding, [ways[i] for i in group], common, state, CHOICES[choice])
    return {choice: _said(ways) for choice, ways in every.items()}


def _go_on(runtime: Runtime, encoding: Encoding, ways: list[_Way], begin: int, state: State, choose: Choose) -> None:
    """Side by side from step `begin` on, some of which still hear their pieces while others are left alone."""
    for t in range(begin, max(way.at for way in ways) + STEPS):
        logits, state = _stepped(runtime, encoding, ways, t, state)
        for i, way in enumerate(ways):
            if way.at <= t < len(way.steps):
                way.say(t, [scores[i] for scores in logits], choose)


def _stepped(runtime: Runtime, encoding: Encoding, ways: list[_Way], t: int, state: State) -> tuple[Logits, State]:
    """Before step `t` of each. Those that have ended are stepped on with zeros, and not looked at."""
    previous = np.zeros((len(ways), len(encoding.fields)), np.int64)
    context = np.zeros((len(ways), len(encoding.context)), np.int64)
    for i, way in enumerate(ways):
        if t < len(way.steps):
            previous[i] = way.steps[t - 1] if t else [len(field) for field in encoding.fields]
            context[i] = way.context(t)
    return runtime.step(previous, context, state)


def by_ngram(baseline: NGram, sequences: Sequence[EncodedPiece], places: Sequence[Place]) -> Ints:
    """(P, STEPS) the same of an n-gram, always with its most probable symbol."""
    [ways] = _ways(baseline.encoding, sequences, places)
    for way in ways:
        listener = baseline.listener(way.steps[: way.at], way.heard)
        for t in range(way.at, len(way.steps)):
            chances = listener.predict(way.context(t))
            way.say(t, [np.log(np.maximum(p, LEAST)).astype(np.float32) for p in chances], CHOICES[MOST_PROBABLE])
            listener.feed(way.steps[t])
    return _said(ways)


def _said(ways: list[_Way]) -> Ints:
    return np.stack([way.said for way in ways])


# ------------------------------------------------------------------------------------------------------ comparing


def agreement(
    said: Ints, encoding: Encoding, sequences: Sequence[EncodedPiece], places: Sequence[Place]
) -> Agreement:
    """What (P, STEPS) symbols come to beside how the pieces go on at these places, and other pieces at theirs."""
    true = np.stack([sequences[p.piece].steps[p.at : p.at + STEPS, 0] for p in places])
    pieces = np.array([p.piece for p in places])
    turns = np.array(list(_turns(encoding, sequences, places)))
    matches, pairs = np.zeros(STEPS), 0
    for i, symbols in enumerate(said):
        # What is a soprano's step here is compared with no other voice's there: that would be too easy a rival.
        others = true[(pieces != pieces[i]) & (turns == turns[i])]
        matches += (others == symbols).sum(axis=0)
        pairs += len(others)
    return Agreement(
        places=len(places),
        pieces=len(set(pieces.tolist())),
        shares=_by_distance((said == true).mean(axis=0)),
        elsewhere=_by_distance(matches / pairs) if pairs else None,
    )


def _turns(encoding: Encoding, sequences: Sequence[EncodedPiece], places: Sequence[Place]) -> Iterator[int]:
    """What kind of step comes at each place; all are alike where none take turns."""
    column = [f.name for f in encoding.context].index(encoding.step_kind) if encoding.step_kind else None
    for p in places:
        yield 0 if column is None else int(sequences[p.piece].context[p.at, column])


def _by_distance(shares: npt.NDArray[np.float64]) -> dict[str, float]:
    """From a share for each of STEPS steps to one for each of DISTANCES."""
    names = ((f"{a}-{b}" if a < b else str(a), slice(a - 1, b)) for a, b in DISTANCES)
    return {name: float(shares[steps].mean()) for name, steps in names}
