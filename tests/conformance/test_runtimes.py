"""Every runtime: it steps a bundle's network, as torch does, and keeps nothing between calls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from playbach import bundle as bundles
from playbach.encodings import Encoding
from playbach.runtimes import RUNTIMES, Runtime


@pytest.fixture(params=RUNTIMES)
def played(request: pytest.FixtureRequest, chorales_bundle: Path) -> tuple[Runtime, Encoding]:
    bundle = bundles.read(chorales_bundle)
    return RUNTIMES[request.param](bundle), bundle.encoding()


def walk(runtime: Runtime, encoding: Encoding, steps: int) -> list[np.ndarray]:
    """The logits of a greedy walk."""
    decoder = encoding.decoder(encoding.headers[0][0])
    previous, state, seen = np.array([len(f) for f in encoding.fields]), runtime.start(), []
    for _ in range(steps):
        logits, state = runtime.step(previous, decoder.context(), state)
        seen.append(logits[0])
        previous = np.array([int(np.where(m, s, -np.inf).argmax()) for s, m in zip(logits, decoder.allowed())])
        decoder.feed(previous)
    return seen


def test_logits_have_the_shape_of_the_fields(played: tuple[Runtime, Encoding]) -> None:
    runtime, encoding = played
    logits, _ = runtime.step(
        np.array([len(f) for f in encoding.fields]), np.zeros(len(encoding.context), int), runtime.start()
    )
    assert [scores.shape for scores in logits] == [(len(f),) for f in encoding.fields]
    assert all(scores.dtype == np.float32 and np.isfinite(scores).all() for scores in logits)


def test_the_same_walk_twice(played: tuple[Runtime, Encoding]) -> None:
    runtime, encoding = played
    first, again = walk(runtime, encoding, 60), walk(runtime, encoding, 60)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.allclose(first[0], first[-1])


def test_two_walks_at_once_do_not_meet(played: tuple[Runtime, Encoding]) -> None:
    runtime, encoding = played
    alone = walk(runtime, encoding, 3)
    previous, context = np.array([len(f) for f in encoding.fields]), np.zeros(len(encoding.context), int)
    other = runtime.start()
    for _ in range(5):
        _, other = runtime.step(previous, context, other)
    assert np.array_equal(walk(runtime, encoding, 3)[-1], alone[-1])
