"""Teaches a network what several others and some n-grams know together (Hinton et al. 2015, arXiv:1503.02531).

The teachers' predictions are averaged, and mixed with those of n-grams of the same training pieces; the share of each
is learnt from the validation pieces. The network then learns the training pieces as usual, and these distributions on
pieces that the teachers compose, of which there are as many as one likes. (What the teachers say of the training
pieces is worth little: they know them by heart.)

Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from playbach.bundles.network import BaseModel
from playbach.data.batches import SoftTargets, TrainingSet, previous_of
from playbach.data.pieces import Corpus, Piece
from playbach.data.shards import Stopped
from playbach.encodings.base import Decoder, EncodedPiece, Encoding
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.evaluation.metrics import Figures, predictor_figures
from playbach.inference.sampling import draw, probabilities
from playbach.models.base import Model, Shape
from playbach.music.assembly import first_events, score_from_events
from playbach.music.bars import Bars
from playbach.music.events import Event
from playbach.music.scores import content_hash
from playbach.ngrams import mixing
from playbach.ngrams.mixing import MIN_NETWORK_SHARE
from playbach.ngrams.ngram import NGramAverage
from playbach.system.errors import UsageError
from playbach.system.progress import Progress

COMPOSED_RATIO = 4.0
"""How many windows of composed pieces come with each window of training pieces."""
COMPOSED = "composed"
"""The first part of the names of the composed pieces' files."""
COMPOSED_AT_ONCE = 64
"""How many pieces are composed at once."""
SHARE_STEPS = 50
"""The steps of expectation maximisation that learn the share of the networks."""

_Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Networks and n-grams that predict together."""

    encoding: Encoding
    networks: tuple[Model, ...]
    ngrams: NGramAverage | None
    """None where there is too much music for them."""
    share: float
    """That of the networks at the beginning of a piece; the n-grams have the rest (`ngrams.mixing`)."""

    def probabilities(self, piece: EncodedPiece) -> list[_Floats]:
        """For each field, the probability of each symbol before each step of a piece (T, V_f)."""
        return self.mix(self.of_networks(piece), self.of_ngrams(piece), piece)

    @torch.inference_mode()
    def of_networks(self, piece: EncodedPiece, *, length_known: bool = False) -> list[_Floats]:
        """The mean of the networks' distributions.

        Args:
            length_known: whether the networks are told how many bars are left.
        """
        previous = torch.from_numpy(previous_of(piece.steps, self.encoding).astype(np.int64))[None]
        context = torch.from_numpy(piece.context.astype(np.int64))[None]
        if not length_known:
            context[..., self.encoding.bars_left_column] = UNKNOWN_BARS_LEFT
        found = [
            [f[0].softmax(-1) for f in network(previous, _known_to(network, context))] for network in self.networks
        ]
        return [torch.stack(field).mean(0).numpy() for field in zip(*found)]

    def of_ngrams(self, piece: EncodedPiece) -> list[_Floats] | None:
        return None if self.ngrams is None else list(self.ngrams.probabilities(piece))

    def mix(
        self, networks: Sequence[_Floats], ngrams: Sequence[_Floats] | None, piece: EncodedPiece
    ) -> list[_Floats]:
        """The mixture of what both predict of a piece."""
        if ngrams is None:
            return list(networks)
        return list[_Floats](mixing.mix(networks, ngrams, piece.steps, self.share))

    def figures(self, pieces: Sequence[EncodedPiece]) -> Figures:
        """How well they predict held-out pieces together."""
        return predictor_figures(self, pieces, self.encoding)


def _known_to(network: Model, context: Tensor) -> Tensor:
    """The columns of the context (…, C) that a network gets: fewer if it knows nothing of given voices."""
    return context[..., : len(network.shape.context)]


def require_same_split(models: Sequence[BaseModel], corpus: Corpus) -> None:
    """Raise UsageError if a model was trained on a piece that is held out: the student would learn it from there."""
    held_out = [piece.digest for side, piece in corpus.pieces() if side != "train"]
    for model in models:
        if known := sum(map(model.was_trained_on, held_out)):
            raise UsageError(
                f"{model.name} cannot teach: it was trained on {known} of the {len(held_out)} pieces that are held "
                "out; on a folder, train teachers and student with the same --seed"
            )


def gather(
    models: Sequence[BaseModel], encoding: Encoding, ngrams: NGramAverage | None, valid: Sequence[EncodedPiece]
) -> Ensemble:
    """The teachers, with the share that predicts the validation pieces best.

    Raises:
        UsageError: a model has another vocabulary than the network that is to learn from it.
        BundleError: a model's weights do not fit its manifest.
    """
    for model in models:
        if _vocabulary(model.encoding) != _vocabulary(encoding):
            raise UsageError(
                f"{model.name} cannot teach: its vocabulary is not that of this music; train it on the same music "
                "with the same options"
            )
    networks = tuple(model.load_network(Shape.of(model.encoding)).eval() for model in models)
    teachers = Ensemble(encoding, networks, ngrams, 1.0)
    return teachers if ngrams is None else Ensemble(encoding, networks, ngrams, best_share(teachers, valid))


def _vocabulary(encoding: Encoding) -> dict[str, Any]:
    """What teachers and students must have in common. A teacher need not know of given voices."""
    manifest = encoding.manifest()
    return {**manifest, "options": {**manifest.get("options", {}), "given": False}}


def best_share(teachers: Ensemble, pieces: Sequence[EncodedPiece]) -> float:
    """The share of the networks with which the true symbols are most probable, by expectation maximisation."""
    pairs = []
    for piece in pieces:
        rows, ngrams = np.arange(len(piece)), teachers.of_ngrams(piece)
        assert ngrams is not None
        for f, (p, q) in enumerate(zip(teachers.of_networks(piece), ngrams)):
            pairs.append(np.stack([p[rows, piece.steps[:, f]], q[rows, piece.steps[:, f]]]))
    of_networks, of_ngrams = np.concatenate(pairs, axis=1)
    share = 0.5
    for _ in range(SHARE_STEPS):
        share = float((share * of_networks / (share * of_networks + (1 - share) * of_ngrams)).mean())
    return min(max(share, MIN_NETWORK_SHARE), 1 - MIN_NETWORK_SHARE)


# ----------------------------------------------------------------------------------------------------- what they say


def prepare(
    teachers: Ensemble,
    pieces: Sequence[Piece],
    *,
    count: int,
    seed: int,
    folder: Path,
    stop: Callable[[], bool],
    progress: Progress,
) -> TrainingSet:
    """The pieces that the teachers compose, encoded in `folder`, with what the teachers say of them.

    What is complete there already is not made again.

    Args:
        pieces: the training pieces.
        count: how many pieces to compose.
        stop: called after each piece; True stops.
        progress: wraps the iterator over the pieces whose targets are written, given their number.

    Raises:
        Stopped: `stop` returned True.
        PlaybachError: the disk is full, or a process died.
    """
    encoding, width = teachers.encoding, sum(map(len, teachers.encoding.fields))
    done = folder / f"{COMPOSED}.done"
    if done.exists():
        composed = TrainingSet.open(encoding, folder, COMPOSED)
        composed.soft = SoftTargets.open(folder / COMPOSED, composed.shards, width, is_new=False)
        return composed
    originals = [encoding.encode(piece.score) for piece in pieces]
    made = tuple(compose_pieces(teachers, originals, count, seed))
    composed = TrainingSet(made, encoding, folder, stop, name=COMPOSED, all_keys=False)
    composed.soft = SoftTargets.open(folder / COMPOSED, composed.shards, width, is_new=True)
    for row in progress(iter(range(composed.encoded_count)), composed.encoded_count):
        _write_targets(teachers, composed.shards.encoded_piece(row), composed.soft, row)
        if stop():
            raise Stopped("stopped while the teachers were asked; --resume asks them again")
    done.touch()
    return composed


def _write_targets(teachers: Ensemble, piece: EncodedPiece, targets: SoftTargets, row: int) -> None:
    """Write what the teachers say of all steps of a piece."""
    ngrams = teachers.of_ngrams(piece)
    for known in (True, False):
        told = teachers.mix(teachers.of_networks(piece, length_known=known), ngrams, piece)
        targets.write(row, np.concatenate(told, axis=1), length_known=known)


# -------------------------------------------------------------------------------------------------- what they compose


def compose_pieces(teachers: Ensemble, originals: Sequence[EncodedPiece], count: int, seed: int) -> Iterator[Piece]:
    """Pieces that the networks compose together at temperature 1, without rules.

    Args:
        originals: training pieces with their headers; each composed piece has the header and the length of one.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, count])))
    order = [originals[i] for i in rng.integers(len(originals), size=count)]
    order.sort(key=len)  # pieces of similar lengths are composed together
    for first in range(0, count, COMPOSED_AT_ONCE):
        drafts = [_Draft.like(piece, teachers.encoding) for piece in order[first : first + COMPOSED_AT_ONCE]]
        _compose_together(teachers, drafts, rng)
        for number, draft in enumerate(drafts, first):
            score = score_from_events(draft.events)
            if score.note_num():
                yield Piece(f"composed {number}", score, content_hash(score))


