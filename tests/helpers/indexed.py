"""Small bundles with an index of their training pieces, as training writes it."""

from __future__ import annotations

from pathlib import Path

from playbach.bundles import bundle as bundles
from playbach.bundles.fingerprints import add_index, numbers_of_pieces
from playbach.data.corpora import load_folder
from playbach.evaluation.originality import index_of


def indexed(bundle: Path, folder: Path, into: Path) -> Path:
    """A copy of a bundle that was trained on a folder, with an index."""
    read = bundles.read(bundle)
    encoding = read.encoding()
    corpus, _ = load_folder(folder, encoding=encoding.name)
    return add_index(read, index_of(corpus, encoding, numbers_of_pieces(read.manifest)), into / bundle.name)
