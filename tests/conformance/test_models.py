"""Every architecture: forward and step agree, the exported step is the same network, and it can go on for ever."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from playbach.encodings.relations import Relation
from playbach.export import onnx
from playbach.inference.runtimes.onnx import OnnxRuntime
from playbach.models import MODELS, Model, Shape, build
from playbach.system.errors import PlaybachError, UsageError


def relation(field: int, column: int, known: int, said: int, classes: int) -> Relation:
    table = np.arange(known)[:, None] * 3 + np.arange(4)[None] * 2
    return Relation("any", field, column, (table % classes).astype(np.int64), np.arange(said) % 4)


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
"""Past twice the window of the architectures that have one."""


@pytest.fixture(params=[(m, s) for m in MODELS for s in SHAPES], ids=lambda p: f"{p[0]}, {p[1]}", scope="module")
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    model = build(request.param[0], SHAPES[request.param[1]], SMALL[request.param[0]]).eval()
    for name, parameter in model.named_parameters():  # these begin at nought
        if "classes" in name:
            torch.nn.init.normal_(parameter)
    return model


@pytest.fixture(scope="module")
def exported(model: Model) -> bytes:
    return onnx.export(model)


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
        for ours, theirs in zip(logits, whole, strict=True):
            torch.testing.assert_close(ours, theirs[:, t], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_no_position_sees_what_comes_after_it(model: Model) -> None:
    previous, context = inputs(model.shape, 1, 20)
    changed = previous.clone()
    changed[:, 11:] = 0
    before, after = model(previous, context), model(changed, context)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a[:, :11], b[:, :11])
        assert not torch.allclose(a[:, 11], b[:, 11])


def test_the_exported_step_is_the_same_network(model: Model, exported: bytes) -> None:
    previous, context = inputs(model.shape, 1, LENGTH)
    assert onnx.check(exported, model, previous[0].numpy(), context[0].numpy()) < 1e-4


def test_an_export_that_differs_is_refused(model: Model, exported: bytes) -> None:
    previous, context = inputs(model.shape, 1, 8)
    torch.manual_seed(99)
    other = build(model.name, model.shape, model.config()).eval()
    with pytest.raises(PlaybachError, match="differs from torch"):
        onnx.check(exported, other, previous[0].numpy(), context[0].numpy())


@pytest.mark.parametrize("name", MODELS)
def test_exporting_leaves_the_model_as_it_was(name: str) -> None:
    model = build(name, SHAPES["no context"], SMALL[name]).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    onnx.export(model)
    assert model.training
    model.eval()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_runtime_never_changes_a_state_that_it_was_given(model: Model, exported: bytes) -> None:
    runtime = OnnxRuntime(exported)
    previous, context = (x[0].numpy() for x in inputs(model.shape, 1, 3))
    _, state = runtime.step(previous[0], context[0], runtime.start())
    first, _ = runtime.step(previous[1], context[1], state)
    again, _ = runtime.step(previous[1], context[1], state)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_finite_after_100_000_steps(name: str) -> None:
    torch.manual_seed(0)
    shape = SHAPES["one field with context"]
    runtime = OnnxRuntime(onnx.export(build(name, shape, SMALL[name]).eval()))
    previous, context = (x[0].numpy() for x in inputs(shape, 1, 64))
    state = runtime.start()
    for t in range(100_000):
        logits, state = runtime.step(previous[t % 64], context[t % 64], state)
    assert all(np.isfinite(values).all() for values in logits)
    assert all(np.isfinite(values).all() for values in state.values())


def test_symbols_can_be_given_one_hot() -> None:
    torch.manual_seed(0)
    shape = SHAPES["one field with context"]
    model = build("lstm", shape, {"hidden": 8, "onehot": True}).eval()
    previous, context = inputs(shape, 2, 30)
    row = model.embed(previous, context)[1, 0]
    assert row[:20].tolist() == [0.0] * 19 + [1.0]  # the start symbol
    assert onnx.check(onnx.export(model), model, previous[0].numpy(), context[0].numpy()) < 1e-4
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
    belongs = torch.from_numpy(first.classes)[context[..., 1]][..., torch.from_numpy(first.aspects)] == 2
    torch.testing.assert_close(after[0] - before[0], belongs.float() * 7.0)
    assert torch.equal(after[1], before[1])


@pytest.mark.parametrize("name", MODELS)
def test_its_config_builds_it_again(name: str) -> None:
    first = build(name, SHAPES["three fields"], SMALL[name])
    second = build(name, first.shape, first.config())
    second.load_state_dict(first.state_dict())
    assert second.config() == first.config()
    assert second.parameter_count() == first.parameter_count() > 0


GROWN = [(name, {}) for name in MODELS] + [("lstm", {"onehot": True})]


@pytest.mark.parametrize(("name", "more"), GROWN, ids=lambda x: str(x))
@torch.inference_mode()
def test_it_goes_on_from_a_network_that_knew_fewer_symbols(name: str, more: dict[str, bool]) -> None:
    """What both know is scored as before, and a new symbol is as the unknown one."""
    torch.manual_seed(0)
    config = {**SMALL[name], **more}
    config.pop("embedding" if more else "", None)
    known = Shape((9, 6), (5, 3), (relation(0, 1, 3, 9, 4), relation(1, 0, 5, 6, 2)))
    grown = Shape((12, 6), (5, 4), (relation(0, 1, 4, 12, 4), relation(1, 0, 5, 6, 2)))
    old, new = build(name, known, config).eval(), build(name, grown, config).eval()
    for parameter in old.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    previous, context = inputs(known, 2, 40)
    before = old(previous, context)
    new.adopt(old)
    previous[:, 0, 0] = 12  # the start, whose number is the only one that moves
    after = new(previous, context)
    torch.testing.assert_close(after[0][..., :9], before[0])
    torch.testing.assert_close(after[1], before[1])
    unknown, strange = previous.clone(), previous.clone()
    unknown[:, 5, 0], strange[:, 5, 0] = 0, 11
    torch.testing.assert_close(new(unknown, context)[0], new(strange, context)[0])


@pytest.mark.parametrize(("option", "value"), [("hidden", 0), ("layers", -1), ("dropout", 1.0), ("embedding", 10**9)])
def test_an_impossible_size_is_named(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=option):
        build("lstm", SHAPES["no context"], {option: value})


def test_an_export_of_numbers_that_are_none_is_refused() -> None:
    """The largest of some numbers and NaN is, to Python, whichever comes first."""
    wrong = build("lstm", SHAPES["no context"], SMALL["lstm"]).eval()
    graph = onnx.export(wrong)
    torch.nn.init.constant_(wrong.heads.symbols[0].bias, float("nan"))
    previous, context = inputs(wrong.shape, 1, 5)
    with pytest.raises(PlaybachError, match="differs from torch by nan"):
        onnx.check(graph, wrong, previous[0].numpy(), context[0].numpy())
