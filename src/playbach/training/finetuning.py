"""Training on: a bundle's network as the beginning of another, which goes on learning from other music.

Its symbols keep their numbers, and new ones come after them. What it was trained on before is never held out now.
Knows bundles and networks; knows nothing of how training goes. Needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playbach.bundles.network import Base
from playbach.data.pieces import SIDES, Corpus, Piece
from playbach.encodings import OPTIONS, by_name
from playbach.system.errors import PlaybachError, UsageError

LEARNING_RATE = 5e-4
"""A quarter of the usual one: so much is known already."""


def options_of(base: Base, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a training that begins with `base`: what its network and encoding are stays as it is.

    Raises:
        UsageError: an option was given that the network or the encoding does not have.
    """
    architecture = base.bundle.manifest["architecture"]
    encoding = base.encoding
    fixed: dict[str, Any] = {"encoding": encoding.name, "model": architecture["name"]}
    for name, value in fixed.items():
        _demand_same(base, name, given.get(name, value), value)
    for name, value in given.get("network", {}).items():
        _demand_same(base, name, value, architecture["config"].get(name))
    chosen = getattr(encoding, "options", None)
    for holder in OPTIONS:
        for name, value in by_name(given.get(holder, {})).items():
            _demand_same(base, name, value, getattr(chosen, name, None) if holder == encoding.name else None)
    if chosen is not None:
        fixed[encoding.name] = chosen
    rate = {} if "learning_rate" in given else {"learning_rate": LEARNING_RATE}
    return {**given, **fixed, **rate, "network": dict(architecture["config"])}


def _demand_same(base: Base, name: str, given: Any, has: Any) -> None:
    if given != has:
        what = "has no such option" if has is None else f"has {has}"
        raise UsageError(
            f"{name.replace('_', '-')} {given} contradicts --from: {base.name} {what}; leave one of them out"
        )


def honest(corpus: Corpus, base: Base) -> tuple[Corpus, int]:
    """The corpus, with what `base` was trained on among its training pieces, and how many pieces had to be moved
    there: held out, they would measure memory.

    Raises:
        PlaybachError: nothing is left on a side.
    """
    trained = {digest for digest, (side, *_) in base.pieces.items() if side == "train"}
    sides: dict[str, list[Piece]] = {side: [] for side in SIDES}
    moved = 0
    for side, piece in corpus.pieces():
        known = piece.digest in trained and side != "train"
        moved += known
        sides["train" if known else side].append(piece)
    for side in SIDES[1:]:
        if not sides[side]:
            raise PlaybachError(
                f"{corpus.name}: {base.name} was trained on all pieces that would be held out ({side}), and nothing "
                "could be measured; add music that it has not met"
            )
    train, valid, test = (tuple(sides[side]) for side in SIDES)
    return replace(corpus, train=train, valid=valid, test=test), moved
