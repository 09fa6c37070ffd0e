"""The split of a corpus into training, validation and test pieces. All settings of one tune are on one side."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from playbach.data.pieces import SIDES, Corpus, ReadPiece
from playbach.music.tunes import groups_from_runs
from playbach.system.errors import CorpusError

HELD_OUT_SHARE = 0.1
"""The share of the notes that goes to each of validation and test."""
MAX_HELD_OUT_NOTES = 500_000
"""About the maximum number of notes of each: with more, measuring takes longer and the figures are no better."""


def split(name: str, pieces: list[ReadPiece], skipped: tuple[str, ...], seed: int) -> Corpus:
    """Split pieces into the three sides, at random.

    Raises:
        CorpusError: the pieces have fewer than three different tunes.
    """
    groups = groups_from_runs(np.frombuffer(p.runs.read(), np.uint64) for p in pieces)
    by_tune: dict[int, list[ReadPiece]] = defaultdict(list)
    for group, piece in zip(groups, pieces):
        by_tune[group].append(piece)
    if len(by_tune) < len(SIDES):
        counts = f"{_count(len(pieces), 'usable piece')} with {_count(len(by_tune), 'different tune')}"
        raise CorpusError(
            f"{name}: too little music: {counts}, but training, validation and test need one tune each; "
            "add more pieces"
        )
    tunes = [by_tune[group] for group in sorted(by_tune)]
    random.Random(seed).shuffle(tunes)
    sides: dict[str, list[ReadPiece]] = {side: [] for side in SIDES}
    goal = min(HELD_OUT_SHARE * _notes(pieces), MAX_HELD_OUT_NOTES)
    # Tunes with many settings, and tunes with far more notes than are to be held out, are more useful for training.
    tunes.sort(key=lambda tune: (_notes(tune) > 2 * goal, len(tune)))
    notes = dict.fromkeys(SIDES, 0)
    for tune in tunes:
        side = next((s for s in ("test", "valid") if notes[s] < goal), "train")
        sides[side].extend(tune)
        notes[side] += _notes(tune)
    if not sides["train"]:  # a few tunes of very unequal length: hold out the two shortest, train on the rest
        tunes.sort(key=_notes)
        sides["test"], sides["valid"], sides["train"] = tunes[0], tunes[1], [p for t in tunes[2:] for p in t]
    train, valid, test = (tuple(p.piece for p in sides[side]) for side in SIDES)
    return Corpus(name, train, valid, test, skipped, len(by_tune))


def _notes(pieces: Iterable[ReadPiece]) -> int:
    return sum(p.notes for p in pieces)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
