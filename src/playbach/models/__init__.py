"""The network architectures by name. To add one, write its network in a module here and its options in `configs.py`,
and add an entry to `MODELS`; the conformance tests then cover it.

Cheap to import: an architecture's code, and torch, are imported by its entry's `load()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from playbach.models.configs import AttentionConfig, CnnConfig, LstmConfig, TransformerConfig
from playbach.system.registry import Entry, by_name

if TYPE_CHECKING:
    from playbach.models.base import Model, Shape

MODELS: dict[str, Entry[type[Model]]] = by_name(
    Entry(
        name="lstm",
        description="stacked LSTM layers, the articles' model types 1 and 3",
        code="playbach.models.lstm:Lstm",
        options=LstmConfig,
        extra="train",
    ),
    Entry(
        name="transformer",
        description="rotary positions, attention to the last steps",
        code="playbach.models.transformer:Transformer",
        options=TransformerConfig,
        extra="train",
    ),
    Entry(
        name="attention",
        description="an LSTM that looks back at its last outputs, the articles' model type 2",
        code="playbach.models.attention:Attention",
        options=AttentionConfig,
        extra="train",
    ),
    Entry(
        name="cnn",
        description="the last steps as an image, for integer-only accelerators, the articles' model type 4",
        code="playbach.models.cnn:Cnn",
        options=CnnConfig,
        extra="train",
    ),
)


def build(name: str, shape: Shape, config: Mapping[str, Any] | None = None) -> Model:
    """Build a new network of the architecture `name`; `config` is what `Model.config` returns."""
    architecture = MODELS[name]
    return architecture.load()(shape, architecture.options(**(config or {})))
