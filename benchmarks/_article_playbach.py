"""playbach on the article's samples: it trains on whole pieces, with the loss only at training targets.

The article's network reads 40 symbols for each target; this one uses each training target once in an epoch. The
network, its optimiser, averaged weights and number type are those of `playbach train`. The split is not, and neither
is the learning rate, which falls to zero over a fixed number of epochs, since the aim here is to memorise. In half of
the windows the echoes are hidden: a repeat is predicted from its first occurrence, but the first occurrence only from
what is remembered of the repeat. Needs the extra `train`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from _article_data import LeakySplit, Longs, step_masks

NETWORK: dict[str, Any] = {"width": 256, "layers": 2, "memory": 32, "dropout": 0.15, "symbol_dropout": 0.1}
LENGTH, BATCH, EPOCHS = 64, 8, 30
RATE, DECAY, AVERAGING, WARMUP = 1.5e-3, 0.01, 0.98, 50
HIDDEN_ECHOES = 0.5
SUFFIX = 16
"""The n-gram's order: how many symbols it looks back."""
TOGETHER = 8
"""The number of pieces measured at a time."""


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch."""

    epoch: int
    loss: float
    valid: float
    """The network's accuracy on the samples to stop on."""
    test: float
    """The network's accuracy on the test samples."""
    mixed: float
    """The test accuracy of the network and the n-gram in equal parts."""
    wall: float
    """Seconds since before the first step, including measuring."""
    cpu: float
    """CPU seconds, likewise."""


def ngram_chances(encoding: Any, sequences: Sequence[Any], trained: Longs, places: Longs) -> npt.NDArray[Any]:
    """The probabilities (P, V) of playbach's n-grams at some places: in equal parts from the targets at `trained` and
    from the piece up to each place."""
    from playbach.ngrams.ppm import KnownColumn, StepTable, Viewpoint

    music, alphabet = StepTable.from_pieces(sequences), len(encoding.fields[0])
    view = Viewpoint(tuple(KnownColumn(lag, 0) for lag in range(1, SUFFIX + 1)), music, np.sort(trained), 0, alphabet)
    ends = np.cumsum([len(s) for s in sequences])
    known = view.long_term(music, places)
    for begin, end in zip([0, *ends[:-1]], ends):
        inside = (places >= begin) & (places < end)
        known[inside] += view.short_term(music, np.arange(begin, end), 0)[places[inside] - begin]
    return np.asarray(known / 2)


def learn(
    encoding: Any,
    sequences: Sequence[Any],
    data: LeakySplit,
    ngram: npt.NDArray[Any],
    epochs: int,
    seed: int,
    on_epoch: Callable[[Epoch], None],
) -> str:
    """Train a network, calling `on_epoch` after each epoch; return a description of it.

    `ngram` has the n-gram's probabilities at the places of the samples to stop on, then of the test samples.
    """
    import torch

    from playbach.models import build
    from playbach.models.base import Shape
    from playbach.training import loop, optim
    from playbach.training.checkpoints import RunState
    from playbach.training.options import TrainOptions

    options = TrainOptions(
        encoding="notes", model="transformer", network=NETWORK, window=LENGTH, batch=BATCH, seed=seed,
        learning_rate=RATE, weight_decay=DECAY, averaging=AVERAGING,
    )  # fmt: skip
    places = np.concatenate([data.valid, data.test])
    wanted = np.concatenate([s.steps[:, 0] for s in sequences])[places]
    trained = step_masks(sequences, data.train)
    began = time.perf_counter(), time.process_time()
    torch.manual_seed(seed)
    # No relations: the aim is to memorise symbols, and without them an epoch takes a third less time.
    model = build(options.model, replace(Shape.of(encoding), relations=()), NETWORK)
    state = RunState.new(model, optim.make_optimiser(model, options), options.learning_rate)
    device = torch.device("cpu")
    first = next(batches(encoding, sequences, trained, np.random.default_rng(seed)))
    dtype, why = optim.pick_dtype(model, first, options, device)
    for epoch in range(1, epochs + 1):
        losses = []
        music = list(batches(encoding, sequences, trained, np.random.default_rng([seed, epoch])))
        for number, batch in enumerate(music):
            left = 1 - (epoch - 1 + number / len(music)) / epochs
            for group in state.optimiser.param_groups:
                group["lr"] = state.rate * min(left, (state.step + 1) / WARMUP)
            loss = optim.train_step(model, batch, state.optimiser, options=options, device=device, dtype=dtype)
            losses.append(loss)
            loop._update_average(state, options.averaging)
            state.step += 1
        chances = chances_at(state.average, encoding, sequences, places)
        valid, test = shares(chances, wanted, len(data.valid))
        mixed = shares(chances + ngram, wanted, len(data.valid))[1]
        seconds = time.perf_counter() - began[0], time.process_time() - began[1]
        on_epoch(Epoch(epoch, float(np.mean(losses)), valid, test, mixed, *seconds))
    return f"a {model.name} of {model.parameter_count():,} parameters, {str(dtype).removeprefix('torch.')} ({why})"


