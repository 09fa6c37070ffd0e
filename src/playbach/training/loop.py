"""Training: a corpus in, a bundle out, with early stopping on held-out pieces and the best weights kept.

The loop reads from top to bottom in `train`. No schedule depends on the clock; `max_minutes` only stops. Of several
processes the first is in `train`, with the music and all decisions, and the others take their share of each step in
`following.follow`. Needs torch (extra `train`).
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

from playbach.bundles.network import Base
from playbach.data.batches import TrainingSet, previous_of
from playbach.data.pieces import SIDES, Corpus
from playbach.data.shards import STEPS, Shards
from playbach.data.shards import build as build_shards
from playbach.encodings import ENCODINGS, OPTIONS, EncodedPiece, Encoding
from playbach.evaluation.metrics import figures as measured
from playbach.evaluation.ngram import NGram
from playbach.evaluation.validation import Figures, commonest, measure
from playbach.models import Model, Shape, build
from playbach.music.arrays import Ints
from playbach.system.errors import CorpusError, PlaybachError, UsageError
from playbach.training.checkpoints import Epoch, RunState, weights_of
from playbach.training.distributed import ALONE, World
from playbach.training.optim import optimiser_of, pick_device, pick_dtype
from playbach.training.options import TrainOptions
from playbach.training.worker import Place, Steps

BATCHES_AN_EPOCH = 48
"""Where not given, the batch is as large as leaves an epoch this many steps, within the limits below."""
BATCH_LIMITS = (4, 32)
MIN_GAIN = 0.001
"""An epoch is an improvement where its bits per note are lower than the best by this share."""
PROBE_STEPS = 12
MOST_COUNTED = 1_000_000
APART = "use the same GPUs and versions on all machines (process 0's weights are those kept)"
Moment = Literal["step", "epoch", "end"]
"""After what the state of a run stands still: a step, an epoch and its measuring, the whole training."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A network with its best weights and all that is to be known of how it came about."""

    model: Model
    encoding: Encoding
    corpus: Corpus
    options: TrainOptions
    history: tuple[Epoch, ...]
    test: Figures
    baseline: Figures
    """Guessing the test side by the symbols' frequency …"""
    ngram: Figures | None
    """… and by an n-gram of the same training pieces, if they are no more than MOST_COUNTED steps in all keys."""
    seconds: float
    stopped: str
    device: str
    dtype: str
    batch: int
    training_symbols: int
    sample: EncodedPiece
    """A held-out piece, to check exports on."""
    base: Base | None = None
    """What it began with, where that was not chance."""

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept: the last that was an improvement."""
        return [e for e in self.history if e.saved][-1]


class Diverged(PlaybachError):
    """The loss is not a number any more."""


class Hooks:
    """What a run tells of itself as it goes; the default says nothing."""

    kept: Path | None = None
    """Where `save` puts the state, for other processes to read when the run is taken up again."""

    def say(self, line: str) -> None: ...

    def encoding(self, shards: Iterator[Any], total: int) -> Iterator[Any]:
        """The training pieces are encoded, shard by shard, while this iterator is drained."""
        return shards

    def begin(self, steps: int, done: int) -> None: ...

    def advance(self, loss: float) -> None: ...

    def save(self, state: RunState, moment: Moment) -> None:
        """A moment at which the run could be taken up again by `checkpoints.write` and `resume`."""

    def resume(self, state: RunState) -> None:
        """Bring a new state to where the run was, by `checkpoints.read`, if it is to go on."""

    def stop(self) -> bool:
        """Whether to end after this step with what there is."""
        return False


def fit_encoding(corpus: Corpus, options: TrainOptions) -> Encoding:
    """The encoding with its vocabulary frozen, from the training pieces only."""
    assert options.encoding is not None
    chosen = getattr(options, options.encoding) if options.encoding in OPTIONS else None
    return ENCODINGS[options.encoding].fit((p.score for p in corpus.train), chosen)


def train(
    corpus: Corpus,
    options: TrainOptions,
    hooks: Hooks | None = None,
    clock: Callable[[], float] = time.monotonic,
    folder: Path | None = None,
    base: Base | None = None,
    world: World = ALONE,
) -> Trained:
    """Train a network on a corpus until it stops getting better, is told to stop, or its epochs are over.

    Args:
        base: what to begin with; the options are then those of `finetuning.options_of`.
        folder: for the encoded music, which is found there when training is taken up again; None is one of its own.
        world: of which this is the leading process; the others are in `following.follow` meanwhile.

    Raises:
        UsageError: the device is not there, or a batch has fewer windows than there are processes.
        CorpusError: none of a side's pieces can be encoded.
        PlaybachError: training diverged, or was stopped before it began.
    """
    hooks = hooks or Hooks()
    entered = clock()
    if options.batch is not None and options.batch < world.size:
        raise UsageError(
            f"a batch of {options.batch} windows cannot be shared by {world.size} processes; give a larger --batch, "
            "or start fewer processes"
        )
    device = world.device(pick_device(options.device))
    torch.manual_seed(options.seed)

    encoding = base.grown(p.score for p in corpus.train) if base else fit_encoding(corpus, options)
    weights = _weights(encoding, options)
    data = TrainingSet(corpus.train, encoding, folder, hooks.stop, hooks.encoding)
    held_out = [build_shards(getattr(corpus, side), encoding, side, folder, stop=hooks.stop) for side in SIDES[1:]]
    _tell_left_out(corpus, (data.shards, *held_out), hooks)
    valid, test = ([shards.sequence(row) for row in range(len(shards.index))] for shards in held_out)
    sample = data.like(sum(map(len, valid)), options.seed)
    shape = Shape.of(encoding)
    model = (base.network(shape) if base else build(options.model, shape, options.network)).to(device)
    low, high = BATCH_LIMITS
    chosen = min(max(data.windows(options.window) // BATCHES_AN_EPOCH, low), high)
    batch = options.batch or max(chosen, world.size)
    optimiser = optimiser_of(model, options)
    state = RunState(model, optimiser, copy.deepcopy(model), weights_of(model), options.learning_rate)
    hooks.resume(state)
    if not state.step:
        first = next(data.epoch(0, options.seed, options.window, batch))
        dtype, state.why_dtype = pick_dtype(model, first, options, device)
        state.dtype = str(dtype).removeprefix("torch.")
        for line in _opening_lines(corpus, encoding, model, data, device, state, batch, world.size):
            hooks.say(line)

    steps = Steps(model, data, optimiser, options, weights, batch, state.dtype, device, world)
    world.tell(steps.told(encoding, hooks.kept if state.step else None))
    network = world.network(model, device)
    before = state.seconds
    hooks.begin(options.epochs * steps.an_epoch, state.step)

    def elapsed() -> float:
        return before + clock() - entered

    def interruption() -> str | None:
        if hooks.stop():
            return "stopped by hand"
        over = options.max_minutes is not None and elapsed() >= options.max_minutes * 60
        return f"{options.max_minutes:g} minutes are over" if over else None

    stopped = _over(state, options)  # where it was resumed after its last epoch
    while stopped is None:
        place = Place(state.epoch, state.batches, state.step, state.rate)
        world.tell(asdict(place))
        for loss in steps.through(place, network):
            _average(state, options.averaging)
            state.step, state.batches, state.seconds = state.step + 1, state.batches + 1, elapsed()
            hooks.advance(loss)
            hooks.save(state, "step")
            if world.agreed(interruption() is not None, device):
                break
        if not world.same(model, device):
            hooks.say(f"The processes' weights are not the same any more; {APART}")
        interrupted = interruption()
        if interrupted and state.history:  # the best is kept; an unfinished epoch is not worth measuring
            stopped = interrupted
            break
        now = measure(state.average, encoding, valid)
        if not math.isfinite(now.bits_per_note):
            raise Diverged(
                f"training diverged in epoch {state.epoch}: the loss is not a number; try a lower --learning-rate "
                f"than {options.learning_rate:g}"
            )
        better = now.bits_per_note < state.best_bits * (1 - MIN_GAIN) or not state.history
        like = measure(state.average, encoding, sample)
        state.seconds = elapsed()
        epoch = Epoch(state.epoch, like, now, state.rate, state.seconds - state.epoch_began, better)
        hooks.say(epoch_line(epoch, state.history))
        _end_epoch(state, epoch, options)
        hooks.save(state, "epoch")
        stopped = _over(state, options) or interrupted

    hooks.save(state, "end")
    world.tell(None)
    world.leave()
    model.load_state_dict(state.best)
    figures = measure(model, encoding, test)
    baseline = commonest(encoding, data.originals(), test)
    ngram = _counted(data, encoding, test, hooks)
    return Trained(
        model.cpu().eval(), encoding, corpus, options, tuple(state.history), figures, baseline, ngram, elapsed(),
        stopped, device.type, state.dtype, batch, data.steps, max(valid, key=len), base,
    )  # fmt: skip


def _counted(data: TrainingSet, encoding: Encoding, test: list[EncodedPiece], hooks: Hooks) -> Figures | None:
    """What the test side costs an n-gram: the rival that shows what the network adds."""
    if int(data.shards.index[:, STEPS].sum()) > MOST_COUNTED:
        return None
    hooks.say("Counting an n-gram of the same pieces, to compare with")
    baseline = NGram.fit(data.in_keys(), encoding)
    return measured(map(baseline.guesses, test), test, encoding)


@torch.no_grad()
def _average(state: RunState, kept: float) -> None:
    """Take the weights after this step into the mean, which at first follows them closely."""
    share = 1 - min(kept, (1 + state.step) / (10 + state.step))
    for mean, weight in zip(state.average.parameters(), state.model.parameters()):
        mean.lerp_(weight, share)


def _over(state: RunState, options: TrainOptions) -> str | None:
    """Why training is at its end, if it is."""
    if state.waited >= options.patience:
        return f"no improvement for {state.waited} epochs"
    return f"all {options.epochs} epochs done" if state.epoch > options.epochs else None


def _end_epoch(state: RunState, epoch: Epoch, options: TrainOptions) -> None:
    """Keep the weights if they are better, halve the learning rate on plateaus, and turn to the next epoch."""
    state.history.append(epoch)
    if epoch.saved:
        state.best, state.best_bits, state.waited = weights_of(state.average), epoch.valid.bits_per_note, 0
    else:
        state.waited += 1
        if state.waited % max(1, options.patience // 5) == 0:
            state.rate /= 2
    state.epoch, state.batches, state.epoch_began = state.epoch + 1, 0, state.seconds


def epoch_line(epoch: Epoch, before: list[Epoch]) -> str:
    """`Epoch 31: val accuracy improved from 0.617 to 0.642, bits per note improved from 2.310 to 2.240, saved`.

    An improvement of less than MIN_GAIN is told, but not saved."""
    accuracy, bits = epoch.valid.accuracy, epoch.valid.bits_per_note
    if not before:
        return f"Epoch {epoch.number}: val accuracy {accuracy:.3f}{_others(epoch)}, {bits:.3f} bits per note, saved"
    highest = max(e.valid.accuracy for e in before)
    lowest = min(e.valid.bits_per_note for e in before)
    line = f"Epoch {epoch.number}: val accuracy "
    line += f"improved from {highest:.3f} to {accuracy:.3f}" if accuracy > highest else f"{accuracy:.3f}"
    line += _others(epoch)
    if bits < lowest:
        line += f", bits per note improved from {lowest:.3f} to {bits:.3f}"
    else:
        line += f", bits per note {bits:.3f} not better than {lowest:.3f}"
    return line + (", saved" if epoch.saved else "")


def _others(epoch: Epoch) -> str:
    """The accuracy of all fields but the first, where there are several."""
    others = ", ".join(f"{head.field} {head.accuracy:.3f}" for head in epoch.valid.heads[1:])
    return f" ({others})" if others else ""


def _weights(encoding: Encoding, options: TrainOptions) -> list[float]:
    """How much each field's cost counts.

    Raises:
        UsageError: a weight of a field that there is not.
    """
    names = [f.name for f in encoding.fields]
    for name in options.weights:
        if name not in names:
            there = ", ".join(names)
            raise UsageError(f"no field called {name!r:.40} to weight; with these options there are: {there}")
    weights = [float(options.weights.get(name, 1)) for name in names]
    if not any(weights):
        raise UsageError("with all weights 0 there is nothing to learn")
    return weights


def _tell_left_out(corpus: Corpus, encoded: Iterable[Shards], hooks: Hooks) -> None:
    for side, shards in zip(SIDES, encoded):
        for line in shards.left_out:
            hooks.say(f"left out: {line}")
        if not len(shards.index):
            raise CorpusError(f"{corpus.name}: not one of its {side} pieces can be encoded; use other music")


def example(trained: Trained, steps: int = 300) -> tuple[Ints, Ints]:
    """previous (T, F) and context (T, C) of a held-out piece, to check exports on."""
    previous = previous_of(trained.sample.steps, trained.encoding)
    return previous[:steps], trained.sample.context[:steps].astype(np.int32)


def _opening_lines(
    corpus: Corpus, encoding: Encoding, model: Model, data: TrainingSet, device: torch.device,
    state: RunState, batch: int, processes: int,
) -> Iterator[str]:  # fmt: skip
    sides = ", ".join(f"{len(getattr(corpus, s))} {s}" for s in ("train", "valid", "test"))
    yield f"Corpus {corpus.name}: {sides} pieces of {corpus.tunes} tunes"
    symbols = " + ".join(f"{len(f)} {f.name}s".replace("ys", "ies") for f in encoding.fields)
    yield f"Encoding {encoding.name}: {symbols}; {data.steps} training steps, in {data.sequences} keys"
    where = f"{device.type}, {state.dtype} ({state.why_dtype}), batches of {batch}"
    where += f" over {processes} processes" if processes > 1 else ""
    yield f"Model {model.name}: {model.parameter_count()} parameters; {where}"