@dataclass(slots=True)
class _Draft:
    """A piece that is being composed."""

    decoder: Decoder
    events: list[Event]
    previous: npt.NDArray[Any]
    """The last step (F,), or the start symbols."""

    @classmethod
    def like(cls, piece: EncodedPiece, encoding: Encoding) -> _Draft:
        """A draft with the header and the length of a piece."""
        bars = Bars(piece.header.meters).number(piece.ticks - 1)
        start = np.array([len(field) for field in encoding.fields])
        return cls(encoding.decoder(piece.header, max(1, bars)), first_events(piece.header), start)

    def feed(self, step: npt.NDArray[Any]) -> None:
        self.previous = step
        self.events += self.decoder.feed(step)
        if self.decoder.finished:
            self.events += self.decoder.finish()


@torch.inference_mode()
def _compose_together(teachers: Ensemble, drafts: Sequence[_Draft], rng: np.random.Generator) -> None:
    """Compose drafts to their ends, stepping the networks for all of them at once."""
    active = list(drafts)
    states = [network.initial_state(len(active)) for network in teachers.networks]
    while active:
        previous = torch.from_numpy(np.stack([d.previous for d in active]).astype(np.int64))
        context = torch.from_numpy(np.stack([d.decoder.context() for d in active]).astype(np.int64))
        found = []
        for i, network in enumerate(teachers.networks):
            logits, states[i] = network.step(previous, _known_to(network, context), states[i])
            found.append([field.softmax(-1) for field in logits])
        logs = [torch.stack(field).mean(0).log().numpy() for field in zip(*found)]
        for i, draft in enumerate(active):
            masks = draft.decoder.valid_mask()
            draft.feed(np.array([draw(probabilities(field[i], m), rng) for field, m in zip(logs, masks)], np.int32))
        if any(draft.decoder.finished for draft in active):
            kept = [i for i, draft in enumerate(active) if not draft.decoder.finished]
            active = [active[i] for i in kept]
            states = [[tensor[kept] for tensor in state] for state in states]
