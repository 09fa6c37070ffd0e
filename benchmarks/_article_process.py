"""Runs the Keras side in a process: a file of samples in, JSON lines out. Knows nothing of what is measured."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from _bench import fail

SCRIPT = Path(__file__).with_name("_article_keras.py")
MISSING = "has no TensorFlow; pip install -r benchmarks/requirements-article.txt, or give another with --keras-python"


def train_in_keras(python: str, data: Mapping[str, Any], epochs: int, seed: int) -> Iterator[dict[str, Any]]:
    """Train; yield a line for each epoch, then one for the kept weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.npz"
        np.savez(path, **data)
        yield from output_lines(python, "train", str(path), str(epochs), str(seed))


def output_lines(python: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run the script and yield its lines. The process is killed if this one fails."""
    command = [python, str(SCRIPT), *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:  # a pipe would fill up
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        except OSError as error:
            fail(f"{python}: {error.strerror}; give a Python that has TensorFlow with --keras-python")
        with process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    yield json.loads(line)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            errors.seek(0)
            *_, last = [f"ended with {process.returncode}", *errors.read().split("\n")[-2:-1]]
            fail(f"{python}: {MISSING}" if "No module named" in last else f"{python}: {last}")
