"""The step as an ONNX graph: `previous`, `context` (where there is one) and `state_i` in, `logits_f` and
`next_state_i` out, with a symbolic batch. Needs torch, onnx and onnxscript (extra `train`)."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from playbach.errors import PlaybachError
from playbach.models import Model
from playbach.runtimes.onnx import OnnxRuntime

TOLERANCE = 1e-3
"""The largest difference of a logit between the exported step and torch."""


class _Step(nn.Module):
    """The step with a flat list of tensors in and out, as exporters want it."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        logits, state = self.model.step(previous, context, state)
        return (*logits, *state)


def export(model: Model) -> bytes:
    """The step of a model as the bytes of an ONNX file. The model stays as it is."""
    model = copy.deepcopy(model).eval().cpu()
    batch = 2  # one would be taken for a constant
    fields, contexts = len(model.shape.symbols), len(model.shape.context)
    state = model.initial_state(batch)
    previous = torch.zeros(batch, fields, dtype=torch.int64)
    context = torch.zeros(batch, contexts, dtype=torch.int64)
    any_batch = torch.export.Dim("batch")
    with _quiet():
        program = torch.onnx.export(
            _Step(model),
            (previous, context, state),
            input_names=["previous", "context", *(f"state_{i}" for i in range(len(state)))],
            output_names=[
                *(f"logits_{f}" for f in range(fields)),
                *(f"next_state_{i}" for i in range(len(state))),
            ],
            dynamic_shapes=({0: any_batch}, {0: any_batch}, [{0: any_batch} for _ in state]),
            dynamo=True,
            external_data=False,
        )
    assert program is not None
    file = io.BytesIO()
    program.model_proto.doc_string = ""
    file.write(program.model_proto.SerializeToString(deterministic=True))
    return file.getvalue()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks on stdout and warns of its own future."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)


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
        worst = max(worst, *(float(np.abs(a - b[0].numpy()).max()) for a, b in zip(logits, expected)))
    if not worst <= TOLERANCE:
        raise PlaybachError(
            f"the exported step differs from torch by {worst:.2g} in a logit (allowed: {TOLERANCE}); nothing was "
            "written; please report this with your versions of torch and onnxruntime"
        )
    return worst
