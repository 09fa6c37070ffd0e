"""Ornaments of MusicXML: which a note carries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ornament:
    """An ornament of a note."""

    kind: str
    """Such as `trill`, as `inspect` counts it."""
