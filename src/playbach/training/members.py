"""Lets n-grams of the training pieces play together with the network where that predicts better.

From few pieces a network learns too little to be ahead of n-grams on all music. The two know different things, and
the mixture of their probabilities is better than either. Its share at the beginning of a piece is learnt from the
validation pieces. Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable

from playbach.evaluation.metrics import Figures
from playbach.models.base import Model
from playbach.ngrams import stored
from playbach.ngrams.ngram import NGramAverage
from playbach.training.encoded_corpus import EncodedCorpus
from playbach.training.teaching import Ensemble, best_share
from playbach.training.trained import Members

MAX_PLAYED_STEPS = 500_000
"""With more training steps in all keys than this, no n-gram plays: a network has learnt enough, and counting would
take many seconds whenever the model is loaded."""


def find_members(
    model: Model, ngrams: NGramAverage, music: EncodedCorpus, *, alone: Figures, report: Callable[[str], None]
) -> Members | None:
    """The n-grams that play together with a network; None if it is as good without them.

    Args:
        ngrams: of the training pieces.
        alone: the figures of the network on the validation pieces.
    """
    if music.train.steps_in_all_keys > MAX_PLAYED_STEPS:
        return None
    share = best_share(Ensemble(music.encoding, (model,), ngrams, 1.0), music.valid)
    together = Ensemble(music.encoding, (model,), ngrams, share)
    valid = together.figures(music.valid)
    if valid.bits_per_note > alone.bits_per_note:
        return None
    report(
        f"{len(ngrams.members)} n-grams of the training pieces play together with the network (--network-alone "
        f"prevents it): validation music costs {valid.bits_per_note:.3f} bits per note instead of "
        f"{alone.bits_per_note:.3f}"
    )
    originals = [music.encoding.encode(piece.score) for piece in music.corpus.train]
    data = stored.as_bytes(ngrams, originals, share)
    return Members(data, len(ngrams.members), share, valid, together.figures(music.test))
