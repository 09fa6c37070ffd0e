"""A Transformer with a limited memory: rotary positions, attention to the last steps, pre-norm blocks.

Vaswani et al. 2017, with rotary positions (Su et al., arXiv:2104.09864) and normalisation before each part
(Xiong et al., arXiv:2002.04745). Each layer keeps a ring buffer of keys and values, so that a step always costs
the same, however long the music.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.models.banded import MASKED_SCORE, attend
from playbach.models.base import Dropout, Heads, Model, Shape, SummedEmbeddings
from playbach.models.configs import TransformerConfig

_PERIOD_WINDOWS = 8
"""The number of windows in which the slowest rotary pair rotates once, so that all positions in a window differ."""


class Transformer(Model):
    name: ClassVar[str] = "transformer"

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
        """Initialise as GPT-2 does: small weights, smaller still where many layers add to the residual stream."""
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
        """The number of steps after which every rotary pair is back where it began and the step counter wraps."""
        return _PERIOD_WINDOWS * self.options.memory

    def initial_state(self, batch: int) -> list[Tensor]:
        """Ring buffers of keys and values (B, layers, W, D), which of the W slots are filled (B, W), and the position
        of the next step (B, 1); all are floats."""
        c, like = self.options, next(self.parameters())
        ring = (batch, c.layers, c.memory, c.width)
        shapes = (ring, ring, (batch, c.memory), (batch, 1))
        return [torch.zeros(s, dtype=torch.float32, device=like.device) for s in shapes]

    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        keys, values, filled, position = state
        x = self.embed(previous, context)  # (B, D)
        cos, sin = _rotation(position[:, 0], self.rotations, self._period)
        slots = torch.arange(self.options.memory, device=x.device)
        is_slot = slots[None] == torch.remainder(position, self.options.memory)  # (B, W): replaces the oldest
        filled = torch.where(is_slot, torch.ones_like(filled), filled)
        mask = (1 - filled) * MASKED_SCORE
        new_keys, new_values = [], []
        for i, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            x, k, v = block.step(x, cos, sin, is_slot, mask, keys[:, i], values[:, i])
            new_keys.append(k)
            new_values.append(v)
        next_position = torch.remainder(position + 1, self._period)
        state = [torch.stack(new_keys, 1), torch.stack(new_values, 1), filled, next_position]
        return self.heads(self.norm(x), context), state


class _Block(nn.Module):
    """Attention and a feed-forward part, each added to the residual stream."""

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
        attended = attend(q, k, v, self.memory).transpose(1, 2).reshape(b, t, d)
        x = x + self.dropout(self.out(attended))
        return x + self._feed_forward(x)

    def step(
        self, x: Tensor, cos: Tensor, sin: Tensor, is_slot: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, D); cos, sin (B, D / H / 2); is_slot, mask (B, W); keys, values (B, W, D) -> x, keys, values."""
        b, d = x.shape
        w, size = keys.shape[1], d // self.heads
        q, k, v = self.qkv(self.first_norm(x)).view(b, 3, self.heads, size).unbind(1)  # (B, H, D / H)
        q, k = _rotate(q, cos[:, None], sin[:, None]), _rotate(k, cos[:, None], sin[:, None])
        keys = torch.where(is_slot[..., None], k.reshape(b, 1, d), keys)
        values = torch.where(is_slot[..., None], v.reshape(b, 1, d), values)
        k, v = (ring.view(b, w, self.heads, size).transpose(1, 2) for ring in (keys, values))  # (B, H, W, D / H)
        scores = (q[:, :, None] @ k.transpose(-1, -2)) * size**-0.5 + mask[:, None, None]
        x = x + self.out((scores.softmax(-1) @ v).reshape(b, d))
        return x + self._feed_forward(x), keys, values

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self.dropout(nn.functional.gelu(self.up(self.second_norm(x)), approximate="tanh"))
        added: Tensor = self.dropout(self.down(hidden))
        return added


def _rotations(c: TransformerConfig) -> Tensor:
    """How often each rotary pair rotates in a period: whole numbers, so that no position jumps when the counter
    wraps."""
    pairs = c.width // c.heads // 2
    fastest = _PERIOD_WINDOWS * c.memory / (2 * math.pi)  # one radian per step
    spread = torch.linspace(0, 1, pairs) if pairs > 1 else torch.zeros(1)
    return (fastest ** (1 - spread)).round().clamp(min=1)


def _rotation(positions: Tensor, rotations: Tensor, period: int) -> tuple[Tensor, Tensor]:
    """positions (N,) -> cos and sin (N, pairs). Whole numbers modulo `period` make them exact at any position."""
    angles = torch.remainder(positions[:, None] * rotations, period) * (2 * math.pi / period)
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
