"""A single training step: its device, number format, optimiser and loss.

Knows a network and a batch; knows nothing of epochs. Needs torch (extra `train`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from playbach.data.batches import IGNORED, Batch
from playbach.models.base import Model
from playbach.system.errors import UsageError
from playbach.training.checkpoints import weights_of
from playbach.training.options import TrainOptions

PROBE_STEPS = 12


def make_optimiser(model: Model, options: TrainOptions) -> torch.optim.Optimizer:
    """AdamW, with weight decay for matrices only, not for biases and scales."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, options.learning_rate, betas=(0.9, 0.98))


def pick_device(name: str) -> torch.device:
    """The device called `name`; for `auto`, the fastest available.

    Raises:
        UsageError: this machine, or this build of torch, does not have the device.
    """
    is_available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if is_available["cuda"] else "mps" if is_available["mps"] else "cpu")
    if name not in is_available:
        raise UsageError(f"no device called {name!r}; there are: auto, {', '.join(is_available)}")
    if not is_available[name]:
        available = ", ".join(n for n, usable in is_available.items() if usable)
        raise UsageError(f"torch on this machine has no device {name!r}; it has: {available}")
    return torch.device(name)


def pick_dtype(model: Model, batch: Batch, options: TrainOptions, device: torch.device) -> tuple[torch.dtype, str]:
    """The number format to train in, and the reason in words: bfloat16 if the processor computes in it natively and a
    few steps converge as in float32.

    Does not depend on timing, so that the same machine always makes the same choice.
    """
    if options.dtype != "auto":
        return getattr(torch, options.dtype), "as requested"
    if not _native_bfloat16(device):
        return torch.float32, "no native bfloat16"
    exact = _probe(model, batch, options, device=device, dtype=torch.float32)
    try:
        rounded = _probe(model, batch, options, device=device, dtype=torch.bfloat16)
    except RuntimeError:  # the processor supports bfloat16, but torch's kernels for this network do not
        return torch.float32, "torch cannot compute this network in bfloat16 here"
    fall = exact[0] - min(exact)
    difference = max(abs(a - b) for a, b in zip(exact, rounded))
    if difference > 0.1 * fall:
        reason = f"in bfloat16 the loss differs by {difference:.2g} nats while it falls by {fall:.2g}"
        return torch.float32, reason
    return torch.bfloat16, f"native, within {difference:.2g} nats of float32 over {PROBE_STEPS} steps"


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _probe(
    model: Model, batch: Batch, options: TrainOptions, *, device: torch.device, dtype: torch.dtype
) -> list[float]:
    """The losses of a few steps on one batch; the model's weights are restored afterwards."""
    before = weights_of(model)
    torch.manual_seed(options.seed)  # the same dropout in both formats
    optimiser = torch.optim.AdamW(model.parameters(), options.learning_rate / 3)
    few = Batch(batch.previous[:8, :64], batch.context[:8, :64], batch.target[:8, :64])
    try:
        return [
            train_step(model, few, optimiser, options=options, device=device, dtype=dtype) for _ in range(PROBE_STEPS)
        ]
    finally:
        model.load_state_dict(before)
        torch.manual_seed(options.seed)


def train_step(
    model: nn.Module,
    batch: Batch,
    optimiser: torch.optim.Optimizer,
    *,
    options: TrainOptions,
    device: torch.device,
    dtype: torch.dtype,
    weights: Sequence[float] | None = None,
) -> float:
    """Take one optimiser step.

    Args:
        model: the network, or a wrapper that averages its gradients over several processes.
        weights: the weight of each field's loss, for the F fields; None is 1 for each.

    Returns:
        the weighted loss in nats per step of music; if the batch is shared, what this process contributes to the
        mean over all processes.
    """
    model.train()
    arrays = (batch.previous, batch.context, batch.target)  # (B, T, F), (B, T, C), (B, T, F)
    previous, context, target = (torch.from_numpy(array).to(device) for array in arrays)
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        logits = model(previous, context)  # F times (B, T, V_f)
    if batch.soft is None:
        losses = [_field_loss(scores, target[..., f], batch.mean_steps) for f, scores in enumerate(logits)]
    else:
        wanted = torch.split(torch.from_numpy(batch.soft).to(device), [s.shape[-1] for s in logits], dim=-1)
        losses = [_soft_loss(scores, soft, target[..., 0]) for scores, soft in zip(logits, wanted)]
    loss = torch.stack([part * w for part, w in zip(losses, weights or [1.0] * len(losses))]).sum()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
    optimiser.step()
    return float(loss.detach())


def _field_loss(scores: Tensor, target: Tensor, mean_steps: float | None) -> Tensor:
    """The mean loss of a field's symbols, or the sum of their losses divided by `mean_steps`."""
    scores, target = scores.float().flatten(0, 1), target.flatten()  # (B T, V_f), (B T,)
    if mean_steps is None:
        return nn.functional.cross_entropy(scores, target, ignore_index=IGNORED)
    return nn.functional.cross_entropy(scores, target, ignore_index=IGNORED, reduction="sum") / mean_steps


def _soft_loss(scores: Tensor, wanted: Tensor, target: Tensor) -> Tensor:
    """The mean cross-entropy of a field's distributions (B, T, V_f), but for the padding of `target` (B, T)."""
    costs = -(wanted * scores.float().log_softmax(-1)).sum(-1)
    return costs[target != IGNORED].mean()
