"""The notebook runs from top to bottom; only its settings are changed, to less music and a smaller network."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from helpers.paths import ROOT

NOTEBOOK = ROOT / "notebooks" / "train_bach.ipynb"
SETTINGS = """
MUSIC = {music!r}
MINUTES = 0.02
NETWORK = {{"hidden": 16}}
"""


def test_it_is_committed_without_results() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert len(cells) > 12
    for cell in cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_it_runs(tmp_path: Path, lines_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    for module in ("nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(module, reason=f"the notebook is executed by {module}, of the extra 'dev'")
    import nbclient
    import nbformat

    # Ignore the user's own settings for notebooks; the kernel is that of this Python.
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)
    [settings] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    settings.source = SETTINGS.format(music=str(lines_folder))
    folder = tmp_path / "here"
    folder.mkdir()
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": os.fspath(folder)}}
    )
    client.execute()

    written = {path.name for path in folder.iterdir()}
    assert {"music.png", "piece.mid", "piece.wav", "piece.png", "chorale.png", "chorale.wav"} <= written
    [bundle] = [name for name in written if name.endswith(".playbach")]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 4
    html = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert sum("<audio" in text for text in html) == 2
    assert any(bundle in text for text in html)
    assert not [output for output in outputs if output.output_type == "error"]
