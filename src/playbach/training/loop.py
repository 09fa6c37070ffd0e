"""The training loop: from a corpus to a trained network, with early stopping on the validation pieces.

`train_epochs` is the loop, the same in all processes. `train` runs it in process 0, which has the music, measures
and decides (`Trainer`); `take_part` runs it in the others. No schedule depends on the clock; `max_minutes` only ends
training. Needs torch (extra `train`).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from playbach.bundles.network import BaseModel
from playbach.data.batches import MixedSet, TrainingSet
from playbach.data.pieces import Corpus
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.evaluation.metrics import Figures, frequency_baseline, predictor_figures
from playbach.evaluation.validation import measure_network
from playbach.models import build
from playbach.models.base import Model, Shape
from playbach.ngrams.ngram import NGramAverage
from playbach.system.errors import PlaybachError, UsageError
from playbach.training import teaching
from playbach.training.callbacks import Callbacks
from playbach.training.checkpoints import EpochResult, RunState, weights_of
from playbach.training.distributed import SINGLE_PROCESS, ProcessGroup
from playbach.training.encoded_corpus import EncodedCorpus, encode_corpus, fit_encoding
from playbach.training.members import find_members, fit_ngrams
from playbach.training.optim import make_optimiser, pick_device, pick_dtype
from playbach.training.options import TrainOptions
from playbach.training.reporting import corpus_lines, epoch_line, model_line
from playbach.training.steps import EpochRunner, EpochStart, receive_setup, send_setup, share_start
from playbach.training.trained import NetworkSoFar, TrainedNetwork

STEPS_PER_EPOCH = 48
"""If no batch size is given, it is chosen so that an epoch has about this many steps, within BATCH_LIMITS."""
BATCH_LIMITS = (4, 32)
"""The smallest and the largest batch size that is chosen."""
MIN_IMPROVEMENT = 0.001
"""An epoch counts as an improvement if it lowers the best bits per note by at least this fraction."""


class Diverged(PlaybachError):
    """The loss is not a finite number any more."""


def train(
    corpus: Corpus,
    options: TrainOptions,
    *,
    callbacks: Callbacks | None = None,
    clock: Callable[[], float] = time.monotonic,
    folder: Path | None = None,
    base: BaseModel | None = None,
    teachers: Sequence[BaseModel] = (),
    group: ProcessGroup = SINGLE_PROCESS,
) -> TrainedNetwork:
    """Train a network on a corpus until it stops improving, is stopped, or has done all epochs.

    Args:
        callbacks: called as training goes on.
        clock: returns seconds.
        folder: for the encoded music, which a resumed run finds there; None is a temporary folder.
        base: the model to begin from; the options are then those of `finetuning.finetune_options`.
        teachers: models of the same music, whose predictions are learnt too (`teaching`).
        group: the processes to train with, of which this is process 0.

    Raises:
        UsageError: the device is not available, or a batch has fewer windows than there are processes.
        CorpusError: none of a side's pieces can be encoded.
        PlaybachError: training diverged, or was stopped before the first step.
    """
    callbacks = callbacks or Callbacks()
    trainer = set_up(
        corpus, options, callbacks=callbacks, clock=clock, folder=folder, base=base, teachers=teachers, group=group
    )
    network = trainer.start()
    train_epochs(trainer.runner, network, trainer)
    return trainer.finish()


def take_part(group: ProcessGroup) -> None:
    """Take this process's part in the training that process 0 leads. Errors are those of `receive_setup`.

    Raises:
        PeerLost: process 0 has ended.
    """
    runner = receive_setup(group)
    train_epochs(runner, group.wrap_model(runner.model, runner.device))


def train_epochs(runner: EpochRunner, network: nn.Module, leader: Trainer | None = None) -> None:
    """Train until process 0 has decided that it is enough.

    Args:
        network: the runner's model, or what `ProcessGroup.wrap_model` made of it.
        leader: in process 0, that which decides; None in the others.
    """
    group, device = runner.group, runner.device
    while (start := share_start(group, leader.next_epoch() if leader is not None else None)) is not None:
        for loss in runner.run_epoch(start, network):
            is_over = leader is not None and leader.end_step(loss)
            if group.leader_decision(is_over, device):
                break
        same_weights = group.has_same_weights(runner.model, device)
        if leader is not None:
            leader.end_epoch(same_weights=same_weights)
    group.disconnect()


def set_up(
    corpus: Corpus,
    options: TrainOptions,
    *,
    callbacks: Callbacks,
    clock: Callable[[], float],
    folder: Path | None,
    base: BaseModel | None,
    teachers: Sequence[BaseModel] = (),
    group: ProcessGroup,
) -> Trainer:
    """All that process 0 needs to train: the encoded music, the network, and the state, which may be that of a run to
    resume. The arguments and errors are those of `train`."""
    began = clock()
    _require_a_window_each(options, group)
    teaching.require_same_split(teachers, corpus)
    if teachers and group.size > 1:
        raise UsageError("a network learns from teachers in one process only; start a single one")
    device = group.device(pick_device(options.device))
    torch.manual_seed(options.seed)
    encoding = (
        base.extend_encoding((p.score for p in corpus.train), getattr(options, base.encoding.name, None))
        if base
        else fit_encoding(corpus, options)
    )
    weights = _field_weights(encoding, options)
    music = encode_corpus(corpus, encoding, folder, callbacks)
    shape = Shape.of(encoding)
    model = (base.load_network(shape) if base else build(options.model, shape, options.network)).to(device)
    state = RunState.new(model, make_optimiser(model, options), options.learning_rate)
    callbacks.restore(state)
    ngrams = fit_ngrams(music, callbacks.report) if teachers else None
    lesson = _ask_teachers(teachers, music, ngrams, options, folder=folder, callbacks=callbacks) if teachers else None
    return Trainer(
        music=music,
        sample=music.train.sample(sum(map(len, music.valid)), options.seed),
        base=base,
        state=state,
        runner=_make_runner(state, lesson or music.train, options, weights=weights, device=device, group=group),
        teachers=tuple(teachers),
        ngrams=ngrams,
        callbacks=callbacks,
        clock=clock,
        began=began - state.seconds,
        stop_reason=_stop_reason(state, options),  # a run may be resumed after its last epoch
    )


def _ask_teachers(
    teachers: Sequence[BaseModel],
    music: EncodedCorpus,
    ngrams: NGramAverage | None,
    options: TrainOptions,
    *,
    folder: Path | None,
    callbacks: Callbacks,
) -> MixedSet:
    """The training pieces, and pieces that the teachers compose, with what they say of them."""
    asked = teaching.gather(teachers, music.encoding, ngrams, music.valid)
    figures = asked.figures(music.valid)
    callbacks.report(
        f"Teachers: {len(teachers)} networks ({asked.share:.0%}) and n-grams ({1 - asked.share:.0%}) together have "
        f"{figures.bits_per_note:.3f} bits per note on validation pieces; they compose {options.composed:,} pieces"
    )
    composed = teaching.prepare(
        asked,
        music.corpus.train,
        count=options.composed,
        seed=options.seed,
        folder=folder or music.train.shards.folder,
        stop=callbacks.should_stop,
        progress=callbacks.encoding_progress,
    )
    return MixedSet(music.train, composed, teaching.COMPOSED_RATIO)


def _make_runner(
    state: RunState,
    data: TrainingSet | MixedSet,
    options: TrainOptions,
    *,
    weights: list[float],
    device: torch.device,
    group: ProcessGroup,
) -> EpochRunner:
    """The training steps. A new run chooses its number format here, and keeps it in its state."""
    batch = _choose_batch(data, options, group.size)
    if not state.step:
        first = next(data.epoch(0, options.seed, options.window, batch))
        dtype, state.why_dtype = pick_dtype(state.model, first, options, device)
        state.dtype = str(dtype).removeprefix("torch.")
    return EpochRunner(
        model=state.model,
        optimiser=state.optimiser,
        data=data,
        options=options,
        weights=weights,
        batch=batch,
        dtype=state.dtype,
        device=device,
        group=group,
    )


@dataclass(kw_only=True)
class Trainer:
    """A training run as process 0 leads it: it measures, keeps the best weights, and decides when to stop."""

    music: EncodedCorpus
    sample: list[EncodedPiece]
    """Training pieces to measure, about as long as the validation pieces."""
    base: BaseModel | None
    """The model that training began from."""
    teachers: tuple[BaseModel, ...]
    """The models whose predictions are learnt too."""
    ngrams: NGramAverage | None
    """Those of the training pieces, if they are fitted already."""
    state: RunState
    """All that training changes, and that a resumed run goes on with."""
    runner: EpochRunner
    """The training steps."""
    callbacks: Callbacks
    clock: Callable[[], float]
    began: float
    """When training would have begun if it had never been interrupted, by the clock."""
    stop_reason: str | None
    """Why training is over, in words; None as long as it is not."""

    def start(self) -> nn.Module:
        """Report what is trained, and send the other processes what they must know; return the network to train: the
        runner's model, or what `ProcessGroup.wrap_model` made of it."""
        runner, state, group = self.runner, self.state, self.runner.group
        if not state.step:
            self._report_beginning()
        send_setup(runner, self.music.encoding, self.callbacks.state_path if state.step else None)
        network = group.wrap_model(runner.model, runner.device)
        self.callbacks.on_start(self.runner.options.epochs * runner.steps_per_epoch, state.step)
        return network

    def _report_beginning(self) -> None:
        runner, state = self.runner, self.state
        for line in corpus_lines(self.music.corpus, self.music.encoding, self.music.train):
            self.callbacks.report(line)
        line = model_line(state, device=runner.device.type, batch=runner.batch, processes=runner.group.size)
        self.callbacks.report(line)

    def next_epoch(self) -> EpochStart | None:
        """Where the next epoch begins; None if training is over."""
        state = self.state
        if self.stop_reason is not None:
            self.callbacks.save(state, "end")
            return None
        return EpochStart(epoch=state.epoch, batches=state.batches, step=state.step, rate=state.rate)

    def end_step(self, loss: float) -> bool:
        """Take note of a step; return whether it is the last one before training is interrupted."""
        state = self.state
        _update_average(state, self.runner.options.averaging)
        state.step, state.batches, state.seconds = state.step + 1, state.batches + 1, self.elapsed()
        self.callbacks.on_step(loss)
        self.callbacks.save(state, "step")
        return self.interruption() is not None

    def end_epoch(self, *, same_weights: bool) -> None:
        """Measure the network, keep it if it is better, and decide whether to go on."""
        if not same_weights:
            self.callbacks.report(
                "The processes no longer have the same weights; those of process 0 are kept. Use the same GPUs and "
                "versions on all machines"
            )
        interrupted = self.interruption()
        if interrupted and self.state.history:  # keep the best epoch; an unfinished epoch is not measured
            self.stop_reason = interrupted
            return
        epoch = self.validate()
        self.callbacks.report(epoch_line(epoch, self.state.history))
        _keep_best(self.state, epoch, self.runner.options)
        self.callbacks.on_epoch(self.best_so_far())
        self.callbacks.save(self.state, "epoch")
        self.stop_reason = _stop_reason(self.state, self.runner.options) or interrupted

    def validate(self) -> EpochResult:
        """Measure the averaged network on validation pieces and on a sample of the training pieces.

        Raises:
            Diverged: its predictions are not finite numbers.
        """
        state = self.state
        on_valid = measure_network(state.average, self.music.encoding, self.music.valid)
        if not math.isfinite(on_valid.bits_per_note):
            raise Diverged(
                f"training diverged in epoch {state.epoch}: the loss is not a finite number; give a --learning-rate "
                f"below {self.runner.options.learning_rate:g}"
            )
        on_train = measure_network(state.average, self.music.encoding, self.sample)
        told = self._measure_told() if self.music.encoding.tellable_voices else None
        state.seconds = self.elapsed()
        epoch = EpochResult(
            number=state.epoch,
            train=on_train,
            valid=on_valid,
            learning_rate=state.rate,
            seconds=state.seconds - state.epoch_began,
            saved=False,
            told=told,
        )
        is_better = epoch.cost < state.best_bits * (1 - MIN_IMPROVEMENT) or not state.history
        return replace(epoch, saved=is_better)

    def _measure_told(self) -> Figures:
        """The figures on the validation pieces if the network is told of their top voice."""
        encoding = self.music.encoding
        pieces = [replace(p, context=encoding.tell(p.steps, p.context, [0])) for p in self.music.valid]
        return measure_network(self.state.average, encoding, pieces)

    def finish(self) -> TrainedNetwork:
        """Measure the best weights on the test pieces, and compare them with the baselines."""
        state, test = self.state, self.music.test
        state.model.load_state_dict(state.best)
        _round_weights(state.model)
        alone = measure_network(state.model, self.music.encoding, test)
        baseline = frequency_baseline(self.music.encoding, self.music.train.originals(), test)
        ngrams = self.ngrams or fit_ngrams(self.music, self.callbacks.report)
        compared = (ngrams.members[0], ngrams) if ngrams else ()
        of_ngrams = [predictor_figures(each, test, self.music.encoding) for each in compared]
        network, members = self._network(state.model), None
        if ngrams is not None and not self.runner.options.network_alone and not self.teachers:
            on_valid = network.best.valid
            members = find_members(network.model, ngrams, self.music, alone=on_valid, report=self.callbacks.report)
        assert self.stop_reason is not None
        return network.finished(
            alone=alone,
            members=members,
            baseline=baseline,
            ngram=of_ngrams[0] if of_ngrams else None,
            ngrams=of_ngrams[1] if of_ngrams else None,
            stop_reason=self.stop_reason,
        )

    def best_so_far(self) -> NetworkSoFar:
        """A copy of the network with the best weights so far."""
        model = copy.deepcopy(self.state.average)
        model.load_state_dict(self.state.best)
        _round_weights(model)
        return self._network(model)

    def _network(self, model: Model) -> NetworkSoFar:
        state, runner = self.state, self.runner
        return NetworkSoFar(
            model=model.cpu().eval(),
            encoding=self.music.encoding,
            corpus=self.music.corpus,
            options=runner.options,
            history=tuple(state.history),
            seconds=self.elapsed(),
            device=runner.device.type,
            dtype=state.dtype,
            batch=runner.batch,
            training_symbols=self.music.train.steps,
            sample=max(self.music.valid, key=len),
            base=self.base,
            teachers=self.teachers,
        )

    def elapsed(self) -> float:
        """Seconds of training, over all sessions of the run."""
        return self.clock() - self.began

    def interruption(self) -> str | None:
        """Why training must stop now, in words; None if it need not."""
        if self.callbacks.should_stop():
            return "stopped by hand"
        limit = self.runner.options.max_minutes
        is_over = limit is not None and self.elapsed() >= limit * 60
        return f"time limit of {limit:g} minutes reached" if is_over else None


