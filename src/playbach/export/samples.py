"""The music that an export is calibrated on and checked with.

Calibrated on training pieces and checked on held-out ones, where the model's corpus is at hand; else both on what the
model composes, and then no figure is one of held-out music. Knows bundles and corpora, no formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.data.batches import previous_of
from playbach.encodings import EncodedPiece, Encoding
from playbach.encodings.base import LEFT_UNKNOWN
from playbach.evaluation.reports import WORDS, groups_of
from playbach.inference.composing import Composer
from playbach.music.arrays import Ints
from playbach.system.errors import CorpusError, MissingExtra

CALIBRATION_PIECES, CALIBRATION_STEPS = 6, 96
"""So many steps of so many pieces, from their beginnings."""
LEAST_STEPS = 200
"""So many steps are compared at least."""
COMPOSED_SEED = 1_000_000
"""What is composed to check with has seeds from here on: pieces that nobody asks for."""
HELD_OUT = ("unseen", "test")

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """Encoded pieces, and in words what they are; `held_out` where the model has not met the pieces to check with.
    `besides` are pieces that it has met, where the others alone are too short to compare much."""

    calibration: tuple[EncodedPiece, ...]
    check: tuple[EncodedPiece, ...]
    words: str
    held_out: bool
    besides: tuple[EncodedPiece, ...] = ()

    @property
    def compared(self) -> tuple[EncodedPiece, ...]:
        """All pieces that are played beside torch, those that count first."""
        return (*self.check, *self.besides)

    def inputs(self, encoding: Encoding) -> tuple[Ints, Ints]:
        """Previous symbols (T, F) and context (T, C) of the steps to calibrate with, one piece after the other."""
        pieces = [(previous_of(s.steps, encoding), s.context) for s in self.calibration]
        previous, context = (np.concatenate(part)[: CALIBRATION_PIECES * CALIBRATION_STEPS] for part in zip(*pieces))
        return previous, context


def heard(composer: Composer, folder: str | Path | None, steps: int, report: Report) -> Heard:
    """Whole pieces to check with, until they have `steps` steps, and the beginnings of others to calibrate with.

    Args:
        folder: of the model's corpus; None means its own, where that is a built-in one.

    Raises:
        CorpusError: there is no music in the folder, or none that the model has not been trained on.
        ScoreError: a piece does not fit the model's encoding.
    """
    try:
        groups, name = groups_of(composer, folder, report)
    except (CorpusError, MissingExtra) as error:
        if folder is not None:
            raise
        why = str(error) if isinstance(error, MissingExtra) else "its corpus is not a built-in one"
        report(
            f"{composer.bundle.name}: {why}; calibrating and checking on pieces that it composes, so NO FIGURE IS OF "
            "HELD-OUT MUSIC; give the folder of its music after the model"
        )
        return _composed(composer, steps)
    side = next((side for side in HELD_OUT if groups[side]), None)
    if side is None:
        raise CorpusError(
            f"{name}: the model was trained or validated on every piece; give music that it has not met"
        )
    rng = np.random.default_rng(0)
    encoding = composer.encoding
    # In an order that no file name decides.
    checked, trained = (sorted(groups[s], key=lambda piece: piece.digest) for s in (side, "train"))
    pieces = _until((checked[i].score for i in rng.permutation(len(checked))), encoding, steps)
    some = trained or checked
    known = [encoding.encode(some[i].score) for i in rng.permutation(len(some))[:CALIBRATION_PIECES]]
    short = LEAST_STEPS - sum(map(len, pieces))
    met = (piece.score for group in ("valid", "train") for piece in groups[group])
    besides = _until(met, encoding, short) if short > 0 else ()
    return Heard(tuple(map(_beginning, known)), pieces, f"{name}, {WORDS[side]}", True, besides)


def _until(scores: Iterable[Score], encoding: Encoding, steps: int) -> tuple[EncodedPiece, ...]:
    """Whole pieces, one at least, until they have so many steps; not told how much is left, as in evaluation."""
    found: list[EncodedPiece] = []
    for score in scores:
        if found and sum(map(len, found)) >= steps:
            break
        sequence = encoding.encode(score)
        sequence.context[:, encoding.left_column] = LEFT_UNKNOWN
        found.append(sequence)
    return tuple(found)


def _beginning(s: EncodedPiece) -> EncodedPiece:
    return EncodedPiece(s.steps[:CALIBRATION_STEPS], s.context[:CALIBRATION_STEPS], s.header, s.notes, s.ticks)


def _composed(composer: Composer, steps: int) -> Heard:
    def pieces(seed: int) -> Iterator[Score]:
        while True:
            yield composer.compose(seed=seed, plain=True).score
            seed += 1

    encoding = composer.encoding
    known = _until(pieces(COMPOSED_SEED), encoding, CALIBRATION_PIECES * CALIBRATION_STEPS)
    return Heard(known, _until(pieces(2 * COMPOSED_SEED), encoding, steps), "composed pieces", False)
