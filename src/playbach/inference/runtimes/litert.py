"""LiteRT, formerly TensorFlow Lite: steps the `.tflite` files of `playbach export`, with any quantisation.

Needs the extra `litert`; knows neither torch nor onnxruntime.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.inference.runtimes.base import Logits, step_one_by_one
from playbach.system.errors import BundleError, MissingExtra
from playbach.system.stderr import silence_stderr

SIGNATURE = "serving_default"
PREVIOUS, CONTEXT, STATE, LOGITS, NEXT = "previous", "context", "state_", "logits_", "next_state_"
"""The names of a step's inputs and outputs. A number follows those that end in _."""

Arrays = list[npt.NDArray[Any]]
TensorDetails = dict[str, Any]
"""LiteRT's description of a tensor: index, shape, dtype, quantization (scale and zero point)."""


class TfliteGraph:
    """A TFLite graph with named inputs and outputs. Threads may share it.

    Raises:
        MissingExtra: LiteRT is not installed.
        BundleError: the graph cannot be loaded, or has no signature.
    """

    def __init__(self, data: bytes, threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ModuleNotFoundError as error:
            raise MissingExtra("playing a .tflite file", "litert", str(error.name)) from error
        try:
            with silence_stderr():  # LiteRT logs its delegates
                self._interpreter = Interpreter(model_content=data, num_threads=threads)
                self._interpreter.allocate_tensors()
            signature = self._interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            cause = (str(error).splitlines() or ["no signature"])[0]
            raise BundleError(f"LiteRT cannot load the network ({cause:.160}); export it again") from error
        self._inputs, self._outputs = signature.get_input_details(), signature.get_output_details()
        self._one_at_a_time = threading.Lock()  # an interpreter is not thread-safe

    def input(self, name: str) -> TensorDetails:
        """The input of this name; BundleError if there is none."""
        if name not in self._inputs:
            raise BundleError(f"this .tflite file is not a step: it has no input {name!r}; export the model again")
        return dict(self._inputs[name])

    def has_input(self, name: str) -> bool:
        return name in self._inputs

    def inputs(self, name: str) -> list[TensorDetails]:
        """The inputs `name`0, `name`1 …"""
        return _numbered(self._inputs, name)

    def outputs(self, name: str) -> list[TensorDetails]:
        return _numbered(self._outputs, name)

    def run(
        self, feed: list[tuple[TensorDetails, npt.NDArray[Any]]], wanted: list[TensorDetails]
    ) -> list[npt.NDArray[np.float32]]:
        """Run the graph, and return the wanted outputs, dequantised."""
        with self._one_at_a_time:
            for tensor, numbers in feed:
                self._interpreter.set_tensor(tensor["index"], _quantise(numbers, tensor))
            self._interpreter.invoke()
            outputs = [self._interpreter.get_tensor(tensor["index"]) for tensor in wanted]
        return [_dequantise(output, tensor) for output, tensor in zip(outputs, wanted)]


class LiteRtRuntime:
    """Steps a TFLite graph. Its batch is 1: several pieces are stepped one after the other.

    Raises:
        MissingExtra: LiteRT is not installed.
        BundleError: the graph cannot be loaded, or is not a step.
    """

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        self._graph = TfliteGraph(graph, threads)
        self._previous = self._graph.input(PREVIOUS)
        self._context = [self._graph.input(CONTEXT)] if self._graph.has_input(CONTEXT) else []
        self._states, self._next_states = self._graph.inputs(STATE), self._graph.outputs(NEXT)
        self._logits = self._graph.outputs(LOGITS)
        if len(self._states) != len(self._next_states):
            raise BundleError(
                "this .tflite file is not a step: it does not return all of its state; export the model again"
            )

    def start(self, pieces: int | None = None) -> Any:
        state = [np.zeros(tensor["shape"], np.float32) for tensor in self._states]
        return state if pieces is None else [state] * pieces

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: Any) -> tuple[Logits, Any]:
        if np.ndim(previous) == 1:
            return self._step(previous, context, state)
        return step_one_by_one(self._step, previous, context, state)

    def _step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: Arrays) -> tuple[Logits, Arrays]:
        feed = [
            (self._previous, np.asarray(previous)[None]),
            *((c, np.asarray(context)[None]) for c in self._context),
        ]
        inputs = [*feed, *zip(self._states, state, strict=True)]
        outputs = self._graph.run(inputs, [*self._logits, *self._next_states])
        fields = len(self._logits)
        return [scores[0] for scores in outputs[:fields]], list(outputs[fields:])


def _quantise(numbers: npt.NDArray[Any], tensor: TensorDetails) -> npt.NDArray[Any]:
    """Numbers in a tensor's type; quantised, if it has a scale."""
    kind, (scale, zero) = tensor["dtype"], tensor["quantization"]
    if not scale:
        return numbers.astype(kind, copy=False)
    limits = np.iinfo(kind)
    steps = np.rint(numbers / scale + zero).clip(limits.min, limits.max)
    return np.asarray(steps.astype(kind))


def _dequantise(output: npt.NDArray[Any], tensor: TensorDetails) -> npt.NDArray[np.float32]:
    scale, zero = tensor["quantization"]
    numbers = (output.astype(np.float32) - zero) * scale if scale else output
    return np.asarray(numbers, np.float32)


def _numbered(tensors: dict[str, TensorDetails], name: str) -> list[TensorDetails]:
    count = sum(key.startswith(name) and key[len(name) :].isdigit() for key in tensors)
    return [tensors[f"{name}{i}"] for i in range(count) if f"{name}{i}" in tensors]
