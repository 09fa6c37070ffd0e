"""The step as a TFLite graph, in 32-bit floats and quantised. Needs the extra `export`.

litert-torch converts, ai-edge-quantizer quantises. Two of the quantiser's habits are corrected here
(docs/experiments.md has the figures). It calibrates by a moving average, which ruins tensors that are rarely large;
here each range is the smallest and the largest value observed. It may also leave weights outside the flatbuffer,
where TensorFlow Lite Micro reads zeros; here they are packed into it.

Matrix products, convolutions and embeddings are quantised, which is nearly all of the work. The rest (gates, norms,
the ring's counter) stays in floats, since 8 bits hold neither a cell state nor a counter.
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

from playbach.export.c.wrapping import TFLITE_IDENTIFIER
from playbach.export.quiet import quiet
from playbach.export.step import StepModule
from playbach.inference.runtimes.litert import CONTEXT, PREVIOUS, SIGNATURE, STATE, LiteRtRuntime
from playbach.models.base import Heads, Model
from playbach.music.arrays import Ints
from playbach.system.errors import MissingExtra, PlaybachError
from playbach.system.stderr import silence_stderr

try:
    with warnings.catch_warnings(), silence_stderr():
        warnings.simplefilter("ignore")
        import flatbuffers
        import litert_torch
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
        from ai_edge_quantizer.utils import qsv_utils
except ModuleNotFoundError as error:
    raise MissingExtra("exporting to TFLite", "export", str(error.name)) from error

_Ops = qtyping.TFLOperationName
_PRODUCTS = (_Ops.FULLY_CONNECTED, _Ops.BATCH_MATMUL, _Ops.CONV_2D, _Ops.DEPTHWISE_CONV_2D)
_MAX_CONCATENATED = 8
"""TensorFlow Lite Micro concatenates at most ten tensors in one operator."""

StepInputs = Mapping[str, np.ndarray]
"""The inputs of one step, by name."""


def convert_step(model: Model) -> bytes:
    """Convert a model's step to a TFLite graph in 32-bit floats.

    Raises:
        PlaybachError: the converter does not support one of its operators.
    """
    step = StepModule(model)
    for module in step.modules():
        if isinstance(module, Heads):
            module.tables_as_floats()  # TensorFlow Lite Micro cannot look up integers
    return pack(_convert(step, step.example_inputs(1)), step.input_names, step.output_names)


def convert_core(module: nn.Module, example: torch.Tensor) -> bytes:
    """Convert a module with one input, `image`, to a graph in 32-bit floats; its outputs are `scores_0` …."""
    with torch.inference_mode():
        count = len(module(example))
    return pack(_convert(module.eval(), (example,)), ["image"], [f"scores_{i}" for i in range(count)])


def _convert(module: nn.Module, examples: tuple[Any, ...]) -> bytes:
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.tflite"
        try:
            litert_torch.convert(module, examples).export(str(path))
        except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise PlaybachError(
                f"this network cannot be converted to TFLite ({reason:.200}); export onnx or onnx-int8 instead"
            ) from error
        return path.read_bytes()


def quantise_dynamic(graph: bytes) -> bytes:
    """Quantise weights to 8 bits; activations are quantised at run time."""
    return _quantise(graph, lambda recipe: recipe.add_dynamic_config(".*", _Ops.ALL_SUPPORTED, 8))


def cast_to_float16(graph: bytes) -> bytes:
    """Store weights as 16-bit floats; they are computed with in 32 bits."""
    return _quantise(
        graph,
        lambda recipe: recipe.add_weight_only_config(".*", _Ops.ALL_SUPPORTED, 16, algorithm_key="float_casting"),
    )


def quantise_static(graph: bytes, bits: int, inputs: Iterable[StepInputs], integers_only: bool = False) -> bytes:
    """Quantise weights to 8 bits and activations to 8 or 16, in the ranges that they have over `inputs`.

    With `integers_only` nothing stays in floats, not even inputs and outputs.
    """

    def recipe(manager: Any) -> None:
        for operator in (_Ops.ALL_SUPPORTED,) if integers_only else _PRODUCTS:
            manager.add_static_config(".*", operator, bits, 8)
        if not integers_only:
            # One scale for a whole table: of several, one for each row, TensorFlow Lite Micro uses only the first.
            manager.add_dynamic_config(
                ".*", _Ops.EMBEDDING_LOOKUP, 8, granularity=qtyping.QuantGranularity.TENSORWISE
            )

    return _quantise(graph, recipe, inputs)


def step_inputs(graph: bytes, previous: Ints, context: Ints) -> Iterator[StepInputs]:
    """Run a graph over steps of previous (T, F) and context (T, C); yield all inputs of each step, state included."""
    runtime = LiteRtRuntime(graph)
    state = runtime.start()
    for p, c in zip(previous, context):
        contexts = {CONTEXT: c[None].astype(np.int32)} if len(c) else {}
        yield {PREVIOUS: p[None].astype(np.int32), **contexts, **{f"{STATE}{i}": s for i, s in enumerate(state)}}
        _, state = runtime.step(p, c, state)


def _quantise(graph: bytes, recipe: Any, inputs: Iterable[StepInputs] | None = None) -> bytes:
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "step.tflite", Path(folder) / "quantised.tflite"
        path.write_bytes(graph)
        manager = recipe_manager.RecipeManager()
        recipe(manager)
        ranges = None
        if inputs is not None:
            # qsv: the quantiser's name for the statistics of a tensor's values.
            calibration = calibrator.Calibrator(str(path), qsv_update_func=qsv_utils.min_max_update)
            calibration.calibrate({SIGNATURE: list(inputs)}, manager)
            ranges = calibration.get_model_qsvs()
        quantised = quantizer.Quantizer(str(path), manager.get_quantization_recipe()).quantize(ranges)
        quantised.export_model(str(out))
        return pack(out.read_bytes())


def pack(graph: bytes, inputs: list[str] | None = None, outputs: list[str] | None = None) -> bytes:
    """Move all weights into the flatbuffer and rewrite what TensorFlow Lite Micro does not support.

    Args:
        inputs: names for the signature's inputs, in their order; None keeps the names of both.
        outputs: names for its outputs, likewise.
    """
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    for buffer in model.buffers:
        if buffer.offset:
            buffer.data = np.frombuffer(graph, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    [subgraph], [signature] = model.subgraphs, model.signatureDefs
    # The quantiser may replace an output without updating the signature, whose tensor is better: it is not quantised.
    subgraph.outputs = np.array([entry.tensorIndex for entry in signature.outputs], np.int32)
    _drop_index_wrapping(model, subgraph)
    subgraph.operators = [part for o in subgraph.operators for part in _split_concatenation(model, subgraph, o)]
    _drop_unused_tensors(model, subgraph)
    if inputs is not None and outputs is not None:
        for maps, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for entry, name in zip(sorted(maps, key=lambda m: _numbers_in(m.name.decode())), names, strict=True):
                entry.name = name
    builder = flatbuffers.Builder(len(graph) + 1024)
    builder.Finish(model.Pack(builder), file_identifier=TFLITE_IDENTIFIER)
    return bytes(builder.Output())


def _drop_index_wrapping(model: Any, subgraph: Any) -> None:
    """Remove what the converter puts before every lookup: "if the index is negative, count from the end".

    Our indices are never negative, and TensorFlow Lite Micro cannot select between integers.
    """
    made_by = {output: operator for operator in subgraph.operators for output in operator.outputs}
    instead: dict[int, int] = {}
    for operator in subgraph.operators:
        if _code(model, operator) in (schema.BuiltinOperator.SELECT, schema.BuiltinOperator.SELECT_V2):
            condition, index = made_by.get(operator.inputs[0]), operator.inputs[2]
            is_less = condition is not None and _code(model, condition) == schema.BuiltinOperator.LESS
            if condition is not None and is_less and condition.inputs[0] == index:
                instead[operator.outputs[0]] = operator.inputs[2]
    for operator in subgraph.operators:
        operator.inputs = np.array([instead.get(i, i) for i in operator.inputs], np.int32)
    count = -1
    while count != len(subgraph.operators):
        count = len(subgraph.operators)
        used = {i for operator in subgraph.operators for i in operator.inputs} | set(subgraph.outputs)
        subgraph.operators = [o for o in subgraph.operators if used & set(o.outputs)]


def _drop_unused_tensors(model: Any, subgraph: Any) -> None:
    """Remove tensors that no operator uses any more: the quantiser needs the values of all tensors."""
    used = set(subgraph.inputs) | set(subgraph.outputs)
    used |= {i for o in subgraph.operators for i in (*o.inputs, *o.outputs) if i >= 0}
    kept = sorted(used)
    number = {old: new for new, old in enumerate(kept)} | {-1: -1}  # -1: an optional input that is absent
    subgraph.tensors = [subgraph.tensors[i] for i in kept]
    for owner in (subgraph, *subgraph.operators):
        owner.inputs = np.array([number[i] for i in owner.inputs], np.int32)
        owner.outputs = np.array([number[i] for i in owner.outputs], np.int32)
    for signature in model.signatureDefs:
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = number[entry.tensorIndex]


def _code(model: Any, operator: Any) -> int:
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)


def _split_concatenation(model: Any, subgraph: Any, operator: Any) -> Iterator[Any]:
    """Yield a concatenation of many tensors as several of a few each; any other operator unchanged."""
    joins = _code(model, operator) == schema.BuiltinOperator.CONCATENATION
    while joins and len(operator.inputs) > _MAX_CONCATENATED:
        inputs = list(operator.inputs)
        few, axis = inputs[:_MAX_CONCATENATED], operator.builtinOptions.axis
        part, joined = copy.copy(operator), copy.copy(subgraph.tensors[operator.outputs[0]])
        joined.shape = np.array(joined.shape)
        joined.shape[axis] = sum(subgraph.tensors[i].shape[axis] for i in few)
        joined.name = joined.name + f"_{len(inputs)}".encode()
        subgraph.tensors.append(joined)
        part.inputs, part.outputs = np.array(few, np.int32), np.array([len(subgraph.tensors) - 1], np.int32)
        yield part
        operator.inputs = np.array([len(subgraph.tensors) - 1, *inputs[_MAX_CONCATENATED:]], np.int32)
    yield operator


def _numbers_in(name: str) -> tuple[int, ...]:
    """A sort key that puts `args_2_0` after `args_1`, and `output_10` after `output_9`."""
    return tuple(int(part) for part in name.split("_") if part.isdigit())


def operator_names(graph: bytes) -> set[str]:
    """The names of a graph's operators, as in TFLite's schema."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    used = {operator.opcodeIndex for subgraph in model.subgraphs for operator in subgraph.operators}
    return {names[model.operatorCodes[i].builtinCode] for i in used}
