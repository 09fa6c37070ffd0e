"""The corpus of a training run as integers on disk: its training pieces in all their keys, its held-out pieces in
their own. Knows nothing of networks nor of the training itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playbach.data.batches import TrainingSet
from playbach.data.pieces import SIDES, Corpus
from playbach.data.shards import Shards, build_shards
from playbach.encodings import ENCODINGS, OPTIONS
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.system.errors import CorpusError
from playbach.training.callbacks import Callbacks
from playbach.training.options import TrainOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedCorpus:
    """A corpus, and the encoded pieces of each side of its split."""

    corpus: Corpus
    encoding: Encoding
    train: TrainingSet
    valid: list[EncodedPiece]
    test: list[EncodedPiece]
    held_out: list[Shards]
    """The files of `valid` and `test`, which may be temporary: they are removed with this object."""


def fit_encoding(corpus: Corpus, options: TrainOptions) -> Encoding:
    """The encoding, with a vocabulary from the training pieces only, or with that of any music before it.

    Raises:
        UsageError: the encoding has no vocabulary for any music.
    """
    assert options.encoding is not None
    kind = ENCODINGS[options.encoding].load()
    encoding_options = getattr(options, options.encoding) if options.encoding in OPTIONS else None
    base = kind.for_any_music(encoding_options) if options.vocabulary == "any" else None
    return kind.fit((p.score for p in corpus.train), encoding_options, base)


def encode_corpus(corpus: Corpus, encoding: Encoding, folder: Path | None, callbacks: Callbacks) -> EncodedCorpus:
    """Encode all pieces into `folder`, except those that are there; None is a temporary folder.

    Raises:
        CorpusError: none of a side's pieces can be encoded.
        Stopped: `callbacks.should_stop` returned True.
    """
    train = TrainingSet(corpus.train, encoding, folder, callbacks.should_stop, callbacks.encoding_progress)
    held_out = [
        build_shards(getattr(corpus, side), encoding, side, folder, stop=callbacks.should_stop) for side in SIDES[1:]
    ]
    for side, shards in zip(SIDES, (train.shards, *held_out)):
        for line in shards.left_out:
            callbacks.report(f"left out: {line}")
        if not len(shards.index):
            raise CorpusError(f"{corpus.name}: none of its {side} pieces can be encoded; use other music")
    valid, test = ([shards.encoded_piece(row) for row in range(len(shards.index))] for shards in held_out)
    return EncodedCorpus(corpus=corpus, encoding=encoding, train=train, valid=valid, test=test, held_out=held_out)
