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
from playbach.ngrams.ngram import NGRAM_MEMBERS, NGramAverage
from playbach.training.encoded_corpus import EncodedCorpus
from playbach.training.teaching import Ensemble, best_share
from playbach.training.trained import Members

MAX_COUNTED_STEPS = 1_000_000
"""The most training steps, those of a piece counted in each key, to which n-grams are fitted."""


def fit_ngrams(music: EncodedCorpus, report: Callable[[str], None]) -> NGramAverage | None:
    """N-grams of the training pieces, in all keys or in as many of the nearest ones as are not too many steps; None
    if there are too many steps in one key."""
    keys = keys_to_count(music)
    if not keys:
        return None
    report(f"Fitting {NGRAM_MEMBERS} n-grams to the training pieces")
    return NGramAverage.fit(music.train.in_nearest_keys(keys), music.encoding)


def keys_to_count(music: EncodedCorpus) -> int:
    """In how many keys n-grams count each training piece, if it has as many."""
    return MAX_COUNTED_STEPS // music.train.steps


def find_members(
    model: Model, ngrams: NGramAverage, music: EncodedCorpus, *, alone: Figures, report: Callable[[str], None]
) -> Members | None:
    """The n-grams that play together with a network; None if it is as good without them.

    Args:
        ngrams: of the training pieces.
        alone: the figures of the network on the validation pieces.
    """
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
    originals = [music.encoding.encode(music.corpus.train[i].score) for i in music.train.numbers]
    data = stored.as_bytes(ngrams, originals, keys=keys_to_count(music), network_share=share)
    return Members(data, len(ngrams.members), share, valid, together.figures(music.test))
