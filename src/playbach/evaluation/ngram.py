"""The baseline that a network has to beat: variable-order n-grams of several views of the music, mixed.

A *view* is a chain of up to DEPTH things that are known before a step, most telling first: columns of the step's
context (the place in the bar, what sounds in the bass …) and steps before it. For each prefix of the chain it counts
what came next, and predicts by PPM, interpolated with escape method C (Cleary & Witten 1984; Bunton 1997): what an
order does not know it leaves to the next shorter one. Each view counts twice, as in IDyOM (Conklin & Witten 1995;
Pearce 2005): over the training pieces in all their keys (long-term), and over the piece so far (short-term). Their
predictions are multiplied, each to a power (Conklin & Witten's geometric mean; Klakow 1998), and normalised.

Nobody chooses views by hand, so that the baseline is strong for any encoding: a part of the training pieces is set
aside, a chain grows greedily by what lowers the cost of those most, together with the views before it, and the powers
minimise that cost, which is a convex problem. Then all training pieces are counted. Each kind of step
(`Encoding.step_kind`: soprano, alto …) and each field has views of its own.

Needs numpy only. Knows encodings, but neither scores nor networks. Deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from playbach.encodings import EncodedPiece, Encoding
from playbach.encodings.base import LEFT
from playbach.evaluation.metrics import Guesses, guesses
from playbach.evaluation.ppm import Counts, Floats, Indices, Music, Source, View, hashed
from playbach.music.arrays import Ints

VIEWS = 8
DEPTH = 10
LAGS = 16
"""A view may look back so many steps of the field that is predicted …"""
OTHER_LAGS = 4
"""… and so many of the fields beside it."""
ASIDE = 0.2
"""The share of the training pieces on which views and powers are chosen."""
MOST_ROWS = 30_000
"""Steps counted while views are chosen; more change the choice little."""
LEAST_GAIN = 1e-3
"""A chain grows no longer where a step then costs less by fewer bits than this."""
RIDGE = 100.0
"""How much the powers are held to equal ones, in steps' worth of evidence."""
NEWTON_STEPS, ENOUGH = 16, 1e-3
MOST_NUMBERS = 1 << 24
"""Distributions are held together as long as they have no more numbers than this."""
FLOOR = 1e-9


@dataclass(frozen=True)
class _Expert:
    """What predicts one field of one kind of step: its views, and the powers of their long- and short-term sides."""

    field: int
    views: tuple[View, ...]
    powers: Floats


def _mixed(powers: Floats, sides: Floats) -> Floats:
    """Log-chances (R, M, V) of M predictions and the power of each (M,), to distributions (R, V)."""
    scores = np.einsum("m,rmv->rv", powers, sides, optimize=True)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _logs(distributions: list[Floats]) -> Floats:
    return np.log(np.maximum(np.stack(distributions, axis=1), FLOOR))


