"""Major and minor triads. Knows pitches only, no scores."""

from __future__ import annotations

from collections.abc import Collection

TRIADS = ({0, 3, 7}, {0, 4, 7})
"""A minor and a major triad, in semitones above the root."""


def is_triad(pitches: Collection[int], *, root: int | None = None) -> bool:
    """Whether pitches are a major or minor triad, whose fifth may be missing.

    Args:
        root: a pitch of the triad's root; None: any.
    """
    roots = range(12) if root is None else (root,)
    return any(triad - {7} <= _above(pitches, r) <= triad for r in roots for triad in TRIADS)


def is_part_of_triad(pitches: Collection[int]) -> bool:
    """Whether pitches are all of one major or minor triad whose root is the lowest pitch, such as an octave, a third
    or the triad itself. True without pitches."""
    return not pitches or any(_above(pitches, min(pitches)) <= triad for triad in TRIADS)


def _above(pitches: Collection[int], root: int) -> set[int]:
    return {(pitch - root) % 12 for pitch in pitches}
