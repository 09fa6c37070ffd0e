"""Fine-tuning: training a bundle's network further, on the same music or on other music.

The symbols of its encoding keep their indices, and new symbols are appended. Pieces that it was trained on before are
never held out. If no model is named, training begins from the shipped model that suits the music, its *base model*.
Knows bundles and corpora; knows nothing of the training itself. Needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from typing import Any

from playbach.bundles.bundle import reading_options, shipped_models
from playbach.bundles.network import BaseModel, read_base_model
from playbach.data.pieces import SIDES, Corpus, Piece
from playbach.encodings import OPTIONS, options_dict
from playbach.system.errors import PlaybachError, UsageError
from playbach.system.options import listed, spelling
from playbach.training.options import TrainOptions

FINETUNE_LEARNING_RATE = 5e-4
"""The default learning rate: a quarter of that of a new network."""
BASE_MODELS = {"notes": "folk", "chorale": "bach-chorales", "events": "ensemble"}
"""By encoding: the shipped model that training begins from by default. An encoding that is not here has none."""

LEARNT_LATER = ("given",)
"""The options of encodings that a network can learn when it is trained further. Those that a base has stay on."""

MAX_KNOWN_SHARE = 0.25
"""Training begins from nothing if the suitable base was trained on more than this share of the held-out pieces."""


class Beginning(Enum):
    """From where training begins, if no model is named."""

    SUITABLE = "the shipped model that suits the music"
    NOTHING = "none"
    """A network with random weights."""


def read_base(name: str | Path | None) -> BaseModel | Beginning:
    """The model to begin from: the one named, none for `none`, the suitable one for None.

    Raises:
        BundleError: there is no such model, or it cannot be trained further.
    """
    if name is None:
        return Beginning.SUITABLE
    return Beginning.NOTHING if str(name) == Beginning.NOTHING.value else read_base_model(name)


def suitable_base(corpus: Corpus, options: TrainOptions) -> tuple[BaseModel | None, str]:
    """The shipped model that suits some music, and a line about it; None if the options exclude it.

    Args:
        options: those of a new network, with the encoding of the music.
    """
    name = BASE_MODELS.get(str(options.encoding))
    if name is None or name not in shipped_models():
        return None, ""
    base = read_base_model(name)
    if difference := _difference(base, options):
        return None, f"Begins from nothing, since {difference}"
    if reason := _known_music(corpus, base):
        return None, f"Begins from nothing, since {name} was trained on {reason}"
    return base, f"Begins from {name}, which knows music of this kind (--from none begins from nothing)"


def _difference(base: BaseModel, options: TrainOptions) -> str | None:
    """How the options differ from the network and the encoding of a base; None if they do not."""
    config = base.bundle.manifest["architecture"]["config"]
    if options.model != base.bundle.manifest["architecture"]["name"]:
        return f"{base.name} is no {options.model}"
    wanted = dict(options.network)
    of_base = {name: config.get(name) for name in wanted}
    if options.encoding in OPTIONS:
        wanted |= asdict(getattr(options, str(options.encoding)))
        of_base |= asdict(base.encoding.options)  # type: ignore[attr-defined]
    if options.vocabulary != TrainOptions().vocabulary:
        return f"the vocabulary is {options.vocabulary}"
    different = [name for name, value in wanted.items() if name not in LEARNT_LATER and value != of_base[name]]
    return f"{base.name} has another value of {listed(different, 'and')}" if different else None


def _known_music(corpus: Corpus, base: BaseModel) -> str | None:
    """The music that a base was trained on, in words, if it is too much of what is to be held out, or most of what it
    would be trained on again."""
    held_out = [piece for side, piece in corpus.pieces() if side != "train"]
    known = sum(base.was_trained_on(piece.digest) for piece in held_out)
    if known > MAX_KNOWN_SHARE * len(held_out):
        return f"{known} of {len(held_out)} pieces that are to be held out"
    if 2 * sum(base.was_trained_on(piece.digest) for piece in corpus.train) > len(corpus.train):
        return "this music"
    return None


def finetune_options(base: BaseModel | Beginning, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for training `base` further: those given, with the network and the encoding of `base`.

    Files are read as for `base`, unless the options say otherwise. If no model is named, the options stay as given.

    Raises:
        UsageError: an option contradicts the network or the encoding of `base`.
    """
    if isinstance(base, Beginning):
        return dict(options)
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
            if name not in LEARNT_LATER or base_value is None or base_value:
                _require_same(base, name, value, base_value)
    if encoding_options is not None:
        fixed[encoding.name] = _with_learnt(encoding_options, options_dict(options.get(encoding.name, {})))
    rate = {} if "learning_rate" in options else {"learning_rate": FINETUNE_LEARNING_RATE}
    reading = asdict(reading_options(base.bundle))
    return {**reading, **options, **fixed, **rate, "network": dict(architecture["config"])}


def with_base(base: BaseModel, options: TrainOptions) -> TrainOptions:
    """The options of a new network as those for training its suitable base further."""
    is_default = options.learning_rate == TrainOptions().learning_rate
    rate = FINETUNE_LEARNING_RATE if is_default else options.learning_rate
    changed: dict[str, Any] = {"network": dict(base.bundle.manifest["architecture"]["config"])}
    if base.encoding.name in OPTIONS:
        own = base.encoding.options  # type: ignore[attr-defined]
        changed[base.encoding.name] = _with_learnt(own, asdict(getattr(options, base.encoding.name)))
    return replace(options, learning_rate=rate, **changed)


def _with_learnt(of_base: Any, chosen: Mapping[str, Any]) -> Any:
    """The options of a base's encoding, with those that the network is to learn now."""
    return replace(of_base, **{name: True for name in LEARNT_LATER if chosen.get(name)})


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
    sides: dict[str, list[Piece]] = {side: [] for side in SIDES}
    moved = 0
    for side, piece in corpus.pieces():
        must_move = side != "train" and base.was_trained_on(piece.digest)
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
