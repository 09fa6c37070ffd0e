"""What the curves of a training run say, in plain words: fitting well, overfitting, underfitting, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WORSE = 1.02
"""Validation has turned where it is worse than its best by this factor while training still falls."""
STILL_FALLING = 0.98
"""A run was cut short where its last tenth still made validation better by this factor."""
HARDLY_LEARNT = 0.75
"""A network has hardly learnt where even training costs more than this share of guessing by frequency."""
LITTLE_MUSIC = 2000
"""Training symbols below which nothing helps but more music."""
WIDE_GAP = 0.75
"""Training music has been learnt by heart where it costs less than this share of what held-out music costs."""
NARROW_GAP = 0.85
"""Where it costs more than this share, hardly anything is learnt by heart: a larger network may learn more."""

BEHIND = 1.25
"""A network loses clearly to a rival that learnt from the same pieces where held-out music costs it so much more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`word` is `fitting well`, `overfitting`, `underfitting` or `not finished`; `lines` explain it."""

    word: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.lines)


def judge(
    train: Sequence[float],
    valid: Sequence[float],
    guessing: float,
    parameters: int,
    symbols: int,
    best: int | None = None,
    rival: tuple[float, float] | None = None,
) -> Verdict:
    """Judge the curves of a run.

    Args:
        train, valid: bits per note after each epoch, both measured on whole pieces without dropout.
        guessing: bits per note of guessing by the symbols' frequency.
        parameters: of the network.
        symbols: of the training music, each piece in one key.
        best: index of the epoch whose weights were kept; by default that of the lowest `valid`.
        rival: what held-out music costs the network, and an n-gram of the same pieces, in bits per note.
    """
    best = min(range(len(valid)), key=lambda i: valid[i]) if best is None else best
    tail = max(0, len(valid) - 1 - max(3, len(valid) // 10))
    ratio = parameters / max(1, symbols)
    size = f"The network has {parameters:,} parameters for {symbols:,} training symbols ({ratio:.1f} for each)."
    if train[best] > HARDLY_LEARNT * guessing:
        less = "hardly less" if train[best] < guessing else "no less"
        found = Verdict("underfitting", (
            f"Underfitting: even its training music costs {train[best]:.2f} bits per note, {less} than guessing "
            f"by frequency ({guessing:.2f}).",
            "Try more music first; this is very little."
            if symbols < LITTLE_MUSIC
            else "Try more epochs first; then a larger network or less dropout.",
        ))  # fmt: skip
    elif best == len(valid) - 1 and len(valid) > 1 and min(valid) < STILL_FALLING * valid[tail]:
        found = Verdict("not finished", (
            f"Not finished: held-out music was still getting cheaper when training ended ({valid[best]:.2f} bits "
            "per note).",
            "Give it more epochs or minutes.",
        ))  # fmt: skip
    elif rival and train[best] > NARROW_GAP * valid[best] and rival[0] > BEHIND * rival[1]:
        found = Verdict("underfitting", (
            f"Underfitting: training music costs nearly as much as held-out music ({train[best]:.2f} and "
            f"{valid[best]:.2f} bits per note), and an n-gram of the same pieces guesses far better ({rival[1]:.2f} "
            f"against {rival[0]:.2f}).",
            "Try a larger network or less dropout first; then more epochs.",
        ))  # fmt: skip
    elif _turned(train, valid, best):
        since = next(i for i in range(best + 1, len(valid)) if valid[i] > WORSE * valid[best])
        found = Verdict("overfitting", (
            f"Overfitting since epoch {since + 1}: held-out music got dearer ({valid[best]:.2f} to {valid[-1]:.2f} "
            f"bits per note) while training music got cheaper ({train[best]:.2f} to {train[-1]:.2f}).",
            f"The weights of epoch {best + 1} were kept. Try more music, more dropout or a smaller network.",
        ))  # fmt: skip
    elif train[best] < WIDE_GAP * valid[best]:
        found = Verdict("overfitting", (
            f"Overfitting: by its best epoch, {best + 1}, training music costs {train[best]:.2f} bits per note and "
            f"held-out music {valid[best]:.2f}: much is learnt by heart.",
            "Try more music, more dropout or a smaller network.",
        ))  # fmt: skip
    else:
        found = Verdict("fitting well", (
            f"Fitting well: {train[best]:.2f} bits per note on training music, {valid[best]:.2f} on held-out music "
            f"(best epoch {best + 1}).",
            "Training music costs nearly as much: try a larger network or less dropout first, then more music."
            if train[best] > NARROW_GAP * valid[best]
            else "More music would help most.",
        ))  # fmt: skip
    return Verdict(found.word, (*found.lines, size))


def _turned(train: Sequence[float], valid: Sequence[float], best: int) -> bool:
    return valid[-1] > WORSE * valid[best] and train[-1] < train[best]
