"""The n-gram baseline that a network has to beat: variable-order n-grams with different viewpoints.

A *viewpoint* is a chain of up to MAX_CHAIN columns that are known before a step, the most useful first: columns of
the step's context (the place in the bar, the sounding bass …) and of earlier steps. It predicts by PPM (`ppm`). As in
IDyOM (Conklin & Witten 1995; Pearce 2005), each viewpoint has a long-term model, of the training pieces in all their
keys, and a short-term model, of the piece so far. The predictions of all models are multiplied, each raised to a
power (Conklin & Witten's geometric mean; Klakow 1998), and normalised.

The viewpoints are chosen automatically, so that the baseline is strong for any encoding. A part of the training
pieces is set aside. A chain grows greedily by the column that most lowers the cost of those pieces, together with the
viewpoints before it. The powers minimise the same cost, which is a convex problem. Then all training pieces are
counted. Each kind of step (`Encoding.step_kind`: soprano, alto …) and each field has viewpoints of its own.

`NGramAverage` is the mean of several such n-grams, which is better than any of them.

Needs numpy only. Knows encodings, but neither scores nor networks. Deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.features.bars import BARS_LEFT
from playbach.music.arrays import Ints
from playbach.ngrams.ppm import ContextCounts, Indices, KnownColumn, StepTable, Viewpoint, extend_hashes

_Floats = npt.NDArray[np.float64]

VIEWPOINTS = 8
MAX_CHAIN = 10
MAX_LAG, MAX_OTHER_LAG = 16, 4
"""How many steps a viewpoint may look back, in the predicted field and in other fields."""
SET_ASIDE_SHARE = 0.2
"""The share of the training pieces on which viewpoints and powers are chosen."""
MAX_CHOOSING_ROWS = 30_000
"""How many steps are counted while viewpoints are chosen; more change the choice little."""
MIN_GAIN = 1e-3
"""In bits per step: a chain stops growing where the next column gains less."""
RIDGE = 100.0
"""The weight of the pull towards equal powers, in steps."""
NEWTON_STEPS, NEWTON_TOLERANCE = 16, 1e-3
MAX_NUMBERS = 1 << 24
"""The number of probabilities that are held in memory at once."""
FLOOR = 1e-9
NGRAM_MEMBERS = 5
"""How many n-grams are averaged."""


@dataclass(frozen=True)
class _Expert:
    """Predicts one field of one kind of step."""

    field: int
    viewpoints: tuple[Viewpoint, ...]
    powers: _Floats
    """The powers of the long-term models, then those of the short-term models."""


class Choices(NamedTuple):
    """What is chosen for one field of one kind of step."""

    chains: tuple[tuple[KnownColumn, ...], ...]
    """The columns of each viewpoint."""
    powers: tuple[float, ...]
    """As in `_Expert`."""


def _mix(powers: _Floats, logs: _Floats) -> _Floats:
    """Mix the logarithms of M predictions (R, M, V) with their powers (M,) to distributions (R, V)."""
    scores = np.einsum("m,rmv->rv", powers, logs, optimize=True)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _logs(distributions: list[_Floats]) -> _Floats:
    return np.log(np.maximum(np.stack(distributions, axis=1), FLOOR))


class NGram:
    """A fitted baseline. `fit` makes one; it does not change after that."""

    def __init__(self, encoding: Encoding, experts: dict[tuple[int, int], _Expert], pieces: int) -> None:
        self.encoding, self._experts, self.pieces = encoding, experts, pieces

    @classmethod
    def fit(cls, pieces: Iterable[Sequence[EncodedPiece]], encoding: Encoding, *, seed: int = 0) -> Self:
        """Fit a baseline to training pieces, each given in all its keys.

        Args:
            seed: determines which pieces are set aside, and from which columns each viewpoint may choose.

        Raises:
            ValueError: there are no pieces.
        """
        keys = [list(piece) for piece in pieces]
        if not keys:
            raise ValueError("no pieces to fit")
        table = StepTable.from_pieces([s for piece in keys for s in piece])
        marks = _set_aside([[len(s) for s in piece] for piece in keys], seed)
        kinds, rng = _step_kinds(encoding, table.context), np.random.default_rng(seed)
        experts = {}
        for kind in np.unique(kinds).tolist():
            rows = np.flatnonzero(kinds == kind)
            learn, check = rows[marks[rows] == 0], rows[marks[rows] == 2]
            if not (len(learn) and len(check)):  # a rare kind
                learn = check = rows
            for f, field in enumerate(encoding.fields):
                chains = _chains(table, learn, check, f, encoding, rng)
                trial = [Viewpoint(c, table, learn, f, len(field)) for c in chains]
                powers = _powers(trial, table, check, f)
                viewpoints = tuple(Viewpoint(c, table, rows, f, len(field)) for c in chains)
                experts[kind, f] = _Expert(f, viewpoints, powers)
        return cls(encoding, experts, len(keys))

    @classmethod
    def from_choices(
        cls, choices: Mapping[tuple[int, int], Choices], pieces: Iterable[Sequence[EncodedPiece]], encoding: Encoding
    ) -> Self:
        """The baseline that `fit` made of these pieces, given what it chose, without choosing again."""
        keys = [list(piece) for piece in pieces]
        table = StepTable.from_pieces([s for piece in keys for s in piece])
        kinds = _step_kinds(encoding, table.context)
        experts = {}
        for (kind, f), chosen in choices.items():
            rows, size = np.flatnonzero(kinds == kind), len(encoding.fields[f])
            if len(rows):
                viewpoints = tuple(Viewpoint(chain, table, rows, f, size) for chain in chosen.chains)
                experts[kind, f] = _Expert(f, viewpoints, np.array(chosen.powers))
        return cls(encoding, experts, len(keys))

    @property
    def choices(self) -> dict[tuple[int, int], Choices]:
        """What `fit` chose, for each kind of step and each field."""
        return {
            key: Choices(tuple(v.chain for v in expert.viewpoints), tuple(expert.powers.tolist()))
            for key, expert in self._experts.items()
        }

    def probabilities(self, piece: EncodedPiece) -> list[_Floats]:
        """For each field, the probability of each symbol before each step of a piece (T, V_f)."""
        table = StepTable.from_pieces([piece])
        kinds = _step_kinds(self.encoding, table.context)
        found = [np.full((len(piece), len(f)), 1 / len(f)) for f in self.encoding.fields]
        for (kind, f), expert in self._experts.items():
            rows = np.flatnonzero(kinds == kind)
            if not len(rows):
                continue
            short = [viewpoint.short_term(table, rows, f) for viewpoint in expert.viewpoints]
            size = max(1, MAX_NUMBERS // (2 * len(short) * len(self.encoding.fields[f])))
            for i in range(0, len(rows), size):
                part = rows[i : i + size]
                long = [viewpoint.long_term(table, part) for viewpoint in expert.viewpoints]
                found[f][part] = _mix(expert.powers, _logs([*long, *(s[i : i + size] for s in short)]))
        return found

    def step_predictor(self, steps: Ints | None = None, context: Ints | None = None) -> StepPredictor:
        """A predictor of a piece that is fed step by step; `steps` (T, F) and `context` (T, C) are the piece so
        far."""
        return StepPredictor(self, steps, context)


class NGramAverage:
    """The arithmetic mean of several n-grams that differ only in their seed. It does not change after `fit`."""

    def __init__(self, members: Sequence[NGram]) -> None:
        self.encoding, self.members, self.pieces = members[0].encoding, tuple(members), members[0].pieces

    @classmethod
    def fit(cls, pieces: Iterable[Sequence[EncodedPiece]], encoding: Encoding, *, members: int | None = None) -> Self:
        """Fit `members` n-grams, by default NGRAM_MEMBERS, with seeds from 0 on. Arguments and errors are otherwise
        those of `NGram.fit`."""
        keys = [list(piece) for piece in pieces]
        return cls([NGram.fit(keys, encoding, seed=seed) for seed in range(members or NGRAM_MEMBERS)])

    def probabilities(self, piece: EncodedPiece) -> list[_Floats]:
        """For each field, the probability of each symbol before each step of a piece (T, V_f)."""
        found = [member.probabilities(piece) for member in self.members]
        return [np.mean(of_field, axis=0) for of_field in zip(*found)]


class StepPredictor:
    """Predicts a piece step by step: `predict` from the next step's context, then `feed` the step."""

    def __init__(self, model: NGram, steps: Ints | None = None, context: Ints | None = None) -> None:
        self._model = model
        fields, columns = len(model.encoding.fields), len(model.encoding.context)
        self._steps: Ints = np.zeros((0, fields), np.int32) if steps is None else steps
        self._context: Ints = np.zeros((0, columns), np.int32) if context is None else context

    def predict(self, context: Any) -> list[_Floats]:
        """For each field, the probability of each symbol (V_f,), given the next step's context (C,)."""
        model = self._model
        self._context = np.concatenate([self._context[: len(self._steps)], np.asarray(context, np.int32)[None]])
        steps = np.concatenate([self._steps, np.zeros((1, self._steps.shape[1]), np.int32)])  # the last is not read
        table = StepTable(steps, self._context, np.arange(len(steps)))
        kinds = _step_kinds(model.encoding, self._context)
        current, earlier = np.array([len(steps) - 1]), np.flatnonzero(kinds[:-1] == kinds[-1])
        found = []
        for f, field in enumerate(model.encoding.fields):
            expert = model._experts.get((int(kinds[-1]), f))
            if expert is None:  # a kind of step that training never saw
                found.append(np.full(len(field), 1 / len(field)))
                continue
            long = [viewpoint.long_term(table, current) for viewpoint in expert.viewpoints]
            short = [viewpoint.short_term_once(table, earlier, f, current) for viewpoint in expert.viewpoints]
            found.append(_mix(expert.powers, _logs([*long, *short]))[0])
        return found

    def feed(self, step: Any) -> None:
        """Append the step (F,) that was predicted last."""
        self._steps = np.concatenate([self._steps, np.asarray(step, np.int32)[None]])


