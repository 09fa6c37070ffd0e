"""Loads the torch network of a bundle, to train it further or to export it. Needs torch (extra `train`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from symusic.core import ScoreTick as Score

from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle, known_pieces
from playbach.encodings.base import Encoding
from playbach.models import MODELS, build
from playbach.models.base import Model, Shape
from playbach.system.errors import BundleError, UsageError


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A bundle that training continues or that is exported, and its path."""

    path: Path
    bundle: Bundle
    encoding: Encoding

    @property
    def name(self) -> str:
        return self.bundle.name

    @property
    def pieces(self) -> Mapping[str, Any]:
        """The side of the split and the name of each piece that the network knows, by content hash."""
        return known_pieces(self.bundle.manifest)

    def was_trained_on(self, digest: str) -> bool:
        """Whether the network was trained on the piece with this content hash."""
        return bool(self.pieces.get(digest, ("",))[0] == "train")

    def extend_encoding(self, scores: Iterable[Score], options: Any = None) -> Encoding:
        """The encoding, with the symbols that are new in these pieces appended.

        Args:
            options: those of the encoding, if more voices or the like are to be told of; None: its own.
        """
        options = options or getattr(self.encoding, "options", None)
        return type(self.encoding).fit(scores, options, self.encoding)

    def load_network(self, shape: Shape) -> Model:
        """The network, extended to a shape with more symbols, and perhaps with more context fields at the end.

        Raises:
            BundleError: the weights do not fit the manifest.
            UsageError: a network of this kind cannot learn more context fields later.
        """
        architecture = self.bundle.manifest["architecture"]
        old_shape = Shape.of(self.encoding)
        if len(shape.context) > len(old_shape.context) and architecture["name"] != "lstm":
            raise UsageError(
                f"{self.name}: only an lstm can learn to compose around given voices later, not this "
                f"{architecture['name']}; train a new model with --from none --given"
            )
        old = build(architecture["name"], old_shape, architecture["config"])
        new = build(architecture["name"], shape, architecture["config"])
        try:
            old.load_state_dict(safetensors.torch.load(self.bundle.weights))
        except (KeyError, RuntimeError, SafetensorError) as error:
            cause = " ".join(str(error).split())[:120]
            raise BundleError(f"{self.name}: its weights cannot be loaded ({cause}); train a new model") from error
        new.copy_weights_from(old)
        return new


def read_base_model(name_or_path: str | Path) -> BaseModel:
    """Read a bundle whose network can be loaded.

    Raises:
        BundleError: there is no such model, it is damaged, another version made it, or it is an exported network.
    """
    path = bundles.find(name_or_path)
    base = BaseModel(path, bundle := bundles.read(path), bundle.encoding())
    _ = bundle.weights  # raises for an exported network
    if not bundle.fits(base.encoding):
        raise BundleError(f"{bundle.name}: {bundle.mismatch()}")
    try:
        architecture = bundle.manifest["architecture"]
        MODELS[architecture["name"]].options(**architecture["config"])
    except (LookupError, TypeError, UsageError) as error:
        raise BundleError(
            f"{bundle.name}: its network is unknown to this version of playbach ({str(error)[:80]}); "
            "update playbach, or train it again"
        ) from error
    return base
