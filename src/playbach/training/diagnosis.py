"""A diagnosis of a training run from its curves, in plain words: fitting well, overfitting or underfitting, and what
to try next. Knows numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RISING_RATIO = 1.02
"""Validation has risen if its last value is more than this multiple of its best."""
STILL_FALLING_RATIO = 0.98
"""Training ended too early if its last tenth still lowered validation below this multiple."""
UNDERFITTING_RATIO = 0.75
"""The network has learnt hardly anything if training music costs more than this fraction of guessing by frequency."""
FEW_SYMBOLS = 2000
"""With fewer training symbols than this, only more music helps."""
WIDE_GAP_RATIO = 0.75
"""Much is memorised if training music costs less than this fraction of what held-out music costs."""
NARROW_GAP_RATIO = 0.85
"""Hardly anything is memorised if training music costs more than this fraction of what held-out music costs: a larger
network may learn more."""
BEHIND_NGRAM_RATIO = 1.25
"""The network is clearly worse than an n-gram if held-out music costs it more than this multiple."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How a training run went."""

    word: str
    """`fitting well`, `overfitting`, `underfitting` or `not finished`."""
    lines: tuple[str, ...]
    """Sentences that explain it and say what to try."""

    def __str__(self) -> str:
        return " ".join(self.lines)


def diagnose(
    train: Sequence[float],
    valid: Sequence[float],
    *,
    guessing: float,
    parameters: int,
    symbols: int,
    best: int | None = None,
    test_and_ngram: tuple[float, float] | None = None,
) -> Diagnosis:
    """Diagnose a run from its curves.

    Args:
        train, valid: bits per note after each epoch, both measured on whole pieces without dropout.
        guessing: bits per note of guessing by the symbols' frequency.
        parameters: the number of parameters of the network.
        symbols: the number of symbols of the training music, each piece in one key.
        best: the index of the epoch whose weights were kept; by default that of the lowest `valid`.
        test_and_ngram: bits per note of the test pieces, for the network and for an n-gram of the training pieces.
    """
    best = min(range(len(valid)), key=lambda i: valid[i]) if best is None else best
    curves = _Curves(train, valid, best)
    diagnosis = (
        _worse_than_guessing(curves, guessing, symbols)
        or _not_finished(curves)
        or (test_and_ngram and _far_behind_ngram(curves, *test_and_ngram))
        or _rising(curves)
        or _memorised(curves)
        or _fitting_well(curves)
    )
    ratio = parameters / max(1, symbols)
    size = f"The network has {parameters:,} parameters for {symbols:,} training symbols ({ratio:.1f} per symbol)."
    return Diagnosis(diagnosis.word, (*diagnosis.lines, size))


@dataclass(frozen=True, slots=True)
class _Curves:
    """Bits per note after each epoch, and the index of the epoch whose weights were kept."""

    train: Sequence[float]
    valid: Sequence[float]
    best: int

    @property
    def best_train(self) -> float:
        return self.train[self.best]

    @property
    def best_valid(self) -> float:
        return self.valid[self.best]


def _worse_than_guessing(curves: _Curves, guessing: float, symbols: int) -> Diagnosis | None:
    """Underfitting, if the network has learnt hardly anything."""
    train = curves.best_train
    if train <= UNDERFITTING_RATIO * guessing:
        return None
    comparison = "only a little less than" if train < guessing else "no less than"
    fact = (
        f"Underfitting: even the training music costs {train:.2f} bits per note, {comparison} guessing by "
        f"frequency ({guessing:.2f})."
    )
    if symbols < FEW_SYMBOLS:
        return Diagnosis("underfitting", (fact, "Add more music first: there is very little."))
    return Diagnosis("underfitting", (fact, "Try more epochs first, then a larger network or less dropout."))


def _not_finished(curves: _Curves) -> Diagnosis | None:
    """Not finished, if validation still fell at the end."""
    valid = curves.valid
    tail = max(0, len(valid) - 1 - max(3, len(valid) // 10))
    is_last_best = curves.best == len(valid) - 1 and len(valid) > 1
    if not is_last_best or min(valid) >= STILL_FALLING_RATIO * valid[tail]:
        return None
    fact = (
        f"Not finished: predictions of held-out music were still improving when training ended "
        f"({curves.best_valid:.2f} bits per note)."
    )
    return Diagnosis("not finished", (fact, "Train for more epochs or minutes."))


def _far_behind_ngram(curves: _Curves, test: float, ngram: float) -> Diagnosis | None:
    """Underfitting, if the network memorises hardly anything, and an n-gram predicts the test pieces far better."""
    train, valid = curves.best_train, curves.best_valid
    if test <= BEHIND_NGRAM_RATIO * ngram or train <= NARROW_GAP_RATIO * valid:
        return None
    fact = (
        f"Underfitting: training music costs nearly as much as held-out music ({train:.2f} and {valid:.2f} bits per "
        f"note), and an n-gram model of the same pieces predicts far better ({ngram:.2f} against {test:.2f} on the "
        "test pieces)."
    )
    return Diagnosis("underfitting", (fact, "Try a larger network or less dropout first, then more epochs."))


def _rising(curves: _Curves) -> Diagnosis | None:
    """Overfitting, if validation has risen since the best epoch while the training curve has fallen."""
    train, valid, best = curves.train, curves.valid, curves.best
    if valid[-1] <= RISING_RATIO * valid[best] or train[-1] >= train[best]:
        return None
    since = next(i for i in range(best + 1, len(valid)) if valid[i] > RISING_RATIO * valid[best])
    fact = (
        f"Overfitting since epoch {since + 1}: predictions of held-out music got worse ({valid[best]:.2f} to "
        f"{valid[-1]:.2f} bits per note) while those of training music improved ({train[best]:.2f} to "
        f"{train[-1]:.2f})."
    )
    advice = f"The weights of epoch {best + 1} were kept. Try more music, more dropout or a smaller network."
    return Diagnosis("overfitting", (fact, advice))


def _memorised(curves: _Curves) -> Diagnosis | None:
    """Overfitting, if the gap between the curves is wide."""
    train, valid = curves.best_train, curves.best_valid
    if train >= WIDE_GAP_RATIO * valid:
        return None
    fact = (
        f"Overfitting: at the best epoch, {curves.best + 1}, training music costs {train:.2f} bits per note and "
        f"held-out music {valid:.2f}; the network has memorised much of its training music."
    )
    return Diagnosis("overfitting", (fact, "Try more music, more dropout or a smaller network."))


def _fitting_well(curves: _Curves) -> Diagnosis:
    train, valid = curves.best_train, curves.best_valid
    fact = (
        f"Fitting well: {train:.2f} bits per note on training music, {valid:.2f} on held-out music "
        f"(best epoch {curves.best + 1})."
    )
    if train > NARROW_GAP_RATIO * valid:
        advice = "The two are close: try a larger network or less dropout first, then more music."
    else:
        advice = "More music would help most."
    return Diagnosis("fitting well", (fact, advice))
