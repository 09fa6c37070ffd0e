"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playbach.training.loop import TrainedNetwork


@pytest.fixture
def faster_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write only the weights, and no picture: bundles and pictures take longer than these trainings."""
    from playbach.training import plots, saving

    def write_weights(stem: Path, trained: TrainedNetwork, diagnosis: object) -> Path:
        path = stem.with_name(f"{stem.name}.playbach")
        path.write_bytes(saving.weights_as_bytes(trained.model))
        return path

    monkeypatch.setattr(saving, "write_bundle", write_weights)
    monkeypatch.setattr(plots, "draw_curves", lambda *_: None)
