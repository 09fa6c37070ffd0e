"""C source text: the engine's own files, and how long its lines are."""

from __future__ import annotations

from importlib import resources

MAX_COLUMNS = 118


def engine_file(name: str) -> bytes:
    """A file of the engine, as it comes with the package."""
    return resources.files("playbach").joinpath("export", "c", "engine", name).read_bytes()
