"""Silences exporters and quantisers, which write to both streams, log, warn and draw progress bars."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from playbach.system.stderr import silence_stderr

_LOGGERS = ("", "absl", "jax", "litert_torch", "torch", "torch.onnx")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what code in this context prints, logs (below errors) or warns about."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with (
            warnings.catch_warnings(),
            silence_stderr(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
