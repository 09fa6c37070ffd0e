"""The step as a TFLite graph, in 32-bit floats and quantised. Needs the extra `export`.

litert-torch converts, ai-edge-quantizer quantises. Two of its habits are mended here (docs/experiments.md has the
figures): it calibrates by a moving average, which wrecks whatever is seldom loud, so the ranges are the least and the
largest value met; and it may leave weights behind the flatbuffer, where TensorFlow Lite Micro reads noughts, so they
are packed into it.

Quantised are the matrix products, convolutions and embeddings, which are nearly all of the work; what lies between
them (gates, norms, the ring's counter) stays in floats, as 8 bits hold neither a cell state nor a counter.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from playbach.export.quiet import quiet
from playbach.export.step import Step
from playbach.inference.runtimes.litert import CONTEXT, PREVIOUS, SIGNATURE, STATE, LiteRtRuntime
from playbach.models import Model
from playbach.models.base import Heads
from playbach.music.arrays import Ints
from playbach.system.errors import MissingExtra, PlaybachError
from playbach.system.stderr import silenced_stderr

try:
    with warnings.catch_warnings(), silenced_stderr():
        warnings.simplefilter("ignore")
        import flatbuffers
        import litert_torch
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
        from ai_edge_quantizer.utils import qsv_utils
except ModuleNotFoundError as error:
    raise MissingExtra("exporting to TFLite", "export", str(error.name)) from error

Ops = qtyping.TFLOperationName
PRODUCTS = (Ops.FULLY_CONNECTED, Ops.BATCH_MATMUL, Ops.CONV_2D, Ops.DEPTHWISE_CONV_2D)
IDENTIFIER = b"TFL3"
MOST_BESIDE = 8
"""TensorFlow Lite Micro lays no more than ten tensors side by side at once."""

Feed = Mapping[str, np.ndarray]
"""The inputs of one step, by name."""


def converted(model: Model) -> bytes:
    """The step in 32-bit floats.

    Raises:
        PlaybachError: the converter knows one of its operators not.
    """
    step = Step(model)
    for module in step.modules():
        if isinstance(module, Heads):
            module.tables_as_floats()  # of TensorFlow Lite Micro's lookups none has integers
    return packed(_convert(step, step.examples(1)), step.inputs, step.outputs)


def core(module: nn.Module, example: torch.Tensor) -> bytes:
    """A module of one tensor, `image`, in 32-bit floats; its outputs are `scores_i`."""
    with torch.inference_mode():
        count = len(module(example))
    return packed(_convert(module.eval(), (example,)), ["image"], [f"scores_{i}" for i in range(count)])


def _convert(module: nn.Module, examples: tuple[Any, ...]) -> bytes:
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.tflite"
        try:
            litert_torch.convert(module, examples).export(str(path))
        except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
            said = " ".join(str(error).split())
            raise PlaybachError(
                f"this network cannot be converted to TFLite ({said:.200}); the formats onnx and onnx-int8 need no "
                "conversion"
            ) from error
        return path.read_bytes()


def dynamic(graph: bytes) -> bytes:
    """8-bit weights; activations are quantised as they come."""
    return _quantised(graph, lambda recipe: recipe.add_dynamic_config(".*", Ops.ALL_SUPPORTED, 8))


def half(graph: bytes) -> bytes:
    """16-bit float weights, computed with in 32 bits."""
    return _quantised(
        graph,
        lambda recipe: recipe.add_weight_only_config(".*", Ops.ALL_SUPPORTED, 16, algorithm_key="float_casting"),
    )


def static(graph: bytes, bits: int, feeds: Iterable[Feed], whole: bool = False) -> bytes:
    """8-bit weights, and activations of 8 or 16 bits in the ranges that they had in some steps. `whole` leaves
    nothing in floats, inputs and outputs neither."""

    def recipe(manager: Any) -> None:
        for operator in (Ops.ALL_SUPPORTED,) if whole else PRODUCTS:
            manager.add_static_config(".*", operator, bits, 8)
        if not whole:
            # One scale for a whole table: of a scale for each row TensorFlow Lite Micro reads the first, silently.
            manager.add_dynamic_config(".*", Ops.EMBEDDING_LOOKUP, 8, granularity=qtyping.QuantGranularity.TENSORWISE)

    return _quantised(graph, recipe, feeds)


def fed(graph: bytes, previous: Ints, context: Ints) -> Iterator[Feed]:
    """All inputs of a step, state too, over steps of previous (T, F) and context (T, C)."""
    runtime = LiteRtRuntime(graph)
    state = runtime.start()
    for p, c in zip(previous, context):
        told = {CONTEXT: c[None].astype(np.int32)} if len(c) else {}
        yield {PREVIOUS: p[None].astype(np.int32), **told, **{f"{STATE}{i}": s for i, s in enumerate(state)}}
        _, state = runtime.step(p, c, state)


def _quantised(graph: bytes, recipe: Any, feeds: Iterable[Feed] | None = None) -> bytes:
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "step.tflite", Path(folder) / "quantised.tflite"
        path.write_bytes(graph)
        manager = recipe_manager.RecipeManager()
        recipe(manager)
        ranges = None
        if feeds is not None:
            # qsv: the quantiser's word for the statistics of a tensor's values.
            measuring = calibrator.Calibrator(str(path), qsv_update_func=qsv_utils.min_max_update)
            measuring.calibrate({SIGNATURE: list(feeds)}, manager)
            ranges = measuring.get_model_qsvs()
        made = quantizer.Quantizer(str(path), manager.get_quantization_recipe()).quantize(ranges)
        made.export_model(str(out))
        return packed(out.read_bytes())


def packed(graph: bytes, inputs: list[str] | None = None, outputs: list[str] | None = None) -> bytes:
    """The graph with all weights inside the flatbuffer and, where names are given, these for its signature's inputs
    and outputs, in their order. What TensorFlow Lite Micro cannot do is left out or said otherwise."""
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    for buffer in model.buffers:
        if buffer.offset:
            buffer.data = np.frombuffer(graph, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    [subgraph], [signature] = model.subgraphs, model.signatureDefs
    # The quantiser may change an output without telling the signature, which has the better one: not quantised.
    subgraph.outputs = np.array([entry.tensorIndex for entry in signature.outputs], np.int32)
    _without_wrapping(model, subgraph)
    subgraph.operators = [part for o in subgraph.operators for part in _few_beside(model, subgraph, o)]
    _without_unused(model, subgraph)
    if inputs is not None and outputs is not None:
        for maps, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for entry, name in zip(sorted(maps, key=lambda m: _order(m.name.decode())), names, strict=True):
                entry.name = name
    builder = flatbuffers.Builder(len(graph) + 1024)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _without_wrapping(model: Any, subgraph: Any) -> None:
    """Leaves out what the converter puts before every lookup: "if the index is less than 0, count from the end". None
    of ours is, and TensorFlow Lite Micro chooses between no integers."""
    made_by = {output: operator for operator in subgraph.operators for output in operator.outputs}
    instead: dict[int, int] = {}
    for operator in subgraph.operators:
        if _code(model, operator) in (schema.BuiltinOperator.SELECT, schema.BuiltinOperator.SELECT_V2):
            asked, index = made_by.get(operator.inputs[0]), operator.inputs[2]
            if asked is not None and _code(model, asked) == schema.BuiltinOperator.LESS and asked.inputs[0] == index:
                instead[operator.outputs[0]] = operator.inputs[2]
    for operator in subgraph.operators:
        operator.inputs = np.array([instead.get(i, i) for i in operator.inputs], np.int32)
    count = -1
    while count != len(subgraph.operators):
        count = len(subgraph.operators)
        used = {i for operator in subgraph.operators for i in operator.inputs} | set(subgraph.outputs)
        subgraph.operators = [o for o in subgraph.operators if used & set(o.outputs)]


def _without_unused(model: Any, subgraph: Any) -> None:
    """Leaves out tensors that no operator has any more: the quantiser asks for the values of all."""
    used = set(subgraph.inputs) | set(subgraph.outputs)
    used |= {i for o in subgraph.operators for i in (*o.inputs, *o.outputs) if i >= 0}
    kept = sorted(used)
    number = {old: new for new, old in enumerate(kept)} | {-1: -1}  # an input that is left out
    subgraph.tensors = [subgraph.tensors[i] for i in kept]
    for owner in (subgraph, *subgraph.operators):
        owner.inputs = np.array([number[i] for i in owner.inputs], np.int32)
        owner.outputs = np.array([number[i] for i in owner.outputs], np.int32)
    for signature in model.signatureDefs:
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = number[entry.tensorIndex]


def _code(model: Any, operator: Any) -> int:
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)


def _few_beside(model: Any, subgraph: Any, operator: Any) -> Iterator[Any]:
    """A concatenation of many tensors as several of a few; any other operator as it is."""
    joins = _code(model, operator) == schema.BuiltinOperator.CONCATENATION
    while joins and len(operator.inputs) > MOST_BESIDE:
        inputs = list(operator.inputs)
        few, axis = inputs[:MOST_BESIDE], operator.builtinOptions.axis
        part, joined = copy.copy(operator), copy.copy(subgraph.tensors[operator.outputs[0]])
        joined.shape = np.array(joined.shape)
        joined.shape[axis] = sum(subgraph.tensors[i].shape[axis] for i in few)
        joined.name = joined.name + f"_{len(inputs)}".encode()
        subgraph.tensors.append(joined)
        part.inputs, part.outputs = np.array(few, np.int32), np.array([len(subgraph.tensors) - 1], np.int32)
        yield part
        operator.inputs = np.array([len(subgraph.tensors) - 1, *inputs[MOST_BESIDE:]], np.int32)
    yield operator


def _order(name: str) -> tuple[int, ...]:
    """`args_2_0` after `args_1`, `output_10` after `output_9`."""
    return tuple(int(part) for part in name.split("_") if part.isdigit())


def operators(graph: bytes) -> set[str]:
    """The names of a graph's operators, as in TFLite's schema."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    used = {operator.opcodeIndex for subgraph in model.subgraphs for operator in subgraph.operators}
    return {names[model.operatorCodes[i].builtinCode] for i in used}
