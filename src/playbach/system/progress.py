"""The types of a progress bar and of a function that receives lines for the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Progress = Callable[[Iterator[Any], int], Iterator[Any]]
"""Takes an iterator and the number of its items, returns the same items, and shows how many have passed."""

Report = Callable[[str], None]
"""Receives each line that the user should see."""
