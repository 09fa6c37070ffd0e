"""Passages of the corpus that a bundle carries, to go on from one of them where the corpus is not at hand.

The first bars of some training pieces, as steps. Knows encodings; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings import EncodedPiece, Encoding
from playbach.music.assembly import cut_meters
from playbach.music.bars import Header, plain_name
from playbach.system.errors import BundleError, ScoreError

MOST, BARS, MOST_STEPS = 24, 4, 512
"""So many passages, of so many bars, of no more steps than this."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The beginning of a piece: its name, and its music as `Encoding.encode` gives it, without the context."""

    name: str
    sequence: EncodedPiece

    def manifest(self) -> dict[str, Any]:
        s = self.sequence
        return {"name": self.name, "header": s.header.manifest(), "ticks": s.ticks, "steps": s.steps.tolist()}


def take(pieces: Iterable[tuple[str, Score]], encoding: Encoding) -> Iterator[Passage]:
    """The first BARS bars of pieces by name, MOST of them at most; pieces that cannot be encoded are left out."""
    taken = 0
    for name, score in pieces:
        if taken == MOST:
            return
        try:
            sequence = encoding.encode(score)
        except ScoreError:
            continue
        yield Passage(name, _beginning(sequence, encoding))
        taken += 1


def _beginning(sequence: EncodedPiece, encoding: Encoding) -> EncodedPiece:
    decoder, steps = encoding.decoder(sequence.header), 0
    for step in sequence.steps[:MOST_STEPS]:
        if decoder.bar > BARS:
            break
        decoder.feed(step)
        steps += 1
    header = cut_meters(sequence.header, decoder.tick)
    return replace(sequence, steps=sequence.steps[:steps], header=header, ticks=decoder.tick)


def kept(manifest: Mapping[str, Any], name: str, encoding: Encoding) -> list[Passage]:
    """The passages in a bundle's manifest.

    Args:
        name: of the bundle, for the message.

    Raises:
        BundleError: it has none, or what it has is no music of its encoding.
    """
    listed = manifest.get("passages")
    if not listed:
        raise BundleError(f"{name}: it carries no passages of its corpus; give a file to go on from, or train anew")
    try:
        return [_passage(entry, encoding) for entry in listed[:MOST]]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise BundleError(f"{name}: its passages are damaged ({str(error)[:80]}); get or train it again") from error


def _passage(entry: Mapping[str, Any], encoding: Encoding) -> Passage:
    steps = np.array(entry["steps"], np.int32)
    most = np.array([len(field) for field in encoding.fields])
    if steps.ndim != 2 or steps.shape[1] != len(most) or not 1 <= len(steps) <= MOST_STEPS:
        raise ValueError("not steps of its encoding")
    if (steps < 0).any() or (steps >= most).any():
        raise ValueError("steps that its encoding does not have")
    header = Header.from_manifest(entry["header"])
    context = np.zeros((len(steps), len(encoding.context)), np.int32)
    return Passage(plain_name(str(entry["name"])), EncodedPiece(steps, context, header, 0, int(entry["ticks"])))
