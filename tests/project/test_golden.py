"""The golden files (golden/make.py): the tiny bundle composes exactly what it composed when it was made, and the
other bundles are of the sample music as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden import make
from helpers import sample_music
from playbach.bundles import bundle as bundles
from playbach.data import corpora


def test_the_tiny_bundle_composes_what_it_did() -> None:
    midi, plain = make.composed()
    assert plain == make.PLAIN.read_text("utf-8")
    assert midi == make.PIECE.read_bytes()


@pytest.mark.parametrize("name", sample_music.CORPORA)
def test_the_small_bundles_were_trained_on_the_sample_music(name: str, tmp_path: Path) -> None:
    bundle = bundles.read(make.SMALL[name])
    corpus, encoding = corpora.load_folder(sample_music.corpus(name, tmp_path))
    assert bundle.encoding().name == encoding
    assert {piece.digest: side for side, piece in corpus.pieces()} == {
        digest: side for digest, (side, _) in bundle.manifest["pieces"].items()
    }
