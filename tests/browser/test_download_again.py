"""A piece that the page saves, after its knobs were turned, is composed again on the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import playbach

pytestmark = pytest.mark.slow

Open = Callable[..., Any]


def test_the_download_is_composed_again_note_for_note(listener: Open, tmp_path: Path) -> None:
    page = listener("#model=bach-chorales&seed=6&tempo=150&temperature=1.5")
    page.play()
    page.page.focus("#tempo")
    page.page.keyboard.press("ArrowUp")
    page.page.focus("#temperature")
    page.page.keyboard.press("ArrowLeft")
    page.until(lambda: sum(frame["type"] == "change" for frame in page.frames) == 2, "the changes")
    changed = [frame["change"] for frame in page.frames if frame["type"] == "change"]
    bar = max(change[1] for change in changed)
    page.page.select_option("#instrument", label="Oboe")
    page.until(lambda: f"bar {bar + 3} of" in page.page.inner_text("#position"), "bars after the changes")
    page.page.click("#download")
    with page.page.expect_download() as download:
        page.page.click("#download-midi")
    saved = tmp_path / "piece.mid"
    download.value.save_as(saved)
    command = [sys.executable, "-m", "playbach"]
    inspected = subprocess.run([*command, "inspect", str(saved)], capture_output=True, text=True, check=True).stdout
    assert f"playbach compose --replay {saved}" in inspected
    again = tmp_path / "again.mid"
    subprocess.run([*command, "compose", "--replay", str(saved), "-o", str(again)], capture_output=True, check=True)
    for heard, composed in zip(playbach.read(saved).tracks, playbach.read(again).tracks, strict=True):
        assert (heard.name, heard.program) == (composed.name, composed.program)
        wanted = [(n.time, n.duration, n.pitch, n.velocity) for n in heard.notes]
        assert len(wanted) > 4
        assert [(n.time, n.duration, n.pitch, n.velocity) for n in composed.notes][: len(wanted)] == wanted
