"""The piece that the radio's page draws before the first tap is one that the shipped model composes."""

from __future__ import annotations

import importlib.util
import json
import re

from helpers.paths import ROOT

ROW = re.compile(r"notes: (\[\[.*\]\])")


def test_the_model_composes_the_piece() -> None:
    spec = importlib.util.spec_from_file_location("make_preview", ROOT / "docs" / "make_preview.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    # Probabilities differ in their last digits between machines.
    assert voices_and_pitches(script.TARGET.read_text("utf-8")) == voices_and_pitches(script.preview())


def voices_and_pitches(text: str) -> list[list[list[int]]]:
    return [[note[:4] for note in json.loads(bar)] for bar in ROW.findall(text)]