def _step_kinds(encoding: Encoding, context: Ints) -> Ints:
    """(T,) the kind of each step; 0 where an encoding has only one kind."""
    names = [field.name for field in encoding.context]
    return context[:, names.index(encoding.step_kind)] if encoding.step_kind else np.zeros(len(context), np.int32)


def _set_aside(lengths: list[list[int]], seed: int) -> npt.NDArray[np.int8]:
    """For each step of all pieces in all their keys: 0 to learn from, 2 to check on, 1 for neither (a piece to check
    on, in another key). If there is only one piece, its second half is set aside."""
    pieces = len(lengths)
    chosen = np.random.default_rng(seed).permutation(pieces)[: max(1, round(SET_ASIDE_SHARE * pieces))]
    marks: list[npt.NDArray[np.int8]] = []
    for number, keys in enumerate(lengths):
        for key, length in enumerate(keys):
            mark = 0 if number not in chosen else 2 if key == len(keys) // 2 else 1
            marks.append(np.full(length, mark, np.int8))
            if pieces == 1:
                marks[-1][: length // 2] = 0
    return np.concatenate(marks)


def _known_columns(encoding: Encoding, field: int) -> list[KnownColumn]:
    """All columns that a viewpoint may use. The bars left are unknown when held-out music is measured."""
    hidden = (BARS_LEFT, encoding.step_kind)
    columns = [KnownColumn(0, c) for c, f in enumerate(encoding.context) if f.name not in hidden]
    for f in range(len(encoding.fields)):
        columns += [KnownColumn(lag, f) for lag in range(1, (MAX_LAG if f == field else MAX_OTHER_LAG) + 1)]
    return columns


def _chains(
    table: StepTable, learn: Indices, check: Indices, field: int, encoding: Encoding, rng: np.random.Generator
) -> list[tuple[KnownColumn, ...]]:
    """VIEWPOINTS chains, each grown by the columns that most lower the cost of the pieces that are set aside."""
    columns, vocabulary_size = _known_columns(encoding, field), len(encoding.fields[field])
    learn, check = (
        np.sort(rng.choice(rows, MAX_CHOOSING_ROWS, replace=False)) if len(rows) > MAX_CHOOSING_ROWS else rows
        for rows in (learn, check)
    )
    values = [(table.column(c, learn), table.column(c, check)) for c in columns]
    symbols, wanted = table.steps[learn, field], table.steps[check, field]
    gain = max(MIN_GAIN, np.log2(len(columns)) / len(check))  # it must exceed the cost of naming a column

    def grow_chain(allowed: list[int], others: _Floats, number: int) -> tuple[list[int], _Floats]:
        """A chain, and the probabilities (R,) that it gives the true symbols of the pieces set aside. `others` are
        the mean probabilities of the `number` chains before it."""
        before, current = np.zeros(len(learn), np.uint64), np.zeros(len(check), np.uint64)
        flat = np.full(len(check), 1 / vocabulary_size)
        probabilities, least = (
            ContextCounts(before, symbols, vocabulary_size).of_symbols(current, wanted, flat),
            np.inf,
        )
        chain: list[int] = []
        while len(chain) < min(MAX_CHAIN, len(allowed)):
            best: tuple[float, int, _Floats] | None = None
            for i in (i for i in allowed if i not in chain):
                counts = ContextCounts(extend_hashes(before, values[i][0]), symbols, vocabulary_size)
                tried = counts.of_symbols(extend_hashes(current, values[i][1]), wanted, probabilities)
                cost = float(-np.log2((others * number + tried) / (number + 1)).mean())
                if best is None or cost < best[0]:
                    best = cost, i, tried
            if best is None or best[0] > least - gain:
                break
            least, i, probabilities = best
            before, current = extend_hashes(before, values[i][0]), extend_hashes(current, values[i][1])
            chain.append(i)
        return chain, probabilities

    chains: list[tuple[KnownColumn, ...]] = []
    together = np.zeros(len(check))
    for number in range(VIEWPOINTS):
        # Every other chain chooses from a random half of the columns: different viewpoints mix better (Ho 1998).
        half = sorted(rng.choice(len(columns), -(-len(columns) // 2), replace=False).tolist())
        allowed = list(range(len(columns))) if number % 2 == 0 else half
        chain, probabilities = grow_chain(allowed, together, number)
        together = (together * number + probabilities) / (number + 1)
        chains.append(tuple(columns[i] for i in chain))
    return chains


def _powers(viewpoints: list[Viewpoint], table: StepTable, check: Indices, field: int) -> _Floats:
    """The powers (2 per viewpoint) that minimise the cost of the pieces that are set aside, by Newton's method."""
    vocabulary_size, width = viewpoints[0].vocabulary_size, 2 * len(viewpoints)
    most = max(1, 4 * MAX_NUMBERS // (width * vocabulary_size))
    pieces = np.split(check, np.flatnonzero(np.diff(table.position[check]) <= 0) + 1)
    parts: list[_Floats] = []
    wanted: list[Ints] = []
    stride = -(-len(check) // most)
    for rows in pieces:
        few = rows[::stride]
        both = [v.long_term(table, few) for v in viewpoints]
        both += [v.short_term(table, rows, field)[::stride] for v in viewpoints]
        parts.append(_logs(both).astype(np.float32))
        wanted.append(table.steps[few, field])
    logs: _Floats = np.concatenate(parts)
    symbols: Ints = np.concatenate(wanted)
    powers = equal = np.full(width, 1 / width)
    count = len(symbols)
    ridge = RIDGE / count
    right = logs[np.arange(count), :, symbols].mean(axis=0, dtype=np.float64)

    def cost(powers: _Floats) -> tuple[float, _Floats]:
        scores = np.einsum("m,rmv->rv", powers.astype(np.float32), logs, optimize=True)
        most = scores.max(axis=1, keepdims=True)
        weights = np.exp(scores - most)
        total = weights.sum(axis=1, keepdims=True)
        nats = float((np.log(total) + most).mean(dtype=np.float64) - powers @ right)
        return nats + ridge / 2 * float(((powers - equal) ** 2).sum()), weights / total

    least, probabilities = cost(powers)
    for _ in range(NEWTON_STEPS):
        means = np.einsum("rv,rmv->rm", probabilities, logs, optimize=True).astype(np.float64)
        flat = (logs * np.sqrt(probabilities)[:, None]).transpose(1, 0, 2).reshape(width, -1)
        curve = (flat @ flat.T).astype(np.float64) / count - means.T @ means / count + ridge * np.eye(width)
        step = np.linalg.solve(curve, means.mean(axis=0) - right + ridge * (powers - equal))
        found, probabilities = cost(powers - step)
        while found > least and np.abs(step).max() > NEWTON_TOLERANCE:  # the step was too long
            step = step / 2
            found, probabilities = cost(powers - step)
        if found > least - NEWTON_TOLERANCE**2:
            break
        powers, least = powers - step, found
    return powers
