"""The picture of a training run: curves of training and validation, with the diagnosis below. Needs matplotlib."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from playbach.training.diagnosis import Diagnosis

if TYPE_CHECKING:
    from playbach.training.trained import TrainedNetwork

_TEXT, _TRAIN, _VALID, _GUIDE = "#222222", "#8a8f98", "#0b6e4f", "#b4b8bf"


def draw_curves(trained: TrainedNetwork, diagnosis: Diagnosis, name: str, path: Path) -> None:
    """Write the picture to `path` as PNG, replacing what is there."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.6), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    bits, accuracy = figure.subplots(1, 2)
    epochs = [e.number for e in trained.history]
    best = trained.best
    for axes, title, key in (
        (bits, "bits per note (lower is better)", "bits_per_note"),
        (accuracy, "accuracy (higher is better)", "accuracy"),
    ):
        train = [getattr(e.train, key) for e in trained.history]
        valid = [getattr(e.valid, key) for e in trained.history]
        marker = "o" if len(epochs) == 1 else None
        axes.plot(epochs, train, color=_TRAIN, linewidth=1.8, label="training music", marker=marker)
        axes.plot(epochs, valid, color=_VALID, linewidth=2.2, label="held-out music (validation)", marker=marker)
        axes.axhline(getattr(trained.baseline, key), color=_GUIDE, linestyle=":", label="guessing by frequency")
        axes.axvline(best.number, color=_GUIDE, linewidth=1)
        axes.plot([best.number], [getattr(best.valid, key)], "o", color=_VALID)
        axes.set_title(title, fontsize=11, color=_TEXT, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eeeeee")
        axes.set_axisbelow(True)
    bits.set_ylim(bottom=0, top=1.05 * trained.baseline.bits_per_note)
    bits.legend(frameon=False, fontsize=9)
    figure.suptitle(f"{name}: {diagnosis.word}", x=0.02, ha="left", fontsize=14, color=_TEXT, weight="bold")
    text = textwrap.fill(str(diagnosis), 125)
    figure.text(0.02, 0.02, text, fontsize=9.5, color=_TEXT, va="bottom", linespacing=1.4)
    figure.tight_layout(rect=(0, 0.04 + 0.04 * text.count("\n"), 1, 0.97))
    figure.savefig(path, format="png", metadata={"Software": "playbach"})