class NGram:
    """A fitted baseline. `fit` makes one; nothing in it changes after that."""

    def __init__(self, encoding: Encoding, experts: dict[tuple[int, int], _Expert], pieces: int) -> None:
        self.encoding, self._experts, self.pieces = encoding, experts, pieces

    @classmethod
    def fit(cls, pieces: Iterable[Sequence[EncodedPiece]], encoding: Encoding) -> Self:
        """Count training pieces, each of which is given in all the keys in which it is to be known.

        Raises:
            ValueError: there are none.
        """
        keys = [list(piece) for piece in pieces]
        if not keys:
            raise ValueError("no pieces to count")
        music = Music.of([s for piece in keys for s in piece])
        aside = _aside([[len(s) for s in piece] for piece in keys])
        turns, rng = _turns(encoding, music.context), np.random.default_rng(0)
        experts = {}
        for kind in np.unique(turns).tolist():
            rows = np.flatnonzero(turns == kind)
            learn, check = rows[aside[rows] == 0], rows[aside[rows] == 2]
            if not (len(learn) and len(check)):  # a rare kind: better chosen on itself than not at all
                learn = check = rows
            for f, field in enumerate(encoding.fields):
                chains = _chains(music, learn, check, f, encoding, rng)
                trial = [View(c, music, learn, f, len(field)) for c in chains]
                powers = _powers(trial, music, check, f)
                views = tuple(View(c, music, rows, f, len(field)) for c in chains)
                experts[kind, f] = _Expert(f, views, powers)
        return cls(encoding, experts, len(keys))

    def probabilities(self, sequence: EncodedPiece) -> list[Floats]:
        """For each field (T, V_f) the chances of every symbol, before each step of a piece heard from its start."""
        music = Music.of([sequence])
        turns = _turns(self.encoding, music.context)
        found = [np.full((len(sequence), len(f)), 1 / len(f)) for f in self.encoding.fields]
        for (kind, f), expert in self._experts.items():
            rows = np.flatnonzero(turns == kind)
            if not len(rows):
                continue
            short = [view.short_term(music, rows, f) for view in expert.views]
            size = max(1, MOST_NUMBERS // (2 * len(short) * len(self.encoding.fields[f])))
            for i in range(0, len(rows), size):
                part = rows[i : i + size]
                sides = [view.long_term(music, part) for view in expert.views] + [s[i : i + size] for s in short]
                found[f][part] = _mixed(expert.powers, _logs(sides))
        return found

    def guesses(self, sequence: EncodedPiece) -> Guesses:
        """What each step of a piece heard from its start costs."""
        return guesses([np.log(p) for p in self.probabilities(sequence)], sequence.steps)

    def listener(self, steps: Ints | None = None, context: Ints | None = None) -> Listener:
        """One that hears a piece step by step; given steps (T, F) and their context (T, C), it has heard those."""
        return Listener(self, steps, context)


class Listener:
    """A piece so far: `predict` from the next step's context, then `feed` the step that came."""

    def __init__(self, model: NGram, steps: Ints | None = None, context: Ints | None = None) -> None:
        self._model = model
        fields, columns = len(model.encoding.fields), len(model.encoding.context)
        self._steps: Ints = np.zeros((0, fields), np.int32) if steps is None else steps
        self._context: Ints = np.zeros((0, columns), np.int32) if context is None else context

    def predict(self, context: Any) -> list[Floats]:
        """For each field (V_f,) the chances of every symbol, given the next step's context (C,)."""
        model = self._model
        self._context = np.concatenate([self._context[: len(self._steps)], np.asarray(context, np.int32)[None]])
        steps = np.concatenate([self._steps, np.zeros((1, self._steps.shape[1]), np.int32)])  # the last is not read
        music = Music(steps, self._context, np.arange(len(steps)))
        turns = _turns(model.encoding, self._context)
        now, heard = np.array([len(steps) - 1]), np.flatnonzero(turns[:-1] == turns[-1])
        found = []
        for f, field in enumerate(model.encoding.fields):
            expert = model._experts.get((int(turns[-1]), f))
            if expert is None:  # a kind of step that training never saw
                found.append(np.full(len(field), 1 / len(field)))
                continue
            sides = [view.long_term(music, now) for view in expert.views]
            sides += [view.short_term_now(music, heard, f, now) for view in expert.views]
            found.append(_mixed(expert.powers, _logs(sides))[0])
        return found

    def feed(self, step: Any) -> None:
        """The step (F,) that came where `predict` was last asked."""
        self._steps = np.concatenate([self._steps, np.asarray(step, np.int32)[None]])


def _turns(encoding: Encoding, context: Ints) -> Ints:
    """(T,) what kind of step each is; all are alike where no voices take turns."""
    names = [field.name for field in encoding.context]
    return context[:, names.index(encoding.step_kind)] if encoding.step_kind else np.zeros(len(context), np.int32)


def _aside(lengths: list[list[int]]) -> npt.NDArray[np.int8]:
    """For each step of all pieces in all their keys: 0 to learn from, 2 to check on, 1 neither (another key of a
    piece to check on). A single piece is checked on its second half."""
    pieces = len(lengths)
    chosen = np.random.default_rng(0).permutation(pieces)[: max(1, round(ASIDE * pieces))]
    marks: list[npt.NDArray[np.int8]] = []
    for number, keys in enumerate(lengths):
        for key, length in enumerate(keys):
            mark = 0 if number not in chosen else 2 if key == len(keys) // 2 else 1
            marks.append(np.full(length, mark, np.int8))
            if pieces == 1:
                marks[-1][: length // 2] = 0
    return np.concatenate(marks)


def _sources(encoding: Encoding, field: int) -> list[Source]:
    """Everything that a view may look at. How much is left is not told when held-out music is measured."""
    sources = [Source(0, c) for c, f in enumerate(encoding.context) if f.name not in (LEFT, encoding.step_kind)]
    for f in range(len(encoding.fields)):
        sources += [Source(lag, f) for lag in range(1, (LAGS if f == field else OTHER_LAGS) + 1)]
    return sources


def _chains(
    music: Music, learn: Indices, check: Indices, field: int, encoding: Encoding, rng: np.random.Generator
) -> list[tuple[Source, ...]]:
    """VIEWS chains, each grown by what lowers most the cost of the pieces set aside, beside those before it."""
    sources, alphabet = _sources(encoding, field), len(encoding.fields[field])
    learn, check = (
        np.sort(rng.choice(rows, MOST_ROWS, replace=False)) if len(rows) > MOST_ROWS else rows
        for rows in (learn, check)
    )
    told = [(music.column(s, learn), music.column(s, check)) for s in sources]
    symbols, wanted = music.steps[learn, field], music.steps[check, field]
    gain = max(LEAST_GAIN, np.log2(len(sources)) / len(check))  # it must be worth naming, of so many

    def grown(allowed: list[int], others: Floats, number: int) -> tuple[list[int], Floats]:
        """A chain, and the chances (R,) that it gives the pieces set aside. `others` are those of `number` before."""
        before, here = np.zeros(len(learn), np.uint64), np.zeros(len(check), np.uint64)
        flat = np.full(len(check), 1 / alphabet)
        chances, least = Counts(before, symbols, alphabet).of_symbols(here, wanted, flat), np.inf
        chain: list[int] = []
        while len(chain) < min(DEPTH, len(allowed)):
            best: tuple[float, int, Floats] | None = None
            for i in (i for i in allowed if i not in chain):
                counts = Counts(hashed(before, told[i][0]), symbols, alphabet)
                tried = counts.of_symbols(hashed(here, told[i][1]), wanted, chances)
                cost = float(-np.log2((others * number + tried) / (number + 1)).mean())
                if best is None or cost < best[0]:
                    best = cost, i, tried
            if best is None or best[0] > least - gain:
                break
            least, i, chances = best
            before, here = hashed(before, told[i][0]), hashed(here, told[i][1])
            chain.append(i)
        return chain, chances

    chains: list[tuple[Source, ...]] = []
    together = np.zeros(len(check))
    for number in range(VIEWS):
        # Every other one may choose from a random half only: views that differ make better company (Ho 1998).
        half = sorted(rng.choice(len(sources), -(-len(sources) // 2), replace=False).tolist())
        chain, chances = grown(list(range(len(sources))) if number % 2 == 0 else half, together, number)
        together = (together * number + chances) / (number + 1)
        chains.append(tuple(sources[i] for i in chain))
    return chains


def _powers(views: list[View], music: Music, check: Indices, field: int) -> Floats:
    """The powers (2 views,) that minimise the cost of the pieces set aside, by Newton's method."""
    alphabet, width = views[0].alphabet, 2 * len(views)
    most = max(1, 4 * MOST_NUMBERS // (width * alphabet))
    heard = np.split(check, np.flatnonzero(np.diff(music.position[check]) <= 0) + 1)
    logs: list[Floats] = []
    wanted: list[Ints] = []
    stride = -(-len(check) // most)
    for rows in heard:
        few = rows[::stride]
        both = [v.long_term(music, few) for v in views]
        both += [v.short_term(music, rows, field)[::stride] for v in views]
        logs.append(_logs(both).astype(np.float32))
        wanted.append(music.steps[few, field])
    sides: Floats = np.concatenate(logs)
    symbols: Ints = np.concatenate(wanted)
    powers = equal = np.full(width, 1 / width)
    count = len(symbols)
    ridge = RIDGE / count
    right = sides[np.arange(count), :, symbols].mean(axis=0, dtype=np.float64)

    def cost(powers: Floats) -> tuple[float, Floats]:
        scores = np.einsum("m,rmv->rv", powers.astype(np.float32), sides, optimize=True)
        most = scores.max(axis=1, keepdims=True)
        weights = np.exp(scores - most)
        total = weights.sum(axis=1, keepdims=True)
        nats = float((np.log(total) + most).mean(dtype=np.float64) - powers @ right)
        return nats + ridge / 2 * float(((powers - equal) ** 2).sum()), weights / total

    least, chances = cost(powers)
    for _ in range(NEWTON_STEPS):
        means = np.einsum("rv,rmv->rm", chances, sides, optimize=True).astype(np.float64)
        flat = (sides * np.sqrt(chances)[:, None]).transpose(1, 0, 2).reshape(width, -1)
        curve = (flat @ flat.T).astype(np.float64) / count - means.T @ means / count + ridge * np.eye(width)
        step = np.linalg.solve(curve, means.mean(axis=0) - right + ridge * (powers - equal))
        found, chances = cost(powers - step)
        while found > least and np.abs(step).max() > ENOUGH:  # too far: the parabola does not fit out there
            step = step / 2
            found, chances = cost(powers - step)
        if found > least - ENOUGH**2:
            break
        powers, least = powers - step, found
    return powers