@torch.no_grad()
def _round_weights(model: Model) -> None:
    """Round the weights to 16-bit floats, as a bundle stores them: what is measured is then what is stored, and the
    exported step, in 32 bits, shrinks by a third when it is packed."""
    for weight in model.parameters():
        weight.copy_(weight.half().float())


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


def _keep_best(state: RunState, epoch: EpochResult, options: TrainOptions) -> None:
    """Keep the weights if they are better, halve the learning rate on a plateau, and go to the next epoch."""
    state.history.append(epoch)
    if epoch.saved:
        state.best, state.best_bits, state.waited = weights_of(state.average), epoch.cost, 0
    else:
        state.waited += 1
        if state.waited % max(1, options.patience // 5) == 0:
            state.rate /= 2
    state.epoch, state.batches, state.epoch_began = state.epoch + 1, 0, state.seconds


def _require_a_window_each(options: TrainOptions, group: ProcessGroup) -> None:
    if options.batch is not None and options.batch < group.size:
        raise UsageError(
            f"a batch of {options.batch} windows cannot be shared by {group.size} processes; give a larger --batch "
            "or start fewer processes"
        )


def _choose_batch(data: TrainingSet | MixedSet, options: TrainOptions, processes: int) -> int:
    """The number of windows in a batch: that of the options, or else one that suits the size of the corpus."""
    low, high = BATCH_LIMITS
    return options.batch or max(min(max(data.windows(options.window) // STEPS_PER_EPOCH, low), high), processes)


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
