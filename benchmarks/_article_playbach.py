"""playbach on the article's samples: whole pieces are heard, the loss counted where a training target stands.

Where the article's network hears 40 symbols to learn from one, this one learns from each training target once an
epoch. The network, its optimiser, averaged weights and number type are those of `playbach train`; the split is not,
and neither is the learning rate, which falls to nothing over a fixed number of epochs, as the aim here is to
remember. In half of the windows the echoes are hidden: a second time round is told by the first, but the first only
by what is remembered of the second. Needs the extra `train`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from _article_data import Leaky, Longs, masks

NETWORK: dict[str, Any] = {"width": 256, "layers": 2, "memory": 32, "dropout": 0.15, "symbol_dropout": 0.1}
LENGTH, BATCH, EPOCHS = 64, 8, 30
RATE, DECAY, AVERAGING, WARMUP = 1.5e-3, 0.01, 0.98, 50
HIDDEN_ECHOES = 0.5
SUFFIX = 16
"""The n-gram looks so many symbols back."""
TOGETHER = 8
"""Pieces measured at a time."""


@dataclass(frozen=True)
class Epoch:
    """Accuracies on the samples to stop on and to test, of the network and of it and the n-gram in equal parts.
    Seconds count from before the first step, measuring included."""

    epoch: int
    loss: float
    valid: float
    test: float
    mixed: float
    wall: float
    cpu: float


def counted(encoding: Any, sequences: Sequence[Any], learnt: Longs, places: Longs) -> npt.NDArray[Any]:
    """(P, V) the chances that playbach's n-grams give: what the targets at `learnt` say, and what the piece itself
    says up to each place, in equal parts."""
    from playbach.evaluation.ppm import Music, Source, View

    music, alphabet = Music.of(sequences), len(encoding.fields[0])
    view = View(tuple(Source(lag, 0) for lag in range(1, SUFFIX + 1)), music, np.sort(learnt), 0, alphabet)
    ends = np.cumsum([len(s) for s in sequences])
    known = view.long_term(music, places)
    for begin, end in zip([0, *ends[:-1]], ends):
        inside = (places >= begin) & (places < end)
        known[inside] += view.short_term(music, np.arange(begin, end), 0)[places[inside] - begin]
    return np.asarray(known / 2)


def learn(
    encoding: Any,
    sequences: Sequence[Any],
    data: Leaky,
    ngram: npt.NDArray[Any],
    epochs: int,
    seed: int,
    told: Callable[[Epoch], None],
) -> str:
    """Train a network, telling each epoch; what it was, in words. `ngram` has chances at the places of the samples to
    stop on and then of those to test."""
    import torch

    from playbach.models import Shape, build
    from playbach.training import loop, optim
    from playbach.training.checkpoints import RunState, weights_of

    options = loop.TrainOptions(
        encoding="notes", model="transformer", network=NETWORK, window=LENGTH, batch=BATCH, seed=seed,
        learning_rate=RATE, weight_decay=DECAY, averaging=AVERAGING,
    )  # fmt: skip
    places = np.concatenate([data.valid, data.test])
    wanted = np.concatenate([s.steps[:, 0] for s in sequences])[places]
    learnt = masks(sequences, data.train)
    began = time.perf_counter(), time.process_time()
    torch.manual_seed(seed)
    # No relations: what is to be remembered here is symbols, and each epoch is a third shorter without.
    model = build(options.model, replace(Shape.of(encoding), relations=()), NETWORK)
    state = RunState(
        model, optim.optimiser_of(model, options), copy.deepcopy(model), weights_of(model), options.learning_rate
    )
    device = torch.device("cpu")
    first = next(batches(encoding, sequences, learnt, np.random.default_rng(seed)))
    dtype, why = optim.pick_dtype(model, first, options, device)
    for epoch in range(1, epochs + 1):
        losses = []
        music = list(batches(encoding, sequences, learnt, np.random.default_rng([seed, epoch])))
        for number, batch in enumerate(music):
            left = 1 - (epoch - 1 + number / len(music)) / epochs
            for group in state.optimiser.param_groups:
                group["lr"] = state.rate * min(left, (state.step + 1) / WARMUP)
            losses.append(optim.train_step(model, batch, state.optimiser, options, device, dtype))
            loop._average(state, options.averaging)
            state.step += 1
        chances = chances_at(state.average, encoding, sequences, places)
        valid, test = shares(chances, wanted, len(data.valid))
        mixed = shares(chances + ngram, wanted, len(data.valid))[1]
        seconds = time.perf_counter() - began[0], time.process_time() - began[1]
        told(Epoch(epoch, float(np.mean(losses)), valid, test, mixed, *seconds))
    return f"a {model.name} of {model.parameter_count():,} parameters, {str(dtype).removeprefix('torch.')} ({why})"


def batches(encoding: Any, sequences: Sequence[Any], learnt: Sequence[Any], rng: Any) -> Iterator[Any]:
    """All of the music once, cut at random into windows of LENGTH; what is not learnt is heard, but no target."""
    from playbach.data.batches import IGNORED, Batch, previous_of

    cuts = []
    for number, sequence in enumerate(sequences):
        ends = [*range(int(rng.integers(1, LENGTH + 1)), len(sequence), LENGTH), len(sequence)]
        cuts += [(number, a, b) for a, b in zip([0, *ends], ends)]
    cuts = [cut for cut in cuts if learnt[cut[0]][cut[1] : cut[2]].any()]
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
            target[row, : b - a] = np.where(learnt[number][a:b, None], steps[a:b], IGNORED)
        yield Batch(previous, _untold(context, encoding, rng.random(len(chosen)) < HIDDEN_ECHOES), target)


def _untold(context: Longs, encoding: Any, hidden: npt.NDArray[np.bool_]) -> Longs:
    """The context (B, T, C) without how much is left, and in some windows (B,) without echoes."""
    from playbach.encodings.base import LEFT_UNKNOWN
    from playbach.encodings.lines import NO_STEP, NOTHING

    context[..., encoding.left_column] = LEFT_UNKNOWN
    for column, field in enumerate(encoding.context):
        if "echo" in field.name:
            context[hidden, :, column] = NO_STEP if field.name.startswith("step") else NOTHING
    return context


def chances_at(model: Any, encoding: Any, sequences: Sequence[Any], places: Longs) -> npt.NDArray[Any]:
    """(P, V) the chances of all symbols at these places of the string, each piece heard from its beginning."""
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
        context = _untold(context, encoding, np.zeros(len(group), bool))
        with torch.inference_mode():
            logits = model(torch.from_numpy(previous), torch.from_numpy(context))[0]
        for row, i in enumerate(group):
            inside = np.flatnonzero((places >= begins[i]) & (places < begins[i + 1]))
            found[inside] = logits[row, torch.from_numpy(places[inside] - begins[i])].softmax(-1).numpy()
    return found


def shares(chances: npt.NDArray[Any], wanted: Longs, cut: int) -> tuple[float, float]:
    """How many of the likeliest symbols (P,) are right, before and from the place `cut` on."""
    right = chances.argmax(-1) == wanted
    return float(right[:cut].mean()), float(right[cut:].mean())
