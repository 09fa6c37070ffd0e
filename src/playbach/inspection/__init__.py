"""Describes files: a model and its network, a piece of music, a corpus.

The descriptions are dataclasses that can be written as JSON, and pictures of them. `cli.inspect` and `cli.models`
print them. Knows bundles, scores and encodings; runs no network.
"""

from __future__ import annotations

from pathlib import Path

from playbach.bundles.description import BundleInfo, DamagedModel, describe_model, list_models
from playbach.inspection.corpus import CorpusSurvey, survey_corpus
from playbach.inspection.music import MusicInfo, describe_music
from playbach.inspection.network import NetworkGraph, network_graph
from playbach.system.files import AnyPath, pending_file

__all__ = [
    "BundleInfo",
    "CorpusSurvey",
    "DamagedModel",
    "MusicInfo",
    "NetworkGraph",
    "describe_model",
    "describe_music",
    "draw_corpus",
    "draw_network",
    "list_models",
    "network_graph",
    "survey_corpus",
]


def draw_corpus(survey: CorpusSurvey, path: AnyPath) -> Path:
    """Draw a survey as PNG, under an unused name, and return its path.

    Raises:
        PlaybachError: it cannot be written there.
    """
    from playbach.inspection import corpus_picture

    with pending_file(path) as pending:
        corpus_picture.draw(survey).save(pending.temporary, format="PNG")
    return pending.path


def draw_network(graph: NetworkGraph, path: AnyPath) -> Path:
    """Draw a network in the format of the suffix (.png, .svg), under an unused name, and return its path.

    Raises:
        PlaybachError: it cannot be written there.
    """
    from playbach.inspection import network_picture

    with pending_file(path) as pending:
        network_picture.write(graph, pending.temporary)
    return pending.path
