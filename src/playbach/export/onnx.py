"""The step as an ONNX graph with a symbolic batch. Needs torch, onnx and onnxscript (extra `train`)."""

from __future__ import annotations

import copy
import io
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from playbach.export.quiet import quiet
from playbach.export.step import Step
from playbach.inference.runtimes.onnx import OnnxRuntime
from playbach.models import Model
from playbach.system.errors import PlaybachError

TOLERANCE = 1e-3
"""The largest difference of a logit between the exported step and torch."""


def export(model: Model) -> bytes:
    """The step of a model as the bytes of an ONNX file. The model stays as it is."""
    step = Step(model)
    examples = step.examples(2)  # a batch of one would be taken for a constant
    any_batch = {0: torch.export.Dim("batch")}
    shapes = [[any_batch for _ in e] if isinstance(e, list) else any_batch for e in examples]
    with quiet():
        program = torch.onnx.export(
            step,
            examples,
            input_names=step.inputs,
            output_names=step.outputs,
            dynamic_shapes=(shapes[0], tuple(shapes[1:])),  # the second is *others
            dynamo=True,
            external_data=False,
        )
    assert program is not None
    file = io.BytesIO()
    program.model_proto.doc_string = ""
    file.write(program.model_proto.SerializeToString(deterministic=True))
    return file.getvalue()


def dynamic(graph: bytes) -> bytes:
    """The graph with 8-bit weights; activations are quantised as they come."""
    with quiet(), tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "quantised.onnx"
        quantize_dynamic(onnx.load_from_string(graph), out, weight_type=QuantType.QInt8, per_channel=True)
        model = onnx.load(out)
    model.doc_string = ""
    return bytes(model.SerializeToString(deterministic=True))


@torch.inference_mode()
def check(onnx: bytes, model: Model, previous: np.ndarray, context: np.ndarray) -> float:
    """Runs the exported step beside torch's over a piece, previous (T, F) and context (T, C), and gives the largest
    difference of a logit.

    Raises:
        PlaybachError: it is larger than TOLERANCE; the export must not be used.
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
        worst = float(np.max([worst, *differences]))  # unlike Python's max, keeps what is no number
    if not worst <= TOLERANCE:
        raise PlaybachError(
            f"the exported step differs from torch by {worst:.2g} in a logit (allowed: {TOLERANCE}); nothing was "
            "written; please report this with your versions of torch and onnxruntime"
        )
    return worst