def batches(encoding: Any, sequences: Sequence[Any], trained: Sequence[Any], rng: Any) -> Iterator[Any]:
    """Cut all of the music at random into windows of LENGTH; steps not in `trained` are input, but not targets."""
    from playbach.data.batches import IGNORED, Batch, previous_of

    cuts = []
    for number, sequence in enumerate(sequences):
        ends = [*range(int(rng.integers(1, LENGTH + 1)), len(sequence), LENGTH), len(sequence)]
        cuts += [(number, a, b) for a, b in zip([0, *ends], ends)]
    cuts = [cut for cut in cuts if trained[cut[0]][cut[1] : cut[2]].any()]
    order = rng.permutation(len(cuts))
    for begin in range(0, len(order), BATCH):
        chosen = [cuts[i] for i in order[begin : begin + BATCH]]
        shape = len(chosen), max(b - a for _, a, b in chosen)
        previous = np.zeros((*shape, 1), np.int64)
        context = np.zeros((*shape, len(encoding.context)), np.int64)
        target = np.full((*shape, 1), IGNORED, np.int64)
        for row, (number, a, b) in enumerate(chosen):
            steps = sequences[number].steps
            previous[row, : b - a] = previous_of(steps, encoding)[a:b]
            context[row, : b - a] = sequences[number].context[a:b]
            target[row, : b - a] = np.where(trained[number][a:b, None], steps[a:b], IGNORED)
        yield Batch(previous, hide_context(context, encoding, rng.random(len(chosen)) < HIDDEN_ECHOES), target)


def hide_context(context: Longs, encoding: Any, hidden: npt.NDArray[np.bool_]) -> Longs:
    """Set bars left to unknown in the context (B, T, C), and hide echoes in some windows (B,)."""
    from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
    from playbach.encodings.features.lines import NO_INTERVAL, NO_NOTE

    context[..., encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    for column, field in enumerate(encoding.context):
        if "echo" in field.name:
            context[hidden, :, column] = NO_INTERVAL if field.name.startswith("step") else NO_NOTE
    return context


def chances_at(model: Any, encoding: Any, sequences: Sequence[Any], places: Longs) -> npt.NDArray[Any]:
    """The network's probabilities (P, V) at these places of the string, stepping each piece from its beginning."""
    import torch

    from playbach.data.batches import previous_of

    begins = np.cumsum([0, *map(len, sequences)])
    found = np.empty((len(places), len(encoding.fields[0])), np.float32)
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    model.eval()
    for begin in range(0, len(order), TOGETHER):
        group = order[begin : begin + TOGETHER]
        shape = len(group), len(sequences[group[-1]])
        previous = np.zeros((*shape, 1), np.int64)
        context = np.zeros((*shape, len(encoding.context)), np.int64)
        for row, i in enumerate(group):
            previous[row, : len(sequences[i])] = previous_of(sequences[i].steps, encoding)
            context[row, : len(sequences[i])] = sequences[i].context
        context = hide_context(context, encoding, np.zeros(len(group), bool))
        with torch.inference_mode():
            logits = model(torch.from_numpy(previous), torch.from_numpy(context))[0]
        for row, i in enumerate(group):
            inside = np.flatnonzero((places >= begins[i]) & (places < begins[i + 1]))
            found[inside] = logits[row, torch.from_numpy(places[inside] - begins[i])].softmax(-1).numpy()
    return found


def shares(chances: npt.NDArray[Any], wanted: Longs, cut: int) -> tuple[float, float]:
    """The accuracy of the likeliest symbols, before row `cut` and from it on."""
    right = chances.argmax(-1) == wanted
    return float(right[:cut].mean()), float(right[cut:].mean())
