"""Integer networks agree with torch within stated bounds, and integer sampling follows the probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from safetensors.numpy import load

from helpers import integer_networks, sample_music
from helpers.integer_networks import CASES, Alphabets
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.data.batches import previous_of
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.encodings.notes import NotesEncoding
from playbach.evaluation.reports import predict_pieces
from playbach.export.integer import (
    IntegerError,
    IntegerRuntime,
    IntegerSampling,
    Pcg32,
    compose,
    draw_symbol,
    quantise,
)
from playbach.export.integer.fixed import quantise_linear
from playbach.export.integer.lstm import SIGMOID, TANH, interpolate
from playbach.export.integer.sampling import keep_top_p, relative_weights
from playbach.inference.options import Sampling
from playbach.inference.runtimes import RUNTIMES
from playbach.inference.sampling import probabilities, sharpen
from playbach.models import build
from playbach.models.base import Shape
from playbach.system.errors import BundleError

TINY = GOLDEN / "tiny.playbach"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """With networks this small several threads are slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def quantised_bundle(path: Path, pieces: list[Any]) -> tuple[Any, Any, list[Any]]:
    """A bundle, its network in integers, and some pieces, encoded."""
    bundle = bundles.read(path)
    encoding = bundle.encoding()
    found = [encoding.encode(piece) for piece in pieces]
    calibration = (
        np.concatenate([previous_of(s.steps, encoding) for s in found]),
        np.concatenate([s.context for s in found]),
    )
    name = bundle.manifest["architecture"]["name"]
    return bundle, quantise(name, load(bundle.members[bundles.WEIGHTS]), encoding, calibration), found


# ---------------------------------------------------------------------------------- compared with torch


@pytest.mark.parametrize("case", CASES)
def test_logits_are_close_to_torchs(case: str) -> None:
    model, network = integer_networks.model(case), integer_networks.network(case)
    previous, context = integer_networks.steps(case, 300, seed=2)
    with torch.no_grad():
        expected = model(torch.from_numpy(previous)[None], torch.from_numpy(context)[None])
    state, found = network.start(1), []
    for p, c in zip(previous, context):
        logits, state = network.step(p[None], c[None], state)
        found.append(network.split(logits[0] / 65536))
    for field, scores in enumerate(expected):
        real = scores[0].numpy()
        ours = np.array([step[field] for step in found])
        assert np.abs(ours - real).mean() < 0.02 * real.std()
        assert np.abs(ours - real).max() < 0.25 * real.std()


def cost(runtime: Any, encoding: Any, sequences: list[Any]) -> float:
    """Bits a step."""
    nats = [g.nats.sum() for g in predict_pieces(runtime, encoding, sequences)]
    return float(sum(nats) / np.log(2) / sum(map(len, sequences)))


def test_an_integer_lstm_needs_as_many_bits_as_in_floats() -> None:
    bundle, network, found = quantised_bundle(TINY, [sample_music.chorale(seed) for seed in range(40, 46)])
    real = cost(RUNTIMES["onnx"](bundle), bundle.encoding(), found)
    assert real < 2.0
    assert cost(IntegerRuntime(network), bundle.encoding(), found) == pytest.approx(real, abs=0.01)


def test_an_integer_cnn_needs_as_many_bits_as_in_floats() -> None:
    # Trained here for a second, since no other test has a trained CNN.
    encoding = NotesEncoding.fit([sample_music.line(seed) for seed in range(12)])
    torch.manual_seed(0)
    small = {"image": 12, "channels": 4, "hidden": 32, "dropout": 0.0, "symbol_dropout": 0.0}
    model = build("cnn", Shape.of(encoding), small)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    train = [in_floats(encoding.encode(sample_music.line(seed)), encoding) for seed in range(12)]
    for _ in range(8):
        for previous, context, steps in train:
            optimiser.zero_grad()
            bits(model(previous, context), steps).backward()
            optimiser.step()

    held_out = [encoding.encode(sample_music.line(seed)) for seed in range(40, 46)]
    weights = {key: value.numpy() for key, value in model.eval().state_dict().items()}
    calibration = tuple(np.concatenate([p[i][0].numpy() for p in train]) for i in (0, 1))
    network = quantise("cnn", weights, encoding, calibration)
    with torch.no_grad():
        costs = [bits(model(p, c), s) * len(s[0]) for p, c, s in (in_floats(h, encoding) for h in held_out)]
    real = float(sum(costs)) / sum(map(len, held_out))
    assert len(network.symbols) == 2
    assert real < 5.5
    assert cost(IntegerRuntime(network), encoding, held_out) == pytest.approx(real, abs=0.02)


