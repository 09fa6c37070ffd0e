"""LiteRT, once called TensorFlow Lite: steps the `.tflite` files of `playbach export`, of all quantisations.

Needs the extra `litert`, which is small; knows neither torch nor onnxruntime.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.inference.runtimes.base import Logits, one_by_one
from playbach.system.errors import BundleError, MissingExtra
from playbach.system.stderr import silenced_stderr

SIGNATURE = "serving_default"
PREVIOUS, CONTEXT, STATE, LOGITS, NEXT = "previous", "context", "state_", "logits_", "next_state_"
"""What the inputs and outputs of a step are called; those that end in _ have a number after it."""

Arrays = list[npt.NDArray[Any]]
Tensor = dict[str, Any]
"""LiteRT's description of one: index, shape, dtype, quantization (scale and zero point)."""


class Graph:
    """A TFLite graph whose inputs and outputs have names. Threads may share it.

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
            with silenced_stderr():  # it tells of its delegates
                self._interpreter = Interpreter(model_content=data, num_threads=threads)
                self._interpreter.allocate_tensors()
            signature = self._interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            said = (str(error).splitlines() or ["no signature"])[0]
            raise BundleError(f"the network cannot be loaded by LiteRT ({said:.160}); export it again") from error
        self._inputs, self._outputs = signature.get_input_details(), signature.get_output_details()
        self._one_at_a_time = threading.Lock()  # an interpreter has one memory for all that it computes

    def input(self, name: str) -> Tensor:
        """Raises BundleError where there is none of this name."""
        if name not in self._inputs:
            raise BundleError(f"this .tflite file is not a step: it has no input {name!r}; export a model again")
        return dict(self._inputs[name])

    def has_input(self, name: str) -> bool:
        return name in self._inputs

    def inputs(self, name: str) -> list[Tensor]:
        """Those called `name`0, `name`1 … as far as they go."""
        return _numbered(self._inputs, name)

    def outputs(self, name: str) -> list[Tensor]:
        return _numbered(self._outputs, name)

    def run(self, feed: list[tuple[Tensor, npt.NDArray[Any]]], wanted: list[Tensor]) -> list[npt.NDArray[np.float32]]:
        """The outputs that are wanted, as the numbers that they stand for."""
        with self._one_at_a_time:
            for tensor, numbers in feed:
                self._interpreter.set_tensor(tensor["index"], _quantised(numbers, tensor))
            self._interpreter.invoke()
            found = [self._interpreter.get_tensor(tensor["index"]) for tensor in wanted]
        return [_numbers(f, tensor) for f, tensor in zip(found, wanted)]


class LiteRtRuntime:
    """Steps a TFLite graph, whose batch is 1: several pieces are stepped one after the other.

    Raises:
        MissingExtra: LiteRT is not installed.
        BundleError: the graph cannot be loaded, or is no step.
    """

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        self._graph = Graph(graph, threads)
        self._previous = self._graph.input(PREVIOUS)
        self._context = [self._graph.input(CONTEXT)] if self._graph.has_input(CONTEXT) else []
        self._states, self._nexts = self._graph.inputs(STATE), self._graph.outputs(NEXT)
        self._logits = self._graph.outputs(LOGITS)
        if len(self._states) != len(self._nexts):
            raise BundleError("this .tflite file is not a step: it does not give back the state that it takes")

    def start(self, pieces: int | None = None) -> Any:
        state = [np.zeros(tensor["shape"], np.float32) for tensor in self._states]
        return state if pieces is None else [state] * pieces

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: Any) -> tuple[Logits, Any]:
        if np.ndim(previous) == 1:
            return self._step(previous, context, state)
        return one_by_one(self._step, previous, context, state)

    def _step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: Arrays) -> tuple[Logits, Arrays]:
        feed = [
            (self._previous, np.asarray(previous)[None]),
            *((c, np.asarray(context)[None]) for c in self._context),
        ]
        found = self._graph.run([*feed, *zip(self._states, state, strict=True)], [*self._logits, *self._nexts])
        fields = len(self._logits)
        return [scores[0] for scores in found[:fields]], list(found[fields:])


def _quantised(numbers: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[Any]:
    """Numbers as a tensor has them: integers, where it has a scale."""
    kind, (scale, zero) = tensor["dtype"], tensor["quantization"]
    if not scale:
        return numbers.astype(kind, copy=False)
    limits = np.iinfo(kind)
    steps = np.rint(numbers / scale + zero).clip(limits.min, limits.max)
    return np.asarray(steps.astype(kind))


def _numbers(found: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[np.float32]:
    scale, zero = tensor["quantization"]
    numbers = (found.astype(np.float32) - zero) * scale if scale else found
    return np.asarray(numbers, np.float32)


def _numbered(tensors: dict[str, Tensor], name: str) -> list[Tensor]:
    count = sum(key.startswith(name) and key[len(name) :].isdigit() for key in tensors)
    return [tensors[f"{name}{i}"] for i in range(count) if f"{name}{i}" in tensors]
