"""The training loop: from a corpus to a trained network, with early stopping on the validation pieces.

`train` reads from top to bottom. No schedule depends on the clock; `max_minutes` only ends training. If there are
several processes, process 0 runs `train`, with the music and all decisions, and the others take their part of each
step in `worker.run_worker`. Needs torch (extra `train`).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from playbach.bundles.network import BaseModel
from playbach.data.batches import TrainingSet, previous_of
from playbach.data.pieces import SIDES, Corpus
from playbach.data.shards import STEPS_COLUMN, Shards, build_shards
from playbach.encodings import ENCODINGS, OPTIONS
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.evaluation.metrics import Figures, compute_figures, frequency_baseline
from playbach.evaluation.ngram import NGram
from playbach.evaluation.validation import measure_network
from playbach.models import build
from playbach.models.base import Model, Shape
from playbach.music.arrays import Ints
from playbach.system.errors import CorpusError, PlaybachError, UsageError
from playbach.training.checkpoints import EpochResult, RunState, weights_of
from playbach.training.distributed import SINGLE_PROCESS, ProcessGroup
from playbach.training.optim import make_optimiser, pick_device, pick_dtype
from playbach.training.options import TrainOptions
from playbach.training.worker import EpochRunner, EpochStart

STEPS_PER_EPOCH = 48
"""If no batch size is given, it is chosen so that an epoch has about this many steps, within BATCH_LIMITS."""
BATCH_LIMITS = (4, 32)
"""The smallest and the largest batch size that is chosen."""
MIN_IMPROVEMENT = 0.001
"""An epoch counts as an improvement if it lowers the best bits per note by at least this fraction."""
NGRAM_MAX_STEPS = 1_000_000
"""With more training steps in all keys than this, no n-gram is fitted."""
SavePoint = Literal["step", "epoch", "end"]
"""Where the state can be saved: after a step, after an epoch and its measuring, after the whole training."""


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network with its best weights, and how it was trained."""

    model: Model
    encoding: Encoding
    corpus: Corpus
    options: TrainOptions
    history: tuple[EpochResult, ...]
    """The results of all epochs."""
    test: Figures
    """Measured on the test pieces."""
    baseline: Figures
    """The same pieces, predicted by the frequency of the symbols."""
    ngram: Figures | None
    """The same pieces, predicted by an n-gram of the training pieces, if there are at most NGRAM_MAX_STEPS steps."""
    seconds: float
    """Training time."""
    stop_reason: str
    """Why training ended, in words."""
    device: str
    dtype: str
    batch: int
    """Windows in a batch."""
    training_symbols: int
    """Steps of the training pieces, each in one key."""
    sample: EncodedPiece
    """A validation piece, for checking exports."""
    base: BaseModel | None = None
    """The model that training began from; None if it began with random weights."""

    @property
    def best(self) -> EpochResult:
        """The epoch whose weights were kept: the last improvement."""
        return [e for e in self.history if e.saved][-1]


class Diverged(PlaybachError):
    """The loss is not a finite number any more."""


class Callbacks:
    """What the training loop calls as it goes. By default, these methods do nothing."""

    state_path: Path | None = None
    """The file that `save` writes, from which worker processes read the state when a run is resumed."""

    def report(self, line: str) -> None:
        """Show a line of text."""

    def encoding_progress(self, shards: Iterator[Any], total: int) -> Iterator[Any]:
        """Wrap the iterator that encodes the training pieces, one shard for each item."""
        return shards

    def on_start(self, steps: int, done: int) -> None:
        """Called before the first step: `done` of at most about `steps` steps are done."""

    def on_step(self, loss: float) -> None:
        """Called after each step."""

    def save(self, state: RunState, point: SavePoint) -> None:
        """Called wherever the state can be saved by `checkpoints.write`."""

    def restore(self, state: RunState) -> None:
        """Called with a new state: if the run is resumed, load it by `checkpoints.read`."""

    def should_stop(self) -> bool:
        """Whether to stop after this step."""
        return False


def fit_encoding(corpus: Corpus, options: TrainOptions) -> Encoding:
    """The encoding, with a vocabulary from the training pieces only."""
    assert options.encoding is not None
    encoding_options = getattr(options, options.encoding) if options.encoding in OPTIONS else None
    return ENCODINGS[options.encoding].load().fit((p.score for p in corpus.train), encoding_options)


