"""One step down the gradient: on which device, in which number format, with which optimiser, and what it costs.

Knows a network and a batch; knows nothing of epochs. Needs torch (extra `train`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from playbach.data.batches import IGNORED, Batch
from playbach.models import Model
from playbach.system.errors import UsageError
from playbach.training.checkpoints import weights_of
from playbach.training.options import TrainOptions

PROBE_STEPS = 12


def optimiser_of(model: Model, options: TrainOptions) -> torch.optim.Optimizer:
    """AdamW; only matrices decay, biases and scales stay free."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, options.learning_rate, betas=(0.9, 0.98))


def pick_device(name: str) -> torch.device:
    """The device that is meant; `auto` is the fastest there is.

    Raises:
        UsageError: this machine, or this build of torch, does not have it.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if name not in there:
        raise UsageError(f"no device called {name!r}; there are: auto, {', '.join(there)}")
    if not there[name]:
        found = ", ".join(n for n, has in there.items() if has)
        raise UsageError(f"this machine's torch has no device {name!r}; it has: {found}")
    return torch.device(name)


def pick_dtype(model: Model, batch: Batch, options: TrainOptions, device: torch.device) -> tuple[torch.dtype, str]:
    """bfloat16 where the processor computes in it natively and a few steps converge as in float32, and why.

    Timing has no say, so that the same machine always takes the same.
    """
    if options.dtype != "auto":
        return getattr(torch, options.dtype), "as asked"
    if not _native_bfloat16(device):
        return torch.float32, "no native bfloat16"
    curves = [_probe(model, batch, options, device, dtype) for dtype in (torch.float32, torch.bfloat16)]
    fall = curves[0][0] - min(curves[0])
    apart = max(abs(a - b) for a, b in zip(*curves))
    if apart > 0.1 * fall:
        return torch.float32, f"bfloat16 strays from float32 by {apart:.2g} of a fall of {fall:.2g} nats"
    return torch.bfloat16, f"native, and within {apart:.2g} nats of float32 over {PROBE_STEPS} steps"


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    can = torch.cpu.get_capabilities()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def _probe(
    model: Model, batch: Batch, options: TrainOptions, device: torch.device, dtype: torch.dtype
) -> list[float]:
    """The losses of a few steps on one batch; the model is as before after it."""
    before = weights_of(model)
    torch.manual_seed(options.seed)  # the same dropout for both
    optimiser = torch.optim.AdamW(model.parameters(), options.learning_rate / 3)
    few = Batch(batch.previous[:8, :64], batch.context[:8, :64], batch.target[:8, :64])
    losses = [train_step(model, few, optimiser, options, device, dtype) for _ in range(PROBE_STEPS)]
    model.load_state_dict(before)
    torch.manual_seed(options.seed)
    return losses


def train_step(
    model: nn.Module,
    batch: Batch,
    optimiser: torch.optim.Optimizer,
    options: TrainOptions,
    device: torch.device,
    dtype: torch.dtype,
    weights: Sequence[float] | None = None,
) -> float:
    """One step down the gradient.

    Args:
        model: the network, or one whose gradients become means over several processes.
        weights: how much the cost of each of the F fields counts; None is 1.

    Returns:
        the loss in nats a step of music, by these weights; with a share of a batch, what this process adds to the
        mean over all processes.
    """
    model.train()
    previous, context, target = (
        torch.from_numpy(a).to(device) for a in (batch.previous, batch.context, batch.target)
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        logits = model(previous, context)
    costs = [_cost(scores, target[..., f], batch.among) for f, scores in enumerate(logits)]
    loss = torch.stack([cost * w for cost, w in zip(costs, weights or [1.0] * len(costs))]).sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
    optimiser.step()
    return float(loss.detach())


def _cost(scores: Tensor, target: Tensor, among: float | None) -> Tensor:
    """The mean cost of a field's symbols, or its sum divided by `among`."""
    scores, target = scores.float().flatten(0, 1), target.flatten()
    if among is None:
        return nn.functional.cross_entropy(scores, target, ignore_index=IGNORED)
    return nn.functional.cross_entropy(scores, target, ignore_index=IGNORED, reduction="sum") / among
