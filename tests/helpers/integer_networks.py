"""Small networks for the tests of integer networks and of C: every kind of input, with weights that matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from playbach.encodings.relations import Relation, chord_classes, interval_classes
from playbach.export.integer import IntegerNetwork, quantise
from playbach.models import build
from playbach.models.base import Model, Shape


@dataclass(frozen=True)
class Alphabets:
    """The parts of an encoding that a network needs; the symbols are numbers."""

    symbols: tuple[int, ...]
    contexts: tuple[int, ...]
    relations: tuple[Relation, ...] = ()

    @property
    def fields(self) -> tuple[range, ...]:
        return tuple(map(range, self.symbols))

    @property
    def context(self) -> tuple[range, ...]:
        return tuple(map(range, self.contexts))


def with_relations() -> Alphabets:
    """Two fields, and three relations to the first: two share a table, the third has aspects in another order."""
    known = [None, *range(12)]
    kinds = np.array([0, 0, *range(1, 13)])
    wide, narrow = interval_classes(known, known), chord_classes(known[:5], known)
    relations = (
        Relation("one", 0, 1, wide, kinds),
        Relation("two", 0, 2, wide, kinds),
        Relation("three", 0, 0, narrow, kinds[::-1].copy()),
    )
    return Alphabets((14, 9), (5, 13, 13), relations)


TWO, THREE, BARE = with_relations(), Alphabets((40, 7, 6), (11, 3)), Alphabets((23, 5), ())
LSTM = {"embedding": 7, "context_embedding": 3, "hidden": 20, "layers": 1, "dropout": 0.0}
ONEHOT = {"context_embedding": 3, "hidden": 17, "layers": 1, "dropout": 0.0, "onehot": True}
CNN = {"image": 12, "channels": 3, "hidden": 20, "dropout": 0.0, "symbol_dropout": 0.0}

CASES: dict[str, tuple[str, dict[str, Any], Alphabets]] = {
    "lstm": ("lstm", LSTM, TWO),
    "two layers": ("lstm", {**LSTM, "layers": 2}, THREE),
    "no context": ("lstm", LSTM, BARE),
    "onehot": ("lstm", ONEHOT, TWO),
    "onehot, two layers, no context": ("lstm", {**ONEHOT, "layers": 2}, BARE),
    "cnn": ("cnn", CNN, TWO),
    "cnn, odd, three fields": ("cnn", {**CNN, "image": 15}, THREE),
    "cnn, smallest, no context": ("cnn", {**CNN, "image": 8, "channels": 1}, BARE),
}


def model(case: str) -> Model:
    """An untrained torch network whose outputs are far from uniform and depend on earlier steps."""
    name, config, alphabets = CASES[case]
    torch.manual_seed(5)
    made = build(name, Shape(alphabets.symbols, alphabets.contexts, alphabets.relations), config).eval()
    with torch.no_grad():
        for key, weight in made.named_parameters():
            if "heads" in key:
                weight.copy_(torch.randn_like(weight) * (0.8 if key.endswith("weight") else 0.3))
            elif "embed" in key:
                weight.copy_(torch.randn_like(weight) * 0.4)
            else:
                weight.mul_(1.5)
            if "heads.symbols" in key:
                # Pairs of symbols that are always equally probable: the test sees which one is taken first.
                weight[len(weight) // 2 :] = weight[: len(weight) - len(weight) // 2].clone()
    return made


def steps(case: str, count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Random previous symbols (T, F), beginning with the start symbols, and random context (T, C)."""
    alphabets = CASES[case][2]
    rng = np.random.default_rng(seed)
    previous = np.stack([rng.integers(v, size=count) for v in alphabets.symbols], 1)
    previous[0] = alphabets.symbols
    context = [rng.integers(k, size=count) for k in alphabets.contexts]
    return previous, np.stack(context, 1) if context else np.zeros((count, 0), int)


def network(case: str) -> IntegerNetwork:
    name, _, alphabets = CASES[case]
    weights = {key: value.numpy() for key, value in model(case).state_dict().items()}
    return quantise(name, weights, alphabets, steps(case, 600))
