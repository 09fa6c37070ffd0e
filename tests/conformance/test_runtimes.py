"""Every runtime steps a bundle's network as torch does, and keeps no state between calls."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.members import with_ngrams
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.encodings.base import Encoding
from playbach.inference.runtimes import RUNTIMES, open_runtime, suitable_runtimes
from playbach.inference.runtimes.base import Runtime
from playbach.system.errors import BundleError, UsageError

FILES = {"members": "tiny.playbach", "onnx": "tiny.playbach", "litert": "tiny-int8.tflite"}
"""A file for each runtime: the same network. For `members`, n-grams are added to it."""
PACKAGES = {"members": "onnxruntime", "onnx": "onnxruntime", "litert": "ai_edge_litert"}


def file_of(runtime: str) -> Bundle:
    bundle = bundles.read(GOLDEN / FILES[runtime])
    return with_ngrams(bundle) if runtime == "members" else bundle


@pytest.fixture(params=RUNTIMES)
def played(request: pytest.FixtureRequest) -> tuple[Runtime, Encoding]:
    pytest.importorskip(PACKAGES[request.param])
    bundle = file_of(request.param)
    return open_runtime(bundle, request.param), bundle.encoding()


def walk(runtime: Runtime, encoding: Encoding, steps: int) -> list[np.ndarray]:
    """The logits of steps that always take the most probable symbols."""
    decoder = encoding.decoder(encoding.headers[0][0])
    previous, state, seen = np.array([len(f) for f in encoding.fields]), runtime.start(), []
    for _ in range(steps):
        logits, state = runtime.step(previous, decoder.context(), state)
        seen.append(logits[0])
        previous = np.array([int(np.where(m, s, -np.inf).argmax()) for s, m in zip(logits, decoder.valid_mask())])
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


def test_pieces_side_by_side_are_as_each_alone(played: tuple[Runtime, Encoding]) -> None:
    runtime, encoding = played
    rng = np.random.default_rng(0)
    previous = np.stack([rng.integers(0, len(f), (3, 8)) for f in encoding.fields], axis=-1)
    context = np.stack([rng.integers(0, len(f), (3, 8)) for f in encoding.context], axis=-1)
    together, alone = runtime.start(3), [runtime.start() for _ in range(3)]
    for t in range(8):
        logits, together = runtime.step(previous[:, t], context[:, t], together)
        for piece in range(3):
            single, alone[piece] = runtime.step(previous[piece, t], context[piece, t], alone[piece])
            np.testing.assert_allclose(logits[0][piece], single[0], atol=1e-5)


def test_an_old_state_can_be_stepped_from_again(played: tuple[Runtime, Encoding]) -> None:
    runtime, encoding = played
    previous, context = np.array([len(f) for f in encoding.fields]), np.zeros(len(encoding.context), int)
    _, state = runtime.step(previous, context, runtime.start())
    first, _ = runtime.step(previous - 1, context, state)
    runtime.step(previous - 2, context, state)
    again, _ = runtime.step(previous - 1, context, state)
    assert np.array_equal(first[0], again[0])


def test_every_runtime_has_a_file_and_no_other_runtimes_one(played: tuple[Runtime, Encoding]) -> None:
    assert set(FILES) == set(PACKAGES) == set(RUNTIMES)
    for name in FILES:
        bundle = file_of(name)
        suitable = [name, "onnx"] if name == "members" else [name]  # the network of both can play alone
        assert suitable_runtimes(bundle) == suitable
        for other in set(RUNTIMES) - set(suitable):
            with pytest.raises(BundleError, match=f"{bundle.name}: the runtime {other} cannot play this file; "):
                open_runtime(bundle, other)
    with pytest.raises(UsageError, match="runtime must be members, onnx or litert, not 'abacus'"):
        open_runtime(bundle, "abacus")
