"""Pieces in the keys in which n-grams count them: all, or only those nearest to a piece's own.

Knows scores and encodings; nothing of n-grams.
"""

from __future__ import annotations

from collections.abc import Sequence

from symusic.core import ScoreTick as Score

from playbach.encodings.base import EncodedPiece, Encoding
from playbach.music.scores import nearest_keys, transpose


def in_keys(score: Score, encoding: Encoding, most: int) -> list[EncodedPiece]:
    """A piece in at most this many of its keys, those nearest to its own."""
    return list(encoding.encode_all(transpose(score, s) for s in nearest_keys(encoding.transpositions(score), most)))


def in_keys_that_fit(scores: Sequence[Score], encoding: Encoding, max_steps: int) -> list[list[EncodedPiece]]:
    """Each piece in all its keys. Where these are more than `max_steps` steps together, each piece is in fewer keys,
    but at least in its own."""
    most = max(1, max_steps // sum(len(encoding.encode(s)) for s in scores))
    return [in_keys(score, encoding, most) for score in scores]
