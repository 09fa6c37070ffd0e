"""Attention to a limited number of past steps, over whole sequences, for training.

Knows queries, keys and values; knows nothing of how they are computed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASKED_SCORE = -1e4
"""Added to the score of a step that must not be attended to: its weight becomes exactly 0 in every float format."""


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """q, k, v (B, H, T, S): each step attends to itself and to the `window` - 1 steps before it.

    A sequence longer than two windows is cut into blocks of one window. Each block attends to itself and to the block
    before it, so that memory grows with T and not with its square. torch's fused attention is not used, because it
    takes three times as long on a CPU at this size.
    """
    b, h, t, size = q.shape
    q = q * size**-0.5
    if t <= 2 * window:
        return _softmax_of(q @ k.transpose(-1, -2), _band(t, t, window, q.device), v)
    blocks = -(-t // window)
    padding = (0, 0, 0, blocks * window - t)
    q, k, v = (nn.functional.pad(x, padding).view(b, h, blocks, window, size) for x in (q, k, v))
    k, v = (torch.cat([nn.functional.pad(x, (0, 0, 0, 0, 1, 0))[:, :, :-1], x], dim=3) for x in (k, v))
    band = _band(window, 2 * window, window, q.device).repeat(blocks, 1, 1)
    band[0, :, :window] = MASKED_SCORE  # the first block has no block before it
    return _softmax_of(q @ k.transpose(-1, -2), band, v).reshape(b, h, blocks * window, size)[:, :, :t]


def _softmax_of(scores: Tensor, band: Tensor, v: Tensor) -> Tensor:
    return (scores + band.to(scores.dtype)).softmax(-1).to(v.dtype) @ v


def _band(queries: int, keys: int, window: int, device: torch.device) -> Tensor:
    """(Q, K), where the last query is at the last key: 0 where the key is at the query's step or at one of the
    `window` - 1 steps before it, else MASKED_SCORE."""
    q, k = torch.arange(keys - queries, keys, device=device), torch.arange(keys, device=device)
    distance = q[:, None] - k[None]
    return torch.where((distance >= 0) & (distance < window), 0.0, MASKED_SCORE)
