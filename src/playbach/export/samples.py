"""Chooses the music that an export is calibrated on and checked with.

If the model's corpus is available, an export is calibrated on training pieces and checked on held-out ones. Otherwise
both use pieces that the model composes, and no figure is of held-out music. Knows bundles and corpora; does not know
formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.data.batches import previous_of
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.evaluation.reports import GROUP_LABELS, groups_of
from playbach.export.options import MIN_STEPS
from playbach.inference.composing import Composer
from playbach.music.arrays import Ints
from playbach.system.errors import CorpusError, MissingExtra
from playbach.system.progress import Report

CALIBRATION_PIECES, CALIBRATION_STEPS = 6, 96
"""Calibration uses the first steps of a few pieces: this many pieces, this many steps of each."""
FIRST_SEED = 1_000_000
"""Pieces composed for a check have seeds from this one on, which users are unlikely to choose."""
_HELD_OUT_GROUPS = ("unseen", "test")


@dataclass(frozen=True, slots=True)
class Samples:
    """Encoded pieces to calibrate an export on and to check it with."""

    calibration: tuple[EncodedPiece, ...]
    """The beginnings of pieces to calibrate on."""
    check: tuple[EncodedPiece, ...]
    """Whole pieces to measure bits per note on."""
    description: str
    """Which pieces `check` has, in words."""
    held_out: bool
    """Whether the model was trained on none of `check`."""
    known: tuple[EncodedPiece, ...] = ()
    """Pieces that the model was trained on, to compare more steps where `check` is short."""

    @property
    def compared(self) -> tuple[EncodedPiece, ...]:
        """All pieces that are compared with torch, `check` first."""
        return (*self.check, *self.known)

    def inputs(self, encoding: Encoding) -> tuple[Ints, Ints]:
        """Previous symbols (T, F) and context (T, C) of the steps to calibrate on, piece after piece."""
        pieces = [(previous_of(s.steps, encoding), s.context) for s in self.calibration]
        previous, context = (np.concatenate(part)[: CALIBRATION_PIECES * CALIBRATION_STEPS] for part in zip(*pieces))
        return previous, context


def choose_samples(composer: Composer, folder: str | Path | None, steps: int, report: Report) -> Samples:
    """Choose whole pieces of at least `steps` steps in all to check with, and beginnings of pieces to calibrate on.

    Args:
        folder: the music of the model's corpus; None stands for the corpus itself if it is a built-in one.

    Raises:
        CorpusError: the folder has no music, or none that the model was not trained on.
        ScoreError: a piece does not fit the model's encoding.
    """
    try:
        groups, name = groups_of(composer, folder, report)
    except (CorpusError, MissingExtra) as error:
        if folder is not None:
            raise
        why = str(error) if isinstance(error, MissingExtra) else "its corpus is not a built-in one"
        report(
            f"{composer.bundle.name}: {why}; calibrating and checking on pieces that the model composes, so the "
            "figures are NOT of held-out music; for such figures give the folder of its music after the model"
        )
        return _composed_samples(composer, steps)
    group = next((group for group in _HELD_OUT_GROUPS if groups[group]), None)
    if group is None:
        raise CorpusError(
            f"{name}: the model was trained or validated on every piece here; give music that it was not trained on"
        )
    rng = np.random.default_rng(0)
    encoding = composer.encoding
    # Sorted by content, so that file names do not decide the order.
    held_out, trained = (sorted(groups[g], key=lambda piece: piece.digest) for g in (group, "train"))
    check = _whole_pieces((held_out[i].score for i in rng.permutation(len(held_out))), encoding, steps)
    pool = trained or held_out
    calibration = [encoding.encode(pool[i].score) for i in rng.permutation(len(pool))[:CALIBRATION_PIECES]]
    missing = MIN_STEPS - sum(map(len, check))
    known_scores = (piece.score for g in ("valid", "train") for piece in groups[g])
    known = _whole_pieces(known_scores, encoding, missing) if missing > 0 else ()
    return Samples(tuple(map(_beginning, calibration)), check, f"{name}, {GROUP_LABELS[group]}", True, known)


def _whole_pieces(scores: Iterable[Score], encoding: Encoding, steps: int) -> tuple[EncodedPiece, ...]:
    """Encode whole pieces, at least one, until they have this many steps. As in evaluation, bars left is unknown."""
    pieces: list[EncodedPiece] = []
    for score in scores:
        if pieces and sum(map(len, pieces)) >= steps:
            break
        piece = encoding.encode(score)
        piece.context[:, encoding.bars_left_column] = UNKNOWN_BARS_LEFT
        pieces.append(piece)
    return tuple(pieces)


def _beginning(s: EncodedPiece) -> EncodedPiece:
    return EncodedPiece(s.steps[:CALIBRATION_STEPS], s.context[:CALIBRATION_STEPS], s.header, s.notes, s.ticks)


def _composed_samples(composer: Composer, steps: int) -> Samples:
    def pieces(seed: int) -> Iterator[Score]:
        while True:
            yield composer.compose(seed=seed, plain=True).score
            seed += 1

    encoding = composer.encoding
    calibration = _whole_pieces(pieces(FIRST_SEED), encoding, CALIBRATION_PIECES * CALIBRATION_STEPS)
    return Samples(calibration, _whole_pieces(pieces(2 * FIRST_SEED), encoding, steps), "composed pieces", False)
