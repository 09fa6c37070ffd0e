"""ONNX Runtime, the default. It runs on one thread, which is the fastest for small networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from playbach.bundles.bundle import ONNX, Bundle
from playbach.inference.runtimes.base import Logits
from playbach.system.errors import BundleError

_STATE = "state_"


class OnnxRuntime:
    """Steps an ONNX graph. The same graph, machine and version give the same logits.

    Raises:
        BundleError: the graph cannot be loaded, or is not a step.
    """

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4  # faults are raised as exceptions
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no public base
            raise BundleError(
                f"onnxruntime cannot load the network ({str(error).splitlines()[0]}); train or export it again"
            ) from error
        inputs = {i.name: i for i in self._session.get_inputs()}
        if "previous" not in inputs:
            raise BundleError("the network is not a step: it has no input 'previous'; train or export it again")
        self._has_context = "context" in inputs
        self._states = {
            n: [d if isinstance(d, int) else 1 for d in i.shape] for n, i in inputs.items() if _STATE in n
        }
        self._outputs = [o.name for o in self._session.get_outputs()]
        self._fields = sum(name.startswith("logits_") for name in self._outputs)

    def start(self, pieces: int | None = None) -> dict[str, npt.NDArray[np.float32]]:
        return {name: np.zeros((pieces or 1, *shape[1:]), np.float32) for name, shape in self._states.items()}

    def step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: dict[str, npt.NDArray[np.float32]]
    ) -> tuple[Logits, dict[str, npt.NDArray[np.float32]]]:
        is_single = np.ndim(previous) == 1
        feed = {"previous": np.atleast_2d(np.asarray(previous, np.int64)), **state}
        if self._has_context:
            feed["context"] = np.atleast_2d(np.asarray(context, np.int64))
        outputs = self._session.run(self._outputs, feed)
        logits = [o[0] if is_single else o for o in outputs[: self._fields]]
        return logits, dict(zip(self._states, outputs[self._fields :]))


def open_bundle(bundle: Bundle, threads: int) -> OnnxRuntime:
    """The runtime of a bundle that has an ONNX step."""
    return OnnxRuntime(bundle.members[ONNX], threads)
