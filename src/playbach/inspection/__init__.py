"""What is in a file: a bundle's network and what it learnt from, a piece's tracks, key and length and how it encodes;
and what is in a folder of them.

Data only, as JSON takes it, and pictures of it; `commands/inspect.py` and `commands/models.py` put it into words.
Knows bundles, scores and encodings; runs no network.
"""

from __future__ import annotations

from pathlib import Path

from playbach.bundles.description import BundleInfo, Damaged, describe, listed
from playbach.inspection.corpus import Survey, survey
from playbach.inspection.music import Music, hear
from playbach.inspection.network import Graph, graph
from playbach.system.files import AnyPath, writing

__all__ = [
    "BundleInfo",
    "Damaged",
    "Graph",
    "Music",
    "Survey",
    "describe",
    "graph",
    "hear",
    "listed",
    "picture_of_corpus",
    "picture_of_network",
    "survey",
]


def picture_of_corpus(survey: Survey, path: AnyPath) -> Path:
    """Draw a survey as PNG and give the path that the file really has: nothing is overwritten.

    Raises:
        PlaybachError: it cannot be written there.
    """
    from playbach.inspection import corpus_picture

    with writing(path) as draft:
        corpus_picture.draw(survey).save(draft.temporary, format="PNG")
    return draft.path


def picture_of_network(graph: Graph, path: AnyPath) -> Path:
    """Draw a network, as the suffix says (.png, .svg), and give the path that the file really has.

    Raises:
        PlaybachError: it cannot be written there.
    """
    from playbach.inspection import network_picture

    with writing(path) as draft:
        network_picture.write(graph, draft.temporary)
    return draft.path
