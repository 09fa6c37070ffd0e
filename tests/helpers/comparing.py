"""Comparing computed figures: never for equality, unless the same operations ran in the same order."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

import pytest


def nearly(expected: Any) -> Any:
    """`expected` with every float in it replaced by `pytest.approx`; dataclasses become dicts.

    Sums of floats depend on the order of their terms, and on the processor's vector instructions.
    """
    if isinstance(expected, float):
        return pytest.approx(expected, rel=1e-9, abs=1e-12)
    if isinstance(expected, dict):
        return {key: nearly(value) for key, value in expected.items()}
    if isinstance(expected, list | tuple):
        return [nearly(value) for value in expected]
    return nearly(plain(expected)) if is_dataclass(expected) else expected


def plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists, to compare with `nearly(…)`."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
