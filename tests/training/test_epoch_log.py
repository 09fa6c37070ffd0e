"""The results of each epoch for other programs: lines of JSON, and TensorBoard's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import playbach
from playbach.system.errors import MissingExtra
from playbach.training import epoch_log

SMALL = {"hidden": 16}
pytestmark = pytest.mark.usefixtures("faster_saving")


def test_each_epoch_has_a_line_of_json(lines_folder: Path, tmp_path: Path) -> None:
    run = playbach.train(lines_folder, into=tmp_path, epochs=3, network=SMALL, dtype="float32")
    epochs = [json.loads(line) for line in run.metrics.read_text("utf-8").splitlines()]
    assert [epoch["number"] for epoch in epochs] == [1, 2, 3]
    for epoch, known in zip(epochs, run.trained.history, strict=True):
        assert epoch["valid"]["bits_per_note"] == known.valid.bits_per_note
        assert [head["field"] for head in epoch["valid"]["heads"]] == ["symbol", "duration"]
        assert epoch["saved"] == known.saved


def test_a_resumed_run_gives_tensorboard_each_epoch_once(lines_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = playbach.train(
        lines_folder, into=tmp_path, epochs=2, network=SMALL, dtype="float32", tensorboard=True, name="tb"
    )
    board = epoch_log.TensorBoard(tmp_path / "tb.tensorboard", 1)  # resumed after the first
    board.add(run.trained.history[1])
    board.close()
    found = EventAccumulator(str(tmp_path / "tb.tensorboard")).Reload()
    bits = found.Scalars("bits_per_note/valid")
    assert [b.step for b in bits] == [1, 2]
    assert [b.value for b in bits] == pytest.approx([e.valid.bits_per_note for e in run.trained.history])
    assert "accuracy of duration/valid" in found.Tags()["scalars"]


def test_the_message_names_the_missing_tensorboard_extra(monkeypatch: pytest.MonkeyPatch, lines_folder: Path) -> None:
    monkeypatch.setattr(epoch_log, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"playbach\[tensorboard\]"):
        playbach.train(lines_folder, tensorboard=True)
