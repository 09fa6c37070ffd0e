"""How long work is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Progress = Callable[[Iterator[Any], int], Iterator[Any]]
"""Wraps an iterator over work, given how much there is, and yields the same items: a progress bar, for example."""
