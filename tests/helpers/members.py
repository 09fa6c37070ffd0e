"""A bundle to which n-grams are added, as if it had been trained on a few pieces of its own making."""

from __future__ import annotations

from dataclasses import replace

from playbach.bundles.bundle import Bundle
from playbach.bundles.exported import NGRAMS
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.inference.composing import Composer
from playbach.inference.runtimes.onnx import open_bundle
from playbach.music.scores import transpose
from playbach.ngrams import stored
from playbach.ngrams.ngram import NGramAverage

PIECES, BARS = 3, 6


def pieces_of(bundle: Bundle) -> list[EncodedPiece]:
    """Some pieces that the bundle's network composes."""
    composer = Composer(bundle, open_bundle(bundle, 1))
    made = (composer.compose(seed=seed, bars=BARS, plain=True).score for seed in range(PIECES))
    return [composer.encoding.encode(score) for score in made]


def ngrams_of(pieces: list[EncodedPiece], encoding: Encoding) -> NGramAverage:
    """Two n-grams of pieces in all keys."""
    scores = [stored.decoded(piece.steps, piece.header, encoding) for piece in pieces]
    keys = [[encoding.encode(transpose(s, k)) for k in encoding.transpositions(s)] for s in scores]
    return NGramAverage.fit(keys, encoding, members=2)


def with_ngrams(bundle: Bundle) -> Bundle:
    pieces, encoding = pieces_of(bundle), bundle.encoding()
    data = stored.as_bytes(ngrams_of(pieces, encoding), pieces, keys=stored.ALL_KEYS, network_share=0.5)
    return replace(bundle, members={**bundle.members, NGRAMS: data})
