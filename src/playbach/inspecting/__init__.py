"""What is in a file: a bundle's network and what it learnt from, a piece's tracks, key and length and how it encodes.

Data only, as JSON takes it; `commands/inspect.py` and `commands/models.py` put it into words. Knows bundles, scores
and encodings; runs no network.
"""

from __future__ import annotations

from playbach.inspecting.bundles import BundleInfo, Damaged, describe, listed
from playbach.inspecting.music import Music, hear

__all__ = ["BundleInfo", "Damaged", "Music", "describe", "hear", "listed"]
