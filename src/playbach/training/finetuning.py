"""Fine-tuning: training a bundle's network further, on the same music or on other music.

The symbols of its encoding keep their indices, and new symbols are appended. Pieces that it was trained on before are
never held out. Knows bundles and corpora; knows nothing of the training itself. Needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from playbach.bundles.bundle import reading_options
from playbach.bundles.network import BaseModel
from playbach.data.pieces import SIDES, Corpus, Piece
from playbach.encodings import OPTIONS, options_dict
from playbach.system.errors import PlaybachError, UsageError
from playbach.system.options import spelling

FINETUNE_LEARNING_RATE = 5e-4
"""The default learning rate: a quarter of that of a new network."""


def finetune_options(base: BaseModel, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for training `base` further: those given, with the network and the encoding of `base`.

    Files are read as for `base`, unless the options say otherwise.

    Raises:
        UsageError: an option contradicts the network or the encoding of `base`.
    """
    architecture = base.bundle.manifest["architecture"]
    encoding = base.encoding
    fixed: dict[str, Any] = {"encoding": encoding.name, "model": architecture["name"]}
    for name, value in fixed.items():
        _require_same(base, name, options.get(name, value), value)
    for name, value in options.get("network", {}).items():
        _require_same(base, name, value, architecture["config"].get(name))
    encoding_options = getattr(encoding, "options", None)
    for owner in OPTIONS:
        for name, value in options_dict(options.get(owner, {})).items():
            base_value = getattr(encoding_options, name, None) if owner == encoding.name else None
            _require_same(base, name, value, base_value)
    if encoding_options is not None:
        fixed[encoding.name] = encoding_options
    rate = {} if "learning_rate" in options else {"learning_rate": FINETUNE_LEARNING_RATE}
    reading = asdict(reading_options(base.bundle))
    return {**reading, **options, **fixed, **rate, "network": dict(architecture["config"])}


def _require_same(base: BaseModel, name: str, value: Any, base_value: Any) -> None:
    if value != base_value:
        fact = "has no such option" if base_value is None else f"has {base_value}"
        raise UsageError(f"{spelling(name)} {value} contradicts --from: {base.name} {fact}; leave out one of the two")


def move_known_pieces(corpus: Corpus, base: BaseModel) -> tuple[Corpus, int]:
    """Move held-out pieces that `base` was trained on to the training side, since it could repeat them from memory;
    return the corpus and the number of pieces moved.

    Raises:
        PlaybachError: no piece is left to validate or to test.
    """
    trained = {digest for digest, (side, *_) in base.pieces.items() if side == "train"}
    sides: dict[str, list[Piece]] = {side: [] for side in SIDES}
    moved = 0
    for side, piece in corpus.pieces():
        must_move = piece.digest in trained and side != "train"
        moved += must_move
        sides["train" if must_move else side].append(piece)
    for side in SIDES[1:]:
        if not sides[side]:
            raise PlaybachError(
                f"{corpus.name}: {base.name} was trained on all pieces that would be held out ({side}), so nothing "
                "could be measured; add music that it was not trained on"
            )
    train, valid, test = (tuple(sides[side]) for side in SIDES)
    return replace(corpus, train=train, valid=valid, test=test), moved
