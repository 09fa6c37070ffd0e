"""Every architecture: forward and step agree, the exported step is the same network, and it can run for ever."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from playbach.encodings.relations import Relation
from playbach.export import onnx
from playbach.inference.runtimes.onnx import OnnxRuntime
from playbach.models import MODELS, build
from playbach.models.base import Model, Shape
from playbach.system.errors import PlaybachError, UsageError


def relation(field: int, column: int, context_symbols: int, symbols: int, classes: int) -> Relation:
    table = np.arange(context_symbols)[:, None] * 3 + np.arange(4)[None] * 2
    return Relation("any", field, column, (table % classes).astype(np.int64), np.arange(symbols) % 4)


SHAPES = {
    "one field with context": Shape((19,), (4, 7)),
    "three fields": Shape((30, 12, 34), (5,)),
    "no context": Shape((11,), ()),
    "relations": Shape((9, 6), (5, 3), (relation(0, 1, 3, 9, 4), relation(1, 0, 5, 6, 2), relation(0, 0, 5, 9, 7))),
}
SMALL: dict[str, dict[str, int]] = {
    "lstm": {"hidden": 24, "layers": 2, "embedding": 8},
    "attention": {"hidden": 24, "layers": 2, "embedding": 8, "memory": 20},
    "cnn": {"image": 16, "channels": 4, "hidden": 24},
    "transformer": {"width": 16, "layers": 2, "heads": 2, "memory": 24},
}
LENGTH = 120
"""More than twice the window of every architecture that has one."""


def made(name: str, shape: str) -> Model:
    torch.manual_seed(0)
    model = build(name, SHAPES[shape], SMALL[name]).eval()
    for parameter_name, parameter in model.named_parameters():  # these begin at 0
        if "classes" in parameter_name:
            torch.nn.init.normal_(parameter)
    return model


@pytest.fixture(params=[(m, s) for m in MODELS for s in SHAPES], ids=lambda p: f"{p[0]}, {p[1]}", scope="module")
def model(request: pytest.FixtureRequest) -> Model:
    return made(*request.param)


# An export takes seconds. The others of these are among the slow tests.
FAST_EXPORTS = [("lstm", shape) for shape in SHAPES] + [(name, "relations") for name in MODELS]
EXPORTS = [
    pytest.param((m, s), marks=[] if (m, s) in FAST_EXPORTS else pytest.mark.slow, id=f"{m}, {s}")
    for m in MODELS
    for s in SHAPES
]


@pytest.fixture(params=EXPORTS, scope="module")
def exported(request: pytest.FixtureRequest) -> tuple[Model, bytes]:
    """A network and its step in ONNX."""
    model = made(*request.param)
    return model, onnx.export_step(model)


def inputs(shape: Shape, batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random previous steps, the start symbol first, and contexts."""
    random = torch.Generator().manual_seed(1)
    previous = torch.stack([torch.randint(0, v, (batch, length), generator=random) for v in shape.symbols], -1)
    previous[:, 0] = torch.tensor(shape.symbols)
    context = torch.zeros(batch, length, len(shape.context), dtype=torch.int64)
    for i, v in enumerate(shape.context):
        context[..., i] = torch.randint(0, v, (batch, length), generator=random)
    return previous, context


def test_every_architecture_is_covered() -> None:
    assert set(SMALL) == set(MODELS)


@torch.inference_mode()
def test_forward_and_step_agree(model: Model) -> None:
    previous, context = inputs(model.shape, 3, LENGTH)
    whole = model(previous, context)
    assert [tuple(w.shape) for w in whole] == [(3, LENGTH, v) for v in model.shape.symbols]
    state = model.initial_state(3)
    for t in range(LENGTH):
        logits, state = model.step(previous[:, t], context[:, t], state)
        for stepped, expected in zip(logits, whole, strict=True):
            torch.testing.assert_close(stepped, expected[:, t], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_no_position_depends_on_later_steps(model: Model) -> None:
    previous, context = inputs(model.shape, 1, 20)
    changed = previous.clone()
    changed[:, 11:] = 0
    before, after = model(previous, context), model(changed, context)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a[:, :11], b[:, :11])
        assert not torch.allclose(a[:, 11], b[:, 11])


def test_the_exported_step_is_the_same_network(exported: tuple[Model, bytes]) -> None:
    model, step = exported
    previous, context = inputs(model.shape, 1, LENGTH)
    assert onnx.check_step(step, model, previous[0].numpy(), context[0].numpy()) < 1e-4


def test_an_export_that_differs_is_refused(exported: tuple[Model, bytes]) -> None:
    model, step = exported
    previous, context = inputs(model.shape, 1, 8)
    torch.manual_seed(99)
    other = build(model.name, model.shape, model.config()).eval()
    with pytest.raises(PlaybachError, match="differs from torch"):
        onnx.check_step(step, other, previous[0].numpy(), context[0].numpy())


