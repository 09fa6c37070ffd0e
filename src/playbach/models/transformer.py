"""A Transformer with a bounded memory: rotary positions, attention to the last steps, pre-norm blocks.

Vaswani et al. 2017 with rotary positions (Su et al., arXiv:2104.09864) and the normalisation before each part
(Xiong et al., arXiv:2002.04745). What it remembers is a ring of keys and values a layer, so that a step
costs the same after a minute and after a day.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.models.banded import HIDDEN, attend
from playbach.models.base import Dropout, Heads, Model, Shape, SummedEmbeddings, demand_shares, demand_sizes
from playbach.system.errors import UsageError

TURNS = 8
"""The slowest rotary pair turns once in so many windows, so that no two places of the window look alike."""


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """`width` is that of the residual stream; `memory` how many steps, itself included, a step attends to;
    `symbol_dropout` the share of a step's known symbols that training hides."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 4
    memory: int = 256
    dropout: float = 0.3
    symbol_dropout: float = 0.2

    def __post_init__(self) -> None:
        demand_sizes(self, "width", "layers", "heads", "feed_forward", "memory")
        demand_shares(self, "dropout", "symbol_dropout")
        if self.width % (2 * self.heads):
            raise UsageError(f"width must be a multiple of twice the heads, {2 * self.heads}, not {self.width}")


class Transformer(Model):
    name: ClassVar[str] = "transformer"
    Config: ClassVar[type[Any]] = TransformerConfig

    def __init__(self, shape: Shape, config: TransformerConfig | None = None) -> None:
        super().__init__(shape)
        self.options = c = config or TransformerConfig()
        self.embed = SummedEmbeddings(shape, c.width, c.symbol_dropout)
        self.blocks = nn.ModuleList(_Block(c) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.width)
        self.dropout = Dropout(c.dropout)
        self.heads = Heads(shape, c.width)
        self.rotations: Tensor
        self.register_buffer("rotations", _rotations(c), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """As GPT-2: small, and smaller where many layers add to one stream."""
        for name, p in self.named_parameters():
            if p.dim() == 2 and not name.startswith(("embed", "heads.classes")):
                last = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * self.options.layers) if last else 0.02)

    def config(self) -> dict[str, Any]:
        return asdict(self.options)

    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        x = self.dropout(self.embed(previous, context))  # (B, T, D)
        cos, sin = _rotation(torch.arange(x.shape[1], device=x.device), self.rotations, self._period)
        for block in self.blocks:
            x = block(x, cos, sin)
        logits: list[Tensor] = self.heads(self.dropout(self.norm(x)), context)
        return logits

    @property
    def _period(self) -> int:
        """After so many steps every rotary pair is back where it was, and the counter of steps begins anew."""
        return TURNS * self.options.memory

    def initial_state(self, batch: int) -> list[Tensor]:
        """Keys and values (B, layers, W, D), which of the W places hold something (B, W), and the place of the next
        step (B, 1), all as floats."""
        c, like = self.options, next(self.parameters())
        ring = (batch, c.layers, c.memory, c.width)
        shapes = (ring, ring, (batch, c.memory), (batch, 1))
        return [torch.zeros(s, dtype=torch.float32, device=like.device) for s in shapes]

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        keys, values, held, place = state
        x = self.embed(previous, context)  # (B, D)
        cos, sin = _rotation(place[:, 0], self.rotations, self._period)
        slots = torch.arange(self.options.memory, device=x.device)
        here = slots[None] == torch.remainder(place, self.options.memory)  # (B, W): the oldest place is written over
        held = torch.where(here, torch.ones_like(held), held)
        hidden = (1 - held) * HIDDEN
        new_keys, new_values = [], []
        for i, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            x, k, v = block.step(x, cos, sin, here, hidden, keys[:, i], values[:, i])
            new_keys.append(k)
            new_values.append(v)
        after = torch.remainder(place + 1, self._period)
        state = [torch.stack(new_keys, 1), torch.stack(new_values, 1), held, after]
        return self.heads(self.norm(x), context), state


class _Block(nn.Module):
    """Attention and a feed-forward part, each added to the stream."""

    def __init__(self, c: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.memory = c.heads, c.memory
        self.first_norm, self.second_norm = nn.RMSNorm(c.width), nn.RMSNorm(c.width)
        self.qkv = nn.Linear(c.width, 3 * c.width, bias=False)
        self.out = nn.Linear(c.width, c.width, bias=False)
        self.up = nn.Linear(c.width, c.feed_forward * c.width)
        self.down = nn.Linear(c.feed_forward * c.width, c.width)
        self.dropout = Dropout(c.dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (B, T, D); cos, sin (T, D / H / 2)."""
        b, t, d = x.shape
        q, k, v = self.qkv(self.first_norm(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)  # (B, H, T, D / H)
        heard = attend(q, k, v, self.memory).transpose(1, 2).reshape(b, t, d)
        x = x + self.dropout(self.out(heard))
        return x + self._feed_forward(x)

    def step(
        self, x: Tensor, cos: Tensor, sin: Tensor, here: Tensor, hidden: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, D); cos, sin (B, D / H / 2); here, hidden (B, W); keys, values (B, W, D) -> x, keys, values."""
        b, d = x.shape
        w, size = keys.shape[1], d // self.heads
        q, k, v = self.qkv(self.first_norm(x)).view(b, 3, self.heads, size).unbind(1)  # (B, H, D / H)
        q, k = _rotate(q, cos[:, None], sin[:, None]), _rotate(k, cos[:, None], sin[:, None])
        keys = torch.where(here[..., None], k.reshape(b, 1, d), keys)
        values = torch.where(here[..., None], v.reshape(b, 1, d), values)
        k, v = (ring.view(b, w, self.heads, size).transpose(1, 2) for ring in (keys, values))  # (B, H, W, D / H)
        scores = (q[:, :, None] @ k.transpose(-1, -2)) * size**-0.5 + hidden[:, None, None]
        x = x + self.out((scores.softmax(-1) @ v).reshape(b, d))
        return x + self._feed_forward(x), keys, values

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self.dropout(nn.functional.gelu(self.up(self.second_norm(x)), approximate="tanh"))
        added: Tensor = self.dropout(self.down(hidden))
        return added


def _rotations(c: TransformerConfig) -> Tensor:
    """How often each rotary pair turns in a period: whole numbers, so that a counter that wraps never jumps."""
    pairs = c.width // c.heads // 2
    fastest = TURNS * c.memory / (2 * math.pi)  # a radian a step
    spread = torch.linspace(0, 1, pairs) if pairs > 1 else torch.zeros(1)
    return (fastest ** (1 - spread)).round().clamp(min=1)


def _rotation(places: Tensor, rotations: Tensor, period: int) -> tuple[Tensor, Tensor]:
    """places (N,) -> cos and sin (N, pairs). Exact for any place: products of whole numbers, modulo the period."""
    angles = torch.remainder(places[:, None] * rotations, period) * (2 * math.pi / period)
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