def in_floats(sequence: Any, encoding: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A piece for torch, not told how much is left: previous (1, T, F), context (1, T, C), steps (1, T, F)."""
    context = sequence.context.copy()
    context[:, encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    parts = previous_of(sequence.steps, encoding), context, sequence.steps
    return tuple(torch.from_numpy(part.astype(np.int64))[None] for part in parts)


def bits(logits: list[torch.Tensor], steps: torch.Tensor) -> torch.Tensor:
    """Bits a step."""
    nats = [torch.nn.functional.cross_entropy(scores[0], steps[0, :, f]) for f, scores in enumerate(logits)]
    return sum(nats) / np.log(2)


# ------------------------------------------------------------------------------------------------ the runtime


@pytest.mark.parametrize("case", ["two layers", "onehot", "cnn"])
def test_a_batch_equals_single_pieces_and_states_stay_unchanged(case: str) -> None:
    runtime = IntegerRuntime(integer_networks.network(case))
    previous, context = integer_networks.steps(case, 60)
    together, states = runtime.start(3), [runtime.start() for _ in range(3)]
    for t in range(20):
        rows = [t, t + 20, t + 40]
        logits, together = runtime.step(previous[rows], context[rows], together)
        for i, row in enumerate(rows):
            single, states[i] = runtime.step(previous[row], context[row], states[i])
            again, _ = runtime.step(previous[row], context[row], states[i])
            assert all(np.array_equal(a, field[i]) for a, field in zip(single, logits))
            assert all(a.dtype == np.float32 and a.ndim == 1 for a in single)
            assert not all(np.array_equal(a, b) for a, b in zip(single, again))
    first, kept = runtime.start(), runtime.start()
    runtime.step(previous[0], context[0], first)
    assert all(np.array_equal(a, b) for a, b in zip(first, kept))


def test_a_seed_gives_the_same_piece_of_the_right_length() -> None:
    bundle, network, _ = quantised_bundle(TINY, [sample_music.chorale(1)])
    encoding = bundle.encoding()
    header = encoding.headers[0][0]

    def piece(seed: int, prime: Any = ()) -> list[list[int]]:
        decoder = encoding.decoder(header, 4)
        steps = compose(network, decoder, IntegerSampling(), Pcg32(seed), prime)
        symbols = [step.tolist() for step, _ in steps]
        assert decoder.finished
        return symbols

    assert piece(3) == piece(3) != piece(4)
    assert piece(5, piece(3)[:20])[:20] == piece(3)[:20]


# ------------------------------------------------------------------------------------------ what is refused


def test_other_architectures_are_refused_in_one_line() -> None:
    with pytest.raises(IntegerError, match=r"transformer .* --model lstm or cnn, .* onnx-int8 or tflite-dynamic"):
        quantise("transformer", {}, Alphabets((4,), ()), (np.zeros((1, 1)), np.zeros((1, 0))))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda w: w.pop("heads.symbols.1.bias"), BundleError, "no weights 'heads.symbols.1.bias'"),
        (
            lambda w: w.update({"lstm.weight_hh_l0": np.zeros((80, 3, 1))}),
            BundleError,
            "have the shape 80 x 3 x 1, expected",
        ),
        (lambda w: w["lstm.bias_ih_l0"].fill(np.nan), BundleError, "not all finite"),
        (lambda w: w["lstm.bias_ih_l0"].fill(1e30), IntegerError, "too large"),
        (lambda w: w["heads.symbols.0.bias"].fill(3e4), IntegerError, "scores are too large"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: Any, error: type[Exception], message: str) -> None:
    weights = {key: value.numpy().copy() for key, value in integer_networks.model("lstm").state_dict().items()}
    change(weights)
    with pytest.raises(error, match=message):
        quantise("lstm", weights, CASES["lstm"][2], integer_networks.steps("lstm", 10))


# -------------------------------------------------------------------------------------------------- arithmetic


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([127, 255, 32767]), st.floats(-6, 4), st.integers(1, 3000))
def test_a_layers_sums_fit_into_32_bits_and_its_outputs_are_close_to_the_real_ones(
    seed: int, largest: int, size: float, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(5, columns)) * 10**size, rng.normal(size=5)
    weight[0], bias[0] = 0, 0
    weight[1] = 10**size  # the heaviest row possible
    unit = 1 / largest
    layer = quantise_linear(weight, bias, unit, largest, 1 << 12)
    sums = np.abs(layer.weight.astype(np.int64)).sum(1) * largest + np.abs(layer.bias.astype(np.int64))
    assert sums.max() < 1 << 31
    x = rng.integers(-largest, largest + 1, columns)
    real = weight @ (x * unit) + bias
    bound = np.abs(weight).max(1) * np.abs(x * unit).sum() / 127 + 1e-3
    if size > 3 and largest == 32767 and columns > 256:
        bound *= 32  # the scale is coarser, so that the sums fit
    assert (np.abs(layer(x) / (1 << 12) - real) <= bound + 1e-5 * np.abs(real)).all()


@given(st.integers(-(1 << 40), 1 << 40))
def test_curves_are_close_to_sigmoid_and_tanh(x: int) -> None:
    real = min(max(x / 4096, -8), 8)
    at = np.array([x])
    assert interpolate(SIGMOID, at)[0] / 32768 == pytest.approx(1 / (1 + np.exp(-real)), abs=2e-4)
    assert interpolate(TANH, at)[0] / 32768 == pytest.approx(np.tanh(real), abs=6e-4)


# ---------------------------------------------------------------------------------------------------- sampling


def test_the_generator_returns_the_published_numbers() -> None:
    # The first numbers that the PCG library's pcg32-demo prints, with its seed 42 and stream 54.
    random = Pcg32(42, 54)
    expected = [0xA15C02B7, 0x7B47F409, 0xBA1D3330, 0x83D2F293, 0xBFA4784B, 0xCBED606E]
    assert [random() for _ in expected] == expected


scores = st.lists(st.tuples(st.integers(-20 << 16, 20 << 16), st.booleans()), min_size=1, max_size=60).filter(
    lambda rows: any(allowed for _, allowed in rows)
)


def logits_and_mask(rows: list[tuple[int, bool]]) -> tuple[Any, Any]:
    return np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows])


@settings(deadline=None)
@given(scores, st.sampled_from([64, 200, 256, 512, 2560]))
def test_weights_are_proportional_to_probabilities(rows: list[tuple[int, bool]], temperature: int) -> None:
    logits, mask = logits_and_mask(rows)
    found = relative_weights(logits, mask, temperature)
    assert found.sum() < 1 << 31
    assert not found[~mask].any()
    real = sharpen(probabilities((logits / 65536).astype(np.float64), mask), Sampling(temperature / 256, 1.0))
    assert np.abs(found / found.sum() - real).max() < 2e-4


def test_the_weights_of_very_many_symbols_fit_into_31_bits() -> None:
    logits = np.zeros(8300, np.int64)
    found = relative_weights(logits, np.ones(8300, bool), 256)
    assert found.min() == found.max() > 1 << 16
    assert found.sum() < 1 << 31
    far = relative_weights(np.array([2**31 - 1, -(2**31)]), np.ones(2, bool), 1)
    assert far[0] > 0 == far[1]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any), st.integers(1, 65535))
def test_top_p_keeps_the_fewest_symbols_and_the_first_of_equal_ones(numbers: list[int], top_p: int) -> None:
    weights = np.array(numbers)
    found = keep_top_p(weights, top_p)
    enough = int(weights.sum()) * top_p >> 16
    kept = np.flatnonzero(found)
    assert (found[kept] == weights[kept]).all()
    assert found.sum() >= enough
    assert len(kept) == 1 or found.sum() - found[kept].min() < enough
    least = found[kept].min()
    out = np.flatnonzero((found == 0) & (weights > 0))
    assert (weights[out] <= least).all()
    assert all(i > kept[weights[kept] == least].max() for i in out if weights[i] == least)


@settings(deadline=None, max_examples=50)
@given(scores, st.sampled_from([(256, 65536), (200, 60000), (512, 30000)]))
def test_evenly_spread_numbers_draw_symbols_in_proportion(
    rows: list[tuple[int, bool]], temperature_and_top_p: tuple[int, int]
) -> None:
    logits, mask = logits_and_mask(rows)
    sampling = IntegerSampling(*temperature_and_top_p)
    kept = relative_weights(logits, mask, sampling.temperature)
    if sampling.top_p < 65536:
        kept = keep_top_p(kept, sampling.top_p)
    drawn = [draw_symbol(logits, mask, sampling, lambda i=i: i << 23) for i in range(512)]
    counts = np.bincount(drawn, minlength=len(rows)) / 512
    assert np.abs(counts - kept / kept.sum()).max() <= 1.01 / 512
    assert drawn == sorted(drawn)


@given(scores)
def test_temperature_0_takes_the_first_of_the_most_probable(rows: list[tuple[int, bool]]) -> None:
    logits, mask = logits_and_mask(rows)
    random = Pcg32(1)
    symbol = draw_symbol(logits, mask, IntegerSampling(0, 65536), random)
    assert mask[symbol]
    assert logits[symbol] == logits[mask].max()
    assert not (mask & (logits == logits[symbol]))[:symbol].any()
    twin = Pcg32(1)
    twin()
    assert random() == twin(), "exactly one number was drawn"
