"""The number format to train in: bfloat16 only where it works, and as well as float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from helpers import sample_music
from playbach.data.batches import Batch, previous_of
from playbach.encodings.notes import NotesEncoding
from playbach.models import build
from playbach.models.base import Model, Shape
from playbach.training import optim
from playbach.training.options import TrainOptions

CPU = torch.device("cpu")


@pytest.fixture
def example() -> tuple[Model, Batch]:
    score = sample_music.line(0)
    encoding = NotesEncoding.fit([score])
    piece = encoding.encode(score)
    rows = previous_of(piece.steps, encoding), piece.context, piece.steps
    previous, context, target = (array.astype(np.int64)[None] for array in rows)
    torch.manual_seed(0)
    model = build("lstm", Shape.of(encoding), {"hidden": 8, "embedding": 4})
    return model, Batch(previous, context, target)


def test_float32_is_used_where_torch_cannot_compute_in_bfloat16(
    example: tuple[Model, Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor whose vector instructions are switched off: the network is left as it was."""
    model, batch = example
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    original = optim.train_step

    def step(*arguments: Any, dtype: torch.dtype, **options: Any) -> float:
        loss = original(*arguments, dtype=torch.float32, **options)
        if dtype == torch.bfloat16:
            raise RuntimeError("could not create a primitive descriptor")
        return loss

    monkeypatch.setattr(optim, "_native_bfloat16", lambda device: True)
    monkeypatch.setattr(optim, "train_step", step)
    dtype, reason = optim.pick_dtype(model, batch, TrainOptions(), CPU)
    assert dtype == torch.float32
    assert "bfloat16" in reason
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
