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
    tail = max(0, len(valid) - 1 - max(3, len(valid) // 10))
    ratio = parameters / max(1, symbols)
    size = f"The network has {parameters:,} parameters for {symbols:,} training symbols ({ratio:.1f} per symbol)."
    if train[best] > UNDERFITTING_RATIO * guessing:
        comparison = "only a little less than" if train[best] < guessing else "no less than"
        diagnosis = Diagnosis("underfitting", (
            f"Underfitting: even the training music costs {train[best]:.2f} bits per note, {comparison} guessing by "
            f"frequency ({guessing:.2f}).",
            "Add more music first: there is very little."
            if symbols < FEW_SYMBOLS
            else "Try more epochs first, then a larger network or less dropout.",
        ))  # fmt: skip
    elif best == len(valid) - 1 and len(valid) > 1 and min(valid) < STILL_FALLING_RATIO * valid[tail]:
        diagnosis = Diagnosis("not finished", (
            f"Not finished: predictions of held-out music were still improving when training ended "
            f"({valid[best]:.2f} bits per note).",
            "Train for more epochs or minutes.",
        ))  # fmt: skip
    elif test_and_ngram and _is_behind(test_and_ngram) and train[best] > NARROW_GAP_RATIO * valid[best]:
        test, ngram = test_and_ngram
        diagnosis = Diagnosis("underfitting", (
            f"Underfitting: training music costs nearly as much as held-out music ({train[best]:.2f} and "
            f"{valid[best]:.2f} bits per note), and an n-gram model of the same pieces predicts far better "
            f"({ngram:.2f} against {test:.2f} on the test pieces).",
            "Try a larger network or less dropout first, then more epochs.",
        ))  # fmt: skip
    elif _is_rising(train, valid, best):
        since = next(i for i in range(best + 1, len(valid)) if valid[i] > RISING_RATIO * valid[best])
        diagnosis = Diagnosis("overfitting", (
            f"Overfitting since epoch {since + 1}: predictions of held-out music got worse ({valid[best]:.2f} to "
            f"{valid[-1]:.2f} bits per note) while those of training music improved ({train[best]:.2f} to "
            f"{train[-1]:.2f}).",
            f"The weights of epoch {best + 1} were kept. Try more music, more dropout or a smaller network.",
        ))  # fmt: skip
    elif train[best] < WIDE_GAP_RATIO * valid[best]:
        diagnosis = Diagnosis("overfitting", (
            f"Overfitting: at the best epoch, {best + 1}, training music costs {train[best]:.2f} bits per note and "
            f"held-out music {valid[best]:.2f}; the network has memorised much of its training music.",
            "Try more music, more dropout or a smaller network.",
        ))  # fmt: skip
    else:
        diagnosis = Diagnosis("fitting well", (
            f"Fitting well: {train[best]:.2f} bits per note on training music, {valid[best]:.2f} on held-out music "
            f"(best epoch {best + 1}).",
            "The two are close: try a larger network or less dropout first, then more music."
            if train[best] > NARROW_GAP_RATIO * valid[best]
            else "More music would help most.",
        ))  # fmt: skip
    return Diagnosis(diagnosis.word, (*diagnosis.lines, size))


def _is_behind(test_and_ngram: tuple[float, float]) -> bool:
    test, ngram = test_and_ngram
    return test > BEHIND_NGRAM_RATIO * ngram


def _is_rising(train: Sequence[float], valid: Sequence[float], best: int) -> bool:
    """Whether validation has risen since the best epoch while the training curve has fallen."""
    return valid[-1] > RISING_RATIO * valid[best] and train[-1] < train[best]