@pytest.mark.parametrize("name", MODELS)
def test_exporting_does_not_change_the_model(name: str) -> None:
    model = build(name, SHAPES["no context"], SMALL[name]).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    onnx.export_step(model)
    assert model.training
    model.eval()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_runtime_does_not_change_its_input_state(exported: tuple[Model, bytes]) -> None:
    model, step = exported
    runtime = OnnxRuntime(step)
    previous, context = (x[0].numpy() for x in inputs(model.shape, 1, 3))
    _, state = runtime.step(previous[0], context[0], runtime.start())
    first, _ = runtime.step(previous[1], context[1], state)
    again, _ = runtime.step(previous[1], context[1], state)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_values_are_finite_after_100_000_steps(name: str) -> None:
    torch.manual_seed(0)
    shape = SHAPES["one field with context"]
    runtime = OnnxRuntime(onnx.export_step(build(name, shape, SMALL[name]).eval()))
    previous, context = (x[0].numpy() for x in inputs(shape, 1, 64))
    state = runtime.start()
    for t in range(100_000):
        logits, state = runtime.step(previous[t % 64], context[t % 64], state)
    assert all(np.isfinite(values).all() for values in logits)
    assert all(np.isfinite(values).all() for values in state.values())


def test_symbols_can_be_one_hot() -> None:
    torch.manual_seed(0)
    shape = SHAPES["one field with context"]
    model = build("lstm", shape, {"hidden": 8, "onehot": True}).eval()
    previous, context = inputs(shape, 2, 30)
    row = model.embed(previous, context)[1, 0]
    assert row[:20].tolist() == [0.0] * 19 + [1.0]  # the start symbol
    assert onnx.check_step(onnx.export_step(model), model, previous[0].numpy(), context[0].numpy()) < 1e-4
    with pytest.raises(UsageError, match="embedding and onehot"):
        build("lstm", shape, {"embedding": 20, "onehot": True})


@pytest.mark.parametrize("name", MODELS)
def test_a_class_adds_its_score_to_all_its_symbols(name: str) -> None:
    torch.manual_seed(0)
    shape = SHAPES["relations"]
    model = build(name, shape, SMALL[name]).eval()
    previous, context = inputs(shape, 1, 4)
    before = model(previous, context)
    model.heads.classes[0].bias.data[2] = 7.0
    after = model(previous, context)
    first = shape.relations[0]
    is_in_class = torch.from_numpy(first.classes)[context[..., 1]][..., torch.from_numpy(first.aspects)] == 2
    torch.testing.assert_close(after[0] - before[0], is_in_class.float() * 7.0)
    assert torch.equal(after[1], before[1])


@pytest.mark.parametrize("name", MODELS)
def test_a_config_builds_the_same_network_again(name: str) -> None:
    first = build(name, SHAPES["three fields"], SMALL[name])
    second = build(name, first.shape, first.config())
    second.load_state_dict(first.state_dict())
    assert second.config() == first.config()
    assert second.parameter_count() == first.parameter_count() > 0


GROWN = [(name, {}) for name in MODELS] + [("lstm", {"onehot": True})]


@pytest.mark.parametrize(("name", "more"), GROWN, ids=lambda x: str(x))
@torch.inference_mode()
def test_weights_of_a_network_with_fewer_symbols_can_be_copied(name: str, more: dict[str, bool]) -> None:
    """Old symbols get the same scores as before, and a new symbol those of the unknown symbol."""
    torch.manual_seed(0)
    config = {**SMALL[name], **more}
    config.pop("embedding" if more else "", None)
    old_shape = Shape((9, 6), (5, 3), (relation(0, 1, 3, 9, 4), relation(1, 0, 5, 6, 2)))
    new_shape = Shape((12, 6), (5, 4), (relation(0, 1, 4, 12, 4), relation(1, 0, 5, 6, 2)))
    old, new = build(name, old_shape, config).eval(), build(name, new_shape, config).eval()
    for parameter in old.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    previous, context = inputs(old_shape, 2, 40)
    before = old(previous, context)
    new.copy_weights_from(old)
    previous[:, 0, 0] = 12  # the start symbol, the only one whose index changes
    after = new(previous, context)
    torch.testing.assert_close(after[0][..., :9], before[0])
    torch.testing.assert_close(after[1], before[1])
    unknown, new_symbol = previous.clone(), previous.clone()
    unknown[:, 5, 0], new_symbol[:, 5, 0] = 0, 11
    torch.testing.assert_close(new(unknown, context)[0], new(new_symbol, context)[0])


@pytest.mark.parametrize(("option", "value"), [("hidden", 0), ("layers", -1), ("dropout", 1.0), ("embedding", 10**9)])
def test_the_message_names_an_impossible_size(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=option):
        build("lstm", SHAPES["no context"], {option: value})


def test_an_export_with_nan_is_refused() -> None:
    """Python's `max` of numbers and NaN returns whichever comes first, so it must not be used here."""
    wrong = build("lstm", SHAPES["no context"], SMALL["lstm"]).eval()
    graph = onnx.export_step(wrong)
    torch.nn.init.constant_(wrong.heads.symbols[0].bias, float("nan"))
    previous, context = inputs(wrong.shape, 1, 5)
    with pytest.raises(PlaybachError, match="differs from torch by nan"):
        onnx.check_step(graph, wrong, previous[0].numpy(), context[0].numpy())
