"""The lines that a training run reports: what it trains on, how good it is after each epoch, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator

from playbach.data.batches import TrainingSet
from playbach.data.pieces import Corpus
from playbach.encodings.base import Encoding
from playbach.ngrams.ngram import NGRAM_MEMBERS
from playbach.training.checkpoints import EpochResult, RunState
from playbach.training.diagnosis import Diagnosis
from playbach.training.trained import TrainedNetwork


def corpus_lines(corpus: Corpus, encoding: Encoding, data: TrainingSet) -> Iterator[str]:
    """The size of the corpus and of its encoding."""
    yield (
        f"Corpus {corpus.name}: {len(corpus.train)} training, {len(corpus.valid)} validation and {len(corpus.test)} "
        f"test pieces; {corpus.tunes} different tunes"
    )
    symbols = " + ".join(f"{len(f)} {f.name}s".replace("ys", "ies") for f in encoding.fields)
    yield (
        f"Encoding {encoding.name}: {symbols}; {data.steps:,} training steps; {data.encoded_count:,} training pieces "
        "including transpositions"
    )


def model_line(state: RunState, *, device: str, batch: int, processes: int) -> str:
    """The network, and where and how it is trained."""
    model = state.model
    where = f"on {device} in {state.dtype} ({state.why_dtype}), {batch} windows per batch"
    where += f" over {processes} processes" if processes > 1 else ""
    return f"Model {model.name}: {model.parameter_count():,} parameters; {where}"


def epoch_line(epoch: EpochResult, earlier: list[EpochResult]) -> str:
    """`Epoch 31: val accuracy improved from 0.617 to 0.642, bits per note improved from 2.310 to 2.240, saved`.

    An improvement of less than MIN_IMPROVEMENT is reported, but not saved.
    """
    accuracy, bits = epoch.valid.accuracy, epoch.valid.bits_per_note
    if not earlier:
        line = f"Epoch {epoch.number}: val accuracy {accuracy:.3f}{_other_accuracies(epoch)}"
        return f"{line}, {bits:.3f} bits per note{_around(epoch)}, saved"
    highest = max(e.valid.accuracy for e in earlier)
    lowest = min(e.valid.bits_per_note for e in earlier)
    line = f"Epoch {epoch.number}: val accuracy "
    line += f"improved from {highest:.3f} to {accuracy:.3f}" if accuracy > highest else f"{accuracy:.3f}"
    line += _other_accuracies(epoch)
    if bits < lowest:
        line += f", bits per note improved from {lowest:.3f} to {bits:.3f}"
    else:
        line += f", bits per note {bits:.3f} (best {lowest:.3f})"
    return line + _around(epoch) + (", saved" if epoch.saved else "")


def _around(epoch: EpochResult) -> str:
    return "" if epoch.told is None else f" ({epoch.told.bits_per_note:.3f} around a given tune)"


def _other_accuracies(epoch: EpochResult) -> str:
    """The accuracies of all fields except the first, in brackets."""
    others = ", ".join(f"{head.field} {head.accuracy:.3f}" for head in epoch.valid.heads[1:])
    return f" ({others})" if others else ""


def closing_lines(trained: TrainedNetwork, diagnosis: Diagnosis) -> Iterator[str]:
    """Why training ended, the figures on test music, and the diagnosis."""
    minutes, seconds = divmod(round(trained.seconds), 60)
    yield f"Trained {len(trained.history)} epochs in {minutes} min {seconds} s: {trained.stop_reason}"
    test = trained.test
    compared = [
        ("the network alone", trained.alone if trained.members else None),
        ("guessing by frequency", trained.baseline),
        ("one n-gram", trained.ngram),
        (f"{NGRAM_MEMBERS} n-grams averaged", trained.ngrams),
    ]
    others = "; ".join(f"{what}: {f.accuracy:.3f}, {f.bits_per_note:.3f}" for what, f in compared if f is not None)
    yield (
        f"Held-out test music: accuracy {test.accuracy:.3f}, {test.bits_per_note:.3f} bits per note ({others}); "
        f"{test.unknown:.1%} of its steps have a symbol that is not in the training music"
    )
    yield from diagnosis.lines
