"""The split of a corpus into train, validation and test: by piece, with all settings of one tune on one side."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from playbach.data.pieces import SIDES, Corpus, ReadPiece
from playbach.music.tunes import groups
from playbach.system.errors import CorpusError

HELD_OUT = 0.1
"""The share of the music that goes to each of valid and test …"""


MOST_HELD_OUT = 500_000
"""… but not many more notes than this: more of them measure no better, only longer."""


def split(name: str, found: list[ReadPiece], skipped: tuple[str, ...], seed: int) -> Corpus:
    tunes = groups(np.frombuffer(f.runs.read(), np.uint64) for f in found)
    members: dict[int, list[ReadPiece]] = defaultdict(list)
    for number, f in zip(tunes, found):
        members[number].append(f)
    if len(members) < len(SIDES):
        raise CorpusError(
            f"{name}: {len(found)} usable piece{'s' * (len(found) != 1)} with {len(members)} different "
            f"tune{'s' * (len(members) != 1)} are too few to hold anything out; add music until there are at "
            "least three, one each to train, to validate and to test"
        )
    order = [members[g] for g in sorted(members)]
    random.Random(seed).shuffle(order)
    sides: dict[str, list[ReadPiece]] = {side: [] for side in SIDES}
    goal = min(HELD_OUT * _notes(found), MOST_HELD_OUT)
    # A tune with many settings is worth more in training, and so is one that is far more than is to be held out.
    order.sort(key=lambda tune: (_notes(tune) > 2 * goal, len(tune)))
    taken = dict.fromkeys(SIDES, 0)
    for tune in order:
        side = next((s for s in ("test", "valid") if taken[s] < goal), "train")
        sides[side].extend(tune)
        taken[side] += _notes(tune)
    if not sides["train"]:  # few tunes of very unequal length: one each to hold out, the longest to train
        order.sort(key=_notes)
        sides["test"], sides["valid"], sides["train"] = order[0], order[1], [f for t in order[2:] for f in t]
    train, valid, test = (tuple(f.piece for f in sides[side]) for side in SIDES)
    return Corpus(name, train, valid, test, skipped, len(members))


def _notes(found: Iterable[ReadPiece]) -> int:
    return sum(f.notes for f in found)
