"""The network architectures, by name. To add one, write a module in this package and an entry in `MODELS`; the
conformance tests then cover it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playbach.models.attention import Attention
from playbach.models.base import Model, Shape
from playbach.models.cnn import Cnn
from playbach.models.lstm import Lstm
from playbach.models.transformer import Transformer

MODELS: dict[str, type[Model]] = {m.name: m for m in (Transformer, Lstm, Attention, Cnn)}


def build(name: str, shape: Shape, config: Mapping[str, Any] | None = None) -> Model:
    """Build a new network of the architecture `name`; `config` is what `Model.config` returns."""
    architecture = MODELS[name]
    return architecture(shape, architecture.Config(**(config or {})))


__all__ = ["MODELS", "Model", "Shape", "build"]
