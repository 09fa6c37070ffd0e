"""Exporters and quantisers talk: on both streams, through loggers, in warnings of their own future, and with bars."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from playbach.system.stderr import silenced_stderr

LOGGERS = ("", "absl", "jax", "litert_torch", "torch", "torch.onnx")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing of it is seen meanwhile."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with (
            warnings.catch_warnings(),
            silenced_stderr(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
