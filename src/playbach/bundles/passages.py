"""Passages: the first bars of some training pieces, which a bundle keeps as steps.

`--prime corpus` continues one of them, without the corpus. Knows encodings; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.base import EncodedPiece, Encoding
from playbach.music.assembly import drop_later_meters
from playbach.music.bars import Header, printable_name
from playbach.system.errors import BundleError, ScoreError

MAX_PASSAGES, PASSAGE_BARS, MAX_PASSAGE_STEPS = 24, 4, 512


@dataclass(frozen=True, slots=True)
class Passage:
    """The beginning of a piece: its name, and its steps, without their context."""

    name: str
    piece: EncodedPiece

    def manifest(self) -> dict[str, Any]:
        s = self.piece
        return {"name": self.name, "header": s.header.manifest(), "ticks": s.ticks, "steps": s.steps.tolist()}


def first_passages(pieces: Iterable[tuple[str, Score]], encoding: Encoding) -> Iterator[Passage]:
    """The first PASSAGE_BARS bars of at most MAX_PASSAGES pieces. Pieces that cannot be encoded are left out."""
    count = 0
    for name, score in pieces:
        if count == MAX_PASSAGES:
            return
        try:
            piece = encoding.encode(score)
        except ScoreError:
            continue
        yield Passage(name, _beginning(piece, encoding))
        count += 1


def _beginning(piece: EncodedPiece, encoding: Encoding) -> EncodedPiece:
    decoder, steps = encoding.decoder(piece.header), 0
    for step in piece.steps[:MAX_PASSAGE_STEPS]:
        if decoder.bar > PASSAGE_BARS:
            break
        decoder.feed(step)
        steps += 1
    header = drop_later_meters(piece.header, decoder.tick)
    return replace(piece, steps=piece.steps[:steps], header=header, ticks=decoder.tick)


def read_passages(manifest: Mapping[str, Any], name: str, encoding: Encoding) -> list[Passage]:
    """The passages in a bundle's manifest.

    Args:
        name: the bundle's, for messages.

    Raises:
        BundleError: it has none, or they are damaged.
    """
    listed = manifest.get("passages")
    if not listed:
        raise BundleError(f"{name}: it has no passages of its corpus; give a file to continue, or train it again")
    try:
        return [_passage(entry, encoding) for entry in listed[:MAX_PASSAGES]]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise BundleError(f"{name}: its passages are damaged ({str(error)[:80]}); get or train it again") from error


def _passage(entry: Mapping[str, Any], encoding: Encoding) -> Passage:
    steps = np.array(entry["steps"], np.int32)
    most = np.array([len(field) for field in encoding.fields])
    if steps.ndim != 2 or steps.shape[1] != len(most) or not 1 <= len(steps) <= MAX_PASSAGE_STEPS:
        raise ValueError("the steps do not have the fields of its encoding")
    if (steps < 0).any() or (steps >= most).any():
        raise ValueError("the steps have symbols that its encoding does not have")
    header = Header.from_manifest(entry["header"])
    context = np.zeros((len(steps), len(encoding.context)), np.int32)
    return Passage(printable_name(str(entry["name"])), EncodedPiece(steps, context, header, 0, int(entry["ticks"])))
