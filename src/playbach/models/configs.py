"""The options of the architectures, without the networks themselves, so that `--help` does not import torch.

An option that several architectures have means the same in each, and is described in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from playbach.system.errors import UsageError
from playbach.system.options import check_options, option

MAX_SIZE = 8192
"""The largest value of any size in a network's options."""

_size = partial(option, low=1, high=MAX_SIZE)
_fraction = partial(option, low=0, below=1)
_layers = partial(_size, "number of layers")
_heads = partial(_size, "attention heads per layer")
_memory = partial(_size, "steps that attention looks back, the current one included")
_hidden = partial(_size, "size of the hidden layers")
_embedding = partial(_size, "size of the embedding of each field's previous symbol")
_context_embedding = partial(_size, "size of the embedding of each context field", flag=None)
_dropout = partial(_fraction, "fraction of units dropped in training")
_symbol_dropout = partial(_fraction, "fraction of the input symbols hidden in training")


@dataclass(frozen=True, slots=True)
class LstmConfig:
    embedding: int = _embedding(default=32)
    context_embedding: int = _context_embedding(default=16)
    hidden: int = _hidden(default=256)
    layers: int = _layers(default=1)
    dropout: float = _dropout(default=0.4)
    onehot: bool = option("one-hot symbols instead of embeddings", default=False)

    def __post_init__(self) -> None:
        check_options(self)
        if self.onehot and self.embedding != LstmConfig.__dataclass_fields__["embedding"].default:
            raise UsageError(
                "embedding and onehot cannot be combined: a symbol is embedded or one-hot; leave out one"
            )


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    width: int = _size("size of the residual stream, a multiple of twice the heads", default=128)
    layers: int = _layers(default=4)
    heads: int = _heads(default=4)
    feed_forward: int = _size("size of the feed-forward layers, as a multiple of the width", default=4, flag=None)
    memory: int = _memory(default=256)
    dropout: float = _dropout(default=0.3)
    symbol_dropout: float = _symbol_dropout(default=0.2)

    def __post_init__(self) -> None:
        check_options(self)
        if self.width % (2 * self.heads):
            raise UsageError(f"width must be a multiple of twice the heads, {2 * self.heads}, not {self.width}")


@dataclass(frozen=True, slots=True)
class AttentionConfig:
    embedding: int = _embedding(default=48)
    context_embedding: int = _context_embedding(default=16)
    hidden: int = _hidden(default=300)
    layers: int = _layers(default=2)
    memory: int = _memory(default=64)
    dropout: float = _dropout(default=0.3)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class CnnConfig:
    image: int = option("rows (steps) and columns of the image, {range}", default=32, low=8, high=256)
    channels: int = _size("channels of the first convolution; the second has twice as many", default=16)
    hidden: int = _hidden(default=160)
    dropout: float = _dropout(default=0.3)
    symbol_dropout: float = _symbol_dropout(default=0.1)

    def __post_init__(self) -> None:
        check_options(self)
