"""Loading the torch network of a bundle, to train it further or to export it. Needs torch (extra `train`)."""

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
from playbach.encodings import Encoding
from playbach.models import MODELS, Model, Shape, build
from playbach.system.errors import BundleError, UsageError


@dataclass(frozen=True, slots=True)
class Base:
    """The bundle that training begins from, and where it lies."""

    path: Path
    bundle: Bundle
    encoding: Encoding

    @property
    def name(self) -> str:
        return self.bundle.name

    @property
    def pieces(self) -> Mapping[str, Any]:
        """The side and name of each piece that it has met, by its hash."""
        return known_pieces(self.bundle.manifest)

    def grown(self, scores: Iterable[Score]) -> Encoding:
        """The encoding with what is new in some pieces after what it knows."""
        options = getattr(self.encoding, "options", None)
        return type(self.encoding).fit(scores, options, self.encoding)

    def network(self, shape: Shape) -> Model:
        """Its network, grown to a shape.

        Raises:
            BundleError: the weights do not fit what the manifest says.
        """
        architecture = self.bundle.manifest["architecture"]
        old = build(architecture["name"], Shape.of(self.encoding), architecture["config"])
        new = build(architecture["name"], shape, architecture["config"])
        try:
            old.load_state_dict(safetensors.torch.load(self.bundle.weights))
        except (KeyError, RuntimeError, SafetensorError) as error:
            said = " ".join(str(error).split())[:120]
            raise BundleError(f"{self.name}: its weights cannot be trained on ({said}); train a new model") from error
        new.adopt(old)
        return new


def read_base(name_or_path: str | Path) -> Base:
    """A bundle to begin from.

    Raises:
        BundleError: there is none, it is damaged, it was made by another version, or it is an exported network.
    """
    path = bundles.find(name_or_path)
    base = Base(path, bundle := bundles.read(path), bundle.encoding())
    _ = bundle.weights  # of which an exported network has none
    try:
        architecture = bundle.manifest["architecture"]
        MODELS[architecture["name"]].Config(**architecture["config"])
    except (LookupError, TypeError, UsageError) as error:
        raise BundleError(
            f"{bundle.name}: its network is unknown to this version of playbach ({str(error)[:80]}); train another"
        ) from error
    return base
