"""The step as an ONNX graph with a symbolic batch. Needs torch, onnx and onnxscript (extra `train`)."""

from __future__ import annotations

import copy
import io
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime import quantization

from playbach.export.quiet import quiet
from playbach.export.step import StepModule
from playbach.inference.runtimes.onnx import OnnxRuntime
from playbach.models.base import Model
from playbach.system.errors import PlaybachError

LOGIT_TOLERANCE = 1e-3
"""The largest allowed difference between a logit of the exported step and torch's."""


def export_step(model: Model) -> bytes:
    """Export a model's step as the bytes of an ONNX file. The model stays unchanged."""
    step = StepModule(model)
    examples = step.example_inputs(2)  # a batch of one would become a constant
    any_batch = {0: torch.export.Dim("batch")}
    shapes = [[any_batch for _ in e] if isinstance(e, list) else any_batch for e in examples]
    with quiet():
        program = torch.onnx.export(
            step,
            examples,
            input_names=step.input_names,
            output_names=step.output_names,
            dynamic_shapes=(shapes[0], tuple(shapes[1:])),  # the second is *others
            dynamo=True,
            external_data=False,
        )
    assert program is not None
    file = io.BytesIO()
    program.model_proto.doc_string = ""
    file.write(program.model_proto.SerializeToString(deterministic=True))
    return file.getvalue()


def quantise_dynamic(graph: bytes) -> bytes:
    """Quantise a graph's weights to 8 bits; activations are quantised at run time."""
    with quiet(), tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "quantised.onnx"
        quantization.quantize_dynamic(
            onnx.load_from_string(graph), out, weight_type=quantization.QuantType.QInt8, per_channel=True
        )
        model = onnx.load(out)
    model.doc_string = ""
    return bytes(model.SerializeToString(deterministic=True))


@torch.inference_mode()
def check_step(onnx: bytes, model: Model, previous: np.ndarray, context: np.ndarray) -> float:
    """Compare the exported step with torch's over a piece, previous (T, F) and context (T, C).

    Returns:
        The largest difference of a logit.

    Raises:
        PlaybachError: the difference exceeds LOGIT_TOLERANCE; the export must not be used.
    """
    model = copy.deepcopy(model).eval().cpu()
    runtime = OnnxRuntime(onnx)
    theirs, ours = runtime.start(), model.initial_state(1)
    worst = 0.0
    for t in range(len(previous)):
        logits, theirs = runtime.step(previous[t], context[t], theirs)
        p, c = torch.from_numpy(previous[t : t + 1]).long(), torch.from_numpy(context[t : t + 1]).long()
        expected, ours = model.step(p, c, ours)
        differences = [np.abs(a - b[0].numpy()).max() for a, b in zip(logits, expected)]
        worst = float(np.max([worst, *differences]))  # unlike Python's max, np.max keeps NaN
    if not worst <= LOGIT_TOLERANCE:
        raise PlaybachError(
            f"the exported step differs from torch by {worst:.2g} in a logit (allowed: {LOGIT_TOLERANCE}); nothing "
            "was written; please report this with your versions of torch and onnxruntime"
        )
    return worst