def train(
    corpus: Corpus,
    options: TrainOptions,
    callbacks: Callbacks | None = None,
    clock: Callable[[], float] = time.monotonic,
    folder: Path | None = None,
    base: BaseModel | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
) -> TrainedNetwork:
    """Train a network on a corpus until it stops improving, is stopped, or has done all epochs.

    Args:
        callbacks: called as training goes on.
        clock: returns seconds.
        folder: for the encoded music, which a resumed run finds there; None is a temporary folder.
        base: the model to begin from; the options are then those of `finetuning.finetune_options`.
        group: the processes to train with, of which this is process 0.

    Raises:
        UsageError: the device is not available, or a batch has fewer windows than there are processes.
        CorpusError: none of a side's pieces can be encoded.
        PlaybachError: training diverged, or was stopped before the first step.
    """
    callbacks = callbacks or Callbacks()
    began = clock()
    if options.batch is not None and options.batch < group.size:
        raise UsageError(
            f"a batch of {options.batch} windows cannot be shared by {group.size} processes; give a larger --batch "
            "or start fewer processes"
        )
    device = group.device(pick_device(options.device))
    torch.manual_seed(options.seed)

    encoding = base.extend_encoding(p.score for p in corpus.train) if base else fit_encoding(corpus, options)
    weights = _field_weights(encoding, options)
    data = TrainingSet(corpus.train, encoding, folder, callbacks.should_stop, callbacks.encoding_progress)
    held_out = [
        build_shards(getattr(corpus, side), encoding, side, folder, stop=callbacks.should_stop) for side in SIDES[1:]
    ]
    _report_left_out(corpus, (data.shards, *held_out), callbacks)
    valid, test = ([shards.encoded_piece(row) for row in range(len(shards.index))] for shards in held_out)
    sample = data.sample(sum(map(len, valid)), options.seed)
    shape = Shape.of(encoding)
    model = (base.load_network(shape) if base else build(options.model, shape, options.network)).to(device)
    low, high = BATCH_LIMITS
    batch = options.batch or max(min(max(data.windows(options.window) // STEPS_PER_EPOCH, low), high), group.size)
    optimiser = make_optimiser(model, options)
    state = RunState(model, optimiser, copy.deepcopy(model), weights_of(model), options.learning_rate)
    callbacks.restore(state)
    if not state.step:
        first = next(data.epoch(0, options.seed, options.window, batch))
        dtype, state.why_dtype = pick_dtype(model, first, options, device)
        state.dtype = str(dtype).removeprefix("torch.")
        for line in _opening_lines(corpus, encoding, model, data, device, state, batch, group.size):
            callbacks.report(line)

    runner = EpochRunner(model, data, optimiser, options, weights, batch, state.dtype, device, group)
    group.broadcast(runner.setup_message(encoding, callbacks.state_path if state.step else None))
    network = group.wrap_model(model, device)
    seconds_before = state.seconds
    callbacks.on_start(options.epochs * runner.steps_per_epoch, state.step)

    def elapsed() -> float:
        return seconds_before + clock() - began

    def interruption() -> str | None:
        if callbacks.should_stop():
            return "stopped by hand"
        is_over = options.max_minutes is not None and elapsed() >= options.max_minutes * 60
        return f"time limit of {options.max_minutes:g} minutes reached" if is_over else None

    stop_reason = _stop_reason(state, options)  # a run may be resumed after its last epoch
    while stop_reason is None:
        start = EpochStart(state.epoch, state.batches, state.step, state.rate)
        group.broadcast(asdict(start))
        for loss in runner.run_epoch(start, network):
            _update_average(state, options.averaging)
            state.step, state.batches, state.seconds = state.step + 1, state.batches + 1, elapsed()
            callbacks.on_step(loss)
            callbacks.save(state, "step")
            if group.leader_decision(interruption() is not None, device):
                break
        if not group.has_same_weights(model, device):
            callbacks.report(
                "The processes no longer have the same weights; those of process 0 are kept. Use the same GPUs and "
                "versions on all machines"
            )
        interrupted = interruption()
        if interrupted and state.history:  # keep the best epoch; an unfinished epoch is not measured
            stop_reason = interrupted
            break
        on_valid = measure_network(state.average, encoding, valid)
        if not math.isfinite(on_valid.bits_per_note):
            raise Diverged(
                f"training diverged in epoch {state.epoch}: the loss is not a finite number; give a --learning-rate "
                f"below {options.learning_rate:g}"
            )
        is_better = on_valid.bits_per_note < state.best_bits * (1 - MIN_IMPROVEMENT) or not state.history
        on_train = measure_network(state.average, encoding, sample)
        state.seconds = elapsed()
        epoch = EpochResult(state.epoch, on_train, on_valid, state.rate, state.seconds - state.epoch_began, is_better)
        callbacks.report(epoch_line(epoch, state.history))
        _end_epoch(state, epoch, options)
        callbacks.save(state, "epoch")
        stop_reason = _stop_reason(state, options) or interrupted

    callbacks.save(state, "end")
    group.broadcast(None)
    group.disconnect()
    model.load_state_dict(state.best)
    on_test = measure_network(model, encoding, test)
    baseline = frequency_baseline(encoding, data.originals(), test)
    ngram = _ngram_figures(data, encoding, test, callbacks)
    return TrainedNetwork(
        model.cpu().eval(), encoding, corpus, options, tuple(state.history), on_test, baseline, ngram, elapsed(),
        stop_reason, device.type, state.dtype, batch, data.steps, max(valid, key=len), base,
    )  # fmt: skip


def _ngram_figures(
    data: TrainingSet, encoding: Encoding, test: list[EncodedPiece], callbacks: Callbacks
) -> Figures | None:
    """How well an n-gram of the training pieces predicts the test pieces: the baseline for the network."""
    if int(data.shards.index[:, STEPS_COLUMN].sum()) > NGRAM_MAX_STEPS:
        return None
    callbacks.report("Fitting an n-gram to the same pieces, for comparison")
    baseline = NGram.fit(data.in_all_keys(), encoding)
    return compute_figures(map(baseline.predictions, test), test, encoding)


@torch.no_grad()
def _update_average(state: RunState, decay: float) -> None:
    """Update the moving average of the weights; in the first steps it follows them more closely."""
    fraction = 1 - min(decay, (1 + state.step) / (10 + state.step))
    for mean, weight in zip(state.average.parameters(), state.model.parameters()):
        mean.lerp_(weight, fraction)


def _stop_reason(state: RunState, options: TrainOptions) -> str | None:
    """Why training is finished; None if it is not."""
    if state.waited >= options.patience:
        return f"no improvement for {state.waited} epochs"
    return f"all {options.epochs} epochs done" if state.epoch > options.epochs else None


def _end_epoch(state: RunState, epoch: EpochResult, options: TrainOptions) -> None:
    """Keep the weights if they are better, halve the learning rate on a plateau, and go to the next epoch."""
    state.history.append(epoch)
    if epoch.saved:
        state.best, state.best_bits, state.waited = weights_of(state.average), epoch.valid.bits_per_note, 0
    else:
        state.waited += 1
        if state.waited % max(1, options.patience // 5) == 0:
            state.rate /= 2
    state.epoch, state.batches, state.epoch_began = state.epoch + 1, 0, state.seconds


def epoch_line(epoch: EpochResult, earlier: list[EpochResult]) -> str:
    """`Epoch 31: val accuracy improved from 0.617 to 0.642, bits per note improved from 2.310 to 2.240, saved`.

    An improvement of less than MIN_IMPROVEMENT is reported, but not saved.
    """
    accuracy, bits = epoch.valid.accuracy, epoch.valid.bits_per_note
    if not earlier:
        line = f"Epoch {epoch.number}: val accuracy {accuracy:.3f}{_other_accuracies(epoch)}"
        return f"{line}, {bits:.3f} bits per note, saved"
    highest = max(e.valid.accuracy for e in earlier)
    lowest = min(e.valid.bits_per_note for e in earlier)
    line = f"Epoch {epoch.number}: val accuracy "
    line += f"improved from {highest:.3f} to {accuracy:.3f}" if accuracy > highest else f"{accuracy:.3f}"
    line += _other_accuracies(epoch)
    if bits < lowest:
        line += f", bits per note improved from {lowest:.3f} to {bits:.3f}"
    else:
        line += f", bits per note {bits:.3f} (best {lowest:.3f})"
    return line + (", saved" if epoch.saved else "")


def _other_accuracies(epoch: EpochResult) -> str:
    """The accuracies of all fields except the first, in brackets."""
    others = ", ".join(f"{head.field} {head.accuracy:.3f}" for head in epoch.valid.heads[1:])
    return f" ({others})" if others else ""


def _field_weights(encoding: Encoding, options: TrainOptions) -> list[float]:
    """The weight of each field's loss.

    Raises:
        UsageError: a weight is given for an unknown field, or all weights are 0.
    """
    names = [f.name for f in encoding.fields]
    for name in options.weights:
        if name not in names:
            raise UsageError(
                f"weights: no field called {name!r:.40}; with these options there are: {', '.join(names)}"
            )
    weights = [float(options.weights.get(name, 1)) for name in names]
    if not any(weights):
        raise UsageError("weights: all are 0, so nothing would be learnt; give at least one weight above 0")
    return weights


def _report_left_out(corpus: Corpus, encoded: Iterable[Shards], callbacks: Callbacks) -> None:
    for side, shards in zip(SIDES, encoded):
        for line in shards.left_out:
            callbacks.report(f"left out: {line}")
        if not len(shards.index):
            raise CorpusError(f"{corpus.name}: none of its {side} pieces can be encoded; use other music")


def example_inputs(trained: TrainedNetwork, steps: int = 300) -> tuple[Ints, Ints]:
    """previous (T, F) and context (T, C) of a validation piece, for checking exports."""
    previous = previous_of(trained.sample.steps, trained.encoding)
    return previous[:steps], trained.sample.context[:steps].astype(np.int32)


def _opening_lines(
    corpus: Corpus, encoding: Encoding, model: Model, data: TrainingSet, device: torch.device,
    state: RunState, batch: int, processes: int,
) -> Iterator[str]:  # fmt: skip
    yield (
        f"Corpus {corpus.name}: {len(corpus.train)} training, {len(corpus.valid)} validation and {len(corpus.test)} "
        f"test pieces; {corpus.tunes} different tunes"
    )
    symbols = " + ".join(f"{len(f)} {f.name}s".replace("ys", "ies") for f in encoding.fields)
    yield (
        f"Encoding {encoding.name}: {symbols}; {data.steps:,} training steps; {data.encoded_count:,} training pieces "
        "including transpositions"
    )
    where = f"on {device.type} in {state.dtype} ({state.why_dtype}), {batch} windows per batch"
    where += f" over {processes} processes" if processes > 1 else ""
    yield f"Model {model.name}: {model.parameter_count():,} parameters; {where}"
